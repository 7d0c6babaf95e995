"""The parts of a report: the comparison, claims, tuning, pairs of factors, effects, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison, Question, compare
from actbench.analysis.curves import ArmCurves, PairTable, arm_curves, pair_tables, picked_epochs
from actbench.analysis.effects import Effects, effects
from actbench.experiment.definition import experiment_to_yaml
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import value_to_text, value_to_yaml
from actbench.experiment.records import unusable_document
from actbench.render.sections import SPARKS, Section, without_constants
from actbench.report.claims import claim_rows, claims_sections, judge_results
from actbench.report.comparison import comparison_section, comparison_to_json, pairs_sections
from actbench.report.images import images_document, images_sections, other_images_document
from actbench.report.lottery import lottery_section
from actbench.report.numbers import ABSENT, metric_in_words, value
from actbench.report.short import short_section
from actbench.report.statements import answer_line, caveats, notes, statements
from actbench.report.tuning import tuning_rows, tuning_section
from actbench.store.results import Results

MAX_EPOCH_COLUMNS, SHARE_BAR_WIDTH, SPARK_WIDTH = 6, 20, 20
ALWAYS_SHOWN = ("second", "difference", "verdict")
EXPLAIN = "All columns and notes: --explain"
PICTURE_NOTE = (
    "The picture: ● the mean difference, ━ its {}interval, ─ the adjusted interval that the verdict uses, · the "
    "margin, │ no difference; ◀ and ▶ lie further out."
)
MAIN_EFFECT = "main effect of"
HIGHER = "interactions of three factors and more"


def comparison_sections(comparison: Comparison, results: Sequence[Results]) -> list[Section]:
    """The table of arms with everything to bear in mind, and all pairs if requested."""
    return [comparison_section(comparison, notes(statements(comparison, results))), *pairs_sections(comparison)]


def answer_sections(comparison: Comparison, results: Sequence[Results], *, explains: bool = False) -> list[Section]:
    """What a terminal shows: the answer in one line, then the short table; to explain it, all columns and notes.

    Without any trained trial only the answer, which says so.
    """
    said = statements(comparison, results)
    answer, short = Section(answer_line(said), [], []), short_section(comparison, said)
    if not any(row.sample.endings for row in comparison.rows):
        return [answer]
    if explains:
        level = "" if comparison.looks else "95 % "  # with looks the bar has the level that decides equivalence
        return [
            answer,
            replace(
                short,
                notes=(),
                legends={name: PICTURE_NOTE.format(level) for name in short.header if name.startswith("picture")},
            ),
            *(without_constants(one, ALWAYS_SHOWN) for one in comparison_sections(comparison, results)),
        ]
    return [answer, replace(short, notes=[*short.notes, EXPLAIN]), *pairs_sections(comparison)]


def report_sections(comparison: Comparison, results: Results, *, explains: bool | None = None) -> list[Section]:
    """All parts of the report that have data; unless `explains` is None the comparison as a terminal shows it."""
    if explains is None:
        chapters = report_chapters(comparison, results, comparison_sections(comparison, [results]))
    else:
        answered = answer_sections(comparison, [results], explains=explains)
        chapters = report_chapters(comparison, results, answered)
        chapters["factors"] += main_effects(comparison, results)
    return [section for sections in chapters.values() for section in sections]


def report_chapters(comparison: Comparison, results: Results, compared: list[Section]) -> dict[str, list[Section]]:
    """The sections of the report by chapter, the first with what is given; a chapter without data has none."""
    plan, records, metric = results.plan, results.records, comparison.metric
    claims = judge_results(results)
    explained = effects(plan, records, metric)
    curves = [curve for curve in arm_curves(plan, records) if curve.means]
    parts = dict.fromkeys(curve.part for curve in curves)
    return {
        "comparison": compared,
        "lottery": [drawn] if (drawn := lottery_section(comparison)) else [],
        "claims": claims_sections(claims, comparison),
        "tuning": [tuning_section(plan, records)] if plan.tunings else [],
        "factors": [
            *(_pair_section(table, metric) for table in pair_tables(plan, records, metric)),
            *([_effects_section(explained, metric)] if explained else []),
        ],
        "images": images_sections(comparison, results),
        "curves": [_curves_section([curve for curve in curves if curve.part == part]) for part in parts],
    }


def _effects_section(found: Effects, metric: Metric) -> Section:
    rows = [["luck of the seed", _percent(found.noise), _bar(found.noise), ABSENT]]
    for effect in sorted(found.effects, key=lambda effect: -effect.share):
        name, interval = " x ".join(effect.factors) or HIGHER, " to ".join(map(_percent, effect.interval))
        rows.append([name, _percent(effect.share), _bar(effect.share), interval])
    notes = [
        f"Share of the variance of {metric_in_words(metric)} over all arms and {found.seeds} seeds (omega squared); an "
        f"effect whose interval begins at 0 may not exist (F test at {100 * found.alpha:.3g} %)."
    ]
    header = ["effect", "share", "of all variation", f"{100 * (1 - 2 * found.alpha):.3g} % interval"]
    return Section("what explains the differences", header, rows, notes, importance=(0, 1, 2, 3))


def _bar(share: float) -> str:
    """A share as a bar of blocks; the smallest has a line."""
    return SPARKS[-1] * round(min(max(share, 0.0), 1.0) * SHARE_BAR_WIDTH) or SPARKS[0]


def main_effects(comparison: Comparison, results: Results) -> list[Section]:
    """For each of several factors its values, averaged over the others, with verdicts; none without a full grid."""
    experiment = results.experiment
    factors = [factor for factor in experiment.factors if len(factor.values) > 1]
    if len(factors) < 2 or not experiment.is_full_grid():
        return []
    sections, samples, is_judged = [], [row.sample for row in comparison.rows], comparison.is_judged
    for factor in factors:
        path, planned = factor.path, dict(comparison.baseline)
        baseline = ((path, planned.get(path, factor.values[0])),)
        question = Question(comparison.metric, baseline, comparison.margin, path, accepts_shared_rate=is_judged)
        table = short_section(compare(results.plan, results.records, question, samples), [])
        name = path.split(".")[-1]
        title = f"{MAIN_EFFECT} {name}, averaged over the other factors ({table.title})"
        sections.append(replace(table, title=title, header=[name, *table.header[1:]], notes=()))
    return sections


def _percent(share: float) -> str:
    """A share that is estimated as less than nothing is shown as nothing."""
    return f"{min(max(share, 0.0), 1.0):.1%}"


def _pair_section(table: PairTable, metric: Metric) -> Section:
    """The means of two factors; the one with more values goes down, where there is room."""
    (down, row_values), (across, column_values) = (table.rows, table.row_values), (table.columns, table.column_values)
    means = table.means
    if len(column_values) > len(row_values):
        down, row_values, across, column_values = across, column_values, down, row_values
        means = tuple(zip(*means, strict=True))
    cells = [[value(mean, metric) for mean in by_column] for by_column in means]
    rows = [[value_to_text(one), *each] for one, each in zip(row_values, cells, strict=True)]
    return Section(
        f"mean {metric_in_words(metric)} by {down} and {across}", [down, *map(value_to_text, column_values)], rows
    )


def _curves_section(curves: Sequence[ArmCurves]) -> Section:
    metric = parse_metric(f"{curves[0].part}_accuracy")
    epochs = picked_epochs(max(len(curve.accuracy) for curve in curves), MAX_EPOCH_COLUMNS, is_log=True)
    lowest = min(min(curve.accuracy) for curve in curves)
    highest = max(max(curve.accuracy) for curve in curves)
    rows = []
    for curve in curves:
        after = dict(enumerate(curve.accuracy, start=1))
        cells = [value(after.get(epoch), metric) for epoch in epochs]
        rows.append([curve.label, spark(curve.accuracy, lowest, highest), *cells])
    return Section(
        title=f"learning curve: mean {curves[0].part} accuracy in % after each epoch",
        header=["arm", "curve", *(f"epoch {epoch}" for epoch in epochs)],
        rows=rows,
        notes=[
            f"Curves run from {100 * lowest:.1f} % to {100 * highest:.1f} %; each epoch's mean is over the trials that "
            "reached it."
        ],
        importance=(0, len(epochs) + 1, 1, *range(2, len(epochs) + 1)),
    )


def spark(values: Sequence[float], lowest: float, highest: float) -> str:
    """A curve in one line of block characters."""
    picked = [values[epoch - 1] for epoch in picked_epochs(len(values), SPARK_WIDTH, is_log=False)]
    span = (highest - lowest) or 1.0
    return "".join(SPARKS[round((v - lowest) / span * (len(SPARKS) - 1))] for v in picked)


def comparison_document(
    comparison: Comparison, results: Sequence[Results], claims: Sequence[JudgedClaim] = ()
) -> dict[str, Any]:
    """The comparison with its statements and caveats."""
    said = statements(comparison, results, claims)
    return {
        "answer": answer_line(said),
        **comparison_to_json(comparison),
        "caveats": caveats(said),
        "test_reads": sum(one.test_reads for one in results),
        "statements": [one.to_json() for one in said],
        "other_images": other_images_document(comparison, results[0]) if len(results) == 1 else [],
    }


def report_document(comparison: Comparison, results: Results) -> dict[str, Any]:
    """The report; a part without data is empty."""
    plan, records, metric = results.plan, results.records, comparison.metric
    explained = effects(plan, records, metric)
    claims, endings = judge_results(results), results.endings()
    outcomes = {"done": endings["done"], **unusable_document(endings)}
    return {
        "folder": str(results.folder),
        "experiment": experiment_to_yaml(results.experiment),
        "trials": {"planned": results.planned(), "missing": results.missing(), "outcomes": outcomes},
        "comparison": comparison_document(comparison, [results], claims),
        "claims": list(claim_rows(claims)),
        "tuning": list(tuning_rows(plan, records, value_to_yaml)),
        "factors": [
            vars(table) | {key: [*map(value_to_yaml, getattr(table, key))] for key in ("row_values", "column_values")}
            for table in pair_tables(plan, records, metric)
        ],
        "images": images_document(comparison, results),
        "effects": _effects_document(explained) if explained else None,
        "curves": [
            {"arm": curve.label, "part": curve.part, "mean_accuracy": curve.accuracy}
            for curve in arm_curves(plan, records)
        ],
    }


def _effects_document(explained: Effects) -> dict[str, Any]:
    return {
        "seeds": explained.seeds,
        "confidence": 1 - 2 * explained.alpha,
        "shares": [
            {"factors": list(effect.factors), "share": effect.share, "share_ci": list(effect.interval)}
            for effect in explained.effects
            if effect.factors
        ],
        "higher_interactions": sum(effect.share for effect in explained.effects if not effect.factors),
        "seeds_share": explained.noise,
    }
