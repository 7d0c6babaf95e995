"""Shares of the variance: what exists is found, and what does not exist is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from actbench.statistics.anova import MAX_F, noncentrality, variance_shares


def test_where_nothing_is_the_shares_are_0_on_average_and_95_of_100_intervals_hold_0() -> None:
    rng, found = np.random.default_rng(41), []
    for _ in range(1500):
        shares, noise = variance_shares(rng.normal(0.98, 0.001, (3, 4, 5)), "ab")
        assert sum(one.share for one in shares) + noise == pytest.approx(1)
        found.append([(one.share, one.interval[0] == 0) for one in shares])
    for effect in np.asarray(found).swapaxes(0, 1):
        assert effect[:, 0].mean() == pytest.approx(0, abs=0.006)
        assert effect[:, 1].mean() == pytest.approx(0.95, abs=0.017)


@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
def test_the_interval_holds_the_true_share_in_about_90_of_100_experiments(size: float) -> None:
    """Rows differ by so many standard deviations; the variance between them is size**2 / 4, that of the noise 1."""
    rng, expected = np.random.default_rng(42), (size**2 / 4) / (size**2 / 4 + 1)
    rows = np.asarray([-size / 2, size / 2])[:, None, None]
    found = [variance_shares(rows + rng.normal(0, 1, (2, 3, 8)), "ab")[0][0] for _ in range(800)]
    assert np.mean([one.share for one in found]) == pytest.approx(expected, abs=0.02)
    assert np.mean([one.interval[0] <= expected <= one.interval[1] for one in found]) == pytest.approx(0.9, abs=0.05)
    assert all(one.interval[0] <= max(one.share, 0) <= one.interval[1] for one in found)


def test_an_interval_begins_above_0_exactly_if_the_f_test_rejects() -> None:
    for seed in range(60):
        values = np.random.default_rng(seed).normal(0, 1, (2, 2, 4)) + np.asarray([0, 0.8])[:, None, None]
        row = variance_shares(values, "ab")[0][0]
        error = values.var(axis=-1, ddof=1).mean()
        f = 8 * 2 * values.mean(axis=(1, 2)).var() / error
        assert (row.interval[0] > 0) == (stats.f.sf(f, 1, 12) < 0.05)


@pytest.mark.parametrize("percentile", [0.05, 0.95])
@pytest.mark.parametrize(("freedom", "noise_freedom"), [(1, 4), (3, 36), (7, 200)])
def test_the_noncentrality_puts_the_ratio_at_its_percentile(
    freedom: int, noise_freedom: int, percentile: float
) -> None:
    for ratio in (10.0, 1e3, 1e5):
        found = noncentrality(ratio, freedom, noise_freedom, percentile)
        if found:
            assert stats.ncf.cdf(ratio, freedom, noise_freedom, found) == pytest.approx(percentile, abs=1e-6)
    below, above = (noncentrality(MAX_F * one, freedom, noise_freedom, percentile) for one in (0.999, 1.001))
    assert above == pytest.approx(below, rel=0.01)
    assert noncentrality(1e-6, freedom, noise_freedom, percentile) == 0


def test_without_noise_the_shares_are_exact() -> None:
    values = np.asarray([[0.0, 0.0], [1.0, 1.0]])[:, :, None] + np.zeros((2, 2, 3))
    shares, noise = variance_shares(values, "ab")
    assert [(one.share, one.interval) for one in shares] == [(1, (1, 1)), (0, (0, 0)), (0, (0, 0))]
    assert noise == 0


def test_the_ends_of_an_interval_have_the_ratio_at_its_percentiles_beside_an_unchanged_rest() -> None:
    values = np.random.default_rng(3).normal(0, 1, (2, 2, 4)) + np.asarray([0, 2])[:, None, None]
    (row, *_), noise = variance_shares(values, "ab")
    f = 8 * 2 * values.mean(axis=(1, 2)).var() / values.var(axis=-1, ddof=1).mean()
    for end, percentile in zip(row.interval, (0.95, 0.05), strict=True):
        noncentral = end / (1 - end) * (1 - row.share) * values.size / noise
        assert stats.ncf.cdf(f, 1, 12, noncentral) == pytest.approx(percentile)
