"""The lottery of a single run: which arm each seed alone would have announced as the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actbench.analysis.comparison import Comparison, Contrast, ranked
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import NO_EVIDENCE, verdict_word


@dataclass(frozen=True)
class Lottery:
    """What would have been announced after one run of each arm.

    `winners` are the labels with the best value, for each of the `seeds`; several where they are equal. `wins` counts
    for each label in how many seeds it is among them, the most first. `loudest` is the contrast without evidence of a
    difference for which a single seed, `loudest_seed`, speaks most clearly, None without one.
    """

    samples: tuple[Sample, ...]
    seeds: tuple[int, ...]
    winners: tuple[tuple[str, ...], ...]
    wins: tuple[tuple[str, int], ...]
    loudest: Contrast | None = None
    loudest_seed: int = 0

    def loudest_difference(self) -> float:
        """What the loudest seed says of its pair, first minus second."""
        return _at(self.loudest, self.loudest_seed) if self.loudest else 0.0


def lottery(comparison: Comparison) -> Lottery | None:
    """The lottery over the seeds that all arms have; None below two arms or seeds, or where none is the best."""
    better = comparison.metric.larger_is_better
    samples = [row.sample for row in ranked(comparison) if row.sample.by_seed]
    if better is None or len(comparison.losses) > 1 or len(samples) < 2 or len({one.data for one in samples}) > 1:
        return None
    seeds = tuple(seed for seed in samples[0].by_seed if all(seed in sample.by_seed for sample in samples))
    if len(seeds) < 2:
        return None
    winners = tuple(_winners(samples, seed, larger_is_better=better) for seed in seeds)
    counts = {sample.label: sum(sample.label in won for won in winners) for sample in samples}
    wins = tuple(sorted(((name, count) for name, count in counts.items() if count), key=lambda pair: -pair[1]))
    loudest, seed = _loudest(comparison, seeds, sign=1 if better else -1)
    return Lottery(tuple(samples), seeds, winners, wins, loudest, seed)


def _winners(samples: Sequence[Sample], seed: int, *, larger_is_better: bool) -> tuple[str, ...]:
    values = [sample.by_seed[seed] for sample in samples]
    best = max(values) if larger_is_better else min(values)
    return tuple(sample.label for sample, value in zip(samples, values, strict=True) if value == best)


def _loudest(comparison: Comparison, seeds: Sequence[int], *, sign: int) -> tuple[Contrast | None, int]:
    """The pair without evidence of a difference, and the seed, with the largest single advantage over the baseline."""
    said = [
        (sign * _at(row.contrast, seed), -number, row.contrast, seed)
        for number, row in enumerate(comparison.rows)
        if row.contrast and row.contrast.is_paired and verdict_word(row.contrast.verdict) == NO_EVIDENCE
        for seed in seeds
        if seed in row.contrast.second.by_seed
    ]
    advantage, _, contrast, seed = max(said, key=lambda one: one[:2], default=(0.0, 0, None, 0))
    return (contrast, seed) if advantage > 0 else (None, 0)


def _at(contrast: Contrast, seed: int) -> float:
    return round(contrast.first.by_seed[seed] - contrast.second.by_seed[seed], 12)
