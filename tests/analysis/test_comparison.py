"""Comparisons of arms: pairs of seeds, numbers, and what is detectable."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.analysis.contrasts import contrasts
from actbench.analysis.samples import Sample
from actbench.experiment.metrics import parse_metric
from actbench.report.request import Request, requested_comparison
from actbench.statistics.sign_flip import EXACT_UP_TO, MONTE_CARLO_RESAMPLES
from builders import TWO_ACTIVATIONS
from planted import (
    FIVE_ACTIVATIONS,
    IMAGES,
    MUCH,
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

TWO_FACTORS = TWO_ACTIVATIONS.replace("[relu, tanh]}", "[relu, tanh], train.lr: [0.1, 0.01]}")


def by_label(comparison: Comparison) -> dict[str, float | None]:
    return {row.sample.label: row.contrast.difference.mean if row.contrast else None for row in comparison.rows}


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [300, 310, 320], "tanh": [303, 313, 323]}, TWO_ACTIVATIONS)
    comparison = asked(results)
    relu, tanh = comparison.rows
    assert relu.is_baseline
    assert relu.contrast is None
    assert relu.own.mean == pytest.approx(310 / 360)
    assert tanh.contrast is not None
    assert tanh.contrast.is_paired
    assert tanh.contrast.difference.mean == pytest.approx(3 / 360)
    assert tanh.contrast.difference.sd == 0
    assert (tanh.contrast.p, tanh.contrast.p_holm, tanh.contrast.probability_better) == (0.25, 0.25, 1.0)
    assert tanh.contrast.verdict == "not judged"
    assert comparison.seeds == (0, 1, 2)


@pytest.mark.parametrize("missing", ["relu", "tanh"])
def test_a_seed_that_one_arm_lacks_is_left_out_of_the_pairs_only(missing: str, tmp_path: Path) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, MUCH)}
    without: dict[str, list[int | None]] = {label: list(given) for label, given in counts.items()}
    without[missing][7] = None
    comparison = asked(planted(tmp_path, without))
    assert {row.sample.label: row.own.n for row in comparison.rows} == {"relu": 10, "tanh": 10, missing: 9}
    found = contrast_of(comparison, "tanh")
    kept = [gain for seed, gain in enumerate(MUCH) if seed != 7]
    assert found.difference.n == 9
    assert found.difference.mean == pytest.approx(sum(kept) / 9 / IMAGES)
    assert found.p == 2 / 2**9


def test_seeds_are_paired_by_their_number_and_not_by_their_place(tmp_path: Path) -> None:
    counts = {"relu": [None, 9000, 9100, 9200], "tanh": [9010, 9020, None, 9230]}
    found = contrast_of(asked(planted(tmp_path, counts, TUNED.replace("seeds: 10", "seeds: [9, 2, 4, 1]"))), "tanh")
    assert found.difference.n == 2
    assert found.difference.mean == pytest.approx((20 + 30) / 2 / IMAGES)


def test_arms_without_a_seed_in_common_have_no_difference(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {"relu": [*RELU[:5], *[None] * 5], "tanh": [*[None] * 5, *RELU[5:]]}
    found = contrast_of(asked(planted(tmp_path, counts)), "tanh")
    assert (found.difference.n, found.difference.mean, found.p, found.p_holm) == (0, None, None, None)
    assert found.verdict == "too few seeds to tell"


def test_an_arm_is_compared_with_the_baseline_at_its_own_other_factors(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 100, 100],
        "activation=relu, lr=0.01": [200, 200, 200],
        "activation=tanh, lr=0.1": [110, 110, 110],
        "activation=tanh, lr=0.01": [220, 220, 220],
    }
    assert by_label(asked(planted(tmp_path, counts, TWO_FACTORS))) == {
        "activation=relu, lr=0.1": None,
        "activation=relu, lr=0.01": None,
        "activation=tanh, lr=0.1": pytest.approx(10 / 360),
        "activation=tanh, lr=0.01": pytest.approx(20 / 360),
    }


def test_a_whole_arm_as_baseline_is_compared_with_all_others(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 100, 100],
        "activation=relu, lr=0.01": [200, 200, 200],
        "activation=tanh, lr=0.1": [110, 110, 110],
        "activation=tanh, lr=0.01": [220, 220, 220],
    }
    assert by_label(asked(planted(tmp_path, counts, TWO_FACTORS), baseline="relu, lr=0.01")) == {
        "activation=relu, lr=0.1": pytest.approx(-100 / 360),
        "activation=relu, lr=0.01": None,
        "activation=tanh, lr=0.1": pytest.approx(-90 / 360),
        "activation=tanh, lr=0.01": pytest.approx(20 / 360),
    }


def test_without_a_baseline_there_are_no_differences(tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS.replace("baseline: {model.activation: relu}\n", "")
    comparison = asked(planted(tmp_path, {"relu": [300], "tanh": [303]}, text))
    assert by_label(comparison) == {"relu": None, "tanh": None}
    assert comparison.detectable is None


def test_diverged_trials_stay_in_the_sample_and_failed_ones_are_counted(tmp_path: Path) -> None:
    changes: dict[int, dict[str, Any]] = {
        0: {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None},
        2: {"outcome": "failed", "test_correct_count": None},
    }

    def change(label: str, seed: int) -> dict[str, Any]:
        return changes.get(seed, {}) if label == "tanh" else {}

    counts = {"relu": [300, 310, 320], "tanh": [36, 313, 300]}
    results = planted(tmp_path, counts, TWO_ACTIVATIONS, change=change)
    tanh = asked(results).rows[1]
    assert (tanh.own.n, tanh.sample.failed) == (2, 2)
    assert tanh.own.mean == pytest.approx((36 + 313) / 720)
    by_loss = contrast_of(asked(results, metric="test_loss"), "tanh")
    assert by_loss.difference.n == 2
    by_validation = contrast_of(asked(results, metric="validation_accuracy"), "tanh")
    assert by_validation.difference.n == 3


def test_the_order_of_the_journal_changes_nothing(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    backwards = replace(results, records=dict(reversed(results.records.items())))
    assert asked(backwards, all_pairs=True) == asked(results, all_pairs=True)


@pytest.mark.parametrize("order", [(4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_the_order_of_the_arms_changes_nothing_but_the_order_of_the_rows(order: Sequence[int], tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    forth = asked(results)
    back = asked(replace(results, plan=replace(results.plan, arms=tuple(results.plan.arms[i] for i in order))))
    assert back.rows == tuple(forth.rows[i] for i in order)
    assert (back.best[0], set(back.best)) == (forth.best[0], set(forth.best))
    assert replace(back, rows=(), best=()) == replace(forth, rows=(), best=())


def test_what_the_command_line_asks_is_what_is_compared(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)})
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    assert requested_comparison([results], None, Request(), lambda _: None) == compare(
        results.plan, results.records, question
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


def test_a_pair_spends_what_the_later_of_its_looks_may() -> None:
    relu = Sample("relu", (), {seed: count / IMAGES for seed, count in enumerate(RELU)}, 40, alpha=0.01)
    tanh = Sample("tanh", (), {seed: one + 0.01 for seed, one in relu.by_seed.items()}, 10, alpha=0.02)
    elu = Sample("elu", (), {seed: one + seed / IMAGES for seed, one in relu.by_seed.items()}, 10, alpha=0.02)
    for pair in ((relu, tanh), (tanh, relu), (relu, elu), (elu, relu)):
        (found,) = contrasts([pair], parse_metric("test_accuracy"), None)
        assert found.p is not None
        assert found.p_holm == pytest.approx(5 * found.p)
        assert found.adjusted_confidence == 0.99
        assert found.adjusted_interval == found.difference.interval_of(0.99)


def at_look(label: str, gains: Sequence[int], alpha: float, *, may_be_equivalent: bool = True) -> Sample:
    """So many images more than 9,700 of 10,000, seed by seed, at a look that may spend this."""
    values = {seed: (9700 + gain) / IMAGES for seed, gain in enumerate(gains)}
    return Sample(label, (), values, len(gains), alpha=alpha, may_be_equivalent=may_be_equivalent)


@pytest.mark.parametrize("alpha", [0.05, 0.0125, 0.001])
@pytest.mark.parametrize("offset", [0, 2, 4, 6])
def test_a_pair_is_equivalent_by_two_tests_at_the_level_of_its_look(alpha: float, offset: int) -> None:
    gains = [offset + gain for gain in (12, -12, 9, -9, 6, -6, 10, -10, 2, -2, 0, 0)]
    differences = np.array(gains) / IMAGES
    above = stats.ttest_1samp(differences, -0.001, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, 0.001, alternative="less").pvalue
    pair = at_look("tanh", gains, alpha), at_look("relu", [0] * len(gains), alpha)
    (found,) = contrasts([pair], parse_metric("test_accuracy"), 0.001)
    assert (found.verdict == "equivalent within +-0.10 pp") == (max(above, below) < alpha)


def test_beside_an_unusable_trial_at_a_look_no_pair_is_equivalent() -> None:
    sound, unsound = (at_look(name, [0] * 12, 0.0125, may_be_equivalent=name == "tanh") for name in ("tanh", "elu"))
    relu = at_look("relu", [0] * 12, 0.0125)
    for first, second in ((unsound, relu), (relu, unsound), (sound, relu)):
        (found,) = contrasts([(first, second)], parse_metric("test_accuracy"), 0.001)
        assert (found.verdict or "").startswith("equivalent" if unsound not in (first, second) else "no evidence")


def test_seeds_of_a_look_are_too_few_where_their_least_p_is_above_its_level() -> None:
    for alpha, word in ((0.05, "better"), (0.01, "too few seeds to tell")):
        pairs = [(at_look("tanh", MUCH, alpha), at_look("relu", [0] * 10, alpha))] * 15
        assert 2 / 2**10 * 15 < 0.05
        assert 2 / 2**10 * 15 > 0.01
        assert {one.verdict for one in contrasts(pairs, parse_metric("test_accuracy"), 0.001)} == {word}


def test_losses_of_any_number_of_seeds_are_too_few_for_more_comparisons_than_resampling_resolves() -> None:
    def pair(seeds: int) -> tuple[Sample, Sample]:
        return Sample("tanh", (), dict.fromkeys(range(seeds), 0.5), seeds), Sample(
            "relu", (), {seed: 0.5 + (-1) ** seed for seed in range(seeds)}, seeds
        )

    many = [pair(1)] * (MONTE_CARLO_RESAMPLES // 40)
    for metric, word in (("test_loss", "too few seeds to tell"), ("test_accuracy", "no evidence")):
        (*_, found) = contrasts([*many, pair(EXACT_UP_TO + 2)], parse_metric(metric), None)
        assert (found.verdict or "").startswith(word)


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
