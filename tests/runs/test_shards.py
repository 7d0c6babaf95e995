"""Shares of an experiment: who trains what, and what a shard says when it needs the others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from actbench import errors
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment
from actbench.experiment.records import CLOCK_FIELDS, Trial
from actbench.plan.plan import make_plan
from actbench.plan.trials import Shard, parse_shard
from actbench.runs.estimates import start_seconds
from actbench.runs.forecast import forecast
from actbench.store.folder import environments_by_id, read_environment
from actbench.store.journal import append_records, read_journal
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from actbench.store.results import load_results, result_folder
from builders import TWO_ACTIVATIONS, experiment_from
from in_process import invoke
from program import TINY
from shard_runs import TUNED_TINY, merge_shards, run_shard, run_shards
from tuned_runs import TUNED, Fake, chosen, phases

TABLES = ("table.csv", "table.md", "tuning.csv", PLAN, EXPERIMENT)


@pytest.fixture
def tuned(tmp_path: Path) -> Experiment:
    return experiment_from(TUNED, tmp_path)


def derived(folder: Path) -> dict[str, bytes]:
    """What holds no time, and is there."""
    return {name: (folder / name).read_bytes() for name in TABLES if (folder / name).is_file()}


# ----- who trains what


@pytest.mark.parametrize("of", [1, 2, 3, 4, 7])
def test_every_trial_is_in_one_shard_and_shards_and_their_arms_differ_by_one_trial(of: int, tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ACTIVATIONS.replace("seeds: 3", "seeds: 10"), tmp_path)
    shares = [make_plan(experiment, {}, Shard(number, of)).trials() for number in range(1, of + 1)]
    assert Counter(key for share in shares for key in share) == Counter(make_plan(experiment).trials().keys())
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    for name in ("relu", "tanh"):
        own = [sum(one.settings.model.activation.name == name for one in share.values()) for share in shares]
        assert max(own) - min(own) <= 1


def test_what_is_done_already_moves_no_trial_to_another_shard(tuned: Experiment, tmp_path: Path) -> None:
    run_shards(tuned, tmp_path, 2)
    records = load_results(merge_shards(tuned, tmp_path, 2), tmp_path).records
    before = make_plan(tuned, records, Shard(2, 3)).trials()
    run_shards(tuned, tmp_path, 3)
    after = load_results(merge_shards(tuned, tmp_path, 3), tmp_path).records
    assert list(make_plan(tuned, after, Shard(2, 3)).trials()) == list(before)


def test_a_shard_has_a_folder_of_its_own(tuned: Experiment, tmp_path: Path) -> None:
    first, second = (outcome.folder for outcome, _ in run_shards(tuned, tmp_path, 2))
    assert [first.name, second.name] == ["made-up.shard-1-of-2", "made-up.shard-2-of-2"]
    assert not (tmp_path / "made-up").exists()


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/3/5", "", "1/10000", "²/3"])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--shard"):
        parse_shard(text)
    assert parse_shard("3/12") == Shard(3, 12)


def test_the_forecasts_of_all_shards_add_up_to_that_of_the_whole(tuned: Experiment) -> None:
    whole = forecast(tuned, None, 1)
    parts = [forecast(tuned, None, 1, Shard(number, 3)) for number in (1, 2, 3)]
    start = start_seconds()  # each shard starts once
    assert sum(part.seconds - start for part in parts) == pytest.approx(whole.seconds - start)
    assert sum(part.final_trials for part in parts) == whole.final_trials == 6
    assert sum(part.tuning_trials for part in parts) == whole.tuning_trials == 12


# ----- shards merged are the undivided run


@pytest.mark.parametrize("of", [2, 3, 5])
def test_shards_of_a_tuned_experiment_merged_twice_are_the_undivided_run(
    of: int, tuned: Experiment, tmp_path: Path
) -> None:
    undivided = run_shard(tuned, tmp_path / "other", None, Fake()).folder
    first = run_shards(tuned, tmp_path, of)
    assert all(outcome.waits for outcome, _ in first)
    assert phases([trial for _, trained in first for trial in trained]) == {"tune": 14}
    merge_shards(tuned, tmp_path, of)
    second = run_shards(tuned, tmp_path, of)
    assert not any(outcome.waits for outcome, _ in second)
    assert phases([trial for _, trained in second for trial in trained]) == {"final": 6}
    merged = merge_shards(tuned, tmp_path, of)
    assert derived(merged) == derived(undivided)
    assert chosen(merged) == [0.01, 0.1]
    again = Fake()
    assert (run_shard(tuned, tmp_path, None, again).trained, again.calls) == (0, 0)


def test_an_arm_whose_grid_grows_is_settled_by_its_own_shard(tuned: Experiment, tmp_path: Path) -> None:
    (_, relu), (_, tanh) = run_shards(tuned, tmp_path, 2)
    assert {trial.settings.train.lr for trial in relu} == {1e-3, 1e-2, 1e-1}
    assert {trial.settings.train.lr for trial in tanh} == {1e-3, 1e-2, 1e-1, 1.0}
    assert len({trial.settings.model.activation.name for trial in tanh}) == 1


def test_without_the_others_a_shard_trains_no_final_trial_and_nothing_twice(tuned: Experiment, tmp_path: Path) -> None:
    run_shards(tuned, tmp_path, 2)
    again = run_shards(tuned, tmp_path, 2)
    assert [(outcome.waits, trained) for outcome, trained in again] == [(True, []), (True, [])]


def test_shards_wait_at_every_look_and_merged_they_are_the_undivided_run(tmp_path: Path) -> None:
    text = TUNED.replace("seeds: 3", "seeds: {looks: [7, 9, 14]}")
    experiment = experiment_from(text, tmp_path)
    undivided = run_shard(experiment, tmp_path / "other", None, Fake()).folder
    waits, rounds = True, 0
    while waits:
        outcomes = run_shards(experiment, tmp_path, 2)
        waits = any(outcome.waits for outcome, _ in outcomes)
        finals = {trial.seed for _, trained in outcomes for trial in trained if trial.phase == "final"}
        assert len({sum(seed >= look for look in (7, 9)) for seed in finals}) <= 1, "one look at a time"
        merged = merge_shards(experiment, tmp_path, 2)
        rounds += 1
    assert 3 <= rounds <= 5
    assert derived(merged) == derived(undivided)


def test_a_tuning_trial_that_always_fails_does_not_make_shards_wait_for_ever(tuned: Experiment, tmp_path: Path) -> None:
    def fails(trial: Trial) -> bool:
        return (trial.phase, trial.seed, trial.settings.train.lr) == ("tune", 0, 1e-3)

    undivided = run_shard(tuned, tmp_path / "other", None, Fake(fails=fails))
    for waits in (True, False):
        for number in (1, 2):
            assert run_shard(tuned, tmp_path, Shard(number, 2), Fake(fails=fails)).waits is waits
        merged = merge_shards(tuned, tmp_path, 2)
    assert derived(merged) == derived(undivided.folder)


def test_a_shard_that_takes_tuning_over_takes_along_where_it_was_trained_and_is_whole(
    tuned: Experiment, tmp_path: Path
) -> None:
    run_shards(tuned, tmp_path, 2)
    mine, other = (result_folder(tmp_path, tuned, Shard(number, 2)) for number in (1, 2))
    own = read_environment(mine)
    elsewhere = {**own, "id": "feedfeedfeed", "processor": "another"}
    records = [one.model_copy(update={"environment": "feedfeedfeed"}) for one in read_journal(other).records.values()]
    (other / JOURNAL).unlink()
    append_records(other, records)
    (other / ENVIRONMENT).write_text(json.dumps(elsewhere), encoding="utf-8")
    merge_shards(tuned, tmp_path, 2)
    run_shards(tuned, tmp_path, 2)
    assert {key: one["processor"] for key, one in environments_by_id(mine).items()} == {
        own["id"]: own["processor"], "feedfeedfeed": "another",
    }  # fmt: skip
    assert read_environment(mine)["id"] == own["id"]
    answer = invoke("verify", mine)
    assert (answer.exit_code, "(shard 1/2)" in answer.stdout) == (0, True)


def test_a_shard_that_lacks_trials_is_told_the_command_that_trains_its_share_alone(
    tuned: Experiment, tmp_path: Path
) -> None:
    run_shards(tuned, tmp_path, 2)
    folder = result_folder(tmp_path, tuned, Shard(2, 2))
    (folder / JOURNAL).unlink()
    answer = invoke("verify", folder)
    assert answer.exit_code == errors.EXIT_CHECK_FAILED
    assert "0 of 6 are there (shard 2/2); tuning has not finished" in answer.stdout
    assert f"actbench run {folder}/experiment.yaml --results {tmp_path} --shard 2/2" in answer.stdout


def test_real_training_in_three_shards_gives_the_table_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TUNED_TINY, encoding="utf-8")
    assert invoke("run", "tiny.yaml", "--jobs", "1", "--results", "undivided").exit_code == 0
    shards = [f"results/tiny.shard-{number}-of-3" for number in (1, 2, 3)]
    for _ in ("tuning", "final trials"):
        for number in (1, 2, 3):
            answer = invoke("run", "tiny.yaml", "--jobs", "1", "--shard", f"{number}/3")
            assert answer.exit_code == 0, answer.stderr
        assert invoke("merge", *shards).exit_code == 0
    for name in ("table.csv", "table.md", "tuning.csv"):
        assert Path("results/tiny", name).read_bytes() == Path("undivided/tiny", name).read_bytes()
    finished = invoke("run", "tiny.yaml", "--jobs", "1")
    assert (finished.exit_code, "0 trained now" in finished.stderr) == (0, True)
    merged, undivided = (load_results(Path(root, "tiny"), Path(root)).records for root in ("results", "undivided"))
    left_out = {*CLOCK_FIELDS, "stack_trials", "environment"}
    assert {key: record.model_dump(exclude=left_out) for key, record in merged.items()} == {
        key: record.model_dump(exclude=left_out) for key, record in undivided.items()
    }


# ----- what is said


def test_a_shard_that_waits_for_the_others_names_the_commands_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TUNED_TINY, encoding="utf-8")
    arguments = ("run", "tiny.yaml", "--jobs", "1", "--results", "out", "--shard", "2/2")
    answer = invoke(*arguments, "--format", "json")
    assert answer.exit_code == 0
    document = json.loads(answer.stdout)
    assert document["trials"] == {
        "planned": 9, "done": 9, "failed": 0, "diverged": 0, "collapsed": 0, "crashed": 0,
    }  # fmt: skip
    assert (document["shard"], document["waits_for_other_shards"]) == ("2/2", True)
    command = "actbench merge out/tiny.shard-*-of-2, then the same command again."
    assert command in answer.stderr
    status = json.loads(invoke("status", "out/tiny.shard-2-of-2", "--format", "json").stdout)
    assert status == document | {"seconds_left": None}
    answer = invoke(*arguments)
    assert (command in answer.stdout, command in answer.stderr) == (True, False)
    dry = json.loads(invoke(*arguments, "--dry-run", "--format", "json").stdout)
    assert (dry["shard"], dry["folder"]) == ("2/2", "out/tiny.shard-2-of-2")
    assert dry["trials"] == {"planned": 9, "done": 9, "to_do": 0}


def test_a_dry_run_of_a_shard_is_about_its_share_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")
    answer = invoke("run", "tiny.yaml", "--dry-run", "--shard", "1/5")
    assert "dry run of shard 1/5" in answer.stdout
    assert "3 trials, 0 done, 3 to do (6 epochs) -> results/tiny.shard-1-of-5" in answer.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize("option", ["--gate", "--fresh"])
def test_what_only_the_whole_can_do_is_refused_beside_shard(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY + "expect: [{claim: some are right, above: 0.02}]\n", encoding="utf-8")
    answer = invoke("run", "tiny.yaml", "--shard", "1/2", option)
    assert (answer.exit_code, answer.stdout) == (errors.EXIT_USAGE, "")
    assert f"{option} with --shard" in answer.stderr
