"""Looks planned in advance: what each decides, and how often all of them together are wrong, by simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from actbench.statistics.intervals import estimate
from actbench.statistics.looks import Evidence, Schedule, Simulated, decide_look, make_schedule, simulate
from actbench.statistics.sign_flip import sign_flip_p

MARGIN, IMAGE = 0.001, 1e-4
LOOKS = (11, 20, 40, 80)
SCHEDULE = make_schedule(LOOKS, (), 7)
ALL_EQUAL, ONE_APART, TWO_APART = [0.0] * 7, [0.001, -0.003] + [0.0] * 5, [0.0015] * 2 + [0.0] * 5
AT_THE_MARGIN = [MARGIN, -MARGIN] * 3 + [MARGIN]
UNEQUAL = [0.0018, 0.0007, 0.0009, 0.001, 0.0011, 0.0012, 0.0013, 0.0015]  # the baseline's sd, then those of others


def evidence(differences: list[float], *, all_trials_usable: bool = True, is_judged: bool = True) -> Evidence:
    p = sign_flip_p([round(one / IMAGE) for one in differences], [0] * len(differences))
    return Evidence(differences, p, all_trials_usable, is_judged)


def noisy(mean: float, n: int, sd: float = 0.001) -> list[float]:
    """As many values with this mean, and an sd that hardly depends on n."""
    return [mean + sd * (-1) ** i for i in range(n - n % 2)] + [mean] * (n % 2)


def test_a_first_look_that_could_decide_nothing_moves_up_to_where_it_can() -> None:
    assert make_schedule((10, 20, 40, 80), (), 7).seeds == (11, 20, 40, 80)
    assert make_schedule((11, 20, 40, 80), (), 7).seeds == (11, 20, 40, 80)
    assert 7 * 2 / 2**10 > 0.0125 > 7 * 2 / 2**11
    joined = make_schedule((3, 8, 40), (0.01, 0.02, 0.02), 7)  # 8 seeds reach .03 with neither share
    assert joined == Schedule((9, 40), (0.03, 0.02), 7)
    assert make_schedule((3,), (), 7).seeds == (3,)
    assert make_schedule((4, 20), (2 / 2**6, 0.01), 1).seeds == (7, 20)  # p = alpha is no difference


def test_the_shares_of_the_looks_are_equal_unless_they_are_given() -> None:
    assert SCHEDULE.alphas == pytest.approx([0.0125] * 4)
    assert make_schedule(LOOKS, (0.02, 0.01, 0.01, 0.01), 7).alphas == (0.02, 0.01, 0.01, 0.01)


def test_an_arm_is_different_equivalent_or_open_at_a_look() -> None:
    arms = [evidence(noisy(0.01, 11)), evidence(noisy(0.0, 11, 0.0001)), evidence(noisy(0.0005, 11))]
    decisions = decide_look([*arms, None], make_schedule(LOOKS, (), 4), 0, 0, MARGIN)
    assert [one and one.state for one in decisions] == ["different", "equivalent", "open", None]
    found = decisions[0]
    assert found is not None
    assert found.p_adjusted is not None
    assert found.p == 2 / 2**11
    assert found.p_adjusted == pytest.approx(4 * found.p * 4)  # Holm's first of 4, a quarter of 5 %
    assert (found.look, found.seeds, found.confidence) == (1, 11, 0.975)
    assert found.difference.interval == estimate(arms[0].differences, 0.975).interval
    assert found.adjusted_confidence == pytest.approx(1 - 0.0125 / 4)
    assert found.adjusted_interval == estimate(arms[0].differences, 1 - 0.0125 / 4).interval


def test_arms_found_different_earlier_rank_first_and_the_family_keeps_its_size() -> None:
    arms = [None, evidence(noisy(0.01, 20)), None, None]
    schedule = make_schedule(LOOKS, (), 4)
    (_, alone, _, _), (_, after, _, _) = (decide_look(arms, schedule, 1, found, MARGIN) for found in (0, 1))
    assert alone is not None
    assert after is not None
    assert alone.p is not None
    assert alone.p_adjusted == pytest.approx(4 * 4 * alone.p)
    assert after.p_adjusted == pytest.approx(3 * 4 * alone.p)
    assert after.adjusted_confidence == pytest.approx(1 - 0.0125 / 3)


def test_a_pair_with_an_unusable_trial_may_be_different_but_not_equivalent() -> None:
    close, far = noisy(0.0, 11, 0.0001), noisy(0.01, 11)
    doubtful = [evidence(each, all_trials_usable=False) for each in (close, far)]
    decisions = decide_look(doubtful, make_schedule(LOOKS, (), 2), 0, 0, MARGIN)
    assert [one and one.state for one in decisions] == ["open", "different"]


def test_an_arm_that_is_not_judged_counts_as_one_that_is_not_rejected() -> None:
    arms = [evidence(noisy(0.01, 11)), evidence(noisy(0.01, 11), is_judged=False)]
    first, second = decide_look(arms, make_schedule(LOOKS, (), 2), 0, 0, MARGIN)
    assert first is not None
    assert second is not None
    assert second.state == "not judged"
    assert first.p_adjusted == pytest.approx(2 * 4 * 2 / 2**11)


def test_ties_in_every_seed_are_equivalent_and_nothing_is_without_a_margin() -> None:
    for margin, state in ((MARGIN, "equivalent"), (None, "open")):
        (tied,) = decide_look([evidence([0.0] * 11)], make_schedule(LOOKS, (), 1), 0, 0, margin)
        assert tied is not None
        assert tied.state == state


def test_without_seeds_that_both_have_an_arm_stays_open() -> None:
    (nothing,) = decide_look([Evidence([], None)], make_schedule(LOOKS, (), 1), 0, 0, MARGIN)
    assert nothing is not None
    assert nothing.state == "open"
    assert nothing.p_adjusted is None


def simulated(
    gaps: list[float], spreads: list[float], experiments: int, *, noise: str = "normal", unit: float = IMAGE
) -> Simulated:
    """Experiments whose noise is normal, skewed (exponential) or heavy (Student's t with 3 degrees of freedom)."""
    random, shape = np.random.default_rng(0), (experiments, len(spreads), LOOKS[-1])
    noises = {
        "normal": lambda: random.normal(size=shape),
        "skewed": lambda: random.exponential(size=shape) - 1,
        "heavy": lambda: random.standard_t(3, size=shape) / math.sqrt(3),
    }[noise]()
    return simulate(SCHEDULE, gaps, spreads, MARGIN, unit=unit, noises=noises)


def share(found: Simulated, state: str) -> list[float]:
    """In what share of experiments each arm was called so."""
    shares: list[float] = (found.states == state).mean(axis=0).tolist()
    return shares


def any_different(found: Simulated, arms: int = 7) -> float:
    """In what share of experiments any of the first arms was called different."""
    return float((found.states[:, :arms] == "different").any(axis=1).mean())


def settled_alone(counts: Sequence[Sequence[int]]) -> tuple[list[str], list[int]]:
    """What the arms of one experiment are called, look by look, and after how many seeds; the baseline comes first."""
    states, seeds = ["open"] * 7, [0] * 7
    for look, count in enumerate(SCHEDULE.seeds):
        pairs = [([a - b for a, b in zip(arm, counts[0], strict=True)][:count]) for arm in counts[1:]]
        arms = [
            evidence([IMAGE * one for one in pair]) if state == "open" else None
            for pair, state in zip(pairs, states, strict=True)
        ]
        for arm, decision in enumerate(decide_look(arms, SCHEDULE, look, states.count("different"), MARGIN)):
            if decision is not None:
                states[arm], seeds[arm] = decision.state, count
    return states, seeds


def test_a_simulation_calls_each_arm_of_each_experiment_what_the_looks_call_it() -> None:
    gaps, experiments = [0.0, 0.0, 0.0005, 0.001, -0.001, 0.0015, 0.003], 40
    noises = np.random.default_rng(5).normal(size=(experiments, 8, 80))
    found = simulate(SCHEDULE, gaps, UNEQUAL, MARGIN, unit=IMAGE, noises=noises)
    counts = np.rint((np.array([[0.0], *([gap] for gap in gaps)]) + np.array(UNEQUAL)[:, None] * noises) / IMAGE)
    states, seeds = zip(*(settled_alone(one) for one in counts.astype(int).tolist()), strict=True)
    assert {state for one in states for state in one} == {"different", "equivalent", "open"}
    by_arm = list(zip(*states, strict=True))
    for word in ("different", "equivalent"):
        assert share(found, word) == pytest.approx([arm.count(word) / experiments for arm in by_arm])
    assert found.baseline() == sum(map(max, seeds)) / experiments
    assert found.trainings() == sum(sum(one) + max(one) for one in seeds) / experiments
    assert any_different(found, 2) == sum("different" in one[:2] for one in states) / experiments


def test_a_short_simulation_is_rarely_wrong_and_spares_most_trainings() -> None:
    found = simulated(ALL_EQUAL, [0.001] * 8, 60)
    assert any_different(found) <= 0.1
    assert found.trainings() < 300  # a fixed design with as much power takes 640
    assert min(share(found, "equivalent")) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "skewed", "heavy"])
