"""Checks of a loss: one number per example, derivatives, finite values, and that trials do not mix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from actbench.catalogue.registry import Entry, Yields
from actbench.checks.check import (
    BATCH,
    CLASSES,
    TRIALS,
    Examine,
    Function,
    Question,
    as_questions,
    both,
    draws,
    gradient_agrees,
    has_its_derivative,
    is_repeatable,
    keeps_images_apart,
    keeps_its_input,
    on_copies,
    refuse,
    require_finite,
    runs_on_cuda,
    stays_within_its_trial,
)
from actbench.checks.formulas import require_formula
from actbench.experiment.choices import Choice


def loss_questions(choice: Choice) -> list[Question]:
    """Every check of a loss at the chosen parameters, on predictions of the first kind that it accepts or of each."""
    entry, parameters = choice.entry, dict(choice.parameters)
    kind = entry.accepts[0] if entry.accepts else "scores"
    stack, other = (predictions(kind, TRIALS, BATCH, CLASSES, seed=seed) for seed in (0, 1))

    def given_itself(prediction: Tensor) -> Tensor:
        return _call(entry, prediction, parameters)

    function: Function = on_copies(given_itself)
    flat = predictions(kind, BATCH, CLASSES, dtype=torch.float64)
    questions: dict[str, Examine] = {
        "accepts": lambda: _says_what_it_takes(entry),
        "shape and dtype": lambda: _gives_one_number_per_example(entry, parameters),
        "input": lambda: keeps_its_input(given_itself, stack.clone()),
        "repeatable": lambda: is_repeatable(function, stack, other),
        "formula": lambda: require_formula(
            entry.formula,
            {"prediction": flat, "label": labels(flat), "target": one_hot(flat), **parameters},
            function(flat),
            flat,
        ),
        "finite": lambda: _is_finite(entry, parameters),
        "derivative": lambda: has_its_derivative(function, predictions(kind, 4, CLASSES, dtype=torch.float64)),
        "images": lambda: keeps_images_apart(function, stack, other),
        "label": lambda: _heeds_the_label(entry, flat, parameters),
        "stack": lambda: stays_within_its_trial(function, stack),
        "cuda": lambda: runs_on_cuda(function, stack),
    }
    if gradient := entry.gradient:
        label = labels(stack).contiguous()
        questions["gradient"] = lambda: gradient_agrees(
            given_itself, lambda outer, value, x: gradient(outer, value, x, label, **parameters), stack, label.shape
        )
    return as_questions(questions)


def predictions(kind: Yields, *shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """What an output function of that kind could give."""
    scores = draws(*shape, dtype=dtype, seed=seed)
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


def one_hot(prediction: Tensor) -> Tensor:
    """The labels as targets in the prediction's shape."""
    return functional.one_hot(labels(prediction), prediction.shape[-1]).to(prediction.dtype)


def _call(entry: Entry, prediction: Tensor, parameters: dict[str, Any]) -> Tensor:
    values: Tensor = entry.function(prediction, labels(prediction).contiguous(), **parameters)
    return values


def _says_what_it_takes(entry: Entry) -> str:
    if not entry.accepts:
        refuse("accepts is empty: say for which outputs it is meant")
    if both_kinds := set(entry.accepts) & set(entry.tolerates):
        refuse(f"{', '.join(sorted(both_kinds))} cannot be accepted and only tolerated")
    return ", ".join(entry.accepts)


def _gives_one_number_per_example(entry: Entry, parameters: dict[str, Any]) -> str:
    units = (CLASSES,) if entry.across_units else (CLASSES, 1)
    for dtype in (torch.float32, torch.float64):
        for kind in entry.accepts:
            for count in units:
                prediction = predictions(kind, TRIALS, BATCH, count, dtype=dtype)
                values = _call(entry, prediction, parameters)
                if values.shape != (TRIALS, BATCH) or values.dtype != dtype:
                    refuse(
                        f"predictions of shape {tuple(prediction.shape)} give {values.dtype} of shape "
                        f"{tuple(values.shape)}: one number per example is wanted, {(TRIALS, BATCH)}, never a mean"
                    )
    return "one number per example" + ("" if entry.across_units else ", also for a single unit")


def _is_finite(entry: Entry, parameters: dict[str, Any]) -> str:
    """On every kind of output that it accepts, its ends included, and where one class is at one of them alone."""
    for kind in entry.accepts:
        ordinary = predictions(kind, BATCH, CLASSES)
        ends = {"probabilities": (0.0, 1.0), "bounded scores": (-1.0, 1.0), "scores": (-1e4, 1e4)}
        low, high = (torch.full((BATCH, CLASSES), end) for end in ends.get(kind, (-1e4, 0.0)))
        certain = torch.cat([high[:, :1], low[:, 1:]], dim=1)
        for prediction in (ordinary, low, high, certain):
            values, slopes = both(lambda one: _call(entry, one, parameters), prediction)
            require_finite(values, prediction[:, 0], f"value for {kind}")
            require_finite(slopes, prediction, f"derivative for {kind}")
    return f"values and derivatives on {', '.join(entry.accepts)}, their ends included"


def _heeds_the_label(entry: Entry, prediction: Tensor, parameters: dict[str, Any]) -> str:
    label = labels(prediction)
    given, other = (entry.function(prediction, one, **parameters) for one in (label, (label + 1) % CLASSES))
    if bool((given == other).all()):
        refuse("it is the same whatever the label is")
    return "another label gives another loss"
