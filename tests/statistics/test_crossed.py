"""Seeds and images as two random factors, against simulated worlds; McNemar's test against its binomial sum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from actbench.statistics.crossed import crossed_errors, mcnemar_p
from stopwatch import least_seconds


def test_the_errors_are_those_of_the_mean_squares_of_a_two_way_table() -> None:
    random = np.random.default_rng(0)
    differences = random.integers(-1, 2, (6, 50)) + random.integers(-1, 2, (1, 50))
    seeds, images = differences.shape
    rows, columns, mean = differences.mean(1), differences.mean(0), differences.mean()
    residual = ((differences - rows[:, None] - columns + mean) ** 2).sum() / ((seeds - 1) * (images - 1))
    found = crossed_errors(differences)
    assert found is not None
    assert found.seeds == pytest.approx(math.sqrt(rows.var(ddof=1) / seeds))
    both = rows.var(ddof=1) / seeds + columns.var(ddof=1) / images - residual / (seeds * images)
    assert both > found.seeds**2
    assert found.seeds_and_images == pytest.approx(math.sqrt(both))


def test_other_images_too_make_no_smaller_error_than_other_seeds_alone() -> None:
    """Three networks err on different images: the images' means vary less than the residual alone makes them."""
    differences = -np.eye(3, 9, dtype=int)
    differences[1, 4] = -1
    rows, columns, mean = differences.mean(1), differences.mean(0), differences.mean()
    residual = ((differences - rows[:, None] - columns + mean) ** 2).sum() / (2 * 8)
    assert columns.var(ddof=1) / 9 < residual / (3 * 9)
    found = crossed_errors(differences)
    assert found is not None
    assert found.seeds_and_images == found.seeds == pytest.approx(rows.std(ddof=1) / math.sqrt(3))


def test_over_many_worlds_the_squared_error_is_the_variance_of_the_mean() -> None:
    rng = np.random.default_rng(1)
    means, both, of_seeds = [], [], []
    for _ in range(400):
        seed_effects, image_effects = rng.normal(0, 0.3, (8, 1)), rng.normal(0, 0.6, (1, 40))
        values = np.round(1000 * (seed_effects + image_effects + rng.normal(0, 1, (8, 40)))).astype(int)
        found = crossed_errors(values)
        assert found is not None
        means.append(values.mean())
        both.append(found.seeds_and_images**2)
        of_seeds.append(found.seeds**2)
    assert np.mean(both) == pytest.approx(np.var(means), rel=0.2)
    assert np.mean(of_seeds) < 0.75 * np.var(means)  # which leaves the images out


def test_equal_networks_have_no_error_and_one_seed_or_one_image_has_none() -> None:
    found = crossed_errors(np.zeros((3, 10), int))
    assert found is not None
    assert (found.seeds, found.seeds_and_images) == (0.0, 0.0)
    assert crossed_errors(np.zeros((1, 10), int)) is None
    assert crossed_errors(np.zeros((3, 1), int)) is None


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (5, 0), (3, 8), (8, 3), (40, 60)])
def test_mcnemars_p_is_the_binomial_probability_of_what_is_no_likelier(lost: int, won: int) -> None:
    count = lost + won
    chances = [math.comb(count, one) / 2**count for one in range(count + 1)]
    expected = sum(chance for chance in chances if chance <= chances[lost] * (1 + 1e-9))
    assert mcnemar_p(np.array([lost]), np.array([won])) == pytest.approx(expected)


def test_mcnemars_test_of_ten_thousand_images_takes_no_longer_than_of_ten() -> None:
    def seconds(most: int) -> float:
        lost, won = np.random.default_rng(3).integers(0, most, (2, 20_000))
        return least_seconds(lambda: mcnemar_p(lost, won))

    assert seconds(10_000) < 5 * seconds(10)
