"""Shares of the variance, against statsmodels' analysis of variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actbench.analysis.effects import Effects, effects
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import SettingValues
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan, make_plan
from actbench.statistics.anova import variance_shares
from builders import TWO_ACTIVATIONS, experiment_from, record_of

ACCURACY = parse_metric("test_accuracy")
RATES = "train.lr: [0.1, 0.03, 0.01]"
TWO_FACTORS = TWO_ACTIVATIONS.replace("[relu, tanh]}", f"[relu, tanh], {RATES}}}")
THREE_FACTORS = TWO_ACTIVATIONS.replace("[relu, tanh]}", f"[relu, tanh], {RATES}, train.batch_size: [32, 64]}}")
PATHS = ["model.activation", "train.lr", "train.batch_size"]


def made_up(
    text: str, folder: Path, count: Callable[[SettingValues, int], int]
) -> tuple[Plan, dict[str, TrialRecord], pd.DataFrame]:
    """A plan whose trials have these correct counts by their arm's values and seed, and the same as a table."""
    plan = make_plan(experiment_from(text, folder))
    records: dict[str, TrialRecord] = {}
    rows: list[dict[str, Any]] = []
    for arm, trials in plan.arms:
        for trial in trials:
            correct = count(arm.values, trial.seed)
            records[trial.id] = record_of(trial, correct)
            rows.append({"f" + str(PATHS.index(path)): str(value) for path, value in arm.values} | {"y": correct})
    return plan, records, pd.DataFrame(rows)


def noisy(values: SettingValues, seed: int) -> int:
    """Both main effects, an interaction, and noise that depends on the trial."""
    at = {path: str(value) for path, value in values}
    is_tanh, is_fast = at["model.activation"] == "tanh", at["train.lr"] == "0.1"
    noise = np.random.default_rng([seed, *map(ord, repr(sorted(at.items())))]).normal(0, 4)
    return int(280 + 6 * is_tanh - 10 * is_fast + 12 * (is_tanh and is_fast) + noise)


def shares(found: Effects) -> dict[str, float]:
    named = {":".join(f"C(f{PATHS.index(path)})" for path in one.factors or PATHS): one.share for one in found.effects}
    return named | {"Residual": found.noise}


def omega_squared(table: pd.DataFrame) -> dict[str, float]:
    """(SS - df MSE) / (SS_total + MSE) of each line, and what is left of 1."""
    error = table["mean_sq"]["Residual"]
    named = (table["sum_sq"] - table["df"] * error) / (table["sum_sq"].sum() + error)
    effects = dict(named.drop("Residual"))
    return effects | {"Residual": 1 - sum(effects.values())}


@pytest.mark.parametrize(
    ("text", "formula"), [(TWO_FACTORS, "y ~ C(f0) * C(f1)"), (THREE_FACTORS, "y ~ C(f0) * C(f1) * C(f2)")]
)
def test_shares_are_those_of_an_analysis_of_variance(text: str, formula: str, tmp_path: Path) -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    plan, records, table = made_up(text, tmp_path, noisy)
    found = effects(plan, records, ACCURACY)
    assert found is not None
    expected = omega_squared(anova_lm(ols(formula, table).fit()))
    assert shares(found) == pytest.approx(expected)
    assert sum(shares(found).values()) == pytest.approx(1)
    assert found.seeds == 3


def test_what_only_one_factor_moves_is_its_main_effect(tmp_path: Path) -> None:
    plan, records, _ = made_up(TWO_FACTORS, tmp_path, lambda values, _: 300 if str(values[0][1]) == "relu" else 280)
    found = effects(plan, records, ACCURACY)
    assert found is not None
    assert [one.factors for one in found.effects] == [
        ("model.activation",),
        ("train.lr",),
        ("model.activation", "train.lr"),
    ]
    assert [one.share for one in found.effects] == pytest.approx([1.0, 0.0, 0.0])
    assert [one.interval for one in found.effects] == [pytest.approx((share, share)) for share in (1, 0, 0)]
    assert found.noise == pytest.approx(0.0)


def test_a_seed_that_one_arm_lacks_is_left_out_of_all(tmp_path: Path) -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    plan, records, table = made_up(TWO_FACTORS, tmp_path, noisy)
    del records[plan.arms[4][1][1].id]
    found = effects(plan, records, ACCURACY)
    assert found is not None
    assert found.seeds == 2
    expected = omega_squared(anova_lm(ols("y ~ C(f0) * C(f1)", table.drop(index=table.index[1::3])).fit()))
    assert shares(found) == pytest.approx(expected)


def test_the_order_of_arms_and_records_changes_nothing(tmp_path: Path) -> None:
    plan, records, _ = made_up(TWO_FACTORS, tmp_path, noisy)
    forth, back = (
        effects(replace(plan, arms=arms), dict(reversed(records.items())), ACCURACY)
        for arms in (plan.arms, plan.arms[::-1])
    )
    assert forth is not None
    assert back is not None
    assert shares(back) == pytest.approx(shares(forth))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (TWO_ACTIVATIONS, noisy),
        (TWO_FACTORS.replace(RATES, "train.lr: [0.1]"), noisy),
        (TWO_FACTORS.replace("seeds: 3", "seeds: 1"), noisy),
        (TWO_FACTORS, lambda _values, _seed: 300),
    ],
    ids=["one factor", "a factor with one value", "one seed", "equal values"],
)
def test_there_is_nothing_to_share_with(text: str, count: Callable[[SettingValues, int], int], tmp_path: Path) -> None:
    plan, records, _ = made_up(text, tmp_path, lambda values, seed: count((*values, ("train.lr", 0.1)), seed))
    assert effects(plan, records, ACCURACY) is None


def test_an_arm_without_any_value_leaves_nothing_to_compare(tmp_path: Path) -> None:
    plan, records, _ = made_up(TWO_FACTORS, tmp_path, noisy)
    for trial in plan.arms[2][1]:
        del records[trial.id]
    assert effects(plan, records, ACCURACY) is None


def test_with_looks_the_test_has_the_share_of_the_latest_look(tmp_path: Path) -> None:
    text = TWO_FACTORS.replace("seeds: 3", "seeds: {looks: [12, 15], alpha: [0.01, 0.04], first: 0}\nmargin: 0.001")
    plan, records, _ = made_up(text, tmp_path, noisy)
    assert plan.looks is not None
    found = effects(plan, records, ACCURACY)
    assert found is not None
    assert found.alpha == 0.01
    names = ["f0", "f1"]
    values = np.random.default_rng(1).normal(size=(2, 3, 6))
    at_one_percent, at_five_percent = (variance_shares(values, names, alpha)[0] for alpha in (0.01, 0.05))
    for wide, narrow in zip(at_one_percent, at_five_percent, strict=True):
        assert wide.share == narrow.share
        assert wide.interval[0] <= narrow.interval[0]
        assert wide.interval[1] > narrow.interval[1]
