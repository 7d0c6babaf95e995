"""Printing of comparisons and reports in the format asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Literal

from actbench.analysis.claims import JudgedClaim, judge_claims
from actbench.analysis.comparison import Comparison, compare
from actbench.errors import ConfigurationError
from actbench.experiment import parse_arm
from actbench.metrics import parse_metric
from actbench.report.claims import claims_section
from actbench.report.markdown import section_to_markdown
from actbench.report.sections import comparison_section, report_sections
from actbench.report.tables import comparison_columns, comparison_rows, comparison_to_json, to_csv
from actbench.report.terminal import print_sections
from actbench.results import Results


def print_comparison(
    results: Results,
    baseline: str | None,
    metric: str,
    format: Literal["table", "markdown", "csv", "json"],
    say: Callable[[str], None],
) -> None:
    """The comparison on standard output; what is missing or damaged is said aside."""
    comparison = _compare(results, baseline, metric, say)
    if format == "json":
        print(json.dumps(comparison_to_json(comparison), indent=2, allow_nan=False))
    elif format == "csv":
        sys.stdout.write(to_csv(comparison_rows(comparison), comparison_columns(comparison)))
    elif format == "markdown":
        sys.stdout.write(section_to_markdown(comparison_section(comparison), heading=None))
    else:
        print_sections([comparison_section(comparison)])


def print_report(
    results: Results, metric: str, format: Literal["table", "markdown"], say: Callable[[str], None]
) -> None:
    """All sections of the report on standard output."""
    comparison = _compare(results, None, metric, say)
    sections = report_sections(results.plan, results.records, comparison)
    if results.experiment.expectations:
        sections.insert(1, claims_section(judge_results(results)))
    if format == "markdown":
        print(f"# {results.experiment.name}\n")
        print("\n".join(section_to_markdown(section, heading="##") for section in sections), end="")
    else:
        print_sections(sections)


def judge_results(results: Results) -> list[JudgedClaim]:
    """The claims of a result folder's experiment with their verdicts."""
    return judge_claims(results.experiment.expectations, results.plan, results.records)


def print_claims(results: Results) -> bool:
    """The claims on standard output, if there are any; whether one of them is contradicted."""
    claims = judge_results(results)
    if claims:
        print()
        print_sections([claims_section(claims)])
    return any(claim.verdict == "contradicted" for claim in claims)


def _compare(results: Results, baseline: str | None, metric: str, say: Callable[[str], None]) -> Comparison:
    try:
        parsed = parse_metric(metric)
    except ValueError as unknown:
        raise ConfigurationError(str(unknown)) from None
    problems = [parsed.problem(arm.settings) for arm, _ in results.plan.arms]
    if problems[0] and all(problems):
        raise ConfigurationError(problems[0])
    if results.damaged_lines:
        say(f"{results.folder}: {results.damaged_lines} damaged lines of the journal are left out")
    if results.missing():
        say(f"{results.folder}: {results.missing()} of {len(results.plan.trials())} trials are not trained yet")
    chosen = results.experiment.baseline if baseline is None else parse_arm(results.experiment, baseline)
    return compare(results.plan, results.records, chosen, parsed)
