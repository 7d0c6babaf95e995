"""The forecast of a run: trials, time, and the smallest difference that the seeds can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from math import sqrt
from statistics import median
from typing import Any

from actbench.analysis.comparison import Question, Row, compare
from actbench.experiment.definition import PRIMARY_METRIC, Experiment
from actbench.experiment.identity import has_pairs
from actbench.experiment.layers import network_size
from actbench.experiment.metrics import parse_metric
from actbench.lazy import numpy
from actbench.plan.looks import seeds_range
from actbench.plan.trials import Shard
from actbench.render.sections import Section
from actbench.report.looks import moved_look
from actbench.report.networks import size_document
from actbench.runs.estimates import ASSUMED_SPEED, measured_speed, operations, start_seconds
from actbench.statistics.intervals import predicted_sd
from actbench.statistics.looks import make_schedule, simulate
from actbench.statistics.power import fewest_seeds, sd_of_difference, seeds_needed, shown_difference
from actbench.store.results import Results
from actbench.text import clock, counted, listed

ASSUMED_ACCURACY = 0.98
MIN_SIMULATED, SIMULATED_COMPARISONS = 20, 500
GAPS = (0.0005, 0.001, 0.002, 0.005, 0.01)


@dataclass(frozen=True)
class Forecast:
    """What an experiment takes, and what its seeds can show.

    Trials (if no grid is extended) and seconds are those of the `shard`, if one is named. `sd` is that of paired
    differences in test accuracy. `fewest_seeds` can decide the comparisons at all; `shown_difference` is None if the
    planned seeds can show none. The bases are sentences on how
    seconds and sd are known; an sd that `is_assumed` leaves out what training adds.
    """

    experiment: Experiment
    arms: int
    tuning_trials: int
    final_trials: int
    shard: Shard | None
    workers: int
    seconds: float
    seconds_basis: str
    sd: float
    sd_basis: str
    is_assumed: bool
    comparisons: int
    fewest_seeds: int
    shown_difference: float | None
    looks: LooksForecast | None = None


@dataclass(frozen=True)
class LooksForecast:
    """How many final trainings looks take: at least, at most, and on average in two simulated cases.

    `all_equal`: every arm equals its baseline; `one_apart`: one arm differs by the margin. Then the seeds of the looks,
    the seconds of a training with all workers, and how many experiments were simulated.
    """

    least: int
    most: int
    all_equal: float
    one_apart: float
    after: tuple[int, ...]
    seconds_each: float
    experiments: int


def forecast(experiment: Experiment, pilot: Results | None, workers: int, shard: Shard | None = None) -> Forecast:
    """Trials and time (of one shard, if named), and the differences in test accuracy that the seeds can show."""
    arms, seeds = list(experiment.arms()), len(experiment.seeds)
    final = [work for arm in arms for work in [operations(arm.settings)] * seeds]
    own_final, tuned = (shard.share(final), shard.share(arms)) if shard else (final, arms)
    work = list(own_final)
    if experiment.tune:
        candidates = (settings for arm in tuned for settings in experiment.candidate_settings(arm))
        work += [experiment.tuning_seeds * operations(settings) for settings in candidates]
    measured = measured_speed(pilot.records.values(), f"in {pilot.folder}") if pilot else None
    speed = measured or ASSUMED_SPEED
    known = _pilot_spread(pilot) if pilot else None
    sd, sd_basis = known or _assumed_spread(experiment, pilot)
    comparisons, is_paired = _comparisons(experiment), has_pairs(experiment)
    seconds_each = sum(final) * speed.seconds_per_operation / workers / len(final)
    return Forecast(
        experiment=experiment,
        arms=len(arms),
        tuning_trials=len(tuned) * experiment.tuning_trial_count(),
        final_trials=len(own_final),
        shard=shard,
        workers=workers,
        seconds=start_seconds() + sum(work) * speed.seconds_per_operation / workers,
        seconds_basis=speed.basis,
        sd=sd,
        sd_basis=sd_basis,
        is_assumed=known is None,
        comparisons=comparisons,
        fewest_seeds=fewest_seeds(comparisons, is_paired=is_paired),
        shown_difference=shown_difference(seeds, sd, comparisons=comparisons, is_paired=is_paired),
        looks=_forecast_looks(experiment, pilot, sd, seconds_each),
    )


def _forecast_looks(
    experiment: Experiment, pilot: Results | None, sd: float, seconds_each: float
) -> LooksForecast | None:
    """Simulated with the sds between seeds of the pilot's arms, the baseline's first; else with equal ones."""
    margin = experiment.margin
    if experiment.looks is None or margin is None:
        return None
    compared = _comparisons(experiment)
    rows = _pilot_rows(pilot) if pilot else ()
    own = [row.own.sd for row in rows if row.is_baseline and row.own.sd]
    others = [row.own.sd for row in rows if row.contrast and row.own.sd]
    is_known = own and others
    spreads = [own[0], *islice(cycle(others), compared)] if is_known else [sd / sqrt(2)] * (compared + 1)
    schedule = make_schedule(experiment.looks.after, experiment.looks.shares, compared)
    experiments = max(MIN_SIMULATED, SIMULATED_COMPARISONS // compared)
    unit = 1 / experiment.settings.data.test_count()
    noises = numpy.random.default_rng(0).normal(size=(experiments, len(spreads), schedule.seeds[-1]))

    def mean_trainings(gaps: list[float]) -> float:
        found = simulate(schedule, gaps, spreads, margin, unit=unit, noises=noises)
        return found.trainings() + (experiment.arm_count() - compared - 1) * found.baseline()

    return LooksForecast(
        least=experiment.arm_count() * schedule.seeds[0],
        most=experiment.arm_count() * schedule.seeds[-1],
        all_equal=mean_trainings([0.0] * compared),
        one_apart=mean_trainings([margin] + [0.0] * (compared - 1)),
        after=schedule.seeds,
        seconds_each=seconds_each,
        experiments=experiments,
    )


def forecast_sections(found: Forecast) -> list[Section]:
    """The forecast as two tables."""
    rows = [[f"{100 * gap:.2f}", str(one), str(several)] for gap, one, several in _seeds_by_gap(found)]
    header = ["true difference (points)", "seeds, one comparison", f"seeds, {found.comparisons} comparisons"]
    section = Section("how many seeds?", header, rows, [*_reach(found), found.sd_basis])
    return [_trials_section(found), section.with_columns([0, 1]) if found.comparisons == 1 else section]


def forecast_document(found: Forecast) -> dict[str, Any]:
    """The forecast as plain data; accuracies and their differences as fractions."""
    return {
        "name": found.experiment.name,
        **{name: value for name, value in vars(found).items() if name not in ("experiment", "shard", "sd", "looks")},
        "sizes": [size_document(arm) for arm in found.experiment.arms()],
        "shard": str(found.shard) if found.shard else None,
        "seeds": list(found.experiment.seeds),
        "sd_of_differences": found.sd,
        "looks": found.looks and asdict(found.looks),
        "seeds_needed": [
            {"difference": gap, "one_comparison": one, "all_comparisons": several}
            for gap, one, several in _seeds_by_gap(found)
        ],
    }


def _trials_section(found: Forecast) -> Section:
    each, looks, most = found.experiment.tuning_trial_count(), found.looks, "at most " if found.looks else ""
    rows, notes = {"arms": str(found.arms)} | _size_row(found.experiment), [found.seconds_basis]
    if each:
        rows["tuning trials"] = f"{found.tuning_trials:,} ({each} for each arm, if no grid is extended)"
    rows["final trials"] = f"{most}{found.final_trials:,} ({seeds_range(found.experiment)})"
    rows["time"] = f"{most or 'about '}{clock(found.seconds)} on {counted(found.workers, 'worker')}, with the start"
    if looks:
        cases = {
            "at least": looks.least,
            "if all arms are equal": looks.all_equal,
            "if one differs by the margin": looks.one_apart,
            "at most": looks.most,
        }
        tuning_seconds = found.seconds - looks.most * looks.seconds_each
        rows["looks"] = f"after {listed(list(map(str, looks.after)))} seeds"
        for case, count in cases.items():
            rows[case] = f"{count:,.0f} final trials, {clock(tuning_seconds + count * looks.seconds_each)}"
        notes += filter(None, [moved_look(found.experiment)])
        notes.append(
            f"Looks: the mean of {looks.experiments} simulated experiments, with the sd of each of the pilot's arms "
            "or, without a pilot, the spread below."
        )
    title = f"{found.experiment.name}: plan{f' of shard {found.shard}' if found.shard else ''}"
    return Section(title, ["", ""], [list(row) for row in rows.items()], notes)


def _size_row(experiment: Experiment) -> dict[str, str]:
    """How many parameters the networks have where they differ, and what is left of that where they were matched."""
    arms = list(experiment.arms())
    counts = {network_size(arm.settings).parameters for arm in arms}
    left = max((abs(arm.matched.left) / arm.matched.target for arm in arms if arm.matched), default=None)
    matched = "" if left is None else f" (matched: at most {100 * left:.2g} % from the baseline's)"
    return {"parameters": f"{min(counts):,} to {max(counts):,}{matched}"} if matched or len(counts) > 1 else {}


def _seeds_by_gap(found: Forecast) -> list[tuple[float, int, int]]:
    """For each difference how many seeds show it, in one comparison and in all."""
    return [
        (gap, seeds_needed(gap, found.sd), seeds_needed(gap, found.sd, comparisons=found.comparisons)) for gap in GAPS
    ]


def _reach(found: Forecast) -> Iterator[str]:
    yield "Seeds that show a true difference in test accuracy 8 times in 10 (paired, 5 %, Bonferroni over comparisons)."
    if found.experiment.primary != PRIMARY_METRIC:
        yield f"This experiment decides by {found.experiment.primary}: the seeds that it takes may be others."
    seeds = len(found.experiment.seeds)
    planned = f"The {seeds} seeds" if seeds > 1 else "The one seed"
    if found.shown_difference is None:
        yield f"{planned} planned here can show nothing: it takes at least {found.fewest_seeds}."
    else:
        least = "at least " * found.is_assumed
        yield f"{planned} planned here show a difference of {least}{100 * found.shown_difference:.2f} points."


def _comparisons(experiment: Experiment) -> int:
    """How many contrasts `compare` will make: with the baseline, or with one arm if none is named."""
    return experiment.comparisons() or max(1, experiment.arm_count() - 1)


def _pilot_rows(pilot: Results) -> tuple[Row, ...]:
    """The pilot's arms, compared with its baseline or else its first arm."""
    first = pilot.plan.arms[0][0].values
    question = Question(parse_metric(PRIMARY_METRIC), pilot.experiment.baseline or first, None)
    return compare(pilot.plan, pilot.records, question).rows


