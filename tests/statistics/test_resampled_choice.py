"""How often other samples of the same seeds would choose the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from actbench.statistics.intervals import chosen_shares


def test_a_candidate_that_is_best_for_every_seed_is_always_chosen() -> None:
    assert chosen_shares([[5, 6, 7], [4, 3, 2], [9, 9, 9]]) == [0.0, 1.0, 0.0]


def test_few_seeds_are_resampled_in_every_way() -> None:
    penalties = [[1, 8, 3], [4, 2, 5], [4, 4, 4]]
    picked = [0, 0, 0]
    for sample in itertools.product(range(3), repeat=3):
        sums = [sum(row[seed] for seed in sample) for row in penalties]
        picked[sums.index(min(sums))] += 1
    assert chosen_shares(penalties) == pytest.approx([count / 27 for count in picked])


def test_of_equal_candidates_the_first_is_chosen() -> None:
    assert chosen_shares([[1, 2], [2, 1], [1, 2]])[2] == 0
    assert chosen_shares([[3, 3], [3, 3]]) == [1.0, 0.0]
    thirds = [[0.3, 0.2, 0.1], [0.1, 0.2, 0.3]]  # whose sums differ by rounding alone where their counts agree
    assert chosen_shares(thirds) == chosen_shares(thirds[::-1]) == pytest.approx([17 / 27, 10 / 27])


def test_many_seeds_are_sampled_and_two_equally_good_candidates_share() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 100, 10).round().astype(int)
    shares = chosen_shares([(1000 + noise).tolist(), (1000 - noise + round(2 * noise.mean())).tolist()])
    assert sum(shares) == pytest.approx(1)
    assert shares[0] == pytest.approx(0.5, abs=0.1)
