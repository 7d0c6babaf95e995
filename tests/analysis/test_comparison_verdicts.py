"""Every word of the protocol from a planted result folder, as `actbench compare` comes to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actbench.statistics.sign_flip import smallest_p
from planted import (
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
