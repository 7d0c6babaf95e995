"""The lottery as a picture: who would have won with each seed, had every arm been run once."""

from __future__ import annotations

from collections.abc import Sequence

from actbench.analysis.comparison import Comparison
from actbench.analysis.lottery import Lottery, lottery
from actbench.experiment.metrics import Metric
from actbench.report.figures.layout import (
    MAX_ARMS,
    Paper,
    Picture,
    label_width,
    name_beside,
    number_shown,
    picture,
)
from actbench.report.figures.looks import Look, looks_of
from actbench.report.figures.marks import (
    INK,
    PAGE,
    QUIET,
    Area,
    Dot,
    Group,
    Mark,
    Scene,
    Text,
    box,
    shortened,
    text_width,
)
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
    chosen = looks_of(comparison)
    shown = min(len(drawn.seeds), MAX_SEEDS)
    return picture(
        "lottery",
        "Had you run each once",
        lambda paper: _draw(paper, drawn, comparison.metric, chosen),
        caption=[
            f"A column is one seed: one run of each arm, {name}{unit}, the stronger its shade the better. Framed: the "
            "winner that this run alone would have announced.",
            shown < len(drawn.seeds) and f"The first {shown} of {len(drawn.seeds)} seeds are shown.",
            number_shown(min(len(drawn.samples), MAX_ARMS), len(drawn.samples)),
        ],
        description=lottery_sentences(drawn, comparison),
    )


def _draw(paper: Paper, drawn: Lottery, metric: Metric, chosen: dict[str, Look]) -> Scene:
    em, samples, seeds = paper.size, drawn.samples[:MAX_ARMS], drawn.seeds[:MAX_SEEDS]
    names = label_width([sample.label for sample in samples], paper, 0.24)
    won = text_width("won", paper.small) + 1.2 * em
    left = names + 1.6 * em
    cell, high, head = (paper.width - left - won) / len(seeds), 2.1 * em, 1.8 * em
    shades = _shades([[sample.by_seed[seed] for seed in seeds] for sample in samples], metric)
    has_numbers = text_width("97.97", paper.small, is_bold=True) <= cell
    marks: list[Mark] = [
        *(
            Text(left + cell * (x + 0.5), head - 0.7 * em, text, paper.small, "middle", QUIET)
            for x, text in _heads(seeds, cell, paper)
        ),
        Text(left - 0.8 * em, head - 0.7 * em, "seed", paper.small, "end", QUIET),
        Text(paper.width, head - 0.7 * em, "won", paper.small, "end", QUIET),
    ]
    frames: list[Mark] = []
    for row, sample in enumerate(samples):
        y, cells = head + row * high, list[Mark]()
        middle = y + high / 2
        cells += name_beside(sample.label, middle, names, paper)
        look = chosen[sample.label]
        cells.append(Dot(names + 0.75 * em, middle, 0.32 * em, look.colour, look.marker))
        for column, seed in enumerate(seeds):
            x, is_won = left + column * cell, sample.label in drawn.winners[column]
            cells.append(Area(box(x, y, cell, high), INK, shades[row][column], PAGE, 0.07 * em))
            if has_numbers:
                number, base = value(sample.by_seed[seed], metric), middle + 0.35 * paper.small
                cells.append(Text(x + cell / 2, base, number, paper.small, "middle", INK, is_won))
            if is_won:
                inside = box(x + 0.1 * em, y + 0.1 * em, cell - 0.2 * em, high - 0.2 * em)
                frames.append(Group([Area(inside, INK, 0.0, INK, 0.17 * em)], sample.label))
        count = dict(drawn.wins).get(sample.label, 0)
        cells.append(Text(paper.width, middle + 0.35 * em, str(count), em, "end", INK if count else QUIET, bool(count)))
        marks.append(Group(cells, sample.label))
    return Scene(paper.width, head + high * len(samples) + 0.3 * em, [*marks, *frames])


def _heads(seeds: Sequence[int], cell: float, paper: Paper) -> list[tuple[int, str]]:
    """The seeds' names that have room."""
    texts = [str(seed) for seed in seeds]
    every = 1 + int(max(text_width(text, paper.small) for text in texts) / cell)
    return [(column, shortened(text, paper.small, cell * every)) for column, text in list(enumerate(texts))[::every]]


def _shades(values: Sequence[Sequence[float]], metric: Metric) -> list[list[float]]:
    """How dark each cell is: by its rank among all, so that one outlier does not bleach the rest."""
    every = sorted({one for row in values for one in row}, reverse=metric.larger_is_better is False)
    rank = {one: number / max(1, len(every) - 1) for number, one in enumerate(every)}
    return [[DARKEST * rank[one] for one in row] for row in values]
