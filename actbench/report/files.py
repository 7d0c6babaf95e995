"""The report as files: one self-contained page, whose policy names its only script, and one file for each picture."""

from __future__ import annotations

import base64
import hashlib
import json
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from markupsafe import Markup

from actbench.analysis.comparison import Comparison
from actbench.analysis.samples import Sample, loss_unit
from actbench.errors import ConfigurationError
from actbench.experiment.metrics import CURVES, MEASURES, PARTS, Metric, parse_metric
from actbench.plan.looks import values_by_seed
from actbench.render.html import render, source
from actbench.render.sections import Section, numeric_columns, without_sparks
from actbench.report.claims import claims_picture, judge_results
from actbench.report.contents import MAIN_EFFECT, comparison_sections, main_effects, report_chapters
from actbench.report.figures.curves import curves_picture, learnt_picture, seeds_picture
from actbench.report.figures.decisions import decisions_picture
from actbench.report.figures.differences import differences_picture, settling_picture
from actbench.report.figures.factors import factors_pictures
from actbench.report.figures.inside import inside_picture, layers_section, trouble_sentences
from actbench.report.figures.layout import FULL, PAGE, PHONE, Paper, Picture
from actbench.report.figures.marks import Dot, marker_points
from actbench.report.figures.paint import page_svg, path_of, save_scene
from actbench.report.figures.scales import Style, styles_of
from actbench.report.functions import functions_picture
from actbench.report.lottery import lottery_picture
from actbench.report.method import failure_rows, failures_table, method_sections, repeat_commands
from actbench.report.numbers import metric_in_words, value
from actbench.report.paper import PaperKit, write_paper
from actbench.report.short import short_section, without_picture
from actbench.report.statement import Statement
from actbench.report.statements import caveats, question_and_answer, statements
from actbench.report.tuning import sensitivity_picture
from actbench.statistics.intervals import CONFIDENCE, t_quantile
from actbench.statistics.multiple import ALPHA
from actbench.store.files import refuse_device, write_atomically, writing
from actbench.store.names import EXPERIMENT
from actbench.store.results import Results
from actbench.version import __version__

MAX_OPEN_ROWS, MAX_ROWS = 15, 500
ALWAYS_OPEN, ALWAYS_FOLDED = ("comparison", "method"), ("curves", "lottery", "claims", "factors", "layers")
FOLDED_DRAWINGS = {"seeds": "Every seed"}
# In the order of the page; in a report on claims they come first.
CHAPTERS = (
    "comparison", "lottery", "factors", "claims", "decisions", "curves", "tuning", "images", "layers", "failures",
    "functions", "method",
)  # fmt: skip
SCRIPT = "page.js"
EXPLORED = sorted((*CURVES, *MEASURES), key=lambda name: PARTS.index(name.partition("_")[0]))
MAX_NUMBERS, MAX_EXPLORED_ARMS, MAX_SEEDS = 30_000, 40, 200


@dataclass(frozen=True)
class Files:
    """The files to write: the page, and the folder of pictures with their format."""

    html: Path | None = None
    is_opened: bool = False
    figures: Path | None = None
    figure_format: str = "svg"
    paper: PaperKit | None = None

    def are_wanted(self) -> bool:
        """Whether any file is requested."""
        return self.html is not None or self.figures is not None or self.paper is not None

    def require_sense(self, printed: str, *, explains: bool = False) -> None:
        """Raise `ConfigurationError` on options that contradict each other."""
        if self.is_opened and self.html is None:
            raise ConfigurationError("--open: there is no page to open; add --html FILE")
        if self.are_wanted() and (printed != "table" or explains):
            option = "--explain" if explains else f"--format {printed}"
            raise ConfigurationError(
                f"{option} is for the report on standard output; leave it out beside --html, --figures and --paper"
            )


