"""Result folders and comparisons as a notebook holds them: pandas frames, and tables to look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.records import unusable_text
from actbench.render.html import sections_to_html
from actbench.render.printing import whole_document
from actbench.render.sections import Section
from actbench.render.terminal import section_lines
from actbench.report import tables
from actbench.report.claims import claims_sections, judge_results
from actbench.report.contents import answer_sections, comparison_sections
from actbench.report.document import comparison_document
from actbench.report.request import Request, answer
from actbench.store import tables as record_tables
from actbench.store.results import Results
from actbench.text import visible

if TYPE_CHECKING:
    import pandas


class ComparisonView:
    """A comparison as `actbench compare` makes it: `table` and `pairs` are frames, a notebook shows it with its notes.

    Accuracies and their differences are fractions in frames and in `document`, percent in what is shown.
    """

    def __init__(self, comparison: Comparison, results: Sequence[Results]) -> None:
        self._comparison = comparison
        self._results = tuple(results)

    @cached_property
    def table(self) -> pandas.DataFrame:
        """One row for each arm: mean, interval, paired difference, exact p and verdict."""
        return tables.arms_table(self._comparison).to_frame()

    @cached_property
    def pairs(self) -> pandas.DataFrame:
        """One row for each pair of arms; empty unless `all_pairs` was asked for."""
        return tables.pairs_table(self._comparison).to_frame()

    @property
    def notes(self) -> list[str]:
        """What the numbers are, and what stands between them and a conclusion."""
        return list(self.sections()[0].notes)

    def document(self) -> dict[str, Any]:
        """The same as `actbench compare --format json` prints."""
        return whole_document(comparison_document(self._comparison, self._results))

    def sections(self) -> list[Section]:
        """What `actbench compare` prints, as plain data."""
        return comparison_sections(self._comparison, self._results)

    def _repr_html_(self) -> str:
        return sections_to_html(self.sections())

    def __repr__(self) -> str:
        sections = answer_sections(self._comparison, self._results)
        return "\n".join(section_lines(sections, sys.stdout, is_styled=False))


class ResultFolder:
    """A result folder as it was when it was read; accuracies in its frames are fractions."""

    def __init__(self, results: Results) -> None:
        self.results = results

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.results.folder

    @cached_property
    def trials(self) -> pandas.DataFrame:
        """One row for each trial: `trials.csv`."""
        return record_tables.trials_table(self.results).to_frame()

    @cached_property
    def epochs(self) -> pandas.DataFrame:
        """One row for each trial and epoch: `epochs.csv`."""
        return record_tables.epochs_table(self.results).to_frame()

    @cached_property
    def layers(self) -> pandas.DataFrame:
        """One row for each trial, probed epoch and layer: `layers.csv`."""
        return record_tables.layers_table(self.results).to_frame()

    @cached_property
    def tuning(self) -> pandas.DataFrame:
        """One row for each arm and each value that tuning tried: `tuning.csv`; empty where nothing is tuned."""
        return tables.tuning_table(self.results).to_frame()

    @cached_property
    def claims(self) -> pandas.DataFrame:
        """One row for each claim with its verdict: `claims.csv`; empty where the experiment makes none."""
        return tables.claims_table(self.results).to_frame()

    @property
    def table(self) -> pandas.DataFrame:
        """One row for each arm: `table.csv`."""
        return self._comparison.table

    @cached_property
    def _comparison(self) -> ComparisonView:
        return ComparisonView(tables.primary_comparison(self.results), [self.results])

    def compare(
        self,
        *,
        baseline: str | None = None,
        metric: str | None = None,
        by: str | None = None,
        all_pairs: bool = False,
        shared_lr: bool = False,
    ) -> ComparisonView:
        """Compare its arms by a metric, against a baseline (an arm of it), or over all pairs.

        Raises `ConfigurationError` on a metric, baseline or factor that the experiment does not have.
        """
        return compared([self.results], None, Request(baseline, metric, by, shared_lr, all_pairs))

    def _counted(self) -> str:
        experiment = self.results.experiment
        endings = self.results.endings()
        return (
            f"{self.results.folder}: {experiment.arm_count()} arms x {experiment.seeds_text()}, "
            f"{endings.total()} of {self.results.planned()} trials, {unusable_text(endings)}"
        )

    def _claims_sections(self) -> list[Section]:
        return claims_sections(judge_results(self.results))

    def _repr_html_(self) -> str:
        heading = Section(self._counted(), [], [])
        return sections_to_html([heading, *self._comparison.sections(), *self._claims_sections()])

    def __repr__(self) -> str:
        return f"<ResultFolder {visible(self._counted())}>"

    def __str__(self) -> str:
        claims = section_lines(self._claims_sections(), sys.stdout, is_styled=False)
        return "\n".join([str(self._comparison), *(["", *claims] if claims else [])])


def compared(results: Sequence[Results], reference: Results | None, request: Request) -> ComparisonView:
    """The comparison that is asked for; what is missing or damaged is said on standard error."""
    from actbench.text import say

    return ComparisonView(answer(results, reference, request, say), [*results, *([reference] if reference else [])])
