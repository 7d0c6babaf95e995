"""The lottery of a single run in words and as a table."""

from __future__ import annotations

from actbench.analysis.comparison import Comparison
from actbench.analysis.lottery import Lottery, lottery
from actbench.render.sections import Section
from actbench.report.numbers import size, value
from actbench.report.statement import few
from actbench.text import counted, listed


def lottery_sentences(drawn: Lottery, comparison: Comparison) -> list[str]:
    """What single runs would have announced, and the clearest announcement that all seeds together do not confirm."""
    seeds, names = counted(len(drawn.seeds), "seed", in_words=True), [name for name, _ in drawn.wins]
    if len(names) == 1:
        first = f"Had you run each once, all {seeds} would have announced the same winner: {names[0]}."
    else:
        winners = counted(len(names), "different winner", in_words=True)
        counted_names = [f"{name} ({count})" for name, count in drawn.wins]
        first = f"Had you run each once, {seeds} would have announced {winners}: {few(counted_names, 'arms')}."
    if drawn.loudest is None:
        return [first]
    pair = drawn.loudest
    advantage = size(abs(drawn.loudest_difference()), comparison.metric)
    every = counted(len(drawn.seeds), "", in_words=True).split()[0]
    second = (
        f"Seed {drawn.loudest_seed} alone says that {pair.first.label} beats {pair.second.label} by {advantage}; "
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
    unit = " in %" if comparison.metric.unit == "share" else ""
    header = ["seed", "would have won", f"{comparison.metric.name}{unit}"]
    title, notes = "one run of each: the winner by seed", lottery_sentences(drawn, comparison)
    return Section(title, header, rows, notes, prose=(1,))
