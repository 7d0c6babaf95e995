"""An experiment: base settings, factors whose every combination is an arm, seeds, and a baseline."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf, isfinite
from typing import Any, Literal

from pydantic import BaseModel

from actbench.catalogue.recorded import RecordedEntry
from actbench.errors import ConfigurationError
from actbench.experiment.cells import (
    Cells,
    Group,
    distinguishing_paths,
    find_references,
    has_values,
    product,
    restricted,
)
from actbench.experiment.choices import Choice, custom_choices
from actbench.experiment.compatibility import conflicts
from actbench.experiment.layers import Matched, match_parameters, network_size
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import SettingValues, label_of, value_to_text, value_to_yaml, values_to_yaml
from actbench.experiment.settings import DataSettings, ModelSettings, TrainSettings, TrialSettings
from actbench.experiment.suffix import SMOKE_SUFFIX
from actbench.text import nearest_or_all

SECTIONS: dict[str, type[BaseModel]] = {"data": DataSettings, "model": ModelSettings, "train": TrainSettings}
Match = Literal["parameters"]
Keep = Literal["weights"]
NAME_LENGTH = 64
TUNING_SEEDS = 3
USUAL_LOOKS = (11, 20, 40, 80)
MARGIN = 0.001
PRIMARY_METRIC = "test_accuracy"
NUMBER = re.compile(r"(?<![^=\s])[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?(?![^,])", re.IGNORECASE)
SMOKE_TRAIN_IMAGES, SMOKE_TEST_IMAGES, SMOKE_EPOCHS, SMOKE_SEEDS, SMOKE_TUNING_SEEDS = 512, 256, 1, 2, 1


@dataclass(frozen=True)
class Factor:
    """A setting under `vary`: its dotted path and the values it takes."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Arm:
    """One combination of the factors' values, and the settings it leads to.

    `tuned` are the values that its tuned settings were given, once they are chosen. `name` is how tables call the
    arm, if not by all of its values. `matched` says how it was made as large as its baseline.
    """

    values: SettingValues
    settings: TrialSettings
    tuned: SettingValues = ()
    name: str = ""
    matched: Matched | None = None

    def to_yaml(self) -> dict[str, Any]:
        """`{"model.activation": "relu"}`, spelt as in an experiment file."""
        return values_to_yaml(self.values)

    def label(self) -> str:
        """How tables call the arm: `relu`, `lr=0.001`, or `activation=relu, lr=0.001` for several factors."""
        return self.name or label_of(self.values)


@dataclass(frozen=True)
class Claim:
    """A claim under `expect`: what a metric of some arms should be, over the seeds.

    It is about the mean of the metric over all arms with the values `arm`, or, where `reference` is given, about its
    difference to those with the values `reference`. `is_better` says that this difference should be on the metric's
    better side of 0; otherwise it should lie above `lower` and below `upper`.
    """

    text: str
    metric: str
    arm: SettingValues
    reference: SettingValues | None
    is_better: bool = False
    lower: float = -inf
    upper: float = inf

    def to_record(self) -> dict[str, Any]:
        """As a result folder records it."""
        arm, reference = (values_to_yaml(values or (), is_record=True) for values in (self.arm, self.reference))
        if self.is_better:
            return {"claim": self.text, "better": arm, "than": reference, "metric": self.metric}
        minus = {} if self.reference is None else {"minus": reference}
        spelt = {"claim": self.text, "arm": arm, **minus, "metric": self.metric}
        if isfinite(self.lower) and isfinite(self.upper):
            return spelt | {"between": [self.lower, self.upper]}
        return spelt | ({"above": self.lower} if isfinite(self.lower) else {"below": self.upper})


