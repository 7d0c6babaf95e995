"""Runs with looks: what is trained, what is said, and that an interruption changes nothing."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actbench.analysis.comparison import compare, question_of, separable
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment, Looks, until_settled
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Trial, TrialRecord
from actbench.plan.stacks import Stack
from actbench.report.figures.differences import settling_picture
from actbench.report.figures.layout import Paper
from actbench.report.figures.marks import VERMILLION, Text
from actbench.report.gate import gate_on_arms
from actbench.report.looks import look_lines
from actbench.report.statement import fresh_seeds
from actbench.runs.status import read_status, status_document, status_sections
from actbench.runs.verify import is_whole, verify_folder
from actbench.store.folder import read_plan
from actbench.store.journal import read_journal
from actbench.store.results import load_results, plan_and_finished_trials
from builders import experiment_from, record_of
from tuned_runs import Fake, files_of, run

LOOKS = """
name: made-up
data: {test: 360}
model: {hidden: [9000]}
train: {epochs: 2}
vary: {model.activation: [relu, tanh, gelu]}
tune: {train.lr: [1e-3, 1e-2, 1e-1]}
tuning_seeds: 1
seeds: {looks: [9, 15, 25], first: 100}
baseline: {model.activation: relu}
margin: 0.02
"""
CENTRE = {"relu": 300, "tanh": 250, "gelu": 301}


class Noisy(Fake):
    """Fake training in which the second rate is the best; tanh is far below relu, gelu near it but noisy."""

    def record(self, trial: Trial) -> TrialRecord:
        name, rate = trial.settings.model.activation.name, trial.settings.train.lr
        noise = random.Random(f"{name}{trial.seed}").gauss(0, 14 if name == "gelu" else 2)
        record = record_of(trial, CENTRE[name] + round(noise))
        counts = (200 - round(1000 * abs(rate - 1e-2)),) * trial.settings.train.epochs
        record = record.model_copy(
            update={"curves": record.curves.model_copy(update={"validation_correct_count": counts})}
        )
        unseen = {"test_correct_count": None, "test_loss": None}
        return record.model_copy(update=unseen) if trial.phase == "tune" else record


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(LOOKS, tmp_path)


def test_a_run_says_at_every_look_which_arms_are_settled(experiment: Experiment, tmp_path: Path) -> None:
    said: list[str] = []
    outcome = run(experiment, tmp_path, Noisy(), said=said)
    (line,) = [line for line in said if line.startswith("To preregister")]
    assert "made-up, 3 arms against model.activation=relu, test_accuracy, margin 0.02, seeds 100 to 124" in line
    assert line.endswith(f"plan {read_plan(outcome.folder)['checksum']}")
    looks = [line for line in said if line.startswith("look")]
    assert looks[0] == "look 1 of 3, 9 seeds: worse tanh; open gelu"
    assert looks[-1].startswith(f"look {len(looks)} of 3")
    trials = {arm.label(): len(trials) for arm, trials in outcome.results.plan.arms}
    assert trials["tanh"] == 9
    assert trials["relu"] == trials["gelu"] > 9
    tanh, gelu = outcome.comparison.rows[1].contrast, outcome.comparison.rows[2].contrast
    assert tanh is not None
    assert gelu is not None
    assert (tanh.verdict, tanh.difference.n) == ("worse", 9)
    assert gelu.difference.n == trials["gelu"]
    assert read_plan(outcome.folder)["looks"] == {"after": [9, 15, 25], "alpha": pytest.approx([0.05 / 3] * 3)}


@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_that_is_interrupted_anywhere_ends_as_one_that_is_not(
    step: int, experiment: Experiment, tmp_path: Path
) -> None:
    tables = ("table.csv", "trials.csv", "plan.json", "tuning.csv")
    whole = run(experiment, tmp_path / "whole", Noisy()).folder
    expected = {name: (whole / name).read_bytes() for name in tables}
    stacks = 0
    while True:
        place = tmp_path / str(stacks)
        fake = Noisy(stop_before=stacks)
        try:
            run(experiment, place, fake)
        except KeyboardInterrupt:
            resumed = run(experiment, place, Noisy()).folder
            assert {name: (resumed / name).read_bytes() for name in tables} == expected
            stacks += step
        else:
            break
    assert stacks >= 3
    again = Noisy()
    before = files_of(whole)
    run(experiment, tmp_path / "whole", again)
    assert not again.trained
    assert files_of(whole) == before


@pytest.fixture
def stopped(experiment: Experiment, tmp_path: Path) -> Path:
    """The folder of a run that Ctrl-C ended between the first look and the second."""

    def stop(stack: Stack) -> None:
        if any(trial.seed > 108 for trial in stack):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, Noisy(look=stop))
    return tmp_path / "results" / "made-up"


def test_between_looks_status_and_screen_say_which_arms_are_settled_and_how(stopped: Path) -> None:
    status = read_status(stopped, stopped.parent, datetime.now(UTC))
    (arms,) = [section for section in status_sections(status) if section.title == "trials by arm"]
    assert [row[-1] for row in arms.rows] == ["-", "worse at look 1, 9 seeds", "open after look 1, 9 seeds"]
    assert [arm["settled"] for arm in status_document(status)["arms"]][1] == "worse at look 1, 9 seeds"
    plan, _ = plan_and_finished_trials(load_results(stopped, stopped.parent))
    assert look_lines(plan, is_whole=True) == ["look 1 of 3, 9 seeds: worse tanh; open gelu"]


def test_the_whole_state_has_the_arms_of_earlier_looks(experiment: Experiment, tmp_path: Path) -> None:
    plan = run(experiment, tmp_path, Noisy()).results.plan
    assert "tanh" not in look_lines(plan)[0]
    assert "worse tanh" in look_lines(plan, is_whole=True)[0]


def test_between_looks_the_gate_names_the_next_look_and_numbers_of_the_same_seeds(stopped: Path) -> None:
    results = load_results(stopped, stopped.parent)
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    found = gate_on_arms(compare(results.plan, results.records, question), "exit")
    assert found.line() == "gate: failed; 1 worse (tanh); 1 undecided (gelu)"
    (open_arm,) = found.named("undecided")
    assert open_arm.text.endswith("Open: the next look is after 15 seeds.")
    before, now, difference = map(float, re.findall(r"[-+]?\d+\.\d+", found.named("worse")[0].text)[:3])
    assert now - before == pytest.approx(difference, abs=0.011)


def test_a_trial_that_failed_before_a_look_is_not_tried_again(experiment: Experiment, tmp_path: Path) -> None:
    def fails(trial: Trial) -> bool:
        return trial.phase == "final" and trial.seed == 104 and trial.settings.model.activation.name == "tanh"

    first = run(experiment, tmp_path, Noisy(fails=fails))
    assert first.endings["failed"] == 1
    again = Noisy()
    second = run(experiment, tmp_path, again)
    assert not again.trained
    assert second.comparison == first.comparison


def test_looks_do_not_begin_with_seeds_that_have_been_seen(experiment: Experiment, tmp_path: Path) -> None:
    fixed = replace(experiment, looks=None, seeds=tuple(range(100, 103)))
    run(fixed, tmp_path, Noisy())
    with pytest.raises(ConfigurationError, match="3 seeds of this plan with looks have been trained under one without"):
        run(experiment, tmp_path, Noisy())
    fresh = replace(experiment, seeds=tuple(range(500, 525)))
    outcome = run(fresh, tmp_path, Noisy())
    assert outcome.comparison.is_judged
    assert outcome.results.seeds_doubt() == ""


def test_seeds_that_are_added_after_looking_withhold_the_verdict(experiment: Experiment, tmp_path: Path) -> None:
    fixed = replace(experiment, looks=None, seeds=tuple(range(9)))
    first = run(fixed, tmp_path, Noisy())
    verdicts = [row.contrast.verdict for row in first.comparison.rows if row.contrast]
    assert verdicts[0] == "worse"
    said: list[str] = []
    run(fixed, tmp_path, Noisy(), said=said)
    assert not any("warning" in line for line in said)
    added = run(replace(fixed, seeds=tuple(range(12))), tmp_path, Noisy(), said=said)
    (warning,) = [line for line in said if line.startswith("warning: ")]
    assert warning.endswith("fresh ones can decide: --set 'seeds={looks: [12], first: 1000}'")
    assert fresh_seeds(1, 7, [1000, 1011]) == "--set 'seeds={looks: [9], first: 1012}'"  # as many as can decide
    assert {row.contrast.verdict for row in added.comparison.rows if row.contrast} == {"not judged"}
    assert {row.contrast.reason for row in added.comparison.rows if row.contrast} == {
        "seeds or looks were changed after looking"
    }
    assert not separable(added.comparison)
    assert not added.comparison.best


def test_fresh_seeds_and_the_way_back_from_them_are_no_change_after_looking(
    experiment: Experiment, tmp_path: Path
) -> None:
    fixed, said = replace(experiment, looks=None, seeds=tuple(range(9))), list[str]()
    for seeds in (range(9), range(1000, 1009), range(9)):
        outcome = run(replace(fixed, seeds=tuple(seeds)), tmp_path, Noisy(), said=said)
        assert outcome.comparison.is_judged
    assert not any("warning" in line for line in said)


def test_until_settled_takes_the_usual_looks_and_stops_at_the_most_seeds(experiment: Experiment) -> None:
    fixed = replace(experiment, looks=None, seeds=tuple(range(10)))
    assert until_settled(fixed, None).looks == Looks((11, 20, 40, 80))
    assert until_settled(fixed, 30).looks == Looks((11, 20, 30))
    assert until_settled(fixed, 30).seeds == tuple(range(30))
    assert until_settled(experiment, 100).seeds == tuple(range(100, 200))
    with pytest.raises(ConfigurationError, match="the file lists seeds"):
        until_settled(replace(fixed, seeds=(3, 5)), None)


def test_verify_finds_a_plan_that_was_changed_by_hand(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path, Noisy()).folder
    assert is_whole(verify_folder(folder))
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "checksum": "sha256:0"}, indent=2) + "\n")
    findings = [one for one in verify_folder(folder) if one.is_bad()]
    assert [one.where for one in findings] == ["plan.json"]
    assert "changed after it was frozen" in findings[0].what


def test_the_picture_of_the_looks_has_a_line_for_each_look_of_each_arm(experiment: Experiment, tmp_path: Path) -> None:
    comparison = run(experiment, tmp_path, Noisy()).comparison
    picture = settling_picture(comparison)
    assert picture is not None
    assert "Looks were planned after 9, 15 and 25 seeds" in picture.caption
    assert "tanh worse after 9 seeds" in picture.description
    marks = [mark for mark in picture.draw(Paper(600.0, 12.0)).walk() if isinstance(mark, Text)]
    texts = [mark.text for mark in marks]
    assert [text for text in texts if text in ("9", "15", "25")][-2:] == ["25", "9"]  # the largest difference first
    assert {mark.colour for mark in marks if mark.text == "worse"} == {VERMILLION}
    assert settling_picture(replace(comparison, looks=None)) is None


def test_every_final_record_names_the_plan_it_was_trained_under(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path, Noisy()).folder
    plan = read_plan(folder)
    records = read_journal(folder).records.values()
    assert {record.plan for record in records if record.phase == "final"} == {plan["checksum"]}
    assert {record.plan for record in records if record.phase == "tune"} == {""}
    run(replace(experiment, margin=0.03), tmp_path, Noisy())
    assert is_whole(verify_folder(folder))  # the earlier plan is still there
    changed = {key: value for key, value in read_plan(folder).items() if key != "earlier"}
    (folder / "plan.json").write_text(json.dumps(changed, indent=2) + "\n")
    assert any("under a plan that plan.json does not hold" in one.what for one in verify_folder(folder))
