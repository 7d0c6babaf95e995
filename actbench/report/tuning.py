"""Tuning: the values tried for each arm, their scores, and the value chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import Values, label_of, value_to_text
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan
from actbench.plan.tuning import ArmTuning, Candidate
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, value
from actbench.statistics.intervals import estimate

METRIC = parse_metric("validation_accuracy")
TUNING_COLUMNS = ("n", "failed", "mean_validation_accuracy", "sd", "chosen", "at_edge")


def tuned_text(values: Values) -> str:
    """`0.003` for one tuned setting, `lr=0.003, dropout=0.1` for several."""
    return value_to_text(values[0][1]) if len(values) == 1 else label_of(values)


def chosen_lines(plan: Plan) -> list[str]:
    """One line for each arm that has been tuned."""
    return [
        f"tuned {tuning.arm.label()}: "
        + ", ".join(f"{path} {value_to_text(setting)}" for path, setting in tuning.chosen or ())
        + (f" (at the edge of what was tried: {', '.join(tuning.edges)})" if tuning.edges else "")
        for tuning in plan.tunings
    ]


def tuning_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section:
    """How sensitive each arm is to its nuisance settings: mean validation accuracy for all values tried."""
    tried = list(dict.fromkeys(candidate.values for tuning in plan.tunings for candidate in tuning.candidates))
    tried.sort(key=lambda values: [setting if isinstance(setting, int | float) else 0 for _, setting in values])
    rows = []
    for tuning in plan.tunings:
        cells = {candidate.values: _cell(tuning, candidate, records) for candidate in tuning.candidates}
        edge = f"{tuned_text(tuning.chosen)}{' (edge)' if tuning.edges else ''}" if tuning.chosen else ABSENT
        rows.append([tuning.arm.label(), edge, *(cells.get(values, "") for values in tried)])
    paths = ", ".join(path for path, _ in tried[0])
    seeds = max(len(candidate.trials) for candidate in plan.tunings[0].candidates)
    notes = [
        f"Mean validation accuracy in % after the last epoch, over {seeds} tuning seeds that no final trial uses; "
        "* is chosen (ties: the smaller value), ! counts trials that diverged or failed."
    ]
    return Section(f"tuning of {paths}", ["arm", "chosen", *map(tuned_text, tried)], rows, notes)


def _cell(tuning: ArmTuning, candidate: Candidate, records: Mapping[str, TrialRecord]) -> str:
    finished = [records[trial.id] for trial in candidate.trials if trial.id in records]
    mean = estimate([score for record in finished if (score := METRIC.value(record)) is not None]).mean
    bad = sum(record.outcome != "done" for record in finished)
    return value(mean, METRIC) + ("*" if candidate.values == tuning.chosen else "") + (f" !{bad}" if bad else "")


def tuning_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[dict[str, Any]]:
    """One row of `tuning.csv` for every arm and candidate."""
    for tuning in plan.tunings:
        for candidate in tuning.candidates:
            finished = [records[trial.id] for trial in candidate.trials if trial.id in records]
            values = [one for record in finished if (one := METRIC.value(record)) is not None]
            measured = estimate(values)
            is_chosen = candidate.values == tuning.chosen
            yield {
                "arm": tuning.arm.label(),
                **{path: value_to_text(one) for path, one in (*tuning.arm.values, *candidate.values)},
                "n": measured.n,
                "failed": sum(record.outcome != "done" for record in finished),
                "mean_validation_accuracy": measured.mean,
                "sd": measured.sd,
                "chosen": is_chosen,
                "at_edge": is_chosen and bool(tuning.edges),
            }
