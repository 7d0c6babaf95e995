"""The numbers of a comparison, against scipy, statsmodels and counting through: intervals, p, ties, spread."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from actbench.analysis.comparison import compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.statistics.sign_flip import EXACT_UP_TO
from planted import (
    FIVE_ACTIVATIONS,
    IMAGES,
    RELU,
    TUNED,
    UNTUNED,
    above,
    asked,
    contrast_of,
    five_arms,
    planted,
    verdicts,
    with_counts,
)


def exact_p(differences: Sequence[int] | np.ndarray) -> float:
    """The share of all sign patterns of whole numbers whose sum is as far from 0 as theirs, counted one by one."""
    patterns = Counter({0: 1})
    for one in differences:
        patterns = Counter({total + one: count for total, count in patterns.items()}) + Counter(
            {total - one: count for total, count in patterns.items()}
        )
    return sum(count for total, count in patterns.items() if abs(total) >= abs(sum(differences))) / patterns.total()


def test_the_interval_of_the_paired_difference_is_scipys(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS))
    for label, counts in list(five_arms().items())[1:]:
        found = contrast_of(comparison, label).difference
        differences = (np.asarray(counts) - RELU) / IMAGES
        expected = stats.ttest_1samp(differences, 0).confidence_interval()
        assert found.interval == pytest.approx((expected.low, expected.high))
        assert (found.mean, found.sd) == pytest.approx((differences.mean(), differences.std(ddof=1)))
    own = stats.ttest_1samp(np.asarray(RELU) / IMAGES, 0).confidence_interval()
    assert comparison.rows[0].own.interval == pytest.approx((own.low, own.high))


def test_p_is_adjusted_over_all_contrasts_as_statsmodels_does(tmp_path: Path) -> None:
    from statsmodels.stats.multitest import multipletests

    comparison = asked(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS))
    found = [contrast_of(comparison, label) for label in list(five_arms())[1:]]
    p_values = [one.p for one in found]
    assert p_values == [exact_p(np.subtract(counts, RELU)) for counts in list(five_arms().values())[1:]]
    assert [one.p_holm for one in found] == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    assert found[0].p_holm == pytest.approx(4 * 2 / 2**10)


def test_an_arm_without_results_is_not_paid_for(tmp_path: Path) -> None:
    counts = {label: given for label, given in five_arms().items() if label != "mish"}
    comparison = asked(planted(tmp_path, counts, FIVE_ACTIVATIONS))
    assert contrast_of(comparison, "tanh").p_holm == pytest.approx(3 * 2 / 2**10)
    assert contrast_of(comparison, "mish").p_holm is None


def test_all_pairs_are_paid_for_together(tmp_path: Path) -> None:
    from statsmodels.stats.multitest import multipletests

    comparison = asked(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS), all_pairs=True)
    pairs = [(one.first.label, one.second.label) for one in comparison.pairs]
    assert pairs == list(itertools.combinations(five_arms(), 2))
    p_values = [one.p for one in comparison.pairs]
    expected = [exact_p(np.subtract(five_arms()[a], five_arms()[b])) for a, b in pairs]
    assert p_values == expected
    assert [one.p_holm for one in comparison.pairs] == pytest.approx(list(multipletests(expected, method="holm")[1]))
    assert comparison.pairs[0].p_holm == pytest.approx(10 * 2 / 2**10)
    assert contrast_of(comparison, "tanh").p_holm == pytest.approx(4 * 2 / 2**10)


def test_pairs_are_made_only_where_they_are_asked_for(tmp_path: Path) -> None:
    assert asked(planted(tmp_path, five_arms())).pairs == ()


@pytest.mark.parametrize("dataset", ["mnist", "digits", "mnist, test: 60"])
def test_equal_counts_are_ties_whatever_the_number_of_test_images(dataset: str, tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [0] * 10, "tanh": [0] * 10}, TUNED.replace("mnist}", f"{dataset}}}"))
    rng = np.random.default_rng(21)
    for _ in range(20):
        relu, tanh = (list(map(int, sample)) for sample in rng.integers(30, 36, (2, 10)))
        found = contrast_of(asked(with_counts(results, {"relu": relu, "tanh": tanh})), "tanh")
        gains = np.subtract(tanh, relu)
        assert found.p == exact_p(gains)
        assert found.probability_better == pytest.approx(((gains > 0).sum() + (gains == 0).sum() / 2) / 10)


def test_means_over_the_other_factors_tie_where_their_counts_do(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], train.lr: [0.1, 0.01, 0.001]}")
    rng = np.random.default_rng(22)
    rates = ("0.1", "0.01", "0.001")
    labels = {name: [f"activation={name}, lr={rate}" for rate in rates] for name in ("relu", "tanh")}
    results = planted(tmp_path, {label: [0] * 10 for label in itertools.chain(*labels.values())}, text)
    for _ in range(10):
        counts = {name: rng.integers(9780, 9784, (3, 10)) for name in labels}
        by_arm = {
            label: list(map(int, row)) for name in labels for label, row in zip(labels[name], counts[name], strict=True)
        }
        found = contrast_of(asked(with_counts(results, by_arm), by="activation"), "tanh")
        gains = counts["tanh"].sum(axis=0) - counts["relu"].sum(axis=0)
        assert found.p == exact_p(gains)
        assert found.probability_better == pytest.approx(((gains > 0).sum() + (gains == 0).sum() / 2) / 10)


@pytest.mark.parametrize("gain", [0, 3, -7])
@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_constant_differences_have_no_spread_and_a_finite_p(dataset: str, gain: int, tmp_path: Path) -> None:
    counts = [300, 310, 299, 321, 307, 315, 302, 311]
    text = TUNED.replace("seeds: 10", "seeds: 8").replace("mnist", dataset)
    comparison = asked(planted(tmp_path, {"relu": counts, "tanh": above(counts, [gain] * 8)}, text))
    found = contrast_of(comparison, "tanh")
    images = {"mnist": IMAGES, "digits": 360}[dataset]
    assert found.difference.mean == pytest.approx(gain / images)
    assert found.difference.sd == 0
    assert found.difference.interval == pytest.approx((gain / images, gain / images))
    assert found.p == (2 / 2**8 if gain else 1.0)
    assert found.probability_better == (1 if gain > 0 else 0 if gain else 0.5)
    assert comparison.detectable is None


def test_very_small_numbers_are_tested_as_well_as_large_ones(tmp_path: Path) -> None:
    for scale in (1e-14, 1e-6, 1.0, 1e12):
        losses = {"relu": [3.0 + seed for seed in range(10)], "tanh": [2.5 + seed for seed in range(10)]}

        def change(
            label: str, seed: int, scale: float = scale, losses: dict[str, list[float]] = losses
        ) -> dict[str, Any]:
            return {"test_loss": scale * losses[label][seed]}

        results = planted(tmp_path / str(scale), {"relu": RELU, "tanh": RELU}, change=change)
        assert contrast_of(asked(results, metric="test_loss"), "tanh").p == 2 / 2**10


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_ties_are_ties_among_many_seeds_too(dataset: str, tmp_path: Path) -> None:
    n = EXACT_UP_TO + 4
    relu, tanh = (list(map(int, sample)) for sample in np.random.default_rng(23).integers([[300], [301]], 306, (2, n)))
    text = TUNED.replace("seeds: 10", f"seeds: {n}").replace("mnist", dataset)
    found = contrast_of(asked(planted(tmp_path, {"relu": relu, "tanh": tanh}, text)), "tanh")
    assert found.p == pytest.approx(exact_p(np.subtract(tanh, relu)), abs=0.005)


def test_independent_losses_of_any_size_have_the_p_of_their_regroupings(tmp_path: Path) -> None:
    text = TUNED.replace("seeds: 10", "seeds: 5")
    for scale in (1e-12, 1.0, 1e12):

        def change(label: str, seed: int, scale: float = scale) -> dict[str, Any]:
            return {"test_loss": scale * (seed + (5 if label == "tanh" else 0))}

        one = planted(tmp_path / f"one {scale}", {"relu": RELU[:5]}, text, change=change)
        other_text = text.replace("mnist}", "mnist, train: 1000}")
        other = planted(tmp_path / f"other {scale}", {"tanh": RELU[:5]}, other_text, change=change)
        found = contrast_of(asked([one, other], metric="test_loss"), f"other {scale}: tanh")
        assert found.p == pytest.approx(2 / 252)
        assert found.probability_better == 0.0


def test_equal_arms_are_rarely_called_different_by_the_whole_of_compare(tmp_path: Path) -> None:
    names = ("relu", "tanh", "elu", "gelu")
    text = TUNED.replace("[relu, tanh]", f"[{', '.join(names)}]")
    results = planted(tmp_path, {name: [0] * 10 for name in names}, text)
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    rng, wrong = np.random.default_rng(24), 0
    for _ in range(60):
        counts = {name: list(map(int, rng.normal(9800, 10, 10).round())) for name in names}
        simulated = with_counts(results, counts)
        comparison = compare(simulated.plan, simulated.records, question)
        wrong += any(str(word).startswith(("better", "worse")) for word in verdicts(comparison).values())
    assert wrong <= 0.08 * 60
