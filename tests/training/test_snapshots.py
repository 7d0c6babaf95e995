"""Training that continues from a snapshot ends with the bits of one that was not interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import DATASETS, load
from actbench.config.reader import load_experiment
from actbench.experiment.records import CLOCK_FIELDS, Trial, TrialRecord
from actbench.plan.plan import make_plan
from actbench.training.compiled import Compiled, compiled_functions
from actbench.training.loop import train_stack
from actbench.training.snapshots import Snapshots

EXPERIMENT = """
name: long
data: {{dataset: digits, train: 260}}
model: {{hidden: [8], {model}}}
train: {{epochs: 5, batch_size: 50, optimizer: {optimizer}}}
vary: {{model.activation: [{activations}], train.lr: [1e-3, 1e-2]}}
seeds: 2
"""
PLAIN = {"model": "init: kaiming_normal", "optimizer": "sgd", "activations": "relu, gelu"}
CASES: dict[str, dict[str, str]] = {
    "sgd": PLAIN,
    "momentum": PLAIN | {"optimizer": "{sgd: {momentum: 0.9}}"},
    "adam, dropout": PLAIN | {"optimizer": "{adam: {amsgrad: true}}", "model": "dropout: 0.2"},
    "adam": PLAIN | {"optimizer": "{adam: {betas: [0.5, 0.9]}}"},
    "adamw, batch norm": PLAIN | {"optimizer": "adamw", "model": "batch_norm: true"},
    "rmsprop, learnt": PLAIN | {"optimizer": "{rmsprop: {momentum: 0.9, centered: true}}", "activations": "prelu"},
    "diverging": PLAIN | {"activations": "relu_squared, relu", "model": "init: {normal: {std: 1e7}}"},
}


def trials_of(folder: Path, **settings: str) -> list[Trial]:
    (folder / "long.yaml").write_text(EXPERIMENT.format(**settings), encoding="utf-8")
    return make_plan(load_experiment(folder / "long.yaml").experiment, {}).missing({})


def trained(trials: list[Trial], kept: dict[int, bytes], snapshot: bytes | None = None) -> list[TrialRecord]:
    """The records; `kept` gets the snapshot of every epoch."""
    snapshots = Snapshots(lambda: snapshot, lambda state, epoch: kept.update({epoch: state}), 0.0)
    return train_stack(trials, load(DATASETS["digits"], Path()), "cpu", lambda _: None, snapshots)


def without_clocks(records: list[TrialRecord]) -> list[dict[str, Any]]:
    return [record.model_dump(exclude=set(CLOCK_FIELDS)) for record in records]


@pytest.mark.parametrize("case", CASES)
def test_training_from_a_snapshot_ends_with_the_bits_of_one_that_was_not_interrupted(case: str, tmp_path: Path) -> None:
    trials = trials_of(tmp_path, **CASES[case])
    kept: dict[int, bytes] = {}
    undisturbed = without_clocks(trained(trials, kept))
    assert list(kept) == [1, 2, 3, 4]
    if case == "diverging":
        assert {record["outcome"] for record in undisturbed} == {"done", "diverged"}
    for epoch in (1, 3):
        later: dict[int, bytes] = {}
        assert without_clocks(trained(trials, later, kept[epoch])) == undisturbed
        assert list(later) == list(range(epoch + 1, 5))


@pytest.mark.parametrize("snapshot", [b"", b"PK\x03\x04 and so on"])
def test_what_is_no_snapshot_starts_the_training_anew(snapshot: bytes, tmp_path: Path) -> None:
    trials = trials_of(tmp_path, **PLAIN)
    assert without_clocks(trained(trials, {}, snapshot)) == without_clocks(trained(trials, {}))


def test_a_snapshot_of_another_stack_starts_the_training_anew(tmp_path: Path) -> None:
    trials, kept = trials_of(tmp_path, **CASES["momentum"]), dict[int, bytes]()
    trained(trials[:2], kept)
    later: dict[int, bytes] = {}
    trained(trials, later, kept[3])
    assert list(later) == [1, 2, 3, 4]


@pytest.mark.skipif(compiled_functions().library is None, reason="needs a C compiler")
@pytest.mark.parametrize("first", [True, False])
def test_a_snapshot_of_a_machine_with_another_optimizer_starts_the_training_anew(
    first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled functions and torch keep Adam's moments in different places."""
    trials = trials_of(tmp_path, **CASES["adam"])
    kept: dict[int, bytes] = {}
    later: dict[int, bytes] = {}
    with monkeypatch.context() as patch:
        if not first:
            patch.setattr("actbench.training.optimizer.compiled_functions", lambda: Compiled(None))
        trained(trials, kept)
    if first:
        monkeypatch.setattr("actbench.training.optimizer.compiled_functions", lambda: Compiled(None))
    trained(trials, later, kept[3])
    assert list(later) == [1, 2, 3, 4]


def test_a_snapshot_is_taken_once_its_time_has_come(tmp_path: Path) -> None:
    kept: dict[int, bytes] = {}
    snapshots = Snapshots(lambda: None, lambda state, epoch: kept.update({epoch: state}), 1e9)
    train_stack(trials_of(tmp_path, **PLAIN), load(DATASETS["digits"], Path()), "cpu", lambda _: None, snapshots)
    assert kept == {}
