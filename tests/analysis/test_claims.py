"""Claims judged on made-up records: what is supported, contradicted and left open, and on which numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from actbench.analysis.claims import JudgedClaim, judge_claims
from actbench.analysis.verdicts import combine
from actbench.experiment.records import Curves, Trial, TrialRecord
from actbench.plan.plan import make_plan
from actbench.statistics.intervals import Verdict, decide, estimate
from builders import experiment_from, record_of

TESTED = 360
ONE_FACTOR = "model.activation: [relu, tanh]"
TWO_FACTORS = "model.activation: [relu, tanh], train.lr: [0.1, 0.01]"
TANH_IS_BETTER = "{claim: a, better: {model.activation: tanh}, than: {model.activation: relu}}"
TANH_HAS_LESS_LOSS = TANH_IS_BETTER.replace("}}", "}, metric: test_loss}")
Count = int | None
FAILED: dict[str, Any] = {"outcome": "failed", "curves": Curves(), "test_correct_count": None, "test_loss": None}


def made_up(trial: Trial, count: Count, changes: Mapping[str, Any]) -> TrialRecord:
    return record_of(trial, **FAILED) if count is None else record_of(trial, count, **changes)


def judge_all(
    entries: str, folder: Path, counts: Mapping[str, Sequence[Count]], vary: str = ONE_FACTOR, **changes: Any
) -> list[JudgedClaim]:
    """Verdicts where the arms (by label) have these correct counts, seed by seed; None is a failed trial."""
    seeds = len(next(iter(counts.values())))
    text = f"model: {{hidden: [4]}}\ntrain: {{epochs: 3}}\nvary: {{{vary}}}\nseeds: {seeds}\nexpect: [{entries}]"
    experiment = experiment_from(text, folder)
    plan = make_plan(experiment)
    records = {
        trial.id: made_up(trial, count, changes)
        for arm, trials in plan.arms
        for trial, count in zip(trials, counts[arm.label()], strict=True)
    }
    found = judge_claims(experiment.claims, plan, records)
    assert judge_claims(experiment.claims, plan, dict(reversed(records.items()))) == found
    return found


def judge(
    entry: str, folder: Path, counts: Mapping[str, Sequence[Count]], vary: str = ONE_FACTOR, **changes: Any
) -> JudgedClaim:
    (claim,) = judge_all(entry, folder, counts, vary, **changes)
    return claim


@pytest.mark.parametrize(("relu", "tanh", "verdict", "reason"), [
    pytest.param([300, 310, 320, 330], [305, 316, 324, 336], "supported", "", id="clear win"),
    pytest.param([305, 316, 324, 336], [300, 310, 320, 330], "contradicted", "", id="clear loss"),
    pytest.param([300, 310, 320, 330], [300, 310, 320, 330], "undecided", "", id="tie"),
    pytest.param([300, 310, 320, 330], [310, 301, 330, 320], "undecided", "", id="noisy tie"),
    pytest.param([300, 310, 320], [306, 316, 327], "supported", "", id="three seeds"),
    pytest.param([306, 316, 327], [300, 310, 320], "contradicted", "", id="three seeds lost"),
    pytest.param([200, 200], [300, 300], "undecided", "fewer than 3 seeds", id="two seeds"),
    pytest.param([200], [300], "undecided", "fewer than 3 seeds", id="one seed"),
])  # fmt: skip
def test_a_comparison_is_decided_by_the_paired_differences(
    relu: list[Count], tanh: list[Count], verdict: Verdict, reason: str, tmp_path: Path
) -> None:
    claim = judge(TANH_IS_BETTER, tmp_path, {"relu": relu, "tanh": tanh})
    assert (claim.verdict, claim.reason) == (verdict, reason)
    assert (claim.estimate.n, claim.without_value) == (len(relu), 0)


def test_a_tie_is_a_difference_of_exactly_0(tmp_path: Path) -> None:
    claim = judge(TANH_IS_BETTER, tmp_path, {"relu": [300, 310, 320], "tanh": [300, 310, 320]})
    assert (claim.estimate.mean, claim.estimate.sd, claim.estimate.interval) == (0.0, 0.0, (0.0, 0.0))


def test_equal_means_over_other_factors_are_a_tie_in_whatever_order_they_were_added(tmp_path: Path) -> None:
    vary = "model.activation: [relu, tanh], train.lr: [1, 0.1, 0.01]"
    by_rate = {"relu": (200, 200, 235), "tanh": (235, 200, 200)}
    counts = {
        f"activation={name}, lr={rate}": [count] * 3
        for name, row in by_rate.items()
        for rate, count in zip((1.0, 0.1, 0.01), row, strict=True)
    }
    claim = judge(TANH_IS_BETTER, tmp_path, counts, vary)
    assert (claim.verdict, claim.estimate.mean) == ("undecided", 0.0)


@pytest.mark.parametrize(("bounds", "verdict"), [
    ("above: 0.85", "supported"), ("above: 0.9", "undecided"), ("above: 0.95", "contradicted"),
    ("below: 0.95", "supported"), ("below: 0.9", "undecided"), ("below: 0.85", "contradicted"),
    ("between: [0.85, 0.95]", "supported"), ("between: [0.85, 0.9]", "undecided"),
    ("between: [0.9, 0.95]", "undecided"), ("between: [0.899, 0.901]", "undecided"),
    ("between: [0.95, 1]", "contradicted"), ("between: [0.1, 0.2]", "contradicted"),
])  # fmt: skip
def test_a_bounded_claim_is_decided_by_the_interval_of_the_mean(bounds: str, verdict: Verdict, tmp_path: Path) -> None:
    entry = f"{{claim: a, arm: {{model.activation: relu}}, {bounds}}}"
    claim = judge(entry, tmp_path, {"relu": [323, 324, 325], "tanh": [0, 100, 200]})
    assert claim.estimate.mean == pytest.approx(0.9)
    assert claim.verdict == verdict


@pytest.mark.parametrize(("bounds", "verdict"), [
    ("above: 0.01", "supported"), ("above: 0.02", "contradicted"), ("below: 0.02", "supported"),
    ("below: 0", "contradicted"), ("between: [0.01, 0.02]", "supported"), ("between: [-0.01, 0.01]", "contradicted"),
])  # fmt: skip
def test_a_bounded_difference_is_decided_by_the_paired_differences(
    bounds: str, verdict: Verdict, tmp_path: Path
) -> None:
    entry = f"{{claim: a, arm: {{model.activation: tanh}}, minus: {{model.activation: relu}}, {bounds}}}"
    claim = judge(entry, tmp_path, {"relu": [200, 250, 300, 310], "tanh": [205, 255, 305, 316]})
    assert claim.estimate.mean == pytest.approx(21 / 4 / TESTED)
    assert claim.verdict == verdict


def test_pairing_by_seed_decides_what_the_spread_over_seeds_would_hide(tmp_path: Path) -> None:
    relu, tanh = [200, 250, 300, 350], [205, 256, 305, 356]
    claim = judge(TANH_IS_BETTER, tmp_path, {"relu": relu, "tanh": tanh})
    low, high = stats.ttest_ind(tanh, relu).confidence_interval()
    assert low < 0 < high
    assert claim.verdict == "supported"


def test_pairs_are_formed_by_seed_and_not_by_place(tmp_path: Path) -> None:
    relu, tanh = [200, 250, 300, 350, 340, 330], [None, 256, 305, 356, 345, 336]
    claim = judge(TANH_IS_BETTER, tmp_path, {"relu": relu, "tanh": tanh})
    assert claim.estimate.n == 5
    assert claim.estimate.mean == pytest.approx((6 + 5 + 6 + 5 + 6) / 5 / TESTED)


@pytest.mark.parametrize(("entry", "numbers"), [
    (TANH_IS_BETTER, [10, -12, 16, 11]), ("{claim: a, arm: {model.activation: relu}, above: 0}", [300, 311, 324, 330]),
])  # fmt: skip
def test_the_interval_is_students_t(entry: str, numbers: list[int], tmp_path: Path) -> None:
    claim = judge(entry, tmp_path, {"relu": [300, 311, 324, 330], "tanh": [310, 299, 340, 341]})
    theirs = stats.ttest_1samp(np.array(numbers) / TESTED, 0).confidence_interval(0.95)
    assert claim.estimate.interval == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("losses", "verdict"), [
    ({"relu": 0.5, "tanh": 0.25}, "supported"), ({"relu": 0.25, "tanh": 0.5}, "contradicted"),
    ({"relu": 0.5, "tanh": 0.5}, "undecided"),
])  # fmt: skip
def test_of_losses_the_smaller_is_better(losses: dict[str, float], verdict: Verdict, tmp_path: Path) -> None:
    text = f"model: {{hidden: [4]}}\nvary: {{{ONE_FACTOR}}}\nseeds: 3\nexpect: [{TANH_HAS_LESS_LOSS}]"
    experiment = experiment_from(text, tmp_path)
    plan = make_plan(experiment)
    records = {
        trial.id: record_of(trial, test_loss=losses[arm.label()] + seed / 100)
        for arm, trials in plan.arms
        for seed, trial in enumerate(trials)
    }
    (claim,) = judge_claims(experiment.claims, plan, records)
    assert claim.estimate.mean == pytest.approx(losses["tanh"] - losses["relu"])
    assert claim.verdict == verdict


@pytest.mark.parametrize(("seeds", "failed", "verdict", "reason"), [
    (5, 0, "supported", ""), (5, 1, "supported", ""), (5, 2, "undecided", "2 of 5 seeds have no value"),
    (10, 2, "supported", ""), (10, 3, "undecided", "3 of 10 seeds have no value"),
    (15, 3, "supported", ""), (35, 7, "supported", ""), (35, 8, "undecided", "8 of 35 seeds have no value"),
    (3, 1, "undecided", "1 of 3 seeds have no value"), (3, 3, "undecided", "3 of 3 seeds have no value"),
])  # fmt: skip
def test_more_than_a_fifth_of_the_seeds_without_a_value_leave_a_claim_open(
    seeds: int, failed: int, verdict: Verdict, reason: str, tmp_path: Path
) -> None:
    relu: list[Count] = [300 + seed for seed in range(seeds)]
    tanh: list[Count] = [None if seed < failed else 310 + seed + seed % 2 for seed in range(seeds)]
    for counts in ({"relu": relu, "tanh": tanh}, {"relu": tanh, "tanh": relu}):
        claim = judge(TANH_IS_BETTER, tmp_path, counts)
        opposite: Verdict = "contradicted" if verdict == "supported" else verdict
        assert claim.verdict == (verdict if counts["tanh"] is tanh else opposite)
        assert (claim.reason, claim.without_value, claim.estimate.n) == (reason, failed, seeds - failed)


def test_a_seed_that_failed_in_both_arms_is_missing_once(tmp_path: Path) -> None:
    relu, tanh = [None, 301, 302, 303, 304], [None, 311, 313, 313, 315]
    claim = judge(TANH_IS_BETTER, tmp_path, {"relu": relu, "tanh": tanh})
    assert (claim.verdict, claim.without_value, claim.estimate.n) == ("supported", 1, 4)


def test_a_trial_that_was_not_trained_yet_has_no_value(tmp_path: Path) -> None:
    experiment = experiment_from(f"vary: {{{ONE_FACTOR}}}\nseeds: 5\nexpect: [{TANH_IS_BETTER}]", tmp_path)
    (claim,) = judge_claims(experiment.claims, make_plan(experiment), {})
    assert (claim.verdict, claim.reason) == ("undecided", "5 of 5 seeds have no value")
    assert (claim.estimate.n, claim.estimate.mean, claim.estimate.interval) == (0, None, None)


def test_diverged_trials_count_with_the_accuracy_they_came_to(tmp_path: Path) -> None:
    claim = judge(
        TANH_IS_BETTER, tmp_path, {"relu": [300, 301, 302], "tanh": [36, 36, 36]}, outcome="diverged", diverged_epoch=1
    )
    assert (claim.verdict, claim.without_value) == ("contradicted", 0)


def test_time_shared_in_a_stack_is_no_value(tmp_path: Path) -> None:
    entry = "{claim: a, above: 0, metric: step_seconds}"
    counts: dict[str, list[Count]] = {"relu": [300] * 3, "tanh": [300] * 3}
    shared = judge(entry, tmp_path, counts, epoch_seconds=(1.0, 2.0, 3.0), stack_trials=2)
    assert shared.reason.startswith("3 of 3 seeds have no value: only a trial that had its stack to itself")
    assert judge(entry, tmp_path, counts, epoch_seconds=(1.0, 2.0, 3.0)).verdict == "supported"


FOUR_ARMS: dict[str, list[Count]] = {
    "activation=relu, lr=0.1": [300, 310, 320, 330],
    "activation=relu, lr=0.01": [100, 110, 120, 130],
    "activation=tanh, lr=0.1": [200, 211, 220, 231],
    "activation=tanh, lr=0.01": [203, 213, 224, 234],
}


@pytest.mark.parametrize(("entry", "images", "verdict"), [
    ("arm: {model.activation: relu}, above: 0.53", (315 + 115) / 2, "supported"),
    ("arm: {train.lr: 0.01}, above: 0.53", (115 + 218.5) / 2, "contradicted"),
    ("above: 0.53", (315 + 115 + 215.5 + 218.5) / 4, "supported"),
    ("better: {model.activation: relu}, than: {model.activation: tanh}", 215 - 217, "contradicted"),
    ("better: {train.lr: 0.1}, than: {train.lr: 0.01}", 265.25 - 166.75, "supported"),
    ("better: {model.activation: relu, train.lr: 0.1}, than: {model.activation: tanh, train.lr: 0.1}", 315 - 215.5,
     "supported"),
    ("arm: {train.lr: 0.1}, minus: {}, above: 0", 265.25 - 216, "supported"),
])  # fmt: skip
def test_a_partial_arm_is_the_mean_over_all_arms_with_its_values(
    entry: str, images: float, verdict: Verdict, tmp_path: Path
) -> None:
    claim = judge(f"{{claim: a, {entry}}}", tmp_path, FOUR_ARMS, TWO_FACTORS)
    assert claim.estimate.n == 4
    assert claim.estimate.mean == pytest.approx(images / TESTED)
    assert claim.verdict == verdict


def test_a_seed_that_one_of_several_arms_lacks_is_left_out_of_their_mean(tmp_path: Path) -> None:
    counts = {label: [*row, 250] for label, row in FOUR_ARMS.items()}
    counts["activation=relu, lr=0.01"][0] = None
    entry = "{claim: %s, arm: {model.activation: %s}, above: 0.5}"
    relu, tanh = judge_all(f"{entry % ('a', 'relu')}, {entry % ('b', 'tanh')}", tmp_path, counts, TWO_FACTORS)
    assert [claim.stated.text for claim in (relu, tanh)] == ["a", "b"]
    assert (relu.estimate.n, relu.without_value) == (4, 1)
    assert relu.estimate.mean == pytest.approx(np.mean([210, 220, 230, 250]) / TESTED)
    assert (tanh.estimate.n, tanh.without_value) == (5, 0)


@pytest.mark.parametrize(("interval", "bounds", "verdict"), [
    ((1.0, 2.0), (0.0, inf), "supported"), ((0.0, 2.0), (0.0, inf), "undecided"), ((0.0, 0.0), (0.0, inf), "undecided"),
    ((-1.0, 1.0), (0.0, inf), "undecided"), ((-1.0, 0.0), (0.0, inf), "undecided"),
    ((-2.0, -1.0), (0.0, inf), "contradicted"), ((-2.0, -1.0), (-inf, 0.0), "supported"),
    ((1.0, 2.0), (-inf, 0.0), "contradicted"), ((1.0, 2.0), (0.0, 3.0), "supported"),
    ((1.0, 2.0), (0.0, 2.0), "undecided"), ((1.0, 2.0), (2.0, 3.0), "undecided"),
    ((1.0, 2.0), (2.5, 3.0), "contradicted"), ((1.0, 2.0), (0.0, 0.5), "contradicted"),
    ((0.0, 9.0), (1.0, 2.0), "undecided"), (None, (0.0, inf), "undecided"),
])  # fmt: skip
def test_an_interval_decides_where_all_of_it_or_none_of_it_lies_between_the_bounds(
    interval: tuple[float, float] | None, bounds: tuple[float, float], verdict: Verdict
) -> None:
    assert decide(interval, *bounds) == verdict


@pytest.mark.parametrize("parts", list(product(("supported", "contradicted", "undecided"), repeat=3)))
def test_of_several_parts_all_must_hold_and_one_that_does_not_refutes(parts: tuple[Verdict, ...]) -> None:
    if "contradicted" in parts:
        assert combine(parts) == "contradicted"
    else:
        assert combine(parts) == ("undecided" if "undecided" in parts else "supported")


def test_of_no_parts_nothing_is_known() -> None:
    assert combine([]) == "undecided"


@pytest.mark.parametrize("seeds", [3, 5, 10, 20])
def test_equal_arms_are_called_different_in_about_one_of_twenty_claims(seeds: int) -> None:
    differences = np.random.default_rng(seeds).normal(0.9, 0.01, (2, 2000, seeds)).round(4)
    verdicts = [decide(estimate(list(row)).interval, 0.0, inf) for row in differences[0] - differences[1]]
    wrong = [verdict for verdict in verdicts if verdict != "undecided"]
    assert 0.03 < len(wrong) / len(verdicts) < 0.07
    assert 0.3 < wrong.count("supported") / len(wrong) < 0.7
