"""The derived files of a result folder: what its records are, and what they mean for arms and claims."""

from __future__ import annotations

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.render.markdown import section_to_markdown
from actbench.report.claims import CLAIM_COLUMNS, claim_rows, judge_results
from actbench.report.comparison import PAIR_NUMBERS, comparison_columns, comparison_rows, pair_rows, with_ends
from actbench.report.contents import comparison_sections
from actbench.report.tuning import tuning_columns, tuning_rows
from actbench.store.files import HeldFolder, file_in, write_atomically
from actbench.store.results import Results
from actbench.store.tables import Table, epochs_table, layers_table, trials_table, varied_settings


def write_tables(results: Results, folder: HeldFolder | None = None) -> Comparison:
    """Write every derived file again, if held through the held folder; the comparison in the table of arms."""
    comparison = primary_comparison(results)
    for name, text in table_texts(results, comparison).items():
        target = file_in(folder or results.folder, name)
        if text is None:
            target.remove()
        else:
            write_atomically(target, text)
    return comparison


def table_texts(results: Results, comparison: Comparison) -> dict[str, str | None]:
    """Every derived file by its name, given the primary comparison; None for one without data."""
    (section,) = comparison_sections(comparison, [results])
    tables = {"trials": trials_table(results), "epochs": epochs_table(results), "layers": layers_table(results)}
    tables |= {"table": arms_table(comparison), "tuning": tuning_table(results), "claims": claims_table(results)}
    has_data = {"tuning": bool(results.plan.tunings), "claims": bool(results.experiment.expectations)}
    texts = {f"{name}.csv": table.to_csv() if has_data.get(name, True) else None for name, table in tables.items()}
    return texts | {"table.md": section_to_markdown(section, heading=None)}


def primary_comparison(results: Results) -> Comparison:
    """The question that the experiment was planned to answer, and its answer."""
    question = question_of(results.experiment, parse_metric(results.experiment.primary), results.seeds_doubt())
    return compare(results.plan, results.records, question)


def arms_table(comparison: Comparison) -> Table:
    """One row for each arm."""
    settings = dict.fromkeys(path for row in comparison.rows for path, _ in row.sample.values)
    return Table(comparison_columns(comparison), comparison_rows(comparison), list(settings))


def pairs_table(comparison: Comparison) -> Table:
    """One row for each compared pair of arms."""
    return Table(PAIR_NUMBERS, map(with_ends, pair_rows(comparison)))


def tuning_table(results: Results) -> Table:
    """One row for each arm and each value that tuning tried."""
    settings = varied_settings(results)
    return Table(
        ["arm", *settings, *tuning_columns(results.plan)], tuning_rows(results.plan, results.records), settings
    )


def claims_table(results: Results) -> Table:
    """One row for each claim; the column `exploratory` only where the plan records claims."""
    claims = judge_results(results)
    is_recorded = any(claim.is_exploratory is not None for claim in claims)
    return Table(CLAIM_COLUMNS if is_recorded else CLAIM_COLUMNS[:-1], claim_rows(claims))