@dataclass(frozen=True)
class Looks:
    """After how many seeds the arms are looked at, each look spending its share of 5 %; equal shares if empty."""

    after: tuple[int, ...]
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """A whole experiment file, resolved.

    With a `tuning_margin`, values that are behind by more than it after their first tuning seed get no further ones.
    `factors` are what is compared; `tune` are the tuned settings, chosen by arm with `tuning_seeds` seeds of their
    own. `primary` is the metric that decides, and tuning chooses by the same metric on validation images; `margin` is
    the difference in it below which arms count as equivalent, None if nothing does. With `looks`, an arm gets no more
    `seeds` once it is settled. The arms are the `cells`, and the rows of the `tune_groups` are tried; of a group with
    varied settings, an arm tries the rows with its values.
    With `match`, arms are made as large as their baseline in this respect. `keep` is kept of each final trial.
    """

    name: str
    settings: TrialSettings
    factors: tuple[Factor, ...]
    cells: Cells
    seeds: tuple[int, ...]
    baseline: SettingValues
    claims: tuple[Claim, ...] = ()
    tune: tuple[Factor, ...] = ()
    tuning_seeds: int = TUNING_SEEDS
    tuning_margin: float | None = None
    margin: float | None = MARGIN
    looks: Looks | None = None
    tune_groups: tuple[Group, ...] = ()
    primary: str = PRIMARY_METRIC
    match: Match | None = None
    keep: Keep | None = None

    def arms(self) -> Iterator[Arm]:
        """An arm for each cell, the last factor changing fastest where they are every combination of values."""
        return iter(self._arms)

    @cached_property
    def _arms(self) -> tuple[Arm, ...]:
        """Kept, since thousands of arms take seconds to make and everything looks at them."""
        cells = self.cells
        arms = [Arm(cell, with_values(self.settings, cell)) for cell in cells.values()]
        if cells.excludes_impossible:
            arms = [arm for arm in arms if not any(conflict.impossible for conflict in conflicts(arm.settings))]
        if cells.are_named():
            paths = distinguishing_paths([arm.values for arm in arms])
            labels = {arm.values: label_of(restricted(arm.values, paths)) for arm in arms}
            for name, values in cells.names:
                labels |= {arm.values: name for arm in arms if has_values(arm.values, values)}
            arms = [replace(arm, name=labels[arm.values]) for arm in arms]
        return tuple(_matched(arms, self.baseline) if self.match else arms)

    def arm_count(self) -> int:
        """How many arms there are."""
        return self.cells.largest_count() if self.is_full_grid() else len(self._arms)

    def is_full_grid(self) -> bool:
        """Whether every combination of the factors' values is an arm."""
        return self.cells.is_full_grid()

    def margin_of(self, metric: Metric) -> float | None:
        """The margin of a metric, if it has the primary's unit; losses have no unit in common."""
        primary = parse_metric(self.primary)
        has_unit = metric.name == primary.name or metric.unit == primary.unit == "share"
        return self.margin if has_unit else None

    def comparisons(self) -> int:
        """How many arms are compared with a baseline."""
        arms = list(self.arms())
        references = find_references(arms, arms, self.baseline)
        return sum(one is not None and one is not arm for arm, one in zip(arms, references, strict=True))

    def tuned_by(self) -> str:
        """The metric by which tuned values are chosen: the primary's, on the validation images."""
        return self.primary.replace("test_", "validation_")

    def tuned_rows(self, arm: Arm) -> list[Group]:
        """What is tried for an arm: the product of these groups of tuned settings."""
        own = dict(arm.values)
        return [group.remaining(own) for group in self.tune_groups]

    def combination_count(self, arm: Arm) -> int:
        """How many combinations of tuned values are tried for an arm, if no grid is extended."""
        return math.prod(len(group.rows) for group in self.tuned_rows(arm))

    def candidate_settings(self, arm: Arm) -> Iterator[TrialSettings]:
        """The arm's settings with every combination of the values that are tuned."""
        for values in product(group.cells() for group in self.tuned_rows(arm)):
            yield with_values(arm.settings, values)

    def custom_choices(self) -> dict[Choice, RecordedEntry]:
        """What of its settings is not built in."""
        return custom_choices((self.settings, *(factor.values for factor in (*self.factors, *self.tune))))

    def tuning_trial_count(self) -> int:
        """Trials that tuning takes for each arm, if no grid is extended."""
        return self.tuning_seeds * max(map(self.combination_count, self.arms()), default=0) if self.tune else 0


def _matched(arms: Sequence[Arm], baseline: SettingValues) -> Iterator[Arm]:
    """Every arm with the width of one layer changed, so that it has about as many parameters as its baseline."""
    for arm, reference in zip(arms, find_references(arms, arms, baseline), strict=True):
        if reference in (None, arm):
            yield arm
        else:
            settings, how = match_parameters(arm.settings, network_size(reference.settings).parameters)
            yield replace(arm, settings=settings, matched=how)


