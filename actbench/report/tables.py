"""The derived files of a result folder: what its records are, and what they mean for arms and claims."""

from __future__ import annotations

import io
from collections.abc import Iterable

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.render.markdown import section_to_markdown
from actbench.report.claims import claims_table
from actbench.report.comparison import arms_table
from actbench.report.contents import comparison_sections
from actbench.report.tuning import tuning_table
from actbench.store.files import HeldFolder, file_in, write_atomically
from actbench.store.results import Results
from actbench.store.tables import Table, epochs_table, layers_table, trials_table


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
    derived = table_lines(results, comparison, layers_table(results))
    return {name: None if lines is None else "".join(lines) for name, lines in derived.items()}


def table_lines(results: Results, comparison: Comparison, layers: Table) -> dict[str, Iterable[str] | None]:
    """The same line by line, with the table of layers as it is given."""
    (section,) = comparison_sections(comparison, [results])
    tables = {"trials": trials_table(results), "epochs": epochs_table(results), "layers": layers}
    tables |= {"table": arms_table(comparison), "tuning": tuning_table(results), "claims": claims_table(results)}
    has_data = {"tuning": bool(results.plan.tunings), "claims": bool(results.experiment.claims)}
    lines: dict[str, Iterable[str] | None] = {
        f"{name}.csv": table.to_csv_lines() if has_data.get(name, True) else None for name, table in tables.items()
    }
    return lines | {"table.md": io.StringIO(section_to_markdown(section, heading=None))}


def primary_comparison(results: Results) -> Comparison:
    """The question that the experiment was planned to answer, and its answer."""
    question = question_of(results.experiment, parse_metric(results.experiment.primary), results.seeds_doubt())
    return compare(results.plan, results.records, question)
