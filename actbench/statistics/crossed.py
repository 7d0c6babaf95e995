"""Two networks on the same images: seeds and images as two random factors, and McNemar's exact test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from actbench.lazy import NDArray, special
from actbench.lazy import numpy as np


@dataclass(frozen=True)
class CrossedErrors:
    """The standard error of a mean difference: for other seeds on these images, and for other images as well."""

    seeds: float
    seeds_and_images: float


def crossed_errors(differences: NDArray[np.integer]) -> CrossedErrors | None:
    """Standard errors of the mean of `differences` `[seeds, images]`, with both as random factors.

    SE^2 = s_seed^2 / n + s_image^2 / N - s_residual^2 / (n N), where s_seed is the deviation of the n seeds' means,
    s_image that of the N images' means, and s_residual that of what neither explains (crossed random effects without
    replication). What images add is not below 0, so that other images too make no smaller error than other seeds
    alone. None of fewer than two seeds or images.
    """
    seeds, images = differences.shape
    if min(seeds, images) < 2:
        return None
    by_seed, by_image, mean = differences.mean(axis=1), differences.mean(axis=0), differences.mean()
    squares = np.square(differences).sum(dtype=int)
    residual = squares - images * np.square(by_seed).sum() - seeds * np.square(by_image).sum()
    residual = max(0.0, float(residual + seeds * images * mean**2)) / ((seeds - 1) * (images - 1))
    of_seeds, of_images = float(by_seed.var(ddof=1)) / seeds, float(by_image.var(ddof=1)) / images
    both = of_seeds + max(0.0, of_images - residual / (seeds * images))
    return CrossedErrors(math.sqrt(of_seeds), math.sqrt(both))


def mcnemar_p(lost: NDArray[np.integer], won: NDArray[np.integer]) -> NDArray[np.float64]:
    """Exact two-sided p of each `lost` against `won` discordant images, as likely either way (McNemar 1947).

    It is about two trained networks, not about two arms: the images are the sample, and the seeds are fixed.
    (scipy.stats.binomtest gives the same, and takes a second to import.)
    """
    one_sided: NDArray[np.float64] = special.bdtr(np.minimum(lost, won), lost + won, 0.5)
    return np.minimum(1.0, 2 * one_sided)
