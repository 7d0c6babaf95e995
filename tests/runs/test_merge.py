"""`actbench merge`: whole lines, each once, in any order; what differs is named, and sources stay as they are."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actbench import errors
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment
from actbench.report.tables import write_tables
from actbench.runs.merge import merge_document, merge_folders
from actbench.store.files import HeldFolder
from actbench.store.folder import freeze_plan, read_plan, write_environment
from actbench.store.journal import new_lines
from actbench.store.lock import locked
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from
from in_process import invoke
from journals import folder_with, line_of, records_of
from tuned_runs import files_of


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


@pytest.fixture
def shards(experiment: Experiment, tmp_path: Path) -> list[Path]:
    """Three folders that overlap: trials 1 to 4, 3 to 6, and all."""
    lines = [line_of(record) for record in records_of(experiment)]
    parts = {"a": lines[:4], "b": lines[2:], "c": lines}
    folders = [folder_with(tmp_path / "shards" / name, experiment, part) for name, part in parts.items()]
    for number, folder in enumerate(folders):
        write_environment(folder, {"id": f"{number}{number}", "device": "cpu"})
    return folders


def derived(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_of(folder).items() if not name.startswith(("trials.jsonl", "."))}


def test_the_order_of_folders_changes_no_byte_of_what_is_derived(shards: list[Path], tmp_path: Path) -> None:
    found = [
        derived(merge_folders(order, tmp_path / str(number)).results.folder)
        for number, order in enumerate(itertools.permutations(shards))
    ]
    assert all(one == found[0] for one in found)
    assert {"table.csv", "table.md", "trials.csv", ENVIRONMENT, PLAN, EXPERIMENT} <= found[0].keys()


def test_folders_that_overlap_give_every_trial_once(shards: list[Path], experiment: Experiment, tmp_path: Path) -> None:
    merged = merge_folders(shards, tmp_path / "results")
    whole = folder_with(tmp_path / "whole", experiment, [line_of(record) for record in records_of(experiment)])
    write_tables(load_results(whole, tmp_path))
    assert [source.new_lines for source in merged.sources] == [4, 2, 0]
    assert merged.results.test_reads == 6
    for name in ("table.csv", "trials.csv", "epochs.csv", "table.md"):
        assert (merged.results.folder / name).read_bytes() == (whole / name).read_bytes()


def test_merging_again_changes_no_byte_and_sources_are_only_read(shards: list[Path], tmp_path: Path) -> None:
    before = files_of(tmp_path / "shards")
    folder = merge_folders(shards, tmp_path / "results").results.folder
    once = files_of(folder)
    assert merge_folders([*reversed(shards), folder], tmp_path / "results").sources[-1].new_lines == 0
    assert files_of(folder) == once
    assert files_of(tmp_path / "shards") == before


def test_what_the_merged_folder_holds_already_stays(shards: list[Path], tmp_path: Path) -> None:
    merge_folders(shards[:1], tmp_path / "results")
    later = merge_folders(shards[1:2], tmp_path / "results")
    assert len(later.results.records) == 6
    assert list(later.results.environments) == ["11", "00"]


def test_damaged_lines_are_counted_and_left_where_they_are(shards: list[Path], tmp_path: Path) -> None:
    journal = shards[0] / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-40] + b"\nnonsense\n")
    before = files_of(tmp_path / "shards")
    merged = merge_folders(shards[:2], tmp_path / "results")
    assert [(one.trials, one.damaged_lines) for one in merged.sources] == [(3, 2), (4, 0)]
    assert (len(merged.results.records), merged.results.damaged_lines) == (6, 0)
    assert files_of(tmp_path / "shards") == before
    assert [source["damaged_lines"] for source in merge_document(merged)["sources"]] == [2, 0]


def test_different_experiments_are_refused_by_the_name_of_every_difference(shards: list[Path], tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS.replace("epochs: 3", "epochs: 4, lr: 0.1").replace("[relu, tanh]", "[relu, gelu]")
    other = folder_with(tmp_path / "other", experiment_from(text, tmp_path), [])
    with pytest.raises(ConfigurationError) as refused:
        merge_folders([*shards, other], tmp_path / "results")
    for part in ("train.epochs is 3 in one, 4 in the other", "train.lr", '["relu", "gelu"]', str(other)):
        assert part in str(refused.value)
    assert not (tmp_path / "results").exists()


def test_the_results_of_another_experiment_under_this_name_are_not_mixed_in(shards: list[Path], tmp_path: Path) -> None:
    longer = experiment_from(TWO_ACTIVATIONS.replace("epochs: 3", "epochs: 4"), tmp_path)
    there = folder_with(tmp_path / "results" / "made-up", longer, [])
    before = files_of(there)
    with pytest.raises(ConfigurationError, match=r"train\.epochs is 4 in one, 3 in the other"):
        merge_folders(shards, tmp_path / "results")
    assert files_of(there) == before


def test_a_folder_in_use_is_not_merged_into(shards: list[Path], tmp_path: Path) -> None:
    with (
        locked(tmp_path / "results" / "made-up"),
        pytest.raises(errors.UnusableEnvironmentError, match="another actbench"),
    ):
        merge_folders(shards, tmp_path / "results")


def test_what_a_run_adds_before_the_folder_is_locked_for_merging_is_kept(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = merge_folders(shards[:1], tmp_path / "results").results.folder

    @contextlib.contextmanager
    def locked_after_a_run(folder: Path) -> Iterator[HeldFolder]:
        freeze_plan(folder, {"schema": 1, "seeds": [7]}, has_begun=False)
        with locked(folder) as held:
            yield held

    monkeypatch.setattr("actbench.runs.merge.locked", locked_after_a_run)
    merge_folders(shards[1:], tmp_path / "results")
    assert {"schema": 1, "seeds": [7]} in read_plan(target)["earlier"]


def test_a_journal_that_is_changed_while_lines_are_merged_into_it_is_noticed(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = merge_folders(shards[:1], tmp_path / "results").results.folder

    def lines_after_a_change(folder: Path, source: Path) -> list[bytes]:
        lines = new_lines(folder, source)
        (target / JOURNAL).unlink()
        return lines

    monkeypatch.setattr("actbench.runs.merge.new_lines", lines_after_a_change)
    with pytest.raises(errors.UnusableEnvironmentError, match=r"trials\.jsonl: removed, replaced or changed while"):
        merge_folders(shards[1:], tmp_path / "results")


def test_nothing_is_merged_into_what_takes_the_place_of_the_folder(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, away = merge_folders(shards[:1], tmp_path / "results").results.folder, tmp_path / "away"

    def lines_after_a_swap(folder: Path, source: Path) -> list[bytes]:
        lines = new_lines(folder, source)
        target.rename(away)
        target.mkdir()
        return lines

    monkeypatch.setattr("actbench.runs.merge.new_lines", lines_after_a_swap)
    with pytest.raises(errors.UnusableEnvironmentError, match="another folder or a link took its place"):
        merge_folders(shards[1:], tmp_path / "results")
    assert list(target.iterdir()) == []


def test_plans_under_which_final_trials_began_are_kept_as_earlier_ones(shards: list[Path], tmp_path: Path) -> None:
    freeze_plan(shards[1], {"schema": 1, "seeds": [0, 1]}, has_begun=False)
    found = [
        read_plan(merge_folders(order, tmp_path / str(number)).results.folder)
        for number, order in enumerate((shards, shards[::-1]))
    ]
    assert found[0] == found[1]
    assert found[0]["earlier"] == [{"schema": 1, "seeds": [0, 1]}]


def test_the_command_prints_what_each_folder_gave_and_says_what_is_next(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = invoke("merge", "shards/a", "--format", "json")
    document = json.loads(answer.stdout)
    assert (document["folder"], document["trials"]) == ("shards/made-up", {"planned": 6, "missing": 2})
    assert "2 trials are missing" in answer.stderr
    answer = invoke("merge", "shards/a", "shards/b")
    assert (answer.exit_code, "shards/made-up holds 6 of 6 trials." in answer.stdout) == (0, True)
    assert answer.stderr.strip() == "Next: actbench compare shards/made-up"
    assert json.loads(invoke("merge", "shards/a", "--results", "r", "--format", "json").stdout)["folder"] == "r/made-up"
    apart = shutil.copytree("shards/a", "apart/a")
    merged = invoke("merge", str(apart), "shards/b", "--format", "json")
    assert json.loads(merged.stdout)["folder"] == "results/made-up"
    answer = invoke("merge", "shards")
    assert (answer.exit_code, answer.stdout) == (errors.EXIT_USAGE, "")
    assert "it holds the result folders a, b, c, made-up" in answer.stderr
