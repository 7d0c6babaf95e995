"""The lottery of a single run: which arm each seed alone would have announced as the best, said, listed and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actbench.analysis.comparison import Comparison, ranked
from actbench.analysis.contrasts import Contrast
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import NO_EVIDENCE
from actbench.experiment.metrics import Metric
from actbench.render.sections import Section
from actbench.report.figures.layout import MAX_ARMS, Canvas, Picture, number_shown, picture
from actbench.report.figures.marks import INK, PAGE, QUIET, shortened, text_width
from actbench.report.figures.scales import styles_of
from actbench.report.numbers import metric_in_words, size, value
from actbench.report.statement import listed_or_counted
from actbench.text import counted, listed

MAX_SEEDS, DARKEST = 60, 0.3


@dataclass(frozen=True)
class Lottery:
    """What would have been announced after one run of each arm.

    `winners` are the labels with the best value, for each of the `seeds`; several where they are equal. `wins` counts
    for each label in how many seeds it is among them, the most first. `most_misleading` is the contrast without
    evidence of a difference for which a single seed, `most_misleading_seed`, speaks most clearly, None without one.
    """

    samples: tuple[Sample, ...]
    seeds: tuple[int, ...]
    winners: tuple[tuple[str, ...], ...]
    wins: tuple[tuple[str, int], ...]
    most_misleading: Contrast | None = None
    most_misleading_seed: int = 0


def lottery(comparison: Comparison) -> Lottery | None:
    """The lottery over the seeds that all arms have; None below two arms or seeds, or where none is the best."""
    better = comparison.metric.larger_is_better
    samples = [row.sample for row in ranked(comparison) if row.sample.by_seed]
    if better is None or len(comparison.losses) > 1 or len(samples) < 2 or len({one.data for one in samples}) > 1:
        return None
    seeds = tuple(seed for seed in samples[0].by_seed if all(seed in sample.by_seed for sample in samples))
    if len(seeds) < 2:
        return None
    best = {seed: (max if better else min)(sample.by_seed[seed] for sample in samples) for seed in seeds}
    winners = tuple(tuple(one.label for one in samples if one.by_seed[seed] == best[seed]) for seed in seeds)
    counts = {sample.label: sum(sample.label in won for won in winners) for sample in samples}
    wins = tuple(sorted(((name, count) for name, count in counts.items() if count), key=lambda pair: -pair[1]))
    most_misleading, seed = _most_misleading(comparison, seeds, sign=1 if better else -1)
    return Lottery(tuple(samples), seeds, winners, wins, most_misleading, seed)


def _most_misleading(comparison: Comparison, seeds: Sequence[int], *, sign: int) -> tuple[Contrast | None, int]:
    """The pair without evidence of a difference, and the seed, with the largest single advantage over the baseline."""
    said = [
        (sign * _at(row.contrast, seed), -number, row.contrast, seed)
        for number, row in enumerate(comparison.rows)
        if row.contrast and row.contrast.is_paired and row.contrast.word == NO_EVIDENCE
        for seed in seeds
        if seed in row.contrast.second.by_seed
    ]
    advantage, _, contrast, seed = max(said, key=lambda one: one[:2], default=(0.0, 0, None, 0))
    return (contrast, seed) if advantage > 0 else (None, 0)


def _at(contrast: Contrast, seed: int) -> float:
    return round(contrast.first.by_seed[seed] - contrast.second.by_seed[seed], 12)


def lottery_sentences(drawn: Lottery, comparison: Comparison) -> list[str]:
    """What single runs would have announced, and the clearest announcement that all seeds together do not confirm."""
    seeds, names = counted(len(drawn.seeds), "seed", in_words=True), [name for name, _ in drawn.wins]
    if len(names) == 1:
        first = f"Had you run each once, all {seeds} would have announced the same winner: {names[0]}."
    else:
        winners = counted(len(names), "different winner", in_words=True)
        counted_names = [f"{name} ({count})" for name, count in drawn.wins]
        ties = "; equal bests count for each" if any(len(won) > 1 for won in drawn.winners) else ""
        named = listed_or_counted(counted_names, "arms")
        first = f"Had you run each once, {seeds} would have announced {winners}: {named}{ties}."
    if drawn.most_misleading is None:
        return [first]
    pair, seed = drawn.most_misleading, drawn.most_misleading_seed
    advantage = size(abs(_at(pair, seed)), comparison.metric)
    every = counted(len(drawn.seeds), "", in_words=True).split()[0]
    second = (
        f"Seed {seed} alone says that {pair.first.label} beats {pair.second.label} by {advantage}; "
        f"all {every} together cannot tell them apart."
    )
    return [first, second]


def lottery_section(comparison: Comparison) -> Section | None:
    """One row for each seed with the winner it would have announced; None where there is no lottery."""
    drawn = lottery(comparison)
    if drawn is None:
        return None
    by_label = {sample.label: sample for sample in drawn.samples}
    rows = [
        [str(seed), listed(won), value(by_label[won[0]].by_seed[seed], comparison.metric)]
        for seed, won in zip(drawn.seeds, drawn.winners, strict=True)
    ]
    unit = " in %" * comparison.metric.is_share
    header = ["seed", "would have won", f"{metric_in_words(comparison.metric)}{unit}"]
    title, notes = "one run of each: the winner by seed", lottery_sentences(drawn, comparison)
    return Section(title, header, rows, notes, prose=(1,))


def lottery_picture(comparison: Comparison) -> Picture | None:
    """Every seed a column, every arm a row; None where there is no lottery."""
    drawn = lottery(comparison)
    if drawn is None:
        return None
    name, unit = metric_in_words(comparison.metric), " in %" * comparison.metric.is_share
    return picture(
        "lottery",
        "Had you run each once",
        lambda canvas: _draw(canvas, drawn, comparison),
        caption=[
            f"A column is one seed: one run of each arm, {name}{unit}, the stronger its shade the better. Framed: the "
            "winner that this run alone would have announced.",
            number_shown(min(len(drawn.seeds), MAX_SEEDS), len(drawn.seeds), first="first", noun="seeds"),
            number_shown(min(len(drawn.samples), MAX_ARMS), len(drawn.samples)),
        ],
        description=lottery_sentences(drawn, comparison),
    )


def _draw(canvas: Canvas, drawn: Lottery, comparison: Comparison) -> float:
    em, small, metric, chosen = canvas.em, canvas.small, comparison.metric, styles_of(comparison)
    samples, seeds = drawn.samples[:MAX_ARMS], drawn.seeds[:MAX_SEEDS]
    names = canvas.label_width([sample.label for sample in samples], 0.24)
    left = names + 1.6 * em
    cell = (canvas.width - left - text_width("won", small) - 1.2 * em) / len(seeds)
    high, head = 2.1 * em, 1.8 * em
    shades = _shades([[sample.by_seed[seed] for seed in seeds] for sample in samples], metric)
    has_numbers = text_width("97.97", small, is_bold=True) <= cell
    texts = [str(seed) for seed in seeds]
    every = 1 + int(max(text_width(text, small) for text in texts) / cell)
    for column, text in list(enumerate(texts))[::every]:
        canvas.note(left + cell * (column + 0.5), head - 0.7 * em, shortened(text, small, cell * every))
    canvas.note(left - 0.8 * em, head - 0.7 * em, "seed", "end")
    canvas.note(canvas.width, head - 0.7 * em, "won", "end")
    frames = []
    for row, sample in enumerate(samples):
        y, style, count = head + row * high, chosen[sample.label], dict(drawn.wins).get(sample.label, 0)
        middle = y + high / 2
        with canvas.group(sample.label):
            canvas.name_beside(sample.label, middle, names)
            canvas.dot(names + 0.75 * em, middle, 0.32, style.colour, style.marker)
            for column, seed in enumerate(seeds):
                x, is_won = left + column * cell, sample.label in drawn.winners[column]
                canvas.box(x, y, cell, high, INK, shades[row][column], PAGE, 0.07)
                if has_numbers:
                    number = value(sample.by_seed[seed], metric)
                    canvas.note(x + cell / 2, middle + 0.35 * small, number, colour=INK, is_bold=is_won)
                if is_won:
                    frames.append((sample.label, x + 0.1 * em, y + 0.1 * em))
            shade = INK if count else QUIET
            canvas.text(canvas.width, middle + 0.35 * em, str(count), "end", shade, is_bold=bool(count))
    for label, x, y in frames:
        with canvas.group(label):
            canvas.box(x, y, cell - 0.2 * em, high - 0.2 * em, INK, 0.0, INK, 0.17)
    return head + high * len(samples) + 0.3 * em


def _shades(values: Sequence[Sequence[float]], metric: Metric) -> list[list[float]]:
    """How dark each cell is: by its rank among all, so that one outlier does not bleach the rest."""
    every = sorted({one for row in values for one in row}, reverse=metric.larger_is_better is False)
    rank = {one: number / max(1, len(every) - 1) for number, one in enumerate(every)}
    return [[DARKEST * rank[one] for one in row] for row in values]
