"""All pictures of a report, in its order."""

from __future__ import annotations

from actbench.analysis.comparison import Comparison
from actbench.report.figures.arms import arms_picture, time_picture
from actbench.report.figures.curves import curves_picture, seeds_picture
from actbench.report.figures.factors import factors_picture
from actbench.report.figures.functions import functions_picture
from actbench.report.figures.inside import inside_picture
from actbench.report.figures.layout import Picture
from actbench.report.figures.tuning import sensitivity_picture
from actbench.store.results import Results


def pictures(results: Results, comparison: Comparison) -> list[Picture]:
    """The pictures for which there are data."""
    drawn = (
        arms_picture(results, comparison),
        curves_picture(results, comparison),
        seeds_picture(results, comparison),
        sensitivity_picture(results, comparison),
        factors_picture(results, comparison),
        inside_picture(results, comparison),
        functions_picture(results),
        time_picture(results, comparison),
    )
    return [picture for picture in drawn if picture is not None]
