"""The lottery as a picture: who would have won with each seed, had every arm been run once."""

from __future__ import annotations

from collections.abc import Sequence

from actbench.analysis.comparison import Comparison
from actbench.analysis.lottery import Lottery, lottery
from actbench.experiment.metrics import Metric
from actbench.report.figures.layout import MAX_ARMS, Canvas, Picture, number_shown, picture
from actbench.report.figures.marks import INK, PAGE, QUIET, shortened, text_width
from actbench.report.figures.styles import styles_of
from actbench.report.lottery import lottery_sentences
from actbench.report.numbers import metric_in_words, value

MAX_SEEDS = 60
DARKEST = 0.3


def lottery_picture(comparison: Comparison) -> Picture | None:
    """Every seed a column, every arm a row; None where there is no lottery."""
    drawn = lottery(comparison)
    if drawn is None:
        return None
    name, unit = metric_in_words(comparison.metric), " in %" if comparison.metric.unit == "share" else ""
    shown = min(len(drawn.seeds), MAX_SEEDS)
    return picture(
        "lottery",
        "Had you run each once",
        lambda canvas: _draw(canvas, drawn, comparison),
        caption=[
            f"A column is one seed: one run of each arm, {name}{unit}, the stronger its shade the better. Framed: the "
            "winner that this run alone would have announced.",
            shown < len(drawn.seeds) and f"The first {shown} of {len(drawn.seeds)} seeds are shown.",
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