@pytest.mark.parametrize("spreads", [[0.001] * 8, UNEQUAL], ids=["equal sd", "unequal sd"])
def test_a_family_of_equal_arms_has_a_false_difference_in_at_most_5_percent(noise: str, spreads: list[float]) -> None:
    assert any_different(simulated(ALL_EQUAL, spreads, 1000, noise=noise)) <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "skewed", "heavy"])
@pytest.mark.parametrize("spreads", [[0.001] * 8, UNEQUAL], ids=["equal sd", "unequal sd"])
def test_an_arm_at_the_margin_is_called_equivalent_in_at_most_5_percent(noise: str, spreads: list[float]) -> None:
    equivalent = share(simulated(AT_THE_MARGIN, spreads, 500, noise=noise), "equivalent")
    # exact for normal differences alone: an exponential baseline of twice the arms' sd gives 5 to 8 %
    skew = 0.03 if noise == "skewed" else 0.0
    assert sum(equivalent) / 7 <= 0.05 + skew
    assert max(equivalent) <= 0.08 + skew  # of one arm, 500 experiments tell 5 % to 3 points


@pytest.mark.slow
def test_coarse_values_with_many_ties_keep_the_error_rates() -> None:
    assert any_different(simulated(ALL_EQUAL, [0.001] * 8, 1000, unit=0.001)) <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gaps", "trainings", "powers"),
    [(ALL_EQUAL, (245, 262), ()), (ONE_APART, (232, 258), (0.95, 1.0)), (TWO_APART, (224, 245), (1.0, 1.0))],
)
def test_the_planned_power_and_number_of_trainings(
    gaps: list[float], trainings: tuple[int, int], powers: tuple[float, ...]
) -> None:
    found = simulated(gaps, [0.001] * 8, 600)
    assert trainings[0] <= found.trainings() <= trainings[1]
    for power, expected in zip(share(found, "different"), powers, strict=False):
        assert power >= expected - 0.02
