"""Checks of output functions and losses: what they yield or accept, derivatives, images and trials kept apart."""

from __future__ import annotations

from functools import partial
from itertools import product
from math import inf, isinf
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from actbench.catalogue.losses import one_hot
from actbench.catalogue.registry import Entry, Yields, default_parameters
from actbench.checks import check
from actbench.experiment.choices import Choice

FAR = ((1e4, -1e4, 0.0), (-1e4, -1e4, -1e4), (1e4, 1e4, 1e4), (0.0, 0.0, 0.0), (89.0, 0.0, 0.0))
RANGES = {"probabilities": (0.0, 1.0), "log-probabilities": (-inf, 0.0)}


def output_questions(choice: Choice) -> list[check.Question]:
    """Every check of an output function at the chosen parameters."""
    entry = choice.entry
    parameters = dict(choice.parameters)
    given_itself: check.Function = partial(entry.function, **parameters)
    function = check.on_copies(given_itself)
    stack, other, scores = (
        check.draws(check.TRIALS, check.BATCH, check.CLASSES),
        check.draws(check.TRIALS, check.BATCH, check.CLASSES, seed=1),
        _scores(),
    )
    questions: dict[str, check.Examine] = {
        "shape and dtype": lambda: check.keeps_shape_and_dtype(function, ((5,), (3, 5), (2, 3, 5))) + ", units last",
        "input": lambda: check.keeps_its_input(given_itself, stack.clone()),
        "repeatable": lambda: check.is_repeatable(function, stack, other),
        "formula": lambda: check.require_formula(entry.formula, {"x": scores, **parameters}, function(scores), scores),
        "bounds": lambda: _stays_in_bounds(entry.bounds_at(parameters), function),
        "yields": lambda: _yields_what_it_says(entry, function),
        "finite": lambda: _is_finite(function),
        "derivative": lambda: check.has_its_derivative(function, check.draws(4, check.CLASSES, dtype=torch.float64)),
        "units": lambda: _mixes_units_as_said(entry, function),
        "images": lambda: check.keeps_images_apart(function, stack, other),
        "stack": lambda: check.stays_within_its_trial(function, stack),
        "cuda": lambda: check.runs_on_cuda(function, stack),
    }
    if gradient := entry.gradient:
        questions["gradient"] = lambda: check.gradient_agrees(
            given_itself, partial(gradient, **parameters), stack, stack.shape
        )
    return check.as_questions(questions)


def _scores() -> Tensor:
    """Moderate scores `[examples, units]`, and rows in which one unit is far above or below the others."""
    lone = torch.zeros(201, 5, dtype=torch.float64)
    lone[:, 1] = torch.linspace(-40, 40, 201)
    return torch.cat([check.draws(60, 5, dtype=torch.float64) * 2, lone])


def _stays_in_bounds(bounds: tuple[float, float], function: check.Function) -> str:
    """Whether no value lies outside, and each end is approached, or passed by nothing finite."""
    values = function(_scores())
    check.require_bounds(bounds, float(values.min()), float(values.max()), lambda _value: "the value ")
    far = torch.cat([function(torch.diag(torch.full((5,), x, dtype=torch.float64))).ravel() for x in (-1e4, 1e4)])
    least, most = (float(extreme(values.min(), far.min())) for extreme in (min, max))
    check.require_ends(bounds, least, most, lambda sign: float((sign * far).max()) >= 1e3)
    return f"every value is in {check.span(bounds)}, and its ends are approached"


def _yields_what_it_says(entry: Entry, function: check.Function) -> str:
    values = function(_scores().float())
    low, high = RANGES.get(entry.yields, (-inf, inf))
    outside = values[(values < low) | (values > high)]
    if len(outside):
        check.refuse(f"yields={entry.yields!r}, but it gives {float(outside[0]):g}")
    if entry.yields == "bounded scores" and any(map(isinf, entry.bounds_at(default_parameters(entry)))):
        check.refuse("yields='bounded scores', but its bounds are infinite")
    if entry.yields in RANGES and entry.across_units:
        sums = (values.double().exp() if entry.yields == "log-probabilities" else values.double()).sum(dim=-1)
        if float((sums - 1).abs().max()) > 1e-4:
            check.refuse(
                f"yields={entry.yields!r} across the units, but they sum to {float(sums[(sums - 1).abs().argmax()]):g}"
            )
    return entry.yields


def _is_finite(function: check.Function) -> str:
    for dtype in (torch.float32, torch.float64):
        check.require_finite_at(function, torch.tensor(FAR, dtype=dtype))
    return "values and derivatives for scores from -10,000 to 10,000"


def _mixes_units_as_said(entry: Entry, function: check.Function) -> str:
    before = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=torch.float64)
    after = before.clone()
    after[1] += 1.5
    mixes = bool((function(after) != function(before))[[0, 2, 3]].any())
    if mixes != entry.across_units:
        check.refuse(f"one unit's score {'changes' if mixes else 'changes no'} other units: say across_units={mixes}")
    return "mixes units" if mixes else "each unit independently of the others"