def with_values(settings: TrialSettings, values: SettingValues) -> TrialSettings:
    """The settings with each dotted path set to its (already validated) value."""
    for path, value in values:
        section, field = path.split(".")
        changed = getattr(settings, section).model_copy(update={field: value})
        settings = settings.model_copy(update={section: changed})
    return settings


def experiment_to_yaml(experiment: Experiment) -> dict[str, Any]:
    """The experiment as plain data with every default filled in; reading it again gives the same experiment."""
    spelt = partial(value_to_yaml, is_record=True)
    seeds = experiment.seeds
    resolved: dict[str, Any] = {"name": experiment.name}
    for section in SECTIONS:
        fields = getattr(experiment.settings, section)
        resolved[section] = {name: spelt(value) for name, value in fields if value is not None}
    cells, looks = experiment.cells, experiment.looks
    plain_cell = partial(values_to_yaml, is_record=True)
    written = {
        "vary": _groups_to_yaml(cells.groups, is_list=cells.are_named()),
        "exclude": "impossible" if cells.excludes_impossible else list(map(plain_cell, cells.exclude)),
        "include": list(map(plain_cell, cells.include)),
        "names": {name: plain_cell(cell) for name, cell in cells.names},
        "tune": _groups_to_yaml(experiment.tune_groups, is_list=not Cells(experiment.tune_groups).is_full_grid()),
    }
    resolved |= {key: value for key, value in written.items() if value}
    spelt_seeds: Any = len(seeds) if seeds == tuple(range(len(seeds))) else list(seeds)
    if looks:
        spelt_seeds = {"looks": list(looks.after), "first": seeds[0]}
        spelt_seeds |= {"alpha": list(looks.shares)} if looks.shares else {}
    optional = {
        "tuning_seeds": experiment.tuning_seeds if experiment.tune else None,
        "tuning_margin": experiment.tuning_margin if experiment.tune else None,
        "seeds": spelt_seeds,
        "baseline": values_to_yaml(experiment.baseline, is_record=True),
        "match": experiment.match,
        "primary": None if experiment.primary == PRIMARY_METRIC else experiment.primary,
        "margin": None if experiment.margin == usual_margin(experiment.primary) else experiment.margin,
        "keep": experiment.keep,
        "expect": [claim.to_record() for claim in experiment.claims],
    }
    return resolved | {key: value for key, value in optional.items() if value}


def usual_margin(primary: str) -> float | None:
    """The margin where the file gives none: 0.001 for shares; no other metric has a usual one."""
    return MARGIN if parse_metric(primary).is_share else None


def _groups_to_yaml(groups: Sequence[Group], *, is_list: bool) -> list[dict[str, Any]] | dict[str, Any]:
    """A mapping for each group, or one for groups of one setting each."""
    spelt = partial(value_to_yaml, is_record=True)
    found = [
        {path: [spelt(row[index]) for row in group.rows] for index, path in enumerate(group.paths)} for group in groups
    ]
    return found if is_list else {path: values for group in found for path, values in group.items()}


def until_settled(experiment: Experiment, at_most: int | None) -> Experiment:
    """The experiment with looks, of its file or the usual, and at most so many seeds; raises `ConfigurationError`."""
    if not experiment.baseline and not experiment.claims:
        raise ConfigurationError("--until-settled: name a baseline in the file, against which arms can be settled")
    first, looks = experiment.seeds[0], experiment.looks or Looks(USUAL_LOOKS)
    if experiment.looks is None and experiment.seeds != tuple(range(first, first + len(experiment.seeds))):
        raise ConfigurationError("--until-settled: the file lists seeds; write `seeds: {looks: [...], first: N}`")
    if at_most is not None:
        if looks.shares:
            raise ConfigurationError("--at-most: the file gives each look its share of 5 %; change its looks there")
        looks = Looks((*(count for count in looks.after if count < at_most), at_most))
    return replace(experiment, looks=looks, seeds=tuple(range(first, first + looks.after[-1])))