def write_files(comparison: Comparison, results: Results, files: Files, say: Callable[[str], None]) -> list[Path]:
    """Write the requested files; their paths.

    Raises `UnusableEnvironmentError` where one cannot be written.
    """
    by_chapter = pictures_by_chapter(results, comparison)
    drawn, written = [*chain.from_iterable(by_chapter.values())], []
    if files.html is not None:
        write_page(files.html, page(results, comparison, by_chapter))
        written.append(files.html)
    if files.figures is not None:
        written += save_pictures(drawn, files.figures, files.figure_format)
    if files.paper is not None:
        written += write_paper(comparison, results, drawn, files.paper, say)
    if files.html is not None and files.is_opened and not webbrowser.open(files.html.resolve().as_uri()):
        say(f"--open: no browser is found here; open {files.html} in one")
    return written


def arm_numbers(comparison: Comparison) -> dict[str, int]:
    """The number by which a page knows each arm, by label."""
    return {row.sample.label: number for number, row in enumerate(comparison.rows)}


def _swatch(style: Style) -> dict[str, str]:
    circle = "M1.5 6a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0"
    is_circle, dot = style.marker == "o", Dot(6, 6, 4.5, style.colour, style.marker)
    return {"colour": style.colour, "path": circle if is_circle else f"{path_of(marker_points(dot))}Z"}


def picture_svg(picture: Picture, arms: Mapping[str, int], paper: Paper = PAGE) -> Markup:
    """The picture as an element of a wide page, or of a narrow one; its texts are escaped."""
    identifier = f"picture-{picture.name}{'-narrow' * paper.is_narrow}"
    return Markup(page_svg(picture.draw(paper), identifier, picture.title, picture.description, arms))


def write_page(path: Path, text: str) -> None:
    """Write a page, all or nothing."""
    with writing(f"--html {path}"):
        refuse_device(path)
        write_atomically(path, text)


def save_pictures(drawn: Sequence[Picture], folder: Path, ending: str) -> list[Path]:
    """Every picture in a file named after it; raises `UnusableEnvironmentError` where one cannot be written."""
    with writing(f"--figures {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{picture.name}.{ending}" for picture in drawn]
    paper = PAGE if ending == "svg" else FULL
    for picture, path in zip(drawn, paths, strict=True):
        save_scene(picture.draw(paper), path, picture.title, picture.description)
    return paths


def pictures_by_chapter(results: Results, comparison: Comparison) -> dict[str, list[Picture]]:
    """The pictures for which there are data, by the chapter of the page that they belong to."""
    drawn: dict[str, Sequence[Picture | None]] = {
        "comparison": (differences_picture(results, comparison), settling_picture(comparison)),
        "lottery": (lottery_picture(comparison),),
        "factors": factors_pictures(results, comparison),
        "claims": (claims_picture(judge_results(results)),),
        "decisions": (decisions_picture(results),),
        "curves": (curves_picture(results, comparison), seeds_picture(results, comparison)),
        "tuning": (sensitivity_picture(results, comparison),),
        "layers": (inside_picture(results, comparison), learnt_picture(results)),
        "functions": (functions_picture(results),),
    }
    return {chapter: [one for one in of_chapter if one is not None] for chapter, of_chapter in drawn.items()}


def pictures(results: Results, comparison: Comparison) -> list[Picture]:
    """All of them, in the order in which they are listed and written."""
    return [*chain.from_iterable(pictures_by_chapter(results, comparison).values())]


@dataclass(frozen=True)
class Table:
    """A section as a table of the page, folded if long; some columns are shown only if asked for."""

    section: Section
    is_number: Sequence[bool]
    is_folded: bool
    hidden_columns: frozenset[int] = frozenset()
    labels: tuple[str, ...] = ()
    more_notes: Sequence[str] = ()


@dataclass(frozen=True)
class Chapter:
    """One part of the page, with sentences that follow its introduction."""

    id: str
    sentences: list[str]
    pictures: Sequence[Picture]
    tables: Sequence[Table]