def loss_questions(choice: Choice) -> list[check.Question]:
    """Every check of a loss at the chosen parameters, on predictions of the first kind that it accepts or of each."""
    entry, parameters = choice.entry, dict(choice.parameters)
    kind = entry.accepts[0] if entry.accepts else "scores"
    stack, other = (predictions(kind, check.TRIALS, check.BATCH, check.CLASSES, seed=seed) for seed in (0, 1))

    def given_itself(prediction: Tensor) -> Tensor:
        values: Tensor = entry.function(prediction, labels(prediction).contiguous(), **parameters)
        return values

    function: check.Function = check.on_copies(given_itself)
    flat = predictions(kind, check.BATCH, check.CLASSES, dtype=torch.float64)
    questions: dict[str, check.Examine] = {
        "accepts": lambda: _says_what_it_takes(entry),
        "shape and dtype": lambda: _gives_one_number_per_example(entry, given_itself),
        "input": lambda: check.keeps_its_input(given_itself, stack.clone()),
        "repeatable": lambda: check.is_repeatable(function, stack, other),
        "formula": lambda: check.require_formula(
            entry.formula,
            {"prediction": flat, "label": labels(flat), "target": one_hot(flat, labels(flat)), **parameters},
            function(flat),
            flat,
        ),
        "finite": lambda: _loss_is_finite(entry, given_itself),
        "derivative": lambda: check.has_its_derivative(
            function, predictions(kind, 4, check.CLASSES, dtype=torch.float64)
        ),
        "images": lambda: check.keeps_images_apart(function, stack, other),
        "label": lambda: _heeds_the_label(entry, flat, parameters),
        "stack": lambda: check.stays_within_its_trial(function, stack),
        "cuda": lambda: check.runs_on_cuda(function, stack),
    }
    if gradient := entry.gradient:
        label = labels(stack).contiguous()
        questions["gradient"] = lambda: check.gradient_agrees(
            given_itself, lambda outer, value, x: gradient(outer, value, x, label, **parameters), stack, label.shape
        )
    return check.as_questions(questions)


def predictions(kind: Yields, *shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """What an output function of that kind could give."""
    scores = check.draws(*shape, dtype=dtype, seed=seed)
    has_one_unit = shape[-1] == 1
    match kind:
        case "scores":
            return scores
        case "bounded scores":
            return scores.tanh()
        case "probabilities":
            return scores.sigmoid() if has_one_unit else scores.softmax(-1)
        case "log-probabilities":
            return functional.logsigmoid(scores) if has_one_unit else scores.log_softmax(-1)


def labels(prediction: Tensor) -> Tensor:
    """A label for every example, the same each time."""
    classes = max(prediction.shape[-1], 2)
    count = prediction.shape[-2]
    drawn = torch.randint(classes, (count,), generator=torch.Generator().manual_seed(3)).to(prediction.device)
    return drawn.expand(prediction.shape[:-1])


def _says_what_it_takes(entry: Entry) -> str:
    if not entry.accepts:
        check.refuse("accepts is empty: say for which outputs it is meant")
    if both_kinds := set(entry.accepts) & set(entry.tolerates):
        check.refuse(f"{', '.join(sorted(both_kinds))} cannot be in accepts and in tolerates")
    return ", ".join(entry.accepts)


def _gives_one_number_per_example(entry: Entry, function: check.Function) -> str:
    units, stack = (check.CLASSES,) if entry.across_units else (check.CLASSES, 1), (check.TRIALS, check.BATCH)
    for dtype, kind, count in product((torch.float32, torch.float64), entry.accepts, units):
        prediction = predictions(kind, *stack, count, dtype=dtype)
        values = function(prediction)
        if values.shape != stack or values.dtype != dtype:
            check.refuse(
                f"predictions of shape {tuple(prediction.shape)} give {values.dtype} of shape "
                f"{tuple(values.shape)}: one number per example is wanted, {stack}, never a mean"
            )
    return "one number per example" + ("" if entry.across_units else ", also for a single unit")


def _loss_is_finite(entry: Entry, function: check.Function) -> str:
    """On every kind of output that it accepts, its ends included, and where one class is at one of them alone."""
    for kind in entry.accepts:
        ordinary = predictions(kind, check.BATCH, check.CLASSES)
        ends = {"probabilities": (0.0, 1.0), "bounded scores": (-1.0, 1.0), "scores": (-1e4, 1e4)}
        low, high = (torch.full((check.BATCH, check.CLASSES), end) for end in ends.get(kind, (-1e4, 0.0)))
        certain = torch.cat([high[:, :1], low[:, 1:]], dim=1)
        for prediction in (ordinary, low, high, certain):
            check.require_finite_at(function, prediction, prediction[:, 0], f" for {kind}")
    return f"values and derivatives on {', '.join(entry.accepts)}, their ends included"


def _heeds_the_label(entry: Entry, prediction: Tensor, parameters: dict[str, Any]) -> str:
    label = labels(prediction)
    given, other = (entry.function(prediction, one, **parameters) for one in (label, (label + 1) % check.CLASSES))
    if bool((given == other).all()):
        check.refuse("it is the same whatever the label is")
    return "another label gives another loss"
