"""Claims under `expect` in an experiment file, each with every mistake in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import inf, isfinite
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from actbench.experiment.cells import has_values
from actbench.experiment.choices import FROZEN, shown
from actbench.experiment.definition import Claim, Experiment
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import SettingValues
from actbench.experiment.validation import Mistake, sentences, varied_values

ARMS = ("better", "than", "arm", "minus")
BOUNDS = ("above", "below", "between")
FORMS = "either `better` and `than`, or `arm` (and `minus`) with one of `above`, `below` and `between`"


class ClaimEntry(BaseModel):
    """One entry as it is written."""

    model_config = FROZEN

    claim: str = Field(min_length=1, max_length=300, description="the claim in words")
    better: Any = Field(None, description="the arm claimed to be better, by values of varied settings; goes with than")
    than: Any = Field(None, description="the arm that it is claimed to be better than")
    arm: Any = Field(None, description="the arm that it is about, by values of varied settings; all when left out")
    minus: Any = Field(None, description="the arm whose metric is subtracted")
    metric: str = Field("test_accuracy", description="what is judged, test_accuracy when left out; or A - B, A / B")
    above: float = Field(-inf, description="the metric, or the difference, lies above this")
    below: float = Field(inf, description="the metric, or the difference, lies below this")
    between: tuple[float, float] = Field((-inf, inf), description="the metric, or the difference, lies between these")


def read_claims(
    given: Any, experiment: Experiment, paths_with_mistakes: Collection[str] = (), *, is_sound: bool = True
) -> tuple[tuple[Claim, ...], list[Mistake]]:
    """The claims of a file, and their mistakes by place; networks are looked at only if the experiment `is_sound`."""
    if not isinstance(given, tuple) or not given:
        return (), [((), f"expected a list of claims, found {shown(given)}")]
    found, mistakes = list[Claim](), list[Mistake]()
    for index, raw in enumerate(given):
        claim, problems = _read_one(raw, experiment, paths_with_mistakes, is_sound=is_sound)
        mistakes += [((index, *where), message) for where, message in problems]
        if claim is not None and not problems:
            found.append(claim)
    return tuple(found), mistakes


def _read_one(
    raw: Any, experiment: Experiment, paths_with_mistakes: Collection[str], *, is_sound: bool
) -> tuple[Claim | None, Sequence[Mistake]]:
    if not isinstance(raw, dict):
        return None, [((), f"expected a mapping with `claim`, found {shown(raw)}")]
    try:
        entry = ClaimEntry.model_validate(raw)
    except ValidationError as invalid:
        return None, list(sentences(invalid, ClaimEntry))
    if mistakes := _form_mistakes(raw, entry):
        return None, mistakes
    values: dict[str, SettingValues] = {}
    for key in ARMS:
        if key in raw:
            values[key], problems = varied_values(raw[key], experiment.factors, paths_with_mistakes)
            mistakes += [((key, *where), message) for where, message in problems]
    try:
        metric = parse_metric(entry.metric)
    except ValueError as unknown:
        return None, [*mistakes, (("metric",), str(unknown))]
    claim = Claim(
        text=entry.claim,
        metric=metric.name,
        arm=values.get("better", values.get("arm", ())),
        reference=values.get("than", values.get("minus")),
        is_better="better" in raw,
        lower=max(entry.above, entry.between[0]),
        upper=min(entry.below, entry.between[1]),
    )
    if not mistakes:
        mistakes += [
            *_direction_mistakes(claim, metric, paths_with_mistakes),
            *_bound_mistakes(raw, entry, metric, claim),
        ]
    if not mistakes and is_sound:
        arms = [arm.values for arm in experiment.arms()]
        mistakes += [
            ((key,), "no arm of this experiment has these values")
            for key, wanted in values.items()
            if not any(has_values(arm, wanted) for arm in arms)
        ]
    if not mistakes and is_sound:
        mistakes += _metric_mistakes(claim, metric, experiment)
    return claim, mistakes


def _form_mistakes(raw: dict[str, Any], entry: ClaimEntry) -> list[Mistake]:
    """Keys that do not make one of the two forms."""
    keys, bounds = set(raw), [key for key in BOUNDS if key in raw]
    is_comparison = {"better", "than"} <= keys and not keys & {"arm", "minus"} and not bounds
    is_bounded = not keys & {"better", "than"} and len(bounds) == 1
    if not is_comparison and not is_bounded:
        return [((), f"expected {FORMS}, found {', '.join(key for key in raw if key in (*ARMS, *BOUNDS)) or 'none'}")]
    if entry.between[0] >= entry.between[1]:
        return [(("between",), f"expected the smaller bound first, found {shown(entry.between)}")]
    return []


def _bound_mistakes(raw: dict[str, Any], entry: ClaimEntry, metric: Metric, claim: Claim) -> Iterator[Mistake]:
    """Bounds of a share, or of a difference of shares, that no share reaches: most likely percentages."""
    if metric.unit != "share" or " / " in metric.name:
        return
    what = "a difference of fractions" if claim.reference is not None else "a fraction from 0 to 1"
    for key in (key for key in BOUNDS if key in raw):
        bounds = entry.between if key == "between" else (getattr(entry, key),)
        if any(isfinite(bound) and abs(bound) > 1 for bound in bounds):
            found, meant = ("{:g}, {:g}", "[{}]") if len(bounds) > 1 else ("{:g}", "{}")
            given, shares = found.format(*bounds), found.format(*(bound / 100 for bound in bounds))
            hint = f"; did you mean {meant.format(shares)}?" if all(abs(bound) <= 100 for bound in bounds) else ""
            yield (key,), f"{metric.name} is {what}, found {given}{hint}"


def _direction_mistakes(claim: Claim, metric: Metric, paths_with_mistakes: Collection[str]) -> list[Mistake]:
    """Why there is nothing to decide between these arms; those that differ in `paths_with_mistakes` look the same."""
    if claim.is_better and metric.larger_is_better is None:
        return [
            (("metric",), f"neither way is better for {metric.name}: use `arm` and `minus` with `above` or `below`")
        ]
    if claim.arm == claim.reference and not paths_with_mistakes:
        keys = ("than", "better") if claim.is_better else ("minus", "arm")
        return [((keys[0],), f"the same arm as under `{keys[1]}`")]
    return []


def _metric_mistakes(claim: Claim, metric: Metric, experiment: Experiment) -> list[Mistake]:
    """Why the networks that this claim is about do not have this metric."""
    wanted = {claim.arm, claim.arm if claim.reference is None else claim.reference}
    arms = [arm for arm in experiment.arms() if any(has_values(arm.values, values) for values in wanted)]
    settings = (one for arm in arms for one in experiment.candidate_settings(arm))
    problems = dict.fromkeys(filter(None, map(metric.problem, settings)))
    return [(("metric",), problem) for problem in problems]
