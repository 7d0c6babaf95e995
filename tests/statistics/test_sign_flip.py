"""The sign-flip test, against scipy and counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from actbench.statistics import sign_flip
from actbench.statistics.multiple import holm
from actbench.statistics.sign_flip import sign_flip_p, smallest_p, whole_numbers

pytestmark = pytest.mark.oldest

SAMPLES = [
    np.random.default_rng(seed).normal(9800, 10, (2, n)).round() for seed, n in enumerate((2, 5, 6, 9, 12, 13, 15))
]


@pytest.mark.parametrize(("n", "p"), [(1, 1.0), (2, 0.5), (5, 0.0625), (6, 0.03125), (10, 0.001953125)])
def test_winning_every_pair_gives_the_smallest_p_that_n_pairs_allow(n: int, p: float) -> None:
    assert sign_flip_p([10 + i for i in range(n)], [0] * n) == pytest.approx(p)


def test_the_sign_flip_p_counts_sign_patterns_at_least_as_extreme() -> None:
    differences = [3, -1, 2, 5, -2, 4]
    flips = (np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T * differences).mean(axis=1)
    expected = np.mean(np.abs(flips) >= abs(np.mean(differences)) - 1e-12)
    assert sign_flip_p(differences, [0] * 6) == pytest.approx(expected)


@pytest.mark.parametrize("sample", SAMPLES, ids=len)
@pytest.mark.parametrize("unit", [1.0, 1e5, 1e-4])
def test_the_sign_flip_p_is_that_of_scipy(sample: np.ndarray, unit: float) -> None:
    first, second = sample * 1e5  # scipy splits no ties of integers
    theirs = stats.permutation_test(
        (first, second), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=2**15
    )
    assert sign_flip_p(list(sample[0] * unit), list(sample[1] * unit)) == pytest.approx(theirs.pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [16, 25, 39, 40])
def test_the_sign_flip_p_of_many_pairs_is_exact_too(n: int) -> None:
    assert sign_flip_p([1.0] * n, [0.0] * n) == 2 / 2**n
    wins = n // 2 + 4  # with equal differences it is the sign test
    differences = [1.0] * wins + [-1.0] * (n - wins)
    assert sign_flip_p(differences, [0.0] * n) == pytest.approx(stats.binomtest(wins, n).pvalue)


def test_the_order_of_the_pairs_changes_no_p() -> None:
    first, second = np.random.default_rng(5).normal(9800, 10, (2, 30)).round()
    assert sign_flip_p(list(first), list(second)) == sign_flip_p(list(first[::-1]), list(second[::-1]))
    assert sign_flip_p(list(first), list(second)) == sign_flip_p(list(second), list(first))


def test_listing_all_patterns_gives_the_bits_of_counting_size_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    samples = [random.integers(-limit, limit + 1, n).tolist() for n in range(2, 13) for limit in (1, 5, 300)]
    listed = [sign_flip_p(sample, [0] * len(sample)) for sample in samples]
    monkeypatch.setattr(sign_flip, "MAX_LISTED", 0)
    assert [sign_flip_p(sample, [0] * len(sample)) for sample in samples] == listed


def test_equal_pairs_give_p_one() -> None:
    assert sign_flip_p([5, 6, 7], [5, 6, 7]) == 1.0
    assert sign_flip_p([5, 6, 7], [6, 5, 7]) == 1.0
    assert sign_flip_p([], []) is None


def test_many_pairs_are_resampled_with_a_fixed_seed() -> None:
    first = list(np.random.default_rng(2).normal(0.2, 1, 50))
    assert sign_flip_p(first, [0.0] * 50) == sign_flip_p(first, [0.0] * 50)
    t_test = stats.ttest_1samp(first, 0).pvalue
    assert sign_flip_p(first, [0.0] * 50) == pytest.approx(t_test, abs=0.02)


def test_equal_arms_are_rarely_called_different() -> None:
    rng = np.random.default_rng(4)
    draws = rng.normal(9800, 10, (200, 2, 8)).round()
    small = [p for a, b in draws if (p := sign_flip_p(list(a), list(b))) is not None and p < 0.05]
    assert len(small) / 200 <= 0.08


@pytest.mark.parametrize(
    ("pairs", "comparisons", "p"),
    [(1, 1, 1.0), (0, 1, 1.0), (5, 1, 0.0625), (6, 1, 0.03125), (10, 8, 0.015625), (3, 8, 1.0), (60, 1, 2e-5)],
)
def test_so_many_pairs_and_comparisons_reach_no_smaller_p(pairs: int, comparisons: int, p: float) -> None:
    assert smallest_p(pairs, comparisons, is_counted=False) == pytest.approx(p)
    if pairs > 1:
        assert holm([sign_flip_p([1.0] * pairs, [0.0] * pairs) or 0.0] * comparisons)[0] == pytest.approx(p)


def test_counts_of_images_reach_the_smallest_p_of_any_number_of_pairs() -> None:
    assert smallest_p(41, 2556) == 2556 * 2 / 2**41
    assert sign_flip_p([9800] * 41, [9799] * 41) == pytest.approx(2 / 2**41)


def test_shares_of_two_test_sets_are_whole_numbers_of_a_unit_that_they_have_in_common() -> None:
    assert whole_numbers([3 / 9_973], [1 / 10_000]) == ([30_000], [9_973])
