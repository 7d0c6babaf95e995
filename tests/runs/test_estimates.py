"""What a run will take: time from trials timed on this machine, else by counting; memory; disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actbench.catalogue.datasets import DATASETS, load
from actbench.experiment.definition import Experiment
from actbench.experiment.records import TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.plan import make_plan
from actbench.plan.trials import make_trial
from actbench.runs.dry_run import Costs, count_to_do, dry_run_document, dry_run_sections, estimate_costs
from actbench.runs.environment import processor_name
from actbench.runs.estimates import (
    ASSUMED_SPEED,
    COMPILING_SECONDS,
    START_SECONDS,
    TORCH_BYTES,
    Speed,
    expected_text,
    journal_bytes,
    measured_speed,
    operations,
    start_seconds,
)
from actbench.store.journal import append_records
from actbench.store.lines import journal_line
from actbench.store.names import ENVIRONMENT, JOURNAL
from actbench.store.reading import read_lines
from actbench.store.results import load_results
from actbench.training import compiled
from actbench.training.loop import train_stack
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from places import ROOT

HERE = {"id": "here", "processor": processor_name()}
ELSEWHERE = {"id": "elsewhere", "processor": "an abacus"}


@pytest.fixture(autouse=True)
def _nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.OFF_VARIABLE, "1")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


def leave(root: Path, name: str, experiment: Experiment, environment: dict[str, str], seconds: float) -> None:
    """A result folder in which each trial of the first arm took so long."""
    folder = root / "results" / name
    folder.mkdir(parents=True)
    (folder / ENVIRONMENT).write_text(json.dumps(environment), encoding="utf-8")
    (_, trials), *_ = make_plan(experiment).arms
    append_records(folder, [record_of(trial, wall_seconds=seconds, environment=environment["id"]) for trial in trials])


def costs_of(experiment: Experiment, root: Path, workers: int = 1, device: str = "cpu") -> Costs:
    to_do = count_to_do(experiment, root / "results", root, fresh=False)
    return estimate_costs(to_do, workers, device)


def test_time_is_that_of_the_folders_own_trials(experiment: Experiment, tmp_path: Path) -> None:
    leave(tmp_path, "made-up", experiment, HERE, seconds=60)
    found = costs_of(experiment, tmp_path)
    assert found.trials == 3
    assert found.seconds == pytest.approx(START_SECONDS + 180)
    assert found.basis.startswith(f"Time: from 3 trials in {tmp_path / 'results' / 'made-up'}, 60 s each")
    assert costs_of(experiment, tmp_path, workers=3).seconds == pytest.approx(START_SECONDS + 60)
    assert costs_of(experiment, tmp_path, workers=8).seconds == pytest.approx(START_SECONDS + 60)


def test_a_run_says_at_once_what_it_trains_and_for_how_long(experiment: Experiment) -> None:
    to_do = [next(iter(experiment.arms())).settings] * 3
    known = Speed(40 / operations(to_do[0]), "measured")
    assert expected_text(to_do, known, 2) == "3 trials to train on 2 workers, about 1:04 with the start"
    assert expected_text(to_do, ASSUMED_SPEED, 1) == "3 trials to train on 1 worker, perhaps 0:04 with the start"
    assert expected_text(to_do, None, 1) == "3 trials to train on 1 worker"


def test_the_start_takes_longer_where_something_is_compiled_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start_seconds() == START_SECONDS
    monkeypatch.setattr(compiled, "why_not_used", str)
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path)
    assert start_seconds() == START_SECONDS + COMPILING_SECONDS
    compiled.library_file().write_bytes(b"")
    assert start_seconds() == START_SECONDS


def test_without_any_it_is_that_of_comparable_trials_beside_it_scaled_by_size(
    experiment: Experiment, tmp_path: Path
) -> None:
    twice = experiment_from(TWO_ACTIVATIONS.replace("epochs: 3", "epochs: 6"), tmp_path)
    leave(tmp_path, "other", twice, HERE, seconds=20)
    found = costs_of(experiment, tmp_path)
    assert found.trials == 6
    assert found.seconds == pytest.approx(START_SECONDS + 60)
    assert "results/other" in found.basis


@pytest.mark.parametrize(("change", "environment"), [
    (("", ""), ELSEWHERE), (("train: {epochs: 3}", "data: {train: 200}\ntrain: {epochs: 1}"), HERE),
    (("[4]", "[512, 512]"), HERE), (("name: made-up", "data: {dataset: cube}\nname: a"), HERE),
])  # fmt: skip
def test_other_processors_sizes_and_datasets_tell_nothing_and_time_is_a_guess(
    change: tuple[str, str], environment: dict[str, str], experiment: Experiment, tmp_path: Path
) -> None:
    leave(tmp_path, "other", experiment_from(TWO_ACTIVATIONS.replace(*change), tmp_path), environment, seconds=20)
    found = costs_of(experiment, tmp_path)
    assert "a guess from 60 billion operations" in found.basis
    wanted = [operations(arm.settings) for arm in experiment.arms() for _ in experiment.seeds]
    assert found.seconds == pytest.approx(START_SECONDS + sum(wanted) / 60e9)
    assert costs_of(experiment, tmp_path, device="cuda").seconds is None


def test_a_neighbour_that_cannot_be_read_is_passed_over(experiment: Experiment, tmp_path: Path) -> None:
    leave(tmp_path, "other", experiment, HERE, seconds=20)
    (tmp_path / "results" / "other" / JOURNAL).write_bytes(b"\x00nothing\n")
    assert "a guess" in costs_of(experiment, tmp_path).basis


def test_trials_that_were_not_trained_to_the_end_have_no_time(experiment: Experiment) -> None:
    trial = next(iter(make_plan(experiment).trials().values()))
    changes = ({"outcome": "diverged"}, {"outcome": "failed"}, {"wall_seconds": 0.0})
    assert measured_speed([record_of(trial, **change) for change in changes], "here") is None


@pytest.mark.parametrize("folder", ["results/mnist-tuned", "results/mnist", "results/documents/d5-thermostat"])
def test_the_journal_is_as_large_as_was_said(folder: str) -> None:
    results = load_results(ROOT / folder, ROOT)
    planned = results.plan.trials()
    estimated = journal_bytes([(trial.settings, trial.phase) for trial in planned.values()])
    lines: list[bytes] = [
        line for _, line, record in read_lines(ROOT / folder)
        if isinstance(record, TrialRecord) and record.trial in planned
    ]  # fmt: skip
    if lines[0].startswith(b'{"schema":1,'):
        pytest.skip("these lines were written before schema 2, whose lines are longer")
    assert estimated == pytest.approx(sum(map(len, lines)), rel=0.1)


def test_a_line_is_as_long_as_was_said_when_it_is_written() -> None:
    settings = {"data": {"dataset": "digits"}, "model": {"hidden": (32, 16)}, "train": {"epochs": 8}}
    trial = make_trial(TrialSettings.model_validate(settings), 0)
    (record,) = train_stack([trial], load(DATASETS["digits"], Path()), "cpu", lambda epoch: None)
    assert len(journal_line(record)) == pytest.approx(journal_bytes([(trial.settings, trial.phase)]), rel=0.1)


def test_memory_grows_with_the_network_and_is_more_than_torchs(experiment: Experiment, tmp_path: Path) -> None:
    wide = experiment_from(TWO_ACTIVATIONS.replace("[4]", "[4000, 4000]"), tmp_path)
    small, large = (costs_of(one, tmp_path).worker_bytes for one in (experiment, wide))
    assert TORCH_BYTES < small < 1.1 * TORCH_BYTES
    weights = (64 * 4000 + 4000 * 4000) * 16
    assert large > TORCH_BYTES + weights


def test_it_is_all_said_and_nothing_where_nothing_is_to_do(experiment: Experiment, tmp_path: Path) -> None:
    to_do = count_to_do(experiment, tmp_path / "results", tmp_path, fresh=False)
    found = Costs(6, 2, 130.0, 4.0, "Time: known.", 700_000_000, 1_234_567)
    _, section = dry_run_sections(to_do, found)
    assert section.rows == [
        ["time", "about 2:10 on 2 workers, 0:04 of it to start"],
        ["memory", "about 0.7 GB for each worker"],
        ["disk", "about 1.2 MB: 206 kB for each trial"],
    ]
    assert section.notes[0] == "Time: known."
    document = dry_run_document(to_do, found)
    assert (document["seconds"], document["worker_bytes"], document["journal_bytes"]) == (130.0, 7e8, 1_234_567)
    leave(tmp_path, "made-up", experiment, HERE, seconds=1)
    append_records(
        tmp_path / "results" / "made-up", [record_of(one) for one in make_plan(experiment).trials().values()]
    )
    done = count_to_do(experiment, tmp_path / "results", tmp_path, fresh=False)
    assert len(dry_run_sections(done, estimate_costs(done, 2, "cpu"))) == 1
