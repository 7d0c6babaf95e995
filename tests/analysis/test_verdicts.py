"""The words of the protocol, on made-up and on simulated comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from actbench.analysis.verdicts import TOO_FEW_SEEDS, is_different
from actbench.analysis.verdicts import verdict as verdict_of
from actbench.experiment.definition import MARGIN
from actbench.experiment.metrics import parse_metric
from actbench.statistics.intervals import Estimate, estimate
from actbench.statistics.multiple import ALPHA, holm, holm_levels
from actbench.statistics.sign_flip import sign_flip_p, smallest_p

IMAGES = 10_000
SD_IMAGES = 10.0
ACCURACY, LOSS = parse_metric("test_accuracy"), parse_metric("test_loss")


def simulated(rng: np.random.Generator, *shape: int, gain: float = 0.0) -> np.ndarray:
    """Correct counts at 98 % with the usual noise between seeds (sd 0.10 pp), on the grid of whole images."""
    return rng.normal(0.98 * IMAGES + gain, SD_IMAGES, shape).round()


def p_of(first: np.ndarray, second: np.ndarray) -> float:
    found = sign_flip_p(list(first), list(second))
    assert found is not None
    return found


def verdict(
    difference: Estimate,
    differences: Sequence[float],
    p_holm: float,
    comparisons: int,
    margin: float | None,
    larger_is_better: bool,
    *,
    is_share: bool = True,
    level: float = ALPHA,
) -> str:
    """The verdict on paired differences in a family of so many comparisons, decided at this level."""
    least_p = smallest_p(len(differences), comparisons)
    bounds = estimate(differences, 1 - level).interval if level < ALPHA else difference.interval
    metric = replace(ACCURACY if is_share else LOSS, larger_is_better=larger_is_better)
    return str(verdict_of(difference, bounds, p_holm, least_p, metric, margin))


def judge(images: Sequence[float], *, comparisons: int = 1, margin: float | None = MARGIN) -> str:
    """The verdict on differences of so many images, every comparison having the same p."""
    shares = [count / IMAGES for count in images]
    p_values = [p_of(np.asarray(images), np.zeros(len(images)))] * comparisons
    p_holm, level = holm(p_values)[0], holm_levels(p_values)[0]
    return verdict(estimate(shares), shares, p_holm, comparisons, margin, True, level=level)


def family(arms: np.ndarray) -> tuple[list[float], list[str]]:
    """The p and the verdict of every arm against the first, as `compare` forms them."""
    p_values = [p_of(arm, arms[0]) for arm in arms[1:]]
    shares = [(arm - arms[0]) / IMAGES for arm in arms[1:]]
    verdicts = [
        verdict(estimate(list(share)), list(share), p_holm, len(p_values), MARGIN, True, level=level)
        for share, p_holm, level in zip(shares, holm(p_values), holm_levels(p_values), strict=True)
    ]
    return p_values, verdicts


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([20, 15, 25, 18, 22, 30, 12, 19, 21, 24], "better"),
        ([-20, -15, -25, -18, -22, -30, -12, -19, -21, -24], "worse"),
        ([5, 4, 6, 3, 7, 5, 4, 6, 5, 5], "better (small)"),
        ([-5, -4, -6, -3, -7, -5, -4, -6, -5, -5], "worse (small)"),
        ([2, -3, 1, 0, -2, 4, -1, 2, -3, 1], "equivalent within +-0.10 pp"),
        ([0] * 10, "equivalent within +-0.10 pp"),
        (
            [20, -25, 10, -5, 15, -20, 30, -15, 5, -10],
            "no evidence of a difference (could still be up to 0.14 pp)",
        ),
        ([20, 15, 25, 18, 22], TOO_FEW_SEEDS),
        ([0] * 5, TOO_FEW_SEEDS),
        ([5], TOO_FEW_SEEDS),
        ([10] * 10, "better"),
        ([10, 10, 12, 10, 13, 8, 7, 10, 7, 13], "better"),  # whose mean is below the margin by rounding alone
        ([9] * 10, "better (small)"),
        ([-10] * 10, "worse"),
    ],
)
def test_every_word_has_its_case(images: list[float], expected: str) -> None:
    assert judge(images) == expected


def test_seeds_are_too_few_without_any_pair_and_where_their_least_p_is_5_percent() -> None:
    assert verdict(Estimate(0, None, None, None), [], 1.0, 1, MARGIN, True) == TOO_FEW_SEEDS
    assert verdict_of(estimate([0.01, -0.01] * 3), (-0.01, 0.01), 1.0, ALPHA, ACCURACY).word == TOO_FEW_SEEDS


def test_a_difference_needs_both_the_p_and_the_interval() -> None:
    differences = [0.002, 0.001, 0.003, 0.002, 0.001, 0.002, 0.003, 0.002]
    for p in (0.05, 0.06):
        assert verdict(estimate(differences), differences, p, 1, MARGIN, True).startswith("no evidence")
    around_zero = Estimate(8, 0.002, 0.003, (-0.0005, 0.0045))
    assert verdict(around_zero, differences, 0.01, 1, MARGIN, True).startswith("no evidence")
    assert verdict(estimate(differences), differences, 0.01, 1, MARGIN, True) == "better"


def test_an_interval_that_ends_at_0_holds_it() -> None:
    assert not is_different((0.0, 0.002), 0.01)
    assert not is_different((-0.002, 0.0), 0.01)


@pytest.mark.parametrize("bounds", [(-0.003, 0.001), (-0.001, 0.003)])
def test_the_further_end_of_the_interval_is_how_far_a_difference_may_reach(bounds: tuple[float, float]) -> None:
    said = verdict_of(Estimate(9, 0.0, 0.001, bounds), bounds, 0.5, 0.004, ACCURACY)
    assert str(said).endswith("could still be up to 0.30 pp)")


def test_losses_are_better_when_smaller_and_have_no_points_and_no_margin() -> None:
    lower = [-0.010, -0.012, -0.008, -0.011, -0.009, -0.010, -0.013]
    assert verdict(estimate(lower), lower, 0.02, 1, None, False, is_share=False) == "better"
    assert verdict(estimate(lower), lower, 0.02, 1, None, True, is_share=False) == "worse"
    level = [-0.01, 0.01, -0.02, 0.02, 0.0, 0.0, 0.0]
    expected = "no evidence of a difference (could still be up to 0.01194)"
    assert verdict(estimate(level), level, 1.0, 1, None, False, is_share=False) == expected


def test_five_wins_of_five_are_too_few_seeds_to_tell() -> None:
    assert p_of(np.arange(10.0, 15.0), np.zeros(5)) == 0.0625
    assert judge([10, 11, 12, 13, 14]) == TOO_FEW_SEEDS


def test_ten_wins_of_ten_tell_even_among_eight_comparisons() -> None:
    p = p_of(np.arange(11.0, 21.0), np.zeros(10))
    assert p == 0.001953125
    assert holm([p] * 8) == [0.015625] * 8
    assert judge(list(range(11, 21)), comparisons=8) == "better"


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (8, 9), (25, 10), (28, 11)])
def test_more_comparisons_need_more_seeds(comparisons: int, seeds: int) -> None:
    assert judge([30.0] * (seeds - 1), comparisons=comparisons) == TOO_FEW_SEEDS
    assert judge([30.0] * seeds, comparisons=comparisons) == "better"


def test_an_arm_whose_p_is_small_all_the_same_is_judged_by_it() -> None:
    wins = [0.003] * 6  # beside arms with more pairs Holm may leave p = 2 / 2**6 as it is
    assert verdict(estimate(wins), wins, 0.03125, 8, MARGIN, True) == "better"


def test_equal_arms_are_called_different_in_at_most_five_of_a_hundred_tables() -> None:
    families = [family(arms) for arms in simulated(np.random.default_rng(11), 200, 8, 10)]
    wrong = [any(word.startswith(("better", "worse")) for word in verdicts) for _, verdicts in families]
    assert np.mean(wrong) <= 0.05 + 0.03
    p_values = np.concatenate([p for p, _ in families])
    for alpha in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert np.mean(p_values <= alpha) == pytest.approx(alpha, abs=0.04)


def test_eighteen_seeds_detect_a_tenth_of_a_point_four_times_in_five() -> None:
    rng = np.random.default_rng(12)
    tables = [np.stack([simulated(rng, 18), simulated(rng, 18, gain=10.0)]) for _ in range(300)]
    found = np.mean([family(arms)[1][0].startswith("better") for arms in tables])
    assert found == pytest.approx(0.8, abs=0.07)  # three standard errors of a share of 300
