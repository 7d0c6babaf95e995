"""Tuning: the values tried for each arm, their scores, and the value chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import Values, label_of, value_to_text
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan
from actbench.plan.tuning import ArmTuning, Candidate, rank
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, metric_in_words, value
from actbench.statistics.intervals import estimate
from actbench.statistics.resampled_choice import chosen_shares


def tuning_columns(plan: Plan) -> list[str]:
    """The columns of `tuning.csv` after the arm and its settings."""
    metric = plan.tunings[0].metric if plan.tunings else "validation_accuracy"
    return ["n", "failed", f"mean_{metric}", "sd", "chosen", "at_edge"]


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


@dataclass(frozen=True)
class Stability:
    """How sure a tuned choice is: in which share of bootstrap samples of the tuning seeds it would be made again.

    `shares` are by values; `lost` is how much of the validation metric the other choices cost on average.
    """

    shares: Mapping[Values, float]
    chosen: float
    lost: float


def stability(tuning: ArmTuning, records: Mapping[str, TrialRecord]) -> Stability | None:
    """Of the values that were tried with all tuning seeds; None before the choice, and of fewer than two seeds."""
    seeds = max((len(one.trials) for one in tuning.candidates), default=0)
    tried = [one for one in tuning.candidates if len(one.trials) == seeds]
    if tuning.chosen is None or seeds < 2 or tuning.chosen not in [one.values for one in tried]:
        return None
    metric = parse_metric(tuning.metric)
    ranks = [[rank(replace(one, trials=(trial,)), records, metric) for trial in one.trials] for one in tried]
    worst = 2 * seeds * (1 + max(abs(total) for row in ranks for _, total in row))
    shares = chosen_shares([[bad * worst + total for bad, total in row] for row in ranks])
    direction = -1 if metric.larger_is_better else 1
    means = {
        one.values: direction * sum(total for _, total in row) / seeds for one, row in zip(tried, ranks, strict=True)
    }
    by_values = {one.values: share for one, share in zip(tried, shares, strict=True)}
    behind = (share * (means[values] - means[tuning.chosen]) for values, share in by_values.items())
    lost = direction * sum(behind)
    return Stability(by_values, by_values[tuning.chosen], lost)


def tuning_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section:
    """How sensitive each arm is to its nuisance settings: the mean of its metric for all values tried."""
    tried = list(dict.fromkeys(candidate.values for tuning in plan.tunings for candidate in tuning.candidates))
    tried.sort(key=lambda values: [setting if isinstance(setting, int | float) else 0 for _, setting in values])
    rows, metric = [], parse_metric(plan.tunings[0].metric)
    for tuning in plan.tunings:
        cells = {candidate.values: _cell(tuning, candidate, records) for candidate in tuning.candidates}
        edge = f"{tuned_text(tuning.chosen)}{' (edge)' if tuning.edges else ''}" if tuning.chosen else ABSENT
        found = stability(tuning, records)
        again = [f"{found.chosen:.0%}", value(found.lost, metric)] if found else [ABSENT, ABSENT]
        rows.append([tuning.arm.label(), edge, *again, *(cells.get(values, "") for values in tried)])
    paths = ", ".join(path for path, _ in tried[0])
    seeds = max(len(candidate.trials) for candidate in plan.tunings[0].candidates)
    name = metric_in_words(metric) + " in %" * (metric.unit == "share")
    notes = [
        f"Mean {name} after the last epoch, over {seeds} tuning seeds that no final trial uses; "
        "* is chosen (ties: the smaller value), ! counts trials that diverged or failed.",
        "Chosen in: the share of bootstrap samples of the tuning seeds that would choose the same value; lost: what "
        "others cost on average. Comparisons are for the values chosen.",
    ]
    return Section(f"tuning of {paths}", ["arm", "chosen", "chosen in", "lost", *map(tuned_text, tried)], rows, notes)


def _cell(tuning: ArmTuning, candidate: Candidate, records: Mapping[str, TrialRecord]) -> str:
    finished = [records[trial.id] for trial in candidate.trials if trial.id in records]
    metric = parse_metric(tuning.metric)
    mean = estimate([score for record in finished if (score := metric.value(record)) is not None]).mean
    bad = sum(record.outcome != "done" for record in finished)
    return value(mean, metric) + ("*" if candidate.values == tuning.chosen else "") + (f" !{bad}" if bad else "")


def tuning_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[dict[str, Any]]:
    """One row of `tuning.csv` for every arm and candidate."""
    for tuning in plan.tunings:
        found = stability(tuning, records)
        metric = parse_metric(tuning.metric)
        for candidate in tuning.candidates:
            finished = [records[trial.id] for trial in candidate.trials if trial.id in records]
            values = [one for record in finished if (one := metric.value(record)) is not None]
            measured = estimate(values)
            is_chosen = candidate.values == tuning.chosen
            yield {
                "arm": tuning.arm.label(),
                **{path: value_to_text(one) for path, one in (*tuning.arm.values, *candidate.values)},
                "n": measured.n,
                "failed": sum(record.outcome != "done" for record in finished),
                f"mean_{metric.name}": measured.mean,
                "sd": measured.sd,
                "chosen": is_chosen,
                "at_edge": is_chosen and bool(tuning.edges),
                "chosen_in": found.shares.get(candidate.values) if found else None,
                "lost": found.lost if found and is_chosen else None,
            }
