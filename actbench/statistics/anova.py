"""Analysis of variance of a balanced table: the share of the variance that each factor and each pair explains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actbench.lazy import numpy as np
from actbench.lazy import special
from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import increasing_root

MAX_F = 1e6  # scipy's noncentral F has gaps far above it


@dataclass(frozen=True)
class Effect:
    """A factor's main effect, or the interaction of two, as a share of the variance with its interval.

    Of all interactions of three factors and more together `factors` is empty.
    """

    factors: tuple[str, ...]
    share: float
    interval: tuple[float, float]


def variance_shares(
    values: np.ndarray[Any, Any], names: Sequence[str], alpha: float = ALPHA
) -> tuple[list[Effect], float]:
    """Omega squared of all main effects, all pairs, and the higher interactions together; then that of the noise.

    `values` has an axis for each factor, called by its name, and a last one for the repetitions, at least two of each
    and not all equal. With SS and df of an effect, MSE of the values within cells and N of them, it is
    (SS - df MSE) / (SS_total + MSE)
    (Hays 1963), and N MSE / (SS_total + MSE) is left to the noise; all of them add up to 1. An effect that does not
    exist has 0 on average, so that it may be below, where eta squared, SS / SS_total, is always above.

    The interval, of confidence 1 - 2 alpha, is Steiger's (2004): the noncentralities L at which F = SS / (df MSE) is at
    the percentiles 1 - alpha and alpha, as shares L MSE / (L MSE + the rest), the rest of the variance being kept at
    its estimate. It holds 0 exactly if the F test does not reject at alpha: with normal noise and no effect, in
    1 - alpha of experiments.
    """
    factors = tuple(range(values.ndim - 1))
    centred = values - values.mean()
    cells, squares, freedom = _mean_over_all_but(centred, factors), {}, {}
    explained = np.zeros_like(cells)
    for axes in (*((axis,) for axis in factors), *itertools.combinations(factors, 2)):
        parts = [_mean_over_all_but(centred, (axis,)) for axis in axes] if len(axes) > 1 else []
        effect = _mean_over_all_but(centred, axes) - sum(parts)
        explained = explained + effect
        squares[axes] = _sum_of_squares(effect, values)
        freedom[axes] = math.prod(values.shape[axis] - 1 for axis in axes)
    if len(factors) > 2:
        squares[()] = _sum_of_squares(cells - explained, values)
        freedom[()] = cells.size - 1 - sum(freedom.values())
    total, noise_freedom = float((centred**2).sum()), values.size - cells.size
    error = float(((centred - cells) ** 2).sum()) / noise_freedom
    shares = [
        Effect(
            tuple(names[axis] for axis in axes),
            (squares[axes] - freedom[axes] * error) / (total + error),
            _share_interval(squares[axes], freedom[axes], error, noise_freedom, total, alpha),
        )
        for axes in squares
    ]
    return shares, values.size * error / (total + error)


def _mean_over_all_but(values: np.ndarray[Any, Any], kept: tuple[int, ...]) -> np.ndarray[Any, Any]:
    others = tuple(axis for axis in range(values.ndim) if axis not in kept)
    return np.asarray(values.mean(axis=others, keepdims=True))


def _sum_of_squares(effect: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> float:
    return float((effect**2).sum()) * values.size / effect.size


def _share_interval(
    squares: float, freedom: int, error: float, noise_freedom: int, total: float, alpha: float
) -> tuple[float, float]:
    if error <= 0:
        return squares / total, squares / total
    rest = total + error - (squares - freedom * error)
    ratio = squares / (freedom * error)
    low, high = (
        explained / (explained + rest)
        for percentile in (1 - alpha, alpha)
        for explained in [error * noncentrality(ratio, freedom, noise_freedom, percentile)]
    )
    return low, high


def noncentrality(ratio: float, freedom: int, noise_freedom: int, percentile: float) -> float:
    """The noncentrality L of the F distribution whose percentile the ratio F is; 0 if that of the central F is less.

    For ratios above a million the numerator hardly varies, and d1 F / L has the distribution of d2 / chi squared(d2).
    """
    if ratio > MAX_F:
        return float(freedom * ratio * special.chdtri(noise_freedom, percentile) / noise_freedom)

    def excess(noncentral: float) -> float:
        return float(special.ncfdtr(freedom, noise_freedom, noncentral, ratio)) - percentile

    if excess(0.0) <= 0:
        return 0.0
    return increasing_root(lambda noncentral: -excess(noncentral), 0.0, max(1.0, freedom * ratio))
