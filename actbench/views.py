"""Result folders and comparisons as a notebook holds them: pandas frames, and tables to look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

from actbench.analysis.comparison import Comparison
from actbench.errors import ConfigurationError
from actbench.experiment.records import unusable_text
from actbench.lazy import pandas
from actbench.plan.looks import seeds_range
from actbench.render.html import sections_to_html
from actbench.render.printing import whole_document
from actbench.render.sections import Section
from actbench.render.terminal import section_lines
from actbench.report.claims import claims_sections, claims_table, judge_results
from actbench.report.comparison import arms_table, pairs_table
from actbench.report.contents import EXPLAIN, answer_sections, comparison_document, comparison_sections
from actbench.report.figures.layout import COLUMN, FULL, Picture
from actbench.report.files import arm_numbers, page, picture_svg, pictures, pictures_by_chapter, write_page
from actbench.report.request import Request, requested_comparison, with_short_names
from actbench.report.short import without_picture
from actbench.report.tables import primary_comparison
from actbench.report.tuning import tuning_table
from actbench.store import tables
from actbench.store.results import Results
from actbench.text import counted, nearest_or_all, visible


def _frame(make: Callable[[Any], tables.Table], attribute: str, description: str) -> cached_property[pandas.DataFrame]:
    """A table of an attribute of a view as a frame, described as a property is."""

    def frame(view: object) -> pandas.DataFrame:
        return make(getattr(view, attribute)).to_frame()

    frame.__doc__ = description
    return cached_property(frame)


class PictureView:
    """A picture of a report as a notebook shows it."""

    def __init__(self, picture: Picture, arms: Mapping[str, int]) -> None:
        self._picture = picture
        self._arms = arms

    @property
    def caption(self) -> str:
        """How to read it."""
        return self._picture.caption

    def save(self, path: str | Path, *, width: Literal["column", "page"] = "page", font: str = "sans") -> Path:
        """Write it as SVG, PNG or PDF, by the ending of the path, at the width of a paper's column or page."""
        from actbench.report.figures.paint import save_scene

        picture, target = self._picture, Path(path)
        paper = COLUMN if width == "column" else FULL
        save_scene(picture.draw(paper), target, picture.title, picture.description, font)
        return target

    def _repr_html_(self) -> str:
        shown = picture_svg(self._picture, self._arms)
        return f'<div style="max-width: 60rem">{shown}<p>{escape(visible(self.caption))}</p></div>'

    def __repr__(self) -> str:
        return f"<{self._picture.title}: {self._picture.description}>"


class PageView:
    """The page of a report as a notebook shows it, in a frame."""

    def __init__(self, text: str) -> None:
        self.text = text

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        write_page(Path(path), self.text)
        return Path(path)

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 45rem; border: 1px solid #888"
        return f'<iframe title="actbench report" style="{style}" srcdoc="{escape(self.text)}"></iframe>'

    def __repr__(self) -> str:
        return f"<a page of {len(self.text):,} characters: save(path) writes it>"


