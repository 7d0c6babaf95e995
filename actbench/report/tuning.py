"""Tuning: the values tried for each arm, their scores, and the chosen ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import Values, label_of, value_to_text
from actbench.experiment.records import TrialRecord, recorded
from actbench.plan.plan import Plan
from actbench.plan.tuning import ArmTuning, rank
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, metric_in_words, value
from actbench.statistics.intervals import Estimate, estimate
from actbench.statistics.resampled_choice import chosen_shares
from actbench.store.results import Results
from actbench.store.tables import Table, varied_settings


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
class Tried:
    """Values that were tried for an arm: their scores, and how many trials diverged or failed."""

    values: Values
    scores: Estimate
    failed: int
    is_chosen: bool
    is_at_edge: bool


def tried(tuning: ArmTuning, records: Mapping[str, TrialRecord]) -> list[Tried]:
    """Every candidate of an arm, with what is known so far."""
    metric, found = parse_metric(tuning.metric), []
    for candidate in tuning.candidates:
        finished = recorded(candidate.trials, records)
        scores = estimate([score for record in finished if (score := metric.value(record)) is not None])
        failed, is_chosen = sum(record.outcome != "done" for record in finished), candidate.values == tuning.chosen
        found.append(Tried(candidate.values, scores, failed, is_chosen, is_chosen and bool(tuning.edges)))
    return found


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
    values = [one.values for one in tuning.candidates if len(one.trials) == seeds]
    if tuning.chosen is None or seeds < 2 or tuning.chosen not in values:
        return None
    metric = parse_metric(tuning.metric)
    ranks = [
        [rank(replace(one, trials=(trial,)), records, metric) for trial in one.trials]
        for one in tuning.candidates
        if one.values in values
    ]
    worst = 2 * seeds * (1 + max(abs(total) for row in ranks for _, total in row))
    chosen = chosen_shares([[bad * worst + total for bad, total in row] for row in ranks])
    shares = dict(zip(values, chosen, strict=True))
    direction = -1 if metric.larger_is_better else 1
    means = {one: direction * sum(total for _, total in row) / seeds for one, row in zip(values, ranks, strict=True)}
    lost = direction * sum(share * (means[one] - means[tuning.chosen]) for one, share in shares.items())
    return Stability(shares, shares[tuning.chosen], lost)


def tuning_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section:
    """How sensitive each arm is to its tuned settings: the mean of its metric for all values tried."""
    columns = list(dict.fromkeys(candidate.values for tuning in plan.tunings for candidate in tuning.candidates))
    columns.sort(key=lambda values: [setting if isinstance(setting, int | float) else 0 for _, setting in values])
    rows, metric = [], parse_metric(plan.tunings[0].metric)
    for tuning in plan.tunings:
        cells = {
            one.values: value(one.scores.mean, metric) + "*" * one.is_chosen + (f" !{one.failed}" if one.failed else "")
            for one in tried(tuning, records)
        }
        edge = f"{tuned_text(tuning.chosen)}{' (edge)' if tuning.edges else ''}" if tuning.chosen else ABSENT
        found = stability(tuning, records)
        again = [f"{found.chosen:.0%}", value(found.lost, metric)] if found else [ABSENT, ABSENT]
        rows.append([tuning.arm.label(), edge, *again, *(cells.get(values, "") for values in columns)])
    paths = ", ".join(path for path, _ in columns[0])
    seeds = max(len(candidate.trials) for candidate in plan.tunings[0].candidates)
    name = metric_in_words(metric) + " in %" * (metric.unit == "share")
    notes = [
        f"Mean {name} after the last epoch, over {seeds} tuning seeds that no final trial uses; "
        "* is chosen (ties: the smaller value), ! counts trials that diverged or failed.",
        "Chosen in: the share of bootstrap samples of the tuning seeds that would choose the same value; lost: what "
        "others cost on average. Comparisons are for the values chosen.",
    ]
    return Section(f"tuning of {paths}", ["arm", "chosen", "chosen in", "lost", *map(tuned_text, columns)], rows, notes)


def tuning_table(results: Results) -> Table:
    """One row for each arm and each value that tuning tried."""
    settings, tunings = varied_settings(results), results.plan.tunings
    mean = f"mean_{tunings[0].metric if tunings else 'validation_accuracy'}"
    columns = ["arm", *settings, "n", "failed", mean, "sd", "chosen", "at_edge"]
    return Table(columns, tuning_rows(results.plan, results.records), settings)


def tuning_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[dict[str, Any]]:
    """One row of `tuning.csv` for every arm and candidate."""
    for tuning in plan.tunings:
        found = stability(tuning, records)
        for one in tried(tuning, records):
            yield {
                "arm": tuning.arm.label(),
                **{path: value_to_text(setting) for path, setting in (*tuning.arm.values, *one.values)},
                "n": one.scores.n,
                "failed": one.failed,
                f"mean_{tuning.metric}": one.scores.mean,
                "sd": one.scores.sd,
                "chosen": one.is_chosen,
                "at_edge": one.is_at_edge,
                "chosen_in": found.shares.get(one.values) if found else None,
                "lost": found.lost if found and one.is_chosen else None,
            }
