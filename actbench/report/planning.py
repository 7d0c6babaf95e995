"""Before a run: how many trials, how long, and how small a difference so many seeds can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from actbench.analysis.comparison import Question, compare
from actbench.analysis.power import fewest_seeds, sd_of_difference, seeds_needed, shown_difference
from actbench.analysis.statistics import predicted_sd
from actbench.experiment import Arm, Experiment
from actbench.layers import count_parameters, resolve_layers
from actbench.metrics import parse_metric
from actbench.plan import PRIMARY_METRIC
from actbench.records import TrialRecord
from actbench.report.progress import clock
from actbench.report.sections import Section
from actbench.results import Results
from actbench.settings import TrialSettings
from actbench.shards import Shard

ASSUMED_ACCURACY = 0.98
ASSUMED_OPERATIONS_PER_SECOND = 30e9
OPERATIONS_PER_WEIGHT = 6
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
    final = [work for arm in arms for work in [_work(arm.settings)] * seeds]
    own_final, tuned = (shard.share(final), shard.share(arms)) if shard else (final, arms)
    work = [*own_final, *(_tuning_work(experiment, arm) for arm in tuned)]
    seconds_per_work, seconds_basis = _speed(pilot.records if pilot else {}, pilot)
    sd, sd_basis = _spread(experiment, pilot)
    comparisons = _comparisons(experiment)
    return Forecast(
        experiment=experiment,
        arms=len(arms),
        tuning_trials=len(tuned) * experiment.tuning_trial_count(),
        final_trials=len(own_final),
        shard=shard,
        workers=workers,
        seconds=sum(work) * seconds_per_work / workers,
        seconds_basis=seconds_basis,
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
        ["time", f"about {clock(found.seconds)} on {workers} worker{'s' * (workers > 1)}"],
    ]
    return Section(
        f"{found.experiment.name}: plan{f' of shard {found.shard}' if found.shard else ''}",
        ["", ""],
        rows,
        [found.seconds_basis],
    )


def _work(settings: TrialSettings) -> float:
    """Multiplications and additions of one training: 6 per weight, image and epoch (forward and backward)."""
    parameters = sum(map(count_parameters, resolve_layers(settings)))
    return float(OPERATIONS_PER_WEIGHT * parameters * settings.data.train_count() * settings.train.epochs)


def _tuning_work(experiment: Experiment, arm: Arm) -> float:
    if not experiment.tune:
        return 0.0
    return experiment.tuning_seeds * sum(map(_work, experiment.candidate_settings(arm)))


def _speed(records: Mapping[str, TrialRecord], pilot: Results | None) -> tuple[float, str]:
    """Seconds per operation of one worker, and where that is known from."""
    done = [record for record in records.values() if record.outcome == "done" and record.wall_seconds > 0]
    if pilot is None or not done:
        rate = ASSUMED_OPERATIONS_PER_SECOND
        return 1 / rate, (
            f"Time: a guess from {rate / 1e9:.0f} billion operations a second for each worker; no trial has been timed."
        )
    seconds = sum(record.wall_seconds for record in done) / sum(_work(record.settings) for record in done)
    return (
        seconds,
        f"Time: from {len(done)} trials in {pilot.folder}; another machine, or a busy one, takes another time.",
    )


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