def page(results: Results, comparison: Comparison, drawn: Mapping[str, Sequence[Picture]]) -> str:
    """The whole page with these pictures by chapter; the same text for the same results."""
    arms = arm_numbers(comparison)
    said = statements(comparison, [results])
    question, answer = question_and_answer(said)
    script = source(SCRIPT)
    return render(
        "page.html",
        name=results.experiment.name,
        metric=metric_in_words(comparison.metric),
        question=question,
        answer=answer,
        caveats=caveats(said),
        chapters=_chapters(results, comparison, drawn, said),
        folded_drawings=FOLDED_DRAWINGS,
        arms=arms,
        swatches={label: _swatch(style) for label, style in styles_of(comparison).items()},
        wide=lambda one: picture_svg(one, arms),
        narrow=lambda one: picture_svg(one, arms, PHONE),
        explore=Markup(explore_json(results, comparison)),  # no `<` is left in it
        script=Markup(script),  # our own file
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        settings=(results.folder / EXPERIMENT).read_text(encoding="utf-8", errors="replace").splitlines(),
        commands=repeat_commands(results),
        version=__version__,
    )


def _chapters(
    results: Results, comparison: Comparison, drawn: Mapping[str, Sequence[Picture]], said: Sequence[Statement]
) -> list[Chapter]:
    """The chapters with content."""
    sections = report_chapters(comparison, results, comparison_sections(comparison, [results]))
    if verdicts := main_effects(comparison, results):
        sections["factors"] = [*map(without_picture, verdicts), *sections["factors"]]
    found = {"layers": layers_section(results.plan, results.records)}
    found["failures"] = failures_table(list(failure_rows(results.plan, results.records)))
    sections |= {name: [section] for name, section in found.items() if section}
    sections["method"] = method_sections(results)
    order = dict.fromkeys(["claims", *CHAPTERS] if results.experiment.claims else CHAPTERS)
    chapters = []
    for name in order:
        sentences: list[str] = []
        tables = [_table(name, section) for section in sections.get(name, ())]
        if name == "comparison":
            tables[0] = _arms_table(comparison, said, sections[name][0])
        placed = drawn.get(name, ())
        if name == "layers" and tables:
            sentences = trouble_sentences(results)
        if name == "lottery":
            sentences = [note for table in tables for note in table.section.notes]
        if tables or placed:
            chapters.append(Chapter(name, sentences, placed, tables))
    return chapters


def _arms_table(comparison: Comparison, said: Sequence[Statement], full: Section) -> Table:
    """The short table; its picture is above it, and the columns of the full one are shown if asked for."""
    short = without_picture(short_section(comparison, said))
    more = [index for index, name in enumerate(full.header) if index and not name.startswith(("mean", "parameters"))]
    extra = [f"{full.header[index]}{' in full' * (full.header[index] in short.header)}" for index in more]
    both = [[*first, *(second[index] for index in more)] for first, second in zip(short.rows, full.rows, strict=True)]
    section = Section(short.title, [*short.header, *extra], both, short.notes)
    hidden = frozenset(range(len(short.header), len(section.header)))
    labels = [row[0] for row in full.rows]
    return Table(section, numeric_columns(section), False, hidden, tuple(labels), full.notes)


def _table(chapter: str, section: Section) -> Table:
    is_long = len(section.rows) > MAX_OPEN_ROWS and chapter not in ALWAYS_OPEN
    if chapter == "comparison" and section.importance:
        section = section.with_columns(section.importance)  # so that a narrow screen shows the verdict
    shown = without_sparks(section)
    if len(shown.rows) > MAX_ROWS:
        note = f"The first {MAX_ROWS} of {len(shown.rows):,} rows; the tables in the result folder have all."
        shown = replace(shown, rows=shown.rows[:MAX_ROWS], notes=[note, *shown.notes])
    is_number = [chapter != "method" and mostly for mostly in numeric_columns(shown)]
    is_folded = chapter in ALWAYS_FOLDED and not section.title.startswith(MAIN_EFFECT)
    return Table(shown, is_number, is_long or is_folded)


