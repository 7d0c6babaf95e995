"""A result folder is read with the version of the training code that its environment record names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actbench.experiment import records
from actbench.experiment.definition import Experiment
from actbench.plan.plan import make_plan
from actbench.plan.trials import Shard
from actbench.report.tables import table_texts, write_tables
from actbench.runs.dry_run import count_to_do
from actbench.runs.merge import merge_folders
from actbench.runs.verify import is_whole, verify_folder
from actbench.store.journal import read_journal
from actbench.store.names import ENVIRONMENT, JOURNAL
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from
from fake_runs import Counting, run
from places import ROOT
from program import actbench
from shard_runs import TUNED_TINY, run_shard
from slow import one_in
from tuned_runs import Fake

COMMITTED = sorted(path.parent for path in (ROOT / "results").rglob(JOURNAL))
THIS = records.TRAINING_CODE_VERSION
NEWER = THIS + 1


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


def raise_version(monkeypatch: pytest.MonkeyPatch, version: int = NEWER) -> None:
    monkeypatch.setattr(records, "TRAINING_CODE_VERSION", version)


def tables_of(folder: Path) -> dict[str, str | None]:
    results = load_results(folder, folder.parent)
    return table_texts(results, write_tables(results))


@pytest.mark.parametrize("folder", one_in(8, {path.name: path for path in COMMITTED}))
def test_committed_results_stay_whole_when_the_version_is_raised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_results(folder, ROOT)
    raise_version(monkeypatch, 7)
    after = load_results(folder, ROOT)
    assert (after.plan, after.records, after.missing()) == (before.plan, before.records, 0)
    assert not any(one.is_bad() for one in verify_folder(folder))


def test_every_number_of_a_comparison_stays_when_the_version_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("compare", "results/mnist-tuned", "--format", "json")
    before = actbench(*asked, folder=ROOT)
    raise_version(monkeypatch)
    after = actbench(*asked, folder=ROOT)
    assert (after.returncode, after.stdout) == (0, before.stdout)


def test_a_run_of_a_newer_version_trains_anew_and_says_so(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(experiment, tmp_path).folder
    earlier = read_journal(folder).records
    raise_version(monkeypatch)
    assert load_results(folder, tmp_path).records == earlier
    to_do = count_to_do(experiment, folder.parent, tmp_path, fresh=False)
    assert (to_do.planned, to_do.done) == (6, 0)
    again, said = Counting(), list[str]()
    result = run(experiment, tmp_path, again, said=said)
    assert sorted(again.trained) == sorted(make_plan(experiment).trials())
    assert any(f"training code {THIS}, and this is {NEWER}" in line for line in said)
    assert result.results.training_code == NEWER
    assert result.results.endings() == {"done": 6}
    assert read_journal(folder).records == earlier | result.results.records
    assert is_whole(verify_folder(folder))
    assert [one.what for one in verify_folder(folder) if one.state == "note"] == [
        f"6 trials of the journal not of this experiment as it is now (trained by training code {THIS}; "
        f"these are of {NEWER})"
    ]


def test_a_second_run_of_the_newer_version_trains_nothing_and_says_nothing(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(experiment, tmp_path)
    raise_version(monkeypatch)
    folder = run(experiment, tmp_path).folder
    tables = tables_of(folder)
    again, said = Counting(), list[str]()
    run(experiment, tmp_path, again, said=said)
    assert (again.trained, [line for line in said if "training code" in line and "was trained" in line]) == ([], [])
    assert tables_of(folder) == tables


def test_going_back_to_an_older_version_counts_its_own_trials(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(experiment, tmp_path)
    with monkeypatch.context() as newer:
        raise_version(newer)
        run(experiment, tmp_path)
    back = Counting()
    result = run(experiment, tmp_path, back)
    assert back.trained == []
    assert result.results.training_code == THIS
    assert result.results.missing() == 0


def test_an_interrupted_run_of_a_newer_version_is_continued_by_it(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(experiment, tmp_path).folder
    raise_version(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, Counting(stop_after=0))
    results = load_results(folder, tmp_path)
    assert (results.training_code, results.missing(), len(results.records)) == (NEWER, 6, 6)
    assert run(experiment, tmp_path).results.missing() == 0


def test_a_folder_without_a_version_is_read_with_this_one(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    for content in ("{}", '{"id": "a", "training_code": true}', '{"id": "a", "training_code": "2"}'):
        (folder / ENVIRONMENT).write_text(content)
        assert load_results(folder, tmp_path).training_code == THIS
        assert load_results(folder, tmp_path).missing() == 0


def test_merged_folders_are_read_with_the_newest_version_in_any_order(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = run(experiment, tmp_path / "old").folder
    raise_version(monkeypatch)
    new = run(experiment, tmp_path / "new").folder
    merged = [
        merge_folders(folders, tmp_path / name).results for name, folders in (("a", [old, new]), ("b", [new, old]))
    ]
    assert [(one.training_code, one.missing(), len(one.records)) for one in merged] == [(NEWER, 0, 12)] * 2
    environments = [json.loads((one.folder / ENVIRONMENT).read_text()) for one in merged]
    assert environments[0] == environments[1]
    assert is_whole(verify_folder(merged[0].folder))


def test_merging_folders_of_an_older_version_keeps_its_trials(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = [run_shard(experiment, tmp_path, Shard(number, 2), Fake()).folder for number in (1, 2)]
    raise_version(monkeypatch)
    merged = merge_folders(shards, tmp_path).results
    assert (merged.training_code, merged.missing()) == (THIS, 0)
    assert is_whole(verify_folder(shards[0]))


def test_shards_of_a_newer_version_tune_and_train_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = experiment_from(TUNED_TINY, tmp_path)

    def tune_merge_train() -> list[str]:
        trained = []
        for _ in range(2):
            fakes = [Fake(), Fake()]
            folders = [run_shard(tuned, tmp_path, Shard(number, 2), fakes[number - 1]).folder for number in (1, 2)]
            trained += [trial.id for fake in fakes for trial in fake.trained]
            merge_folders(folders, tmp_path)
        assert load_results(tmp_path / tuned.name, tmp_path).missing() == 0
        assert all(is_whole(verify_folder(folder)) for folder in folders)
        return trained

    first = tune_merge_train()
    raise_version(monkeypatch)
    second = tune_merge_train()
    assert len(set(first)) == len(first) == len(second)
    assert not set(first) & set(second)
