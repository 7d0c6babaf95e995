"""What a paper needs of a comparison: pictures, a table, a paragraph on the methods, and references as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from actbench.analysis.comparison import Comparison, Row, ranked, separable
from actbench.analysis.verdicts import NO_EVIDENCE
from actbench.catalogue.registry import Entry
from actbench.config.reader import read_text
from actbench.config.source import read_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Factor, experiment_to_yaml
from actbench.experiment.layers import resolve_layers
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import settings_by_path, value_to_text
from actbench.plan.tuning import in_order
from actbench.render.html import render, source
from actbench.render.latex import PREAMBLE, escaped, section_to_latex
from actbench.render.sections import Section
from actbench.report.comparison import size_cells
from actbench.report.figures.layout import COLUMN, FULL, Picture
from actbench.report.figures.paint import save_scene
from actbench.report.numbers import ABSENT, interval, metric_in_words, probability, seeds_text, size, value
from actbench.report.short import short_verdict
from actbench.report.tuning import tuned_text
from actbench.store.files import write_atomically, writing
from actbench.store.results import Results
from actbench.text import capitalised, counted, did_you_mean, listed, nearest_or_all

WORD = re.compile(r"[A-Za-z_][\w.]*")
PLURALS = {
    "model.activation": "activations", "model.init": "initialisers", "model.output": "output functions",
    "train.loss": "losses", "train.optimizer": "optimizers",
}  # fmt: skip
LAYERWISE = ("activation", "init")
# By the names that options have, the headings in print.
COLUMNS = {
    "arm": "arm", "tuned": "tuned", "n": "n", "mean": "mean{unit}", "sd": "sd{points}",
    "difference": "difference{points}", "interval": "{level}interval", "adjusted": "adjusted interval",
    "p": "p (Holm)", "won": "seeds won", "verdict": "verdict", "parameters": "parameters",
    "multiply-adds": "multiply-adds",
}  # fmt: skip
USUAL_COLUMNS = ("arm", "n", "mean", "difference", "interval", "p", "verdict")
USUAL_PICTURES = ("differences", "curves")
NAMED = re.compile(r"(?P<authors>[^,;]+?(?:, [A-Z][^,;]+?)*) (?P<year>[12]\d{3})(?:, (?P<title>.+))?")
ENTRY = re.compile(r"^@\w+\{(\w+),$.*?^\}$\n", re.MULTILINE | re.DOTALL)
TESTS = {
    "t interval": "Student 1908",
    "sign-flip test": "Fisher 1935",
    "Holm": "Holm 1979",
    "equivalence": "Schuirmann 1987",
}


@dataclass(frozen=True)
class PaperKit:
    """What is written, and how: the folder, names, width and letters of pictures, which of them, and the columns."""

    folder: Path
    labels: Path | None = None
    width: Literal["column", "page"] = "column"
    font: Literal["serif", "sans"] = "serif"
    font_points: float = 8.0
    pictures: Sequence[str] = USUAL_PICTURES
    columns: Sequence[str] = USUAL_COLUMNS
    names: Mapping[str, str] = field(default_factory=dict)


def require_paper_sense(kit: PaperKit) -> PaperKit:
    """The kit with its names; raises `ConfigurationError` on an unknown column, or labels that cannot be read."""
    for name in kit.columns:
        if name not in COLUMNS:
            raise ConfigurationError(f"--columns: no column is called {name!r}{nearest_or_all(name, COLUMNS)}")
    return replace(kit, names=_usual_labels() | (_labels(kit.labels) if kit.labels else {}))


def _usual_labels() -> dict[str, str]:
    usual: dict[str, str] = read_yaml(source("labels.yaml"), "labels.yaml").data
    return usual


def _labels(path: Path) -> dict[str, str]:
    read = read_yaml(read_text(path, "a YAML file"), str(path))
    if read.problems:
        raise ConfigurationError("\n".join(map(str, read.problems)))
    if not isinstance(read.data, dict) or not all(isinstance(one, str) for one in read.data.values()):
        raise ConfigurationError(f"--labels {path}: expected names and how they are printed, as in `relu: ReLU`")
    return {str(name): text for name, text in read.data.items()}


def write_paper(
    comparison: Comparison, results: Results, drawn: Sequence[Picture], kit: PaperKit, say: Callable[[str], None]
) -> list[Path]:
    """Write the kit; the paths of its files. Labels of names that occur nowhere are reported through `say`.

    Raises `ConfigurationError` on an unknown picture, and `UnusableEnvironmentError` if a file cannot be written.
    """
    by_name = {picture.name: picture for picture in drawn}
    for name in kit.pictures:
        if name not in by_name and (kit.pictures is not USUAL_PICTURES):
            raise ConfigurationError(f"--picture: no picture is called {name!r}{nearest_or_all(name, by_name)}")
    shown = [by_name[name] for name in kit.pictures if name in by_name]
    names = _names(comparison, results, kit.names)
    known = {
        *_usual_labels(),
        *_names(comparison, results, {}),
        *WORD.findall(str(experiment_to_yaml(results.experiment))),
    }
    for name in filter(lambda name: name not in known, kit.names):
        say(f"warning: --labels: nothing here is called {name!r}{did_you_mean(name, sorted(known))}")
    paper = replace(COLUMN if kit.width == "column" else FULL, size=kit.font_points, names=names)
    methods = methods_paragraph(comparison, results, names)
    texts = {
        "table.tex": paper_table(comparison, names, kit.columns),
        "methods.tex": methods + "\n",
        "references.bib": "\n".join(entry for key, entry in bibliography(results).items() if key in methods),
        "paper.tex": render(
            "paper.tex",
            most=f"{paper.width:g}bp",
            figures=[(one.name, Markup(escaped(printed(one.caption, names)))) for one in shown],
        ),
    }
    with writing(f"--paper {kit.folder}"):
        kit.folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(kit.folder / name, text)
    for picture in shown:
        path = kit.folder / f"{picture.name}.pdf"
        save_scene(picture.draw(paper), path, picture.title, picture.description, kit.font)
    return [kit.folder / name for name in (*texts, *(f"{picture.name}.pdf" for picture in shown))]


def printed(text: str, names: Mapping[str, str]) -> str:
    """A label as it is printed: known names by their printed form, underscores as spaces."""
    return names.get(text) or WORD.sub(lambda word: names.get(word[0], word[0].replace("_", " ")), text)


def _names(comparison: Comparison, results: Results, names: Mapping[str, str]) -> dict[str, str]:
    """How every label, value, setting and metric of the pictures is printed."""
    settings = [pair for row in comparison.rows for pair in row.sample.values]
    paths = [*(path for path, _ in settings), *(factor.path for factor in results.experiment.tune)]
    texts = [*paths, *(value_to_text(one) for _, one in settings), *(row.sample.label for row in comparison.rows)]
    return {**names} | {text: printed(text, names) for text in (*texts, metric_in_words(comparison.metric))}


def paper_table(comparison: Comparison, names: Mapping[str, str], columns: Sequence[str]) -> str:
    """A floating table: a caption of two lines, the chosen columns, and notes below it."""
    metric, label = comparison.metric, comparison.only_baseline()
    base, seeds = printed(label, names), seeds_text(row.own.n for row in comparison.rows)
    units = {"unit": " (%)" * metric.is_share, "points": " (points)" * metric.is_share}
    header = [COLUMNS[name].format(level="" if comparison.looks else "95 % ", **units) for name in columns]
    against = f" and its difference from {base}" if base else ""
    count = max((one.comparisons for one in comparison.contrasts()), default=0)
    family = f"Verdicts allow for {counted(count, 'comparison')}" if count else "Nothing is compared with a baseline"
    title = f"{capitalised(metric_in_words(metric))} over {seeds}{against}, the best mean first. {family}."
    cells = [_cells(row, metric, names) for row in ranked(comparison)]
    rows = [[row.get(name, ABSENT) for name in columns] for row in cells]
    bold = {printed(label, names) for label in separable(comparison)}
    section = Section(title, header, rows, _table_notes(comparison, columns))
    return PREAMBLE + section_to_latex(section, bold, label="comparison")


def _cells(row: Row, metric: Metric, names: Mapping[str, str]) -> dict[str, str]:
    """A row as text in every column that has something."""
    cells = {
        "arm": printed(row.sample.label, names),
        "tuned": tuned_text(row.sample.tuned),
        "n": f"{row.own.n}" + (f" ({row.sample.failed} failed)" if row.sample.failed else ""),
        "mean": value(row.own.mean, metric),
        "sd": value(row.own.sd, metric),
        **size_cells(row),
    }
    if contrast := row.contrast:
        won = contrast.probability_better
        cells |= {
            "difference": value(contrast.difference.mean, metric, signed=True),
            "interval": interval(contrast.difference.interval, metric, signed=True),
            "adjusted": interval(contrast.adjusted_interval, metric, signed=True),
            "p": probability(contrast.p_holm),
            "won": ABSENT if won is None else f"{won:.0%}",
            "verdict": short_verdict(contrast.decided) or ABSENT,
        }
    return cells | ({"verdict": "baseline"} if row.is_baseline else {})


def _table_notes(comparison: Comparison, columns: Sequence[str]) -> list[str]:
    """What a reader needs to read the chosen columns."""
    notes = {
        "difference": "Differences are paired by seed.",
        "interval": "Intervals have the level that decides equivalence at the arm's last look."
        if comparison.looks
        else "Intervals are Student's t intervals of each comparison alone.",
        "adjusted": "Adjusted intervals are those that the verdict uses.",
        "p": "p: exact sign-flip test, adjusted by Holm's method"
        + (", scaled so that 0.05 is the bound at every look." if comparison.looks else "."),
        "verdict": "Cannot tell: no evidence of a difference, which does not mean that there is none.",
    }
    if not any(one.word == NO_EVIDENCE for one in comparison.contrasts()):
        del notes["verdict"]
    found = [note for name, note in notes.items() if name in columns]
    if failed := sum(row.sample.failed for row in comparison.rows):
        found.append(f"{counted(failed, 'trial')} diverged, collapsed or failed; those with a value are in the mean.")
    return found


def methods_paragraph(comparison: Comparison, results: Results, names: Mapping[str, str]) -> str:
    """How the comparison was made, in a paragraph of LaTeX with the true numbers and citations."""
    experiment, metric, contrasts = results.experiment, comparison.metric, comparison.contrasts()
    data, train = experiment.settings.data, experiment.settings.train
    schedule = comparison.looks.schedule if comparison.looks else None
    alphas = [f"{alpha:.4g}" for alpha in schedule.alphas] if schedule else []
    shapes = {tuple(layer.units for layer in resolve_layers(arm.settings)) for arm, _ in results.plan.arms}
    units = "--".join(map(str, (data.dataset.features, *shapes.pop()))) if len(shapes) == 1 else ""
    tunings = results.plan.tunings
    tried = settings_by_path(one.values for tuning in tunings for one in tuning.candidates)
    grids = {one.path: one.values for one in experiment.tune} if tunings else {}
    beyond = [value_to_text(one) for path, grid in grids.items() for one in in_order(tried[path]) if one not in grid]
    own = {choice.name: choice.entry.formula for choice in experiment.custom_choices()}
    count = schedule.comparisons if schedule else max((one.comparisons for one in contrasts), default=0)
    said = {
        "what": _what(results, comparison, names),
        "network": f"a multilayer perceptron ({units} units)" if units else "multilayer perceptrons",
        "images": escaped(printed(data.dataset.name, names)),
        "counts": f"{data.train_count():,} training, {data.validation_count():,} validation and "
        f"{data.test_count():,} test images",
        "parts": "; ".join(_parts(results, names)),
        "own": "; ".join(escaped(f"{printed(name, names)}(x) = {formula}") for name, formula in own.items()),
        "tuned": escaped(listed([printed(path, names) for path in grids])),
        "grid": "; ".join(", ".join(_sourced(results, in_order(grid), names)) for grid in grids.values()),
        "beyond": escaped(listed(beyond)),
        "tuned_by": metric_in_words(parse_metric(experiment.tuned_by())),
        "tuning_seeds": counted(experiment.tuning_seeds, "seed"),
        "epochs": counted(train.epochs, "epoch"),
        "seeds": seeds_text(len(trials) for _, trials in results.plan.arms),
        "after": listed(list(map(str, schedule.seeds))) if schedule else "",
        "shares": f"{alphas[0]} each" if len(set(alphas)) == 1 else listed(alphas),
        "comparisons": counted(count, "comparison"),
        "margin": escaped(size(comparison.margin, metric)) if contrasts and comparison.margin else "",
        "doubt": escaped(comparison.doubt),
        "least": escaped(size(comparison.detectable, metric)) if comparison.detectable else "",
    }
    texts = {name: Markup(text) for name, text in said.items()}  # LaTeX, escaped as such
    cited = {name: Markup(_cite(text)) for name, text in TESTS.items()}
    are = {"contrasts": bool(contrasts), "claims": bool(experiment.claims)}
    return " ".join(render("methods.tex", **are, cite=cited, **texts).split())


def _what(results: Results, comparison: Comparison, names: Mapping[str, str]) -> str:
    factors = _compared(results)
    numbers = [escaped(_number(len(factor.values), factor.path, names)) for factor in factors]
    values = [listed(_sourced(results, factor.values, names)) for factor in factors]
    if len(factors) == 1:
        return f"We compared {numbers[0]}: {values[0]}."
    what = listed([f"{number} ({each})" for number, each in zip(numbers, values, strict=True)])
    return f"We compared {len(comparison.rows)} settings" + (f": {what}." if what else ".")


def _compared(results: Results) -> list[Factor]:
    return [factor for factor in results.experiment.factors if len(factor.values) > 1]


def _sourced(results: Results, values: Iterable[Any], names: Mapping[str, str]) -> list[str]:
    """The values as LaTeX, each with citations of the functions that it names."""
    sources: dict[str, str] = {}
    for entry in used_entries(results):  # an activation and an output may share a name
        sources[entry.name] = f"{sources.get(entry.name, '')};{entry.reference}"
    found = []
    for text in dict.fromkeys(map(value_to_text, values)):
        named = ";".join(sources.get(word, "") for word in WORD.findall(text))
        found.append(escaped(printed(text, names)) + (f"~{_cite(named)}" if references_of(named) else ""))
    return found


def _number(count: int, path: str, names: Mapping[str, str]) -> str:
    """`5 activations`, or `5 values of the learning rate`."""
    return f"{count} {PLURALS[path]}" if path in PLURALS else f"{count} values of the {printed(path, names)}"


def _parts(results: Results, names: Mapping[str, str]) -> Iterator[str]:
    """`initialiser: Kaiming normal` for each choice that is neither compared nor tuned; several, if layers differ."""
    free = {one.path for one in (*_compared(results), *results.experiment.tune)}
    for path in (*PLURALS, "train.lr", "train.batch_size"):
        section, name = path.split(".")
        found = [
            getattr(one, name)
            for arm, _ in results.plan.arms
            for one in (resolve_layers(arm.settings) if name in LAYERWISE else [getattr(arm.settings, section)])
        ]
        texts = _sourced(results, (one for one in found if one is not None), names)
        if texts and path not in free:
            yield f"{escaped(printed(path, names))}: {listed(texts)}"


def _cite(text: str) -> str:
    return rf"\cite{{{','.join(references_of(text))}}}"


@cache
def known_publications() -> dict[str, str]:
    """The BibTeX entries, by key, of what the catalogue and the tests name by authors and year."""
    return {entry[1]: entry[0] for entry in ENTRY.finditer(source("references.bib"))}


def references_of(text: str) -> dict[str, re.Match[str]]:
    """The publications that an entry names, by BibTeX key; none named otherwise, such as `torch.nn.Linear`."""
    parts = (part.strip().removeprefix("the argument of ").partition(" with ")[0] for part in text.split(";"))
    return {_key(named): named for part in parts if (named := NAMED.fullmatch(part))}


def used_entries(results: Results) -> Iterator[Entry]:
    """The functions that the arms of an experiment use, each once."""
    seen: dict[tuple[str, str], Entry] = {}
    for arm, _ in results.plan.arms:
        layers = resolve_layers(arm.settings)
        choices = [layer.activation for layer in layers] + [layer.init for layer in layers]
        model, train = arm.settings.model, arm.settings.train
        for choice in (*choices, model.output, train.loss, train.optimizer):
            if choice is not None:
                seen.setdefault((choice.kind, choice.name), choice.entry)
    yield from seen.values()


def bibliography(results: Results) -> dict[str, str]:
    """The BibTeX entries, by key, of the functions that are used and of the tests."""
    texts = [*(entry.reference for entry in used_entries(results)), *TESTS.values()]
    found = {key: named for text in texts for key, named in references_of(text).items()}
    return {key: known_publications().get(key) or _unknown_publication(key, named) for key, named in found.items()}


def _unknown_publication(key: str, named: re.Match[str]) -> str:
    """The BibTeX entry of what a custom function names; its texts are escaped for LaTeX."""
    names = named["authors"].replace(" et al.", ", others").replace(" & ", ", ").split(", ")
    authors = " and ".join(f"{{{escaped(name)}}}" if name != "others" else name for name in names)
    title = escaped(named["title"] or f"{named['authors']} {named['year']}")
    return f"@misc{{{key},\n  author = {{{authors}}},\n  title = {{{{{title}}}}},\n  year = {{{named['year']}}}\n}}\n"


def _key(named: re.Match[str]) -> str:
    first = re.split(r"[,& ]", named["authors"])[0]
    plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode().lower()
    return f"{re.sub('[^a-z0-9]', '', plain) or 'reference'}{named['year']}"
