"""The answer about one custom function: its opponents in rows, "mine minus theirs" in the cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.analysis.contrasts import Contrast
from actbench.analysis.verdicts import EQUIVALENT, NOT_JUDGED, TOO_FEW_SEEDS
from actbench.render.sections import Section
from actbench.report.comparison import contrast_numbers
from actbench.report.numbers import probability, size, with_unit
from actbench.report.short import short_section
from actbench.report.statements import MAX_SEEDS, by_verdict, too_few, usual_spread
from actbench.statistics.power import seeds_needed
from actbench.store.results import Results
from actbench.text import capitalised, counted, listed

TURNED = {"better": "worse", "worse": "better"}
TENTH_OF_A_POINT = 0.001


def challenge_sections(comparison: Comparison, results: Results, name: str) -> list[Section]:
    """What was found out about the function `name`, the baseline of the comparison, against each of its opponents."""
    turned = seen_from_baseline(comparison)
    table = short_section(turned, [])
    shown = {"arm": "opponent", "mean": "its mean", "difference": f"{name} minus it"}
    header = [shown.get(cell, cell) for cell in table.header]
    (own,) = [row.own.mean for row in comparison.rows if row.is_baseline]
    title = f"{name}: {with_unit(own, comparison.metric)}; {table.title}"
    closing = list(_seeds_for_a_tenth(turned))
    question = f"Is {name} better than common baselines on {results.experiment.settings.data.dataset}?"
    answer = Section(" ".join([question, *_found(turned)]), [], [])
    return [answer, replace(table, title=title, header=header, notes=closing)]


def challenge_document(comparison: Comparison, name: str) -> dict[str, Any]:
    """The same as plain data: differences of the function minus each opponent."""
    keys = ("difference", "difference_ci", "difference_ci_adjusted", "p_holm", "verdict")
    numbers = [(one.second.label, contrast_numbers(one)) for one in seen_from_baseline(comparison).contrasts()]
    return {
        "function": name,
        "opponents": [{"opponent": label} | {key: each[key] for key in keys} for label, each in numbers],
    }


def seen_from_baseline(comparison: Comparison) -> Comparison:
    """The comparison without its baseline's row; each contrast is the baseline minus the arm."""
    rows = tuple(
        replace(row, contrast=_turned(row.contrast) if row.contrast else None)
        for row in comparison.rows
        if not row.is_baseline
    )
    return replace(comparison, rows=rows)


def _turned(contrast: Contrast) -> Contrast:
    estimate, decided, share = contrast.difference, contrast.decided, contrast.probability_better
    return replace(
        contrast,
        first=contrast.second,
        second=contrast.first,
        difference=replace(
            estimate, mean=None if estimate.mean is None else -estimate.mean, interval=_mirrored(estimate.interval)
        ),
        adjusted_interval=_mirrored(contrast.adjusted_interval),
        probability_better=None if share is None else 1 - share,
        probability_better_interval=None,
        decided=decided and decided._replace(word=TURNED.get(decided.word, decided.word)),
    )


def _mirrored(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (-bounds[1], -bounds[0])


def _found(turned: Comparison) -> Iterator[str]:
    groups = by_verdict(turned.contrasts())
    for word in ("better", "worse"):
        if group := groups.pop(word, []):
            sizes = [(one, size(one.difference.mean, turned.metric, signed=True)) for one in group]
            found = [f"{one.second.label} ({difference}, p {probability(one.p_holm)})" for one, difference in sizes]
            yield f"{capitalised(word)} than {listed(found)}."
    if group := groups.pop(EQUIVALENT, []):
        yield f"Equivalent to {_names(group)}, within {size(turned.margin or 0.0, turned.metric)}."
    if group := groups.pop(NOT_JUDGED, []):
        yield f"Not judged against {_names(group)}: {listed(list(dict.fromkeys(one.reason for one in group)))}."
    for word, group in groups.items():
        why = f": {too_few(group)}" if word == TOO_FEW_SEEDS else f" after {counted(group[0].difference.n, 'seed')}"
        yield f"Not distinguishable from {_names(group)}{why}."


def _names(group: Sequence[Contrast]) -> str:
    return listed([one.second.label for one in group])


def _seeds_for_a_tenth(turned: Comparison) -> Iterator[str]:
    """How many seeds show a tenth of a point, if the metric is an accuracy."""
    contrasts = turned.contrasts()
    if turned.metric.is_share and (spread := usual_spread(contrasts)):
        seeds = seeds_needed(TENTH_OF_A_POINT, spread, comparisons=len(contrasts))
        how = f": --set seeds={seeds} --set name=..." if seeds <= MAX_SEEDS else ""
        yield f"A tenth of a point takes {seeds:,} seeds (8 times in 10){how}."
