"""The short table of a comparison: the difference of each arm, in how many seeds it won, and a picture of both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from statistics import median

from actbench.analysis.comparison import Comparison, Row, ranked
from actbench.analysis.contrasts import Contrast
from actbench.analysis.verdicts import NO_EVIDENCE, TOO_FEW_SEEDS, ArmVerdict
from actbench.experiment.cells import distinguishing_paths, restricted
from actbench.experiment.naming import value_to_text
from actbench.render.sections import Section, Tone
from actbench.report.comparison import own_seeds, size_cells
from actbench.report.numbers import ABSENT, metric_in_words, smallest_shown, value
from actbench.report.request import is_made_of_values
from actbench.report.statement import Statement
from actbench.text import counted

PICTURE_WIDTH, PROSE_WIDTH = 21, 22
MAX_NOTES = 3
MAX_ALIKE_RATIO = 1.01  # sizes up to this ratio are no reason for a column or a caveat
MAX_REACH = 4.0  # of the median reach of the intervals: what lies further out is an arrow at the edge
SHORT_VERDICTS = {NO_EVIDENCE: "cannot tell", TOO_FEW_SEEDS: "too few seeds"}
TONES: dict[str, Tone] = {"better": "good", "worse": "bad", TOO_FEW_SEEDS: "doubtful"}
# What limits a conclusion comes before what explains it.
KINDS_BY_URGENCY = (
    "changed_seeds", "changed_plan", "other_baseline", "failed", "not_judged", "looks", "at_chance",
    "warning", "missing_seeds", "unpaired", "shared_rate", "sizes", "matched", "differing_settings",
    "differing_environments",
    "below_best", "pairs", "best", "descriptive", "tuned",
)  # fmt: skip


def short_section(comparison: Comparison, said: Sequence[Statement]) -> Section:
    """Arm, mean, difference, seeds won, the differences in characters and a short verdict; at most three notes."""
    rows, metric = ranked(comparison), comparison.metric
    heading, arms = _arms(rows)
    columns = {heading: arms}
    columns["mean"] = [value(row.own.mean, metric) for row in rows]
    if comparison.size_ratio() > MAX_ALIKE_RATIO:
        columns["parameters"] = [size_cells(row)["parameters"] for row in rows]
    order = ["mean"]
    if comparison.contrasts():
        means = [row.contrast.difference.mean if row.contrast else None for row in rows]
        columns["difference"] = [value(mean, metric, signed=True) for mean in means]
        columns["won"] = [_won(row.contrast) for row in rows]
        if reach := _scale(comparison):
            columns[f"picture: +-{value(reach, metric)}"] = [_picture(row, comparison, reach) for row in rows]
        columns["verdict"] = [_verdict(row) for row in rows]
        order = ["difference", "verdict", "mean", "won"]
    names = list(columns)
    others = [name for name in names if name != "parameters"]
    units = " in %, differences in points" * metric.is_share
    return Section(
        title=f"{metric_in_words(metric)}{units}, {own_seeds(comparison)}",
        header=names,
        rows=[list(cells) for cells in zip(*columns.values(), strict=True)],
        notes=short_notes(said),
        importance=tuple(dict.fromkeys([*map(names.index, (heading, *order, *others)), *range(len(names))])),
        prose=(0,) if len(names) > 2 and max(map(len, arms)) > PROSE_WIDTH else (),
        tones=[_tone(row.contrast) for row in rows] if len(names) > 2 else (),
    )


def without_picture(short: Section) -> Section:
    """The short table without its picture in characters, for where there is a drawn one."""
    return short.with_columns([index for index, name in enumerate(short.header) if not name.startswith("picture")])


def short_notes(said: Sequence[Statement]) -> list[str]:
    """At most three notes, what limits a conclusion first."""
    known = {one.kind: one.text for one in said if one.place == "notes"}
    surprises = [known["adjusted"]] if "adjusted" in known else []
    limiting = [known[kind] for kind in KINDS_BY_URGENCY if kind in known]
    return [*limiting[: MAX_NOTES - len(surprises)], *surprises]


def _arms(rows: Sequence[Row]) -> tuple[str, list[str]]:
    """The heading and the names of the arms: of several factors the values that differ, as the heading says.

    Arms that the experiment file names keep their names.
    """
    labels, cells = [row.sample.label for row in rows], [row.sample.values for row in rows]
    paths = distinguishing_paths(cells)
    has_same_factors = len({tuple(path for path, _ in values) for values in cells}) == 1 and len(cells[0]) > 1
    if not has_same_factors or not all(map(is_made_of_values, labels, cells, repeat(paths))):
        return "arm", labels
    heading = ", ".join(path.split(".")[-1] for path in paths)
    return heading, [", ".join(value_to_text(one) for _, one in restricted(values, paths)) for values in cells]


def _won(contrast: Contrast | None) -> str:
    if contrast is None or contrast.probability_better is None:
        return ABSENT
    if not contrast.is_paired:
        return f"{contrast.probability_better:.0%}"
    if contrast.is_tied():
        return counted(contrast.difference.n, "tie")
    return f"{contrast.probability_better * contrast.difference.n:g} of {contrast.difference.n}"


def _verdict(row: Row) -> str:
    if row.contrast is None:
        return "baseline" if row.is_baseline else ABSENT
    return short_verdict(row.contrast.decided) or ABSENT


def short_verdict(verdict: ArmVerdict | None) -> str:
    """A verdict in at most three words; empty without a verdict."""
    return SHORT_VERDICTS.get(verdict.word, verdict.without_numbers()) if verdict else ""


def _tone(contrast: Contrast | None) -> Tone:
    return TONES.get(contrast.word, "") if contrast else ""


def _scale(comparison: Comparison) -> float:
    """How far the picture reaches on both sides of 0; 0 where there is nothing to draw."""
    ends = [contrast.reach() for contrast in comparison.contrasts() if contrast.difference.interval]
    if not ends:
        return 0.0
    reach = min(max(ends), MAX_REACH * median(ends)) or max(ends)
    return reach if reach >= smallest_shown(comparison.metric) else 0.0


def _picture(row: Row, comparison: Comparison, reach: float) -> str:
    """The mean difference as a dot, its interval thick, the adjusted one thin, the margin dotted, and the line at 0."""
    cells, middle = [" "] * PICTURE_WIDTH, PICTURE_WIDTH // 2

    def at(number: float) -> int:
        return middle + round(max(-1.0, min(1.0, number / reach)) * middle)

    if comparison.margin:
        for index in range(at(-comparison.margin), at(comparison.margin) + 1):
            cells[index] = "·"
    cells[middle] = "│"
    contrast = row.contrast
    if contrast is None or contrast.difference.mean is None:
        return "".join(cells)
    for bounds, bar in ((contrast.adjusted_interval, "─"), (contrast.difference.interval, "━")):
        if bounds:
            start, end = at(bounds[0]), at(bounds[1])
            cells[start : end + 1] = bar * (end + 1 - start)
    if cells[middle] in "─━":
        cells[middle] = "┼"
    mean = contrast.difference.mean
    cells[at(mean)] = "●" if abs(mean) <= reach else "◀" if mean < 0 else "▶"
    return "".join(cells)
