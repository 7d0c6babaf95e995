"""All pictures of a report, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from actbench.analysis.comparison import Comparison
from actbench.report.claims import judge_results
from actbench.report.figures.claims import claims_picture
from actbench.report.figures.curves import curves_picture, learnt_picture, seeds_picture
from actbench.report.figures.decisions import decisions_picture
from actbench.report.figures.differences import differences_picture, settling_picture
from actbench.report.figures.factors import factors_pictures
from actbench.report.figures.functions import functions_picture
from actbench.report.figures.inside import inside_picture
from actbench.report.figures.layout import Picture, short_names
from actbench.report.figures.lottery import lottery_picture
from actbench.report.figures.tuning import sensitivity_picture
from actbench.store.results import Results


def pictures(results: Results, comparison: Comparison) -> list[Picture]:
    """The pictures for which there are data."""
    drawn: Sequence[Picture | None] = (
        differences_picture(results, comparison),
        settling_picture(comparison),
        lottery_picture(comparison),
        *factors_pictures(results, comparison),
        claims_picture(judge_results(results)),
        decisions_picture(results),
        curves_picture(results, comparison),
        seeds_picture(results, comparison),
        sensitivity_picture(results, comparison),
        inside_picture(results, comparison),
        learnt_picture(results),
        functions_picture(results),
    )
    names = short_names({row.sample.label: row.sample.values for row in comparison.rows})
    return [_with_names(picture, names) for picture in drawn if picture is not None]


def _with_names(picture: Picture, names: Mapping[str, str]) -> Picture:
    """The picture with short names, unless its paper has others."""
    return replace(picture, draw=lambda paper: picture.draw(replace(paper, names={**names, **(paper.names or {})})))
