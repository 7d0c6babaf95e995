"""Comparisons and reports as plain data, for programs: shares as fractions, absent numbers None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison
from actbench.analysis.curves import learning_curves, pair_tables
from actbench.analysis.effects import Effects, effects
from actbench.experiment.definition import experiment_to_yaml
from actbench.experiment.naming import value_to_yaml
from actbench.experiment.records import unusable_document
from actbench.report.answer import answer_line
from actbench.report.claims import claim_rows, judge_results
from actbench.report.comparison import comparison_to_json
from actbench.report.images import images_document, other_images_document
from actbench.report.statements import caveats, statements
from actbench.report.tuning import tuning_rows
from actbench.store.results import Results


def comparison_document(
    comparison: Comparison, results: Sequence[Results], claims: Sequence[JudgedClaim] = ()
) -> dict[str, Any]:
    """The comparison with its statements and caveats."""
    said = statements(comparison, results, claims)
    return (
        {"answer": answer_line(comparison, results)}
        | comparison_to_json(comparison)
        | {
            "caveats": caveats(said),
            "test_reads": sum(one.test_reads for one in results),
            "statements": [one.to_json() for one in said],
            "other_images": other_images_document(comparison, results[0]) if len(results) == 1 else [],
        }
    )


def report_document(comparison: Comparison, results: Results) -> dict[str, Any]:
    """The report; a part without data is empty."""
    plan, records, metric = results.plan, results.records, comparison.metric
    explained = effects(plan, records, metric)
    claims = judge_results(results)
    return {
        "folder": str(results.folder),
        "experiment": experiment_to_yaml(results.experiment),
        "trials": {"planned": results.planned(), "missing": results.missing(), "outcomes": _outcomes(results)},
        "comparison": comparison_document(comparison, [results], claims),
        "claims": list(claim_rows(claims)),
        "tuning": list(tuning_rows(plan, records)),
        "factors": [
            {
                "rows": table.rows,
                "columns": table.columns,
                "row_values": [*map(value_to_yaml, table.row_values)],
                "column_values": [*map(value_to_yaml, table.column_values)],
                "means": table.means,
            }
            for table in pair_tables(plan, records, metric)
        ],
        "images": images_document(comparison, results),
        "effects": _effects_document(explained) if explained else None,
        "curves": [
            {"arm": curve.label, "part": curve.part, "mean_accuracy": curve.accuracy}
            for curve in learning_curves(plan, records)
        ],
    }


def _outcomes(results: Results) -> dict[str, int]:
    endings = results.endings()
    return {"done": endings["done"], **unusable_document(endings)}


def _effects_document(explained: Effects) -> dict[str, Any]:
    return {
        "seeds": explained.seeds,
        "shares": [
            {"factors": list(effect.factors), "share": effect.share, "share_ci": list(effect.interval)}
            for effect in explained.effects
            if effect.factors
        ],
        "higher_interactions": sum(effect.share for effect in explained.effects if not effect.factors),
        "seeds_share": explained.noise,
    }