class ComparisonView:
    """A comparison as `actbench compare` makes it: `table` and `pairs` are frames, a notebook shows it with its notes.

    Accuracies and their differences are fractions in frames and in `document`, percent in what is shown.
    """

    def __init__(self, comparison: Comparison, results: Sequence[Results], shown: Comparison) -> None:
        """`comparison` for programs, and the same as it is `shown`, with short names of arms."""
        self._comparison = comparison
        self._results = tuple(results)
        self._shown = shown
        self._shown_results = [with_short_names(one) for one in results]

    table = _frame(
        arms_table, "_comparison", "One row for each arm: mean, interval, paired difference, exact p and verdict."
    )
    pairs = _frame(pairs_table, "_comparison", "One row for each pair of arms; empty unless `all_pairs` was asked for.")

    @property
    def notes(self) -> list[str]:
        """What the numbers are, and what stands between them and a conclusion."""
        return list(self.sections()[0].notes)

    def document(self) -> dict[str, Any]:
        """The same as `actbench compare --format json` prints."""
        return whole_document(comparison_document(self._comparison, self._results))

    def sections(self) -> list[Section]:
        """What `actbench compare` prints, as plain data."""
        return comparison_sections(self._shown, self._shown_results)

    def plot(self, name: str | None = None) -> PictureView:
        """A picture of the report: the paired differences, or another by name, such as `curves` or `lottery`.

        Raises `ConfigurationError` on a name that there is no picture of.
        """
        found = {picture.name: picture for picture in pictures(self._shown_results[0], self._shown)}
        chosen = name or next(iter(found), "")
        if chosen not in found:
            raise ConfigurationError(f"no picture is called {chosen!r}{nearest_or_all(chosen, found)}")
        return PictureView(found[chosen], arm_numbers(self._shown))

    def report(self, path: str | Path | None = None) -> PageView:
        """The page that `actbench report --html` writes, in a frame; written to a path if one is given."""
        results = self._shown_results[0]
        view = PageView(page(results, self._shown, pictures_by_chapter(results, self._shown)))
        if path is not None:
            view.save(path)
        return view

    def _repr_html_(self) -> str:
        answer, *tables = answer_sections(self._shown, self._shown_results)
        if not tables:  # nothing has been trained
            return sections_to_html([answer])
        short = tables[0]
        short = replace(without_picture(short), notes=[note for note in short.notes if note != EXPLAIN])
        shown = pictures(self._shown_results[0], self._shown)[:1] if self._shown.rows else []
        figure = (
            picture_svg(shown[0], arm_numbers(self._shown))
            if shown and shown[0].name in ("differences", "arms")
            else ""
        )
        return (
            f"{sections_to_html([answer, short])}"
            f'<div style="max-width: 60rem">{figure}</div>'
            f"<details><summary>All columns and notes</summary>{sections_to_html(self.sections())}</details>"
        )

    def __repr__(self) -> str:
        sections = answer_sections(self._shown, self._shown_results)
        return "\n".join(section_lines(sections, sys.stdout, is_styled=False))


class ResultFolder:
    """A result folder as it was when it was read; accuracies in its frames are fractions."""

    def __init__(self, results: Results) -> None:
        self.results = results

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.results.folder

    trials = _frame(tables.trials_table, "results", "One row for each trial: `trials.csv`.")
    epochs = _frame(tables.epochs_table, "results", "One row for each trial and epoch: `epochs.csv`.")
    layers = _frame(tables.layers_table, "results", "One row for each trial, probed epoch and layer: `layers.csv`.")
    tuning = _frame(
        tuning_table, "results", "One row for each arm and value that tuning tried: `tuning.csv`; empty without tuning."
    )
    claims = _frame(
        claims_table, "results", "One row for each claim and its verdict: `claims.csv`; empty where there are none."
    )

    @property
    def table(self) -> pandas.DataFrame:
        """One row for each arm: `table.csv`."""
        return self._comparison.table

    @cached_property
    def _comparison(self) -> ComparisonView:
        shown = primary_comparison(with_short_names(self.results))
        return ComparisonView(primary_comparison(self.results), [self.results], shown)

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

    def plot(self, name: str | None = None) -> PictureView:
        """A picture of the report, see `ComparisonView.plot`."""
        return self._comparison.plot(name)

    def report(self, path: str | Path | None = None) -> PageView:
        """The page of the report, see `ComparisonView.report`."""
        return self._comparison.report(path)

    def _counted(self) -> str:
        experiment = self.results.experiment
        endings = self.results.endings()
        return (
            f"{self.results.folder}: {counted(experiment.arm_count(), 'arm')} x {seeds_range(experiment)}, "
            f"{endings.total()} of {counted(self.results.planned(), 'trial')}, {unusable_text(endings)}"
        )

    def _claims_sections(self) -> list[Section]:
        return claims_sections(judge_results(self.results))

    def _repr_html_(self) -> str:
        heading = Section(self._counted(), [], [])
        claims = sections_to_html(self._claims_sections())
        return f"{sections_to_html([heading])}{self._comparison._repr_html_()}{claims}"  # the same room

    def __repr__(self) -> str:
        return f"<ResultFolder {visible(self._counted())}>"

    def __str__(self) -> str:
        claims = section_lines(self._claims_sections(), sys.stdout, is_styled=False)
        return "\n".join([str(self._comparison), *(["", *claims] if claims else [])])


def compared(results: Sequence[Results], reference: Results | None, request: Request) -> ComparisonView:
    """The comparison that is asked for; what is missing or damaged is said on standard error."""
    from actbench.text import say

    everything = [*results, *([reference] if reference else [])]
    others = [with_short_names(one) for one in everything]
    shown = requested_comparison(others[: len(results)], others[-1] if reference else None, request, lambda _: None)
    return ComparisonView(requested_comparison(results, reference, request, say), everything, shown)