def smoke_version(experiment: Experiment) -> Experiment:
    """The experiment without claims on a tiny subset (512 and 256 images, 1 epoch, 2 seeds), under another name."""
    data = experiment.settings.data
    shrunk: dict[str, Any] = {
        "data.train": min(SMOKE_TRAIN_IMAGES, data.train_available()),
        "data.test": min(SMOKE_TEST_IMAGES, data.test_count()),
        "data.validation": None,
        "train.epochs": SMOKE_EPOCHS,
    }
    varied = [factor.path for factor in (*experiment.factors, *experiment.tune) if factor.path in shrunk]
    if varied:
        raise ConfigurationError(
            f"--smoke sets {', '.join(varied)}, which this experiment varies or tunes: take it out there"
        )
    return replace(
        experiment,
        name=f"{experiment.name[: NAME_LENGTH - len(SMOKE_SUFFIX)]}{SMOKE_SUFFIX}",
        settings=with_values(experiment.settings, tuple(shrunk.items())),
        seeds=experiment.seeds[:SMOKE_SEEDS],
        looks=Looks((SMOKE_SEEDS,)) if experiment.looks else None,
        claims=(),
        tuning_seeds=SMOKE_TUNING_SEEDS if experiment.tune else experiment.tuning_seeds,
    )


def parse_arm(experiment: Experiment, text: str) -> SettingValues:
    """Factor values from `relu`, `model.activation=relu` or several with commas; raises `ConfigurationError`."""
    if named := [arm.values for arm in experiment.arms() if arm.label() == text.strip()]:
        return named[0]
    names = [
        (name, f.path, value) for f in experiment.factors for value in f.values for name in _names_of(f.path, value)
    ]
    known = [name for name, _ in experiment.cells.names]
    known += [value_to_text(value) for factor in experiment.factors for value in factor.values]
    chosen: dict[str, Any] = {}
    mistakes: list[str] = []
    rest = _as_listed(re.sub(r"\s*,\s*", ", ", text).strip(", "), experiment)
    while rest or not (chosen or mistakes):
        fitting = [name for name in names if rest == name[0] or rest.startswith(f"{name[0]},")]
        longest = max((name for name, _, _ in fitting), key=len, default="")
        matches = [(path, value) for name, path, value in fitting if name == longest]
        part = longest or rest.split(",")[0]
        if len(matches) == 1 and matches[0][0] not in chosen:
            chosen.update(matches)
        else:
            near = nearest_or_all(part.rpartition("=")[2], known) if known else "; nothing is varied"
            reason = f"is not in this experiment{near}" if not matches else "names one factor twice"
            if len(matches) > 1:
                reason = f"fits several factors; write {' or '.join(f'{path}={part}' for path, _ in matches)}"
            mistakes.append(f"{part!r} {reason}")
        rest = rest[len(part) :].lstrip(", ")
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return complete(
        experiment, tuple((factor.path, chosen[factor.path]) for factor in experiment.factors if factor.path in chosen)
    )


def _as_listed(text: str, experiment: Experiment) -> str:
    """The text with numbers as tables write them: `1e-3`, as in a file, is `0.001` there."""
    varied = [one for factor in experiment.factors for one in factor.values]
    listed = {one: value_to_text(one) for one in varied if type(one) in (int, float)}
    return NUMBER.sub(lambda found: listed.get(float(found[0]), found[0]), text)


def complete(experiment: Experiment, given: SettingValues) -> SettingValues:
    """Varied values with those that change together with them; raises `ConfigurationError` unless one row fits."""
    cells = experiment.cells
    if not given:
        return given
    rows = cells.completed(given) or [cell for cell in cells.include if has_values(cell, given)]
    if len(rows) != 1:
        reason = "fits several cells of settings that change together" if rows else "no arm has these values"
        names = "; ".join(label_of(row) for row in rows[:3])
        raise ConfigurationError(f"{label_of(given)}: {reason}{f': {names}' if names else ''}")
    return rows[0]


def _names_of(path: str, value: Any) -> list[str]:
    """What a value can be called on the command line."""
    aliases = value.entry.aliases if isinstance(value, Choice) and not value.own_parameters() else ()
    names = (value_to_text(value), *aliases)
    return [*names, *(f"{prefix}={name}" for prefix in (path, path.split(".")[-1]) for name in names)]
