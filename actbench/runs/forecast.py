"""Before a run: how many trials, how long, and how small a difference so many seeds can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from actbench.analysis.comparison import Question, compare
from actbench.experiment.definition import Arm, Experiment
from actbench.experiment.metrics import parse_metric
from actbench.plan.plan import PRIMARY_METRIC
from actbench.plan.shards import Shard
from actbench.render.sections import Section
from actbench.runs.estimates import ASSUMED_SPEED, measured_speed, operations
from actbench.statistics.intervals import predicted_sd
from actbench.statistics.power import fewest_seeds, sd_of_difference, seeds_needed, shown_difference
from actbench.store.results import Results
from actbench.text import clock, counted

ASSUMED_ACCURACY = 0.98
GAPS = (0.0005, 0.001, 0.002, 0.005, 0.01)


@dataclass(frozen=True)
class Forecast:
    """What an experiment takes, and what its seeds can show.

    Trials (if no grid is extended) and seconds are those of a `shard` where there is one. `sd` is that of paired
    differences in test accuracy. `shown_difference` is None where the seeds can show none. The bases are sentences:
    where seconds and sd are from.
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
    comparisons: int
    shown_difference: float | None


def forecast(experiment: Experiment, pilot: Results | None, workers: int, shard: Shard | None = None) -> Forecast:
    """Trials and time, of one shard where it is named, and what differences in test accuracy the seeds can show."""
    arms, seeds = list(experiment.arms()), len(experiment.seeds)
    final = [work for arm in arms for work in [operations(arm.settings)] * seeds]
    own_final, tuned = (shard.share(final), shard.share(arms)) if shard else (final, arms)
    work = [*own_final, *(_tuning_work(experiment, arm) for arm in tuned)]
    measured = measured_speed(pilot.records.values(), f"in {pilot.folder}") if pilot else None
    speed = measured or ASSUMED_SPEED
    sd, sd_basis = _spread(experiment, pilot)
    comparisons = _comparisons(experiment)
    return Forecast(
        experiment=experiment,
        arms=len(arms),
        tuning_trials=len(tuned) * experiment.tuning_trial_count(),
        final_trials=len(own_final),
        shard=shard,
        workers=workers,
        seconds=sum(work) * speed.seconds_per_operation / workers,
        seconds_basis=speed.basis,
        sd=sd,
        sd_basis=sd_basis,
        comparisons=comparisons,
        shown_difference=shown_difference(seeds, sd, comparisons=comparisons),
    )


def plan_sections(
    experiment: Experiment, pilot: Results | None, workers: int, shard: Shard | None = None
) -> list[Section]:
    """The forecast as two tables."""
    found = forecast(experiment, pilot, workers, shard)
    return [_trials_section(found), _power_section(found)]


def plan_document(
    experiment: Experiment, pilot: Results | None, workers: int, shard: Shard | None = None
) -> dict[str, Any]:
    """The forecast as plain data; accuracies and their differences as fractions."""
    found = forecast(experiment, pilot, workers, shard)
    return {
        "name": experiment.name,
        "arms": found.arms,
        "shard": str(shard) if shard else None,
        "tuning_trials": found.tuning_trials,
        "final_trials": found.final_trials,
        "seeds": list(experiment.seeds),
        "workers": workers,
        "seconds": found.seconds,
        "seconds_basis": found.seconds_basis,
        "sd_of_differences": found.sd,
        "sd_basis": found.sd_basis,
        "comparisons": found.comparisons,
        "shown_difference": found.shown_difference,
        "fewest_seeds": fewest_seeds(found.comparisons),
        "seeds_needed": [
            {"difference": gap, "one_comparison": one, "all_comparisons": several}
            for gap, one, several in _seeds_by_gap(found)
        ],
    }


def _trials_section(found: Forecast) -> Section:
    seeds, arms, workers = len(found.experiment.seeds), found.arms, found.workers
    each = found.experiment.tuning_trial_count()
    rows = [["arms", f"{arms}"]]
    if each:
        rows.append(["tuning trials", f"{found.tuning_trials:,} ({each} for each arm, if no grid is extended)"])
    rows += [
        ["final trials", f"{found.final_trials:,} ({seeds} seeds)"],
        ["time", f"about {clock(found.seconds)} on {counted(workers, 'worker')}"],
    ]
    return Section(
        f"{found.experiment.name}: plan{f' of shard {found.shard}' if found.shard else ''}",
        ["", ""],
        rows,
        [found.seconds_basis],
    )


def _tuning_work(experiment: Experiment, arm: Arm) -> float:
    if not experiment.tune:
        return 0.0
    return experiment.tuning_seeds * sum(map(operations, experiment.candidate_settings(arm)))


def _power_section(found: Forecast) -> Section:
    rows = [[f"{100 * gap:.2f}", str(one), str(several)] for gap, one, several in _seeds_by_gap(found)]
    header = ["true difference (points)", "seeds, one comparison", f"seeds, {found.comparisons} comparisons"]
    return Section("how many seeds?", header, rows, [*_reach(found), found.sd_basis])


def _seeds_by_gap(found: Forecast) -> list[tuple[float, int, int]]:
    """For each difference how many seeds show it, in one comparison and in all."""
    return [
        (gap, seeds_needed(gap, found.sd), seeds_needed(gap, found.sd, comparisons=found.comparisons)) for gap in GAPS
    ]


def _reach(found: Forecast) -> Iterator[str]:
    yield "Seeds that show a true difference in test accuracy 8 times in 10 (paired, 5 %, Bonferroni over comparisons)."
    seeds = len(found.experiment.seeds)
    planned = f"The {seeds} seeds" if seeds > 1 else "The one seed"
    if found.shown_difference is None:
        yield f"{planned} planned here can show nothing: it takes at least {fewest_seeds(found.comparisons)}."
    else:
        yield f"{planned} planned here show one of {100 * found.shown_difference:.2f} points."


def _comparisons(experiment: Experiment) -> int:
    """How many contrasts `compare` will make: with the baseline, or with one arm where none is named."""
    arms = list(experiment.arms())
    baseline = dict(experiment.baseline)
    own = [arm for arm in arms if baseline and all(dict(arm.values)[path] == one for path, one in baseline.items())]
    return max(1, len(arms) - max(1, len(own)))


def _spread(experiment: Experiment, pilot: Results | None) -> tuple[float, str]:
    """The sd of paired differences in test accuracy, from the pilot's contrasts or assumed."""
    if pilot is not None and len(pilot.plan.arms) > 1:
        first = pilot.plan.arms[0][0].values
        question = Question(parse_metric(PRIMARY_METRIC), pilot.experiment.baseline or first, pilot.experiment.margin)
        made = [row.contrast for row in compare(pilot.plan, pilot.records, question).rows if row.contrast]
        spreads = [one.difference.sd for one in made if one.difference.sd]
        if spreads:
            sd = median(spreads)
            return (
                sd,
                f"Spread: the sd of differences in {pilot.folder} is {100 * sd:.3f} points (median of {len(spreads)}).",
            )
    images = experiment.settings.data.test_count()
    sd = predicted_sd(ASSUMED_ACCURACY, images)
    return sd_of_difference(sd), (
        f"Spread: assumed, {100 * sd:.2f} points from seed to seed in each arm, which is what {ASSUMED_ACCURACY:.0%} "
        f"accuracy on {images:,} test images gives; a pilot (--pilot FOLDER) replaces it."
    )