def explore_json(results: Results, comparison: Comparison) -> str:
    """The data as JSON in which nothing can end its element, or begin another; empty where there is nothing to compare.

    That takes at least two arms and seeds, and not too many.
    """
    rows = [row for row in comparison.rows if row.sample.by_seed]
    seeds = sorted({seed for row in rows for seed in row.sample.by_seed})
    has_one_unit = len({row.sample.data for row in rows}) == 1 and len(comparison.losses) < 2
    has_one_unit = has_one_unit and comparison.metric.larger_is_better is not None
    if not 2 <= len(rows) <= MAX_EXPLORED_ARMS or not 2 <= len(seeds) <= MAX_SEEDS or not has_one_unit:
        return ""
    labels, numbers = [row.sample.label for row in rows], arm_numbers(comparison)
    chosen = styles_of(comparison)
    baselines = [number for number, row in enumerate(rows) if row.is_baseline]
    most = max(1, MAX_NUMBERS // (len(rows) * len(seeds)))
    metrics = list(_explored(results, comparison, [row.sample for row in rows], seeds))[:most]
    data = {
        "arms": [{"name": one, "arm": numbers[one], "colour": chosen[one].colour} for one in labels],
        "seeds": seeds,
        "baseline": next(iter(baselines), 0),
        "has_several_baselines": len(baselines) > 1,
        "margin": comparison.margin,
        "metrics": metrics,
        "alone": _quantiles(len(seeds), 1 - CONFIDENCE),
        "adjusted": _quantiles(len(seeds), ALPHA / (len(rows) - 1)),
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _explored(
    results: Results, comparison: Comparison, samples: Sequence[Sample], seeds: list[int]
) -> Iterator[dict[str, Any]]:
    """The comparison's metric, and the others that all arms have in one unit."""
    by_arm = [sample.by_seed for sample in samples]
    yield _explored_metric(comparison.metric, by_arm, seeds) | {"printed": _printed_differences(comparison, samples)}
    arms = {arm.values: (arm.settings, trials) for arm, trials in results.plan.arms}
    planned = [(*arms[sample.values], sample.trials) for sample in samples]
    has_one_loss = len({loss_unit(settings) for settings, _, _ in planned}) < 2
    for name in EXPLORED:
        metric = parse_metric(name)
        if name == comparison.metric.name or (metric.is_loss and not has_one_loss):
            continue
        found = [values_by_seed(trials[:count], results.records, metric) for _, trials, count in planned]
        if any(found):
            yield _explored_metric(metric, found, seeds)


def _printed_differences(comparison: Comparison, samples: Sequence[Sample]) -> list[str]:
    """Each arm's paired difference from the first baseline as the table prints it; empty without one."""
    baseline = next((row.sample.label for row in comparison.rows if row.is_baseline), None)
    found = {row.sample.label: row.contrast for row in comparison.rows if row.contrast}
    return [
        value(one.difference.mean, comparison.metric, signed=True).replace("-", "\N{MINUS SIGN}")
        if (one := found.get(sample.label)) and one.is_paired and one.second.label == baseline
        else ""
        for sample in samples
    ]


def _explored_metric(metric: Metric, by_arm: Sequence[Mapping[int, float]], seeds: list[int]) -> dict[str, Any]:
    scale = 100 if metric.is_share else 1
    return {
        "name": metric_in_words(metric),
        "unit": " %" * metric.is_share,
        "points": " points" * metric.is_share,
        "digits": 2 if metric.is_share else 4,
        "sign": 1 if metric.larger_is_better else -1,
        "printed": [],
        "values": [
            [None if (one := by_seed.get(seed)) is None else round(one * scale, 6) for seed in seeds]
            for by_seed in by_arm
        ],
    }


def _quantiles(seeds: int, alpha: float) -> list[float]:
    """Student's t for 1, 2, ... degrees of freedom, two-sided at `alpha`."""
    return [round(t_quantile(1 - alpha / 2, freedom), 3) for freedom in range(1, seeds)]
