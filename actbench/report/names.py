"""Short names of arms for readers; files and formats for programs keep the whole ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from actbench.experiment.cells import distinguishing_paths, restricted
from actbench.experiment.definition import Arm
from actbench.experiment.naming import Values, label_of, short_label
from actbench.store.results import Results


def short_names(arms: Mapping[str, Values]) -> dict[str, str]:
    """Short names by label, without settings that all arms share.

    An arm that its experiment file names keeps that name. Nothing where two arms would have the same name.
    """
    paths = distinguishing_paths([*arms.values()])
    names: dict[str, str] = {}
    for label, values in arms.items():
        is_long = len(values) > 1 and is_made_of_values(label, values, paths)
        names[label] = short_label(restricted(values, paths)) if is_long else label
    return names if len(set(names.values())) == len(names) else {}


def is_made_of_values(label: str, values: Values, paths: Sequence[str]) -> bool:
    """Whether a label consists of values, of all settings or of these, and is not a name from the experiment file."""
    shown = restricted(values, paths)
    return label in (label_of(values), label_of(shown), short_label(shown))


def with_short_names(results: Results) -> Results:
    """The same results, with arms called as readers are told of them."""
    names = short_names({arm.label(): arm.values for arm, _ in results.plan.arms})

    def renamed(arm: Arm) -> Arm:
        return replace(arm, name=names.get(arm.label(), arm.name))

    plan = replace(
        results.plan,
        arms=tuple((renamed(arm), trials) for arm, trials in results.plan.arms),
        tunings=tuple(replace(tuning, arm=renamed(tuning.arm)) for tuning in results.plan.tunings),
    )
    return replace(results, plan=plan)
