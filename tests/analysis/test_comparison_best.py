"""What a comparison says of all arms together: the best, what chance alone would spread, and what could be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import actbench
from actbench.report.statements import notes, statements
from actbench.statistics.intervals import predicted_sd
from actbench.statistics.power import detectable_difference
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
    with_counts,
)

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