def _pilot_spread(pilot: Results) -> tuple[float, str] | None:
    """The sd of paired differences in test accuracy, the median over the pilot's contrasts; None if it has none."""
    made = [row.contrast for row in _pilot_rows(pilot) if row.contrast] if len(pilot.plan.arms) > 1 else []
    spreads = [one.difference.sd for one in made if one.difference.sd]
    if not spreads:
        return None
    sd, over = median(spreads), f" (median of {len(spreads)})" if len(spreads) > 1 else ""
    return sd, f"Spread: the sd of differences in {pilot.folder} is {100 * sd:.3f} points{over}."


def _assumed_spread(experiment: Experiment, pilot: Results | None) -> tuple[float, str]:
    """The sd that the finite test set alone causes at the assumed accuracy."""
    images = experiment.settings.data.test_count()
    sd = predicted_sd(ASSUMED_ACCURACY, images)
    what_next = "Next: run a pilot of a few seeds, and name it with --pilot FOLDER."
    if pilot:
        what_next = f"{pilot.folder} shows no spread: it takes two seeds in which an arm's differences are not equal."
    return sd_of_difference(sd), (
        f"Spread: assumed, {100 * sd:.2f} points from seed to seed in each arm, which is what "
        f"{100 * ASSUMED_ACCURACY:.0f} % accuracy on {images:,} test images gives; training adds to it. {what_next}"
    )
