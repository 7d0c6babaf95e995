"""Journals put together, in any order and with any overlap, give the same tables."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from actbench.experiment.definition import Experiment
from actbench.experiment.records import LayerProbe, TrialRecord
from actbench.plan.plan import make_plan
from actbench.report.tables import write_tables
from actbench.store.journal import append_records, read_journal
from actbench.store.names import JOURNAL
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from journals import folder_with, line_of
from planted import RELU, TUNED, planted

ORDERS = 40
Tables = dict[str, bytes]


def tables_of(folder: Path) -> Tables:
    """The derived files that the folder's journal gives."""
    write_tables(load_results(folder, folder.parent))
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".md")}


def probed(record: TrialRecord) -> TrialRecord:
    numbers = dict.fromkeys(("mean", "sd", "zero_share", "weight_gradient_norm", "bias_gradient_norm"), 0.25)
    probes = tuple(LayerProbe(epoch=epoch, layer=layer, **numbers) for epoch in (0, 3) for layer in (1, 2))
    return record.model_copy(update={"probes": probes})


def as_elsewhere(record: TrialRecord, name: str) -> TrialRecord:
    """The same trial trained on another machine, with other times and, by rounding, another count."""
    changes = {"environment": name, "wall_seconds": 0.5, "stack_trials": 3, "test_correct_count": 7}
    return record.model_copy(update=changes)


def as_failed(record: TrialRecord, cause: str) -> TrialRecord:
    changes: dict[str, object] = {
        "outcome": "failed",
        "cause": cause,
        "test_correct_count": None,
        "test_loss": None,
        "curves": {},
    }
    return TrialRecord.model_validate(record.model_dump(by_alias=True) | {"settings": record.settings} | changes)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS.replace("seeds: 3", "seeds: 4"), tmp_path)


@pytest.fixture
def records(experiment: Experiment) -> list[TrialRecord]:
    """All but the last two trials of the experiment; of the first four there are several records."""
    found = [
        probed(record_of(trial, 200 + number)) for number, trial in enumerate(make_plan(experiment).trials().values())
    ][:-2]
    return [
        *found,
        found[0],
        as_failed(found[0], "out of memory"),
        as_elsewhere(found[1], "a"),
        as_elsewhere(found[1], "b"),
        as_failed(found[1], "killed"),
        as_failed(found[2], "killed"),
        as_elsewhere(found[3], "a"),
    ]


def merged(folder: Path, experiment: Experiment, lines: Sequence[bytes]) -> Tables:
    return tables_of(folder_with(folder, experiment, lines))


def test_the_order_of_lines_changes_no_byte_of_any_table(
    experiment: Experiment, records: list[TrialRecord], tmp_path: Path
) -> None:
    failed_twice = [as_failed(records[4], cause) for cause in ("first", "second")]
    lines = [line_of(record) for record in (*records[:4], *records[5:], *failed_twice)]
    expected = merged(tmp_path / "results" / "made-up", experiment, lines)
    assert {"table.csv", "trials.csv", "epochs.csv", "layers.csv", "table.md"} <= expected.keys()
    assert b"first | second" in expected["trials.csv"]
    generator = random.Random(5)
    for _ in range(ORDERS):
        generator.shuffle(lines)
        assert merged(tmp_path / "results" / "made-up", experiment, lines) == expected


def test_folders_concatenated_in_any_order_with_any_overlap_give_the_same_tables(
    experiment: Experiment, records: list[TrialRecord], tmp_path: Path
) -> None:
    shards = [tmp_path / "shards" / str(number) / "made-up" for number in range(3)]
    for number, shard in enumerate(shards):
        folder_with(shard, experiment, [])
        append_records(shard, records[number : number + 9])
    found = []
    for order in itertools.permutations(shards):
        lines = [(shard / JOURNAL).read_bytes() for shard in order]
        found.append(merged(tmp_path / "results" / "made-up", experiment, lines))
    assert all(tables == found[0] for tables in found)
    everything = merged(tmp_path / "results" / "made-up", experiment, [line_of(record) for record in records[:11]])
    assert {name: found[0][name] for name in found[0] if name != "table.md"} == {
        name: everything[name] for name in everything if name != "table.md"
    }


def test_merging_journals_that_were_cut_costs_the_lines_that_were_cut(
    experiment: Experiment, records: list[TrialRecord], tmp_path: Path
) -> None:
    lines = [line_of(record) for record in records[:4]]
    folder = folder_with(tmp_path / "results" / "made-up", experiment, [lines[0], lines[1][:-60], *lines[2:]])
    journal = read_journal(folder)
    assert (list(journal.records.values()), journal.damaged_lines) == ([records[0], *records[2:4]], 1)


def test_the_order_of_lines_changes_nothing_that_tuning_chooses(tmp_path: Path) -> None:
    folder = planted(tmp_path / "planted", {"relu": RELU, "tanh": RELU[::-1]}, TUNED).folder
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    expected = tables_of(folder)
    assert "tuning.csv" in expected
    generator = random.Random(6)
    for _ in range(5):
        generator.shuffle(lines)
        (folder / JOURNAL).write_bytes(b"".join(lines))
        assert tables_of(folder) == expected
