"""The verdict on each arm, and the arms that cannot be distinguished from the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import actbench
from actbench.report.statements import notes, statements, too_few
from actbench.statistics.intervals import predicted_sd
from actbench.statistics.power import detectable_difference
from actbench.statistics.sign_flip import smallest_p
from actbench.store.results import load_results
from planted import (
    IMAGES,
    LITTLE,
    MUCH,
    NOISE,
    NOTHING,
    RATE_OUT_OF_REACH,
    RELU,
    TUNED,
    UNTUNED,
    above,
    asked,
    contrast_of,
    planted,
    verdicts,
    with_counts,
)

DIVERGED = {"outcome": "diverged", "diverged_epoch": 1}
COLLAPSED = {"test_prediction_counts": (10_000, *[0] * 9)}
OTHER_DATA = TUNED.replace("mnist}", "mnist, train: 1000}")


def verdict_on_tanh(folder: Path, gains: list[int], text: str = TUNED, /, **request: Any) -> str | None:
    """The verdict where tanh gets so many images more right than relu, seed by seed."""
    seeds = len(gains)
    counts = {"relu": RELU[:seeds], "tanh": above(RELU[:seeds], gains)}
    return verdicts(asked(planted(folder, counts, text.replace("seeds: 10", f"seeds: {seeds}")), **request))["tanh"]


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        (MUCH, "better"),
        ([-gain for gain in MUCH], "worse"),
        (LITTLE, "better (small)"),
        ([-gain for gain in LITTLE], "worse (small)"),
        ([10] * 10, "better"),
        ([9] * 10, "better (small)"),
        (NOTHING, "equivalent within +-0.10 pp"),
        ([0] * 10, "equivalent within +-0.10 pp"),
        (NOISE, "no evidence of a difference (could still be up to 0.14 pp)"),
        (MUCH[:5], "too few seeds to tell"),
        ([0] * 5, "too few seeds to tell"),
        ([50], "too few seeds to tell"),
    ],
)
def test_every_word_has_its_case(gains: list[int], expected: str, tmp_path: Path) -> None:
    assert verdict_on_tanh(tmp_path, gains) == expected


def test_five_wins_of_five_have_the_smallest_p_there_is_and_tell_nothing(tmp_path: Path) -> None:
    counts = {"relu": RELU[:5], "tanh": above(RELU[:5], MUCH[:5])}
    found = contrast_of(asked(planted(tmp_path, counts, TUNED.replace("seeds: 10", "seeds: 5"))), "tanh")
    assert found.p == found.p_holm == smallest_p(5, 1) == 0.0625
    assert found.probability_better == 1.0
    assert found.verdict == "too few seeds to tell"


def test_ten_wins_of_ten_tell_among_eight_comparisons(tmp_path: Path) -> None:
    names = ["relu", "tanh", "elu", "gelu", "mish", "selu", "softplus", "sigmoid", "leaky_relu"]
    text = TUNED.replace("relu, tanh", ", ".join(names))
    counts = {name: above(RELU, MUCH) for name in names} | {"relu": RELU}
    comparison = asked(planted(tmp_path, counts, text))
    found = [row.contrast for row in comparison.rows if row.contrast]
    assert [(one.p, one.p_holm, one.verdict) for one in found] == [(0.001953125, 0.015625, "better")] * 8


def test_the_same_wins_are_too_few_among_more_comparisons(tmp_path: Path) -> None:
    text = TUNED.replace("seeds: 10", "seeds: 6").replace("relu, tanh", "relu, tanh, elu")
    counts = {"relu": RELU[:6], "tanh": above(RELU[:6], MUCH[:6]), "elu": above(RELU[:6], MUCH[:6])}
    results = planted(tmp_path, counts, text)
    assert verdicts(asked(results)) == dict.fromkeys(("tanh", "elu"), "too few seeds to tell")
    assert {one.verdict for one in asked(results, all_pairs=True).pairs} == {"too few seeds to tell"}
    alone = {"relu": RELU[:6], "tanh": above(RELU[:6], MUCH[:6])}
    assert verdicts(asked(planted(tmp_path / "alone", alone, text)))["tanh"] == "better"


@pytest.mark.parametrize(
    ("margin", "expected"),
    [("0.003", "better (small)"), ("0.0001", "better"), ("0.00206", "better"), ("0.00207", "better (small)")],
)
def test_the_margin_of_the_file_says_what_is_small(margin: str, expected: str, tmp_path: Path) -> None:
    assert verdict_on_tanh(tmp_path, MUCH, TUNED + f"margin: {margin}\n") == expected


def test_the_margin_of_the_file_says_what_is_equivalent(tmp_path: Path) -> None:
    assert verdict_on_tanh(tmp_path / "wide", NOISE, TUNED + "margin: 0.0025\n") == "equivalent within +-0.25 pp"
    found = verdict_on_tanh(tmp_path / "narrow", NOTHING, TUNED + "margin: 0.0001\n")
    assert found == "no evidence of a difference (could still be up to 0.02 pp)"


def test_an_untuned_rate_is_judged_only_where_that_is_accepted(tmp_path: Path) -> None:
    assert verdict_on_tanh(tmp_path / "as it is", MUCH, UNTUNED) == "not judged"
    assert verdict_on_tanh(tmp_path / "accepted", MUCH, UNTUNED, shared_lr=True) == "better"


def test_an_untuned_rate_is_not_judged_in_pairs_either(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}, UNTUNED)
    (pair,) = asked(results, all_pairs=True).pairs
    assert pair.verdict == "not judged"
    (pair,) = asked(results, all_pairs=True, shared_lr=True).pairs
    assert (pair.first.label, pair.second.label, pair.verdict) == ("relu", "tanh", "worse")


@pytest.mark.parametrize("shared_lr", [False, True])
@pytest.mark.parametrize("at_edge", ["relu", "tanh"])
def test_an_optimum_at_the_edge_of_the_grid_withholds_the_verdicts_it_bears_on(
    at_edge: str, shared_lr: bool, tmp_path: Path
) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, MUCH), "elu": above(RELU, MUCH)}
    text = TUNED.replace("relu, tanh", "relu, tanh, elu")
    found = verdicts(
        asked(planted(tmp_path, counts, text, best_rates={at_edge: RATE_OUT_OF_REACH}), shared_lr=shared_lr)
    )
    assert found == {"tanh": "not judged", "elu": "not judged" if at_edge == "relu" else "better"}


@pytest.mark.parametrize(
    "changes", [DIVERGED, {"outcome": "failed"}, COLLAPSED], ids=["diverged", "failed", "collapsed"]
)
@pytest.mark.parametrize(("failed", "expected"), [(2, "better"), (3, "not judged")])
@pytest.mark.parametrize("failing", ["relu", "tanh"])
def test_more_than_a_fifth_of_failed_trials_in_either_arm_withholds_the_verdict(
    failing: str, failed: int, expected: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, MUCH)}
    results = planted(
        tmp_path, counts, change=lambda label, seed: changes if label == failing and seed < failed else {}
    )
    assert verdicts(asked(results)) == {"tanh": expected}


@pytest.mark.parametrize(
    "metric", ["layer1.mean", "train_accuracy - validation_accuracy", "test_loss / train_loss", "layer1.abs_mean"]
)
def test_a_metric_of_which_neither_way_is_better_has_no_verdict(metric: str, tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)})
    comparison = asked(results, metric=metric, all_pairs=True)
    assert verdicts(comparison) == {"tanh": None}
    assert [one.verdict for one in comparison.pairs] == [None]
    assert contrast_of(comparison, "tanh").probability_better is None
    assert comparison.best == ()


@pytest.mark.parametrize(("gain", "expected"), [(-0.01, "better"), (0.01, "worse")])
def test_a_smaller_loss_is_better_and_has_no_margin(gain: float, expected: str, tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return {"test_loss": 0.1 + 0.001 * seed + (gain if label == "tanh" else 0)}

    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}, change=change), metric="test_loss")
    found = contrast_of(comparison, "tanh")
    assert found.verdict == expected
    assert found.probability_better == (1.0 if gain < 0 else 0.0)
    assert comparison.margin is None


def test_a_loss_without_evidence_is_named_without_points(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return {"test_loss": 0.1 + (NOISE[seed] / 1000 if label == "tanh" else 0)}

    results = planted(tmp_path, {"relu": RELU, "tanh": RELU}, change=change)
    found = contrast_of(asked(results, metric="test_loss"), "tanh")
    assert found.difference.interval is not None
    low, high = found.difference.interval
    assert found.verdict == f"no evidence of a difference (could still be up to {max(-low, high):.4g})"


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([60] * 10, "better"),
        ([-60] * 10, "worse"),
        ([1] * 10, "no evidence of a difference (could still be up to 0.11 pp)"),
        ([60] * 3, "too few seeds to tell"),
        ([60] * 4, "better"),
    ],
)
def test_results_from_other_data_are_judged_as_independent(gains: list[int], expected: str, tmp_path: Path) -> None:
    seeds = len(gains)
    counts = {"relu": RELU[:seeds], "tanh": above(RELU[:seeds], gains)}
    one, other = (
        planted(tmp_path / name, {label: counts[label]}, text.replace("seeds: 10", f"seeds: {seeds}"))
        for name, label, text in (("one", "relu", TUNED), ("other", "tanh", OTHER_DATA))
    )
    found = contrast_of(asked([one, other]), "other: tanh")
    assert not found.is_paired
    assert found.verdict == expected
    assert too_few([found]) == f"{seeds} seeds cannot decide 1 comparison, 4 can"  # 2 / C(8, 4) = 0.029


FOUR = TUNED.replace("relu, tanh", "relu, tanh, elu, gelu")


def test_all_that_cannot_be_told_from_the_best_are_named_after_it(tmp_path: Path) -> None:
    best = above(RELU, MUCH)
    counts = {"relu": RELU, "tanh": above(best, NOTHING), "elu": best, "gelu": above(best, NOISE)}
    means = {label: np.mean(given) for label, given in counts.items()}
    assert max(means, key=lambda label: means[label]) == "gelu"
    assert asked(planted(tmp_path, counts, FOUR)).best == ("gelu", "tanh", "elu")


def test_a_clear_winner_stands_alone(tmp_path: Path) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, LITTLE), "elu": above(RELU, MUCH), "gelu": above(RELU, NOTHING)}
    assert asked(planted(tmp_path, counts, FOUR)).best == ("elu",)


def test_each_that_is_left_out_is_paid_for_as_if_all_were(tmp_path: Path) -> None:
    """Eight wins and two losses have p = 0.035: below 5 % alone, above it three times."""
    close = above(RELU, [20, 15, 25, 18, 22, 30, 12, 19, -18, -12])
    two = asked(planted(tmp_path / "two", {"relu": RELU, "tanh": close}))
    p = contrast_of(two, "tanh").p
    assert p is not None
    assert p <= 0.05 < 3 * p
    assert two.best == ("tanh",)
    far = above(RELU, [-300] * 10)
    counts = {"relu": RELU, "tanh": close, "elu": far, "gelu": far}
    other_baseline = FOUR.replace("activation: relu}", "activation: elu}")
    assert asked(planted(tmp_path / "four", counts, other_baseline)).best == ("tanh", "relu")


def test_an_arm_whose_adjusted_interval_holds_0_is_not_left_out_whatever_its_p(tmp_path: Path) -> None:
    """Ten wins of ten, but one by far the largest: the interval excludes 0 alone, and not among three."""
    far = above(RELU, [-300] * 10)
    counts = {"relu": RELU, "tanh": above(RELU, [10] * 9 + [72]), "elu": far, "gelu": far}
    other_baseline = FOUR.replace("activation: relu}", "activation: elu}")
    assert asked(planted(tmp_path, counts, other_baseline)).best == ("tanh", "relu")


def test_an_arm_and_its_baseline_are_decided_once(tmp_path: Path) -> None:
    """Holm finds tanh better than relu at p = 0.035, since all others differ; Bonferroni alone would not."""
    close = above(RELU, [20, 15, 25, 18, 22, 30, 12, 19, -18, -12])
    far = above(RELU, [-300] * 10)
    four = asked(planted(tmp_path, {"relu": RELU, "tanh": close, "elu": far, "gelu": far}, FOUR))
    assert contrast_of(four, "tanh").verdict == "better"
    assert four.best == ("tanh",)


def test_seeds_that_could_leave_nothing_out_name_no_best(tmp_path: Path) -> None:
    counts = {"relu": RELU[:6], "tanh": above(RELU[:6], MUCH[:6])}
    text = TUNED.replace("seeds: 10", "seeds: 6")
    assert asked(planted(tmp_path / "two", counts, text)).best == ("tanh",)
    four = {**counts, "elu": above(RELU[:6], LITTLE[:6]), "gelu": above(RELU[:6], NOTHING[:6])}
    assert asked(planted(tmp_path / "four", four, FOUR.replace("seeds: 10", "seeds: 6"))).best == ()


def test_arms_in_doubt_are_passed_over(tmp_path: Path) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, NOTHING), "elu": above(RELU, MUCH), "gelu": above(RELU, LITTLE)}
    at_edge = planted(tmp_path, counts, FOUR, best_rates={"elu": RATE_OUT_OF_REACH})
    assert asked(at_edge).best == ("gelu",)


def test_the_truly_best_is_hardly_ever_left_out(tmp_path: Path) -> None:
    names = ("relu", "tanh", "elu", "gelu")
    results, rng, missed = planted(tmp_path, {name: [0] * 10 for name in names}, FOUR), np.random.default_rng(32), 0
    for _ in range(60):
        draws = {name: rng.normal(9800 + 2 * (name == "elu"), 10, 10).round() for name in names}
        comparison = asked(with_counts(results, {name: list(map(int, given)) for name, given in draws.items()}))
        missed += "elu" not in comparison.best
    assert missed <= 0.08 * 60


def test_of_equal_means_the_first_arm_is_named_first(tmp_path: Path) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, MUCH), "elu": above(RELU, MUCH), "gelu": RELU}
    assert asked(planted(tmp_path, counts, FOUR)).best == ("tanh", "elu")


def test_the_best_loss_is_the_smallest(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return {"test_loss": {"relu": 0.2, "tanh": 0.1, "elu": 0.101, "gelu": 0.3}[label] + NOISE[seed] * 1e-4}

    def noisy(label: str, seed: int) -> dict[str, Any]:
        return change(label, (seed + 3) % 10 if label == "elu" else seed)

    counts = dict.fromkeys(("relu", "tanh", "elu", "gelu"), RELU)
    assert asked(planted(tmp_path / "apart", counts, FOUR, change=change), metric="test_loss").best == ("tanh",)
    found = asked(planted(tmp_path / "noisy", counts, FOUR, change=noisy), metric="test_loss").best
    assert found == ("tanh", "elu")


def test_arms_without_results_are_neither_the_best_nor_beside_it(tmp_path: Path) -> None:
    assert asked(planted(tmp_path / "one", {"relu": RELU}, FOUR)).best == ()
    counts = {"relu": RELU, "gelu": above(RELU, NOTHING)}
    assert asked(planted(tmp_path / "two", counts, FOUR)).best == ("gelu", "relu")


def test_an_untuned_experiment_names_its_best_only_where_a_shared_rate_is_accepted(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}, UNTUNED)
    assert asked(results).best == ()
    assert asked(results, shared_lr=True).best == ("tanh",)


def test_the_predicted_sd_is_that_of_the_arms_own_accuracy_and_test_set(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": [9800] * 10, "tanh": [9900] * 10}))
    assert [row.predicted_sd for row in comparison.rows] == pytest.approx([0.001, 0.01**0.5 / 20_000**0.5])
    digits = asked(planted(tmp_path / "digits", {"relu": [324] * 10}, TUNED.replace("mnist", "digits")))
    assert digits.rows[0].predicted_sd == pytest.approx(predicted_sd(0.9, 360))
    assert digits.rows[1].predicted_sd is None


@pytest.mark.parametrize("metric", ["test_loss", "validation_accuracy", "train_accuracy"])
def test_only_test_accuracy_has_a_predicted_sd(metric: str, tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}), metric=metric)
    assert {row.predicted_sd for row in comparison.rows} == {None}


def test_a_mean_over_several_arms_has_no_predicted_sd(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}), by="activation")
    assert {row.predicted_sd for row in comparison.rows} == {None}


def test_the_detectable_difference_is_that_of_the_spread_of_the_differences(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}))
    sd = float(np.std(MUCH, ddof=1)) / IMAGES
    assert comparison.detectable == pytest.approx(detectable_difference(10, sd))
    assert contrast_of(comparison, "tanh").difference.sd == pytest.approx(sd)


def test_the_detectable_difference_pays_for_all_comparisons_and_is_their_median(tmp_path: Path) -> None:
    gains = {"tanh": MUCH, "elu": NOISE, "gelu": NOTHING}
    comparison = asked(
        planted(tmp_path, {"relu": RELU, **{name: above(RELU, gain) for name, gain in gains.items()}}, FOUR)
    )
    each = [detectable_difference(10, float(np.std(gain, ddof=1)) / IMAGES, comparisons=3) for gain in gains.values()]
    assert comparison.detectable == pytest.approx(sorted(one for one in each if one)[1])


def test_more_seeds_show_smaller_differences(tmp_path: Path) -> None:
    rng = np.random.default_rng(31)
    relu, tanh = (list(map(int, sample.round())) for sample in rng.normal(9800, 10, (2, 40)))
    found = []
    for n in (6, 10, 20, 40):
        results = planted(tmp_path / str(n), {"relu": relu, "tanh": tanh}, TUNED.replace("seeds: 10", f"seeds: {n}"))
        found.append(asked(results).detectable or 0)
    assert found == sorted(found, reverse=True)
    assert 2 * found[-1] < found[0]


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_seeds_that_can_show_nothing_detect_nothing(seeds: int, tmp_path: Path) -> None:
    counts = {"relu": RELU[:seeds], "tanh": above(RELU, MUCH)[:seeds]}
    assert asked(planted(tmp_path, counts, TUNED.replace("seeds: 10", f"seeds: {seeds}"))).detectable is None


def test_trained_arms_scatter_about_as_much_as_the_test_set_alone_predicts() -> None:
    """Over the arms of the tuned MNIST results, the sd between seeds is 0.6 to 1.7 times sqrt(error / (2 images))."""
    root = Path(actbench.__file__).parent.parent
    results = load_results(root / "results" / "mnist-tuned", root)
    rows = asked(results).rows
    observed = np.sqrt(np.mean([row.own.sd**2 for row in rows if row.own.sd is not None]))
    predicted = np.sqrt(np.mean([row.predicted_sd**2 for row in rows if row.predicted_sd is not None]))
    assert 0.6 < observed / predicted < 1.7


def test_trials_without_a_finite_loss_are_left_out_of_the_pairs_and_said_to_be(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        lost = label == "tanh" and seed == 7
        return {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None} if lost else {"test_loss": 0.1 + seed}

    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}, change=change), metric="test_loss")
    assert contrast_of(comparison, "tanh").difference.n == 9
    assert comparison.rows[1].sample.failed == 1
    assert "on only 9 of 10 seeds" in "\n".join(notes(statements(comparison, [])))
