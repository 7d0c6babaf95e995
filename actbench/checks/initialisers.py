"""Checks of initialisers: values of the right shape, drawn from the given generator alone; a seed's draws."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from actbench.catalogue.gains import with_gain
from actbench.catalogue.lookup import find
from actbench.checks.check import Examine, Question, as_questions, refuse
from actbench.experiment.choices import Choice
from actbench.experiment.records import Trial
from actbench.training.parameters import initial_parameters

LAYERS = ((784, 256), (256, 10), (3, 5), (1, 1))


def initialiser_questions(choice: Choice) -> list[Question]:
    """Every check of an initialiser at the chosen parameters."""
    parameters = with_gain(dict(choice.parameters), find("activation", "relu"), {})
    draw = partial(_draw, partial(choice.entry.function, **parameters))
    questions: dict[str, Examine] = {
        "shape and dtype": lambda: _gives_the_wanted_shape(draw),
        "finite": lambda: _is_finite(draw),
        "repeatable": lambda: _draws_from_its_generator_alone(draw),
        "gradient": lambda: _is_plain(draw),
    }
    return as_questions(questions, {"spread": lambda: _spread(draw)})


def _draw(function: Any, fan_in: int, fan_out: int, seed: int = 0, *, is_bias: bool = False) -> Tensor:
    shape = (fan_out,) if is_bias else (fan_in, fan_out)
    values = function(shape, fan_in, fan_out, torch.Generator().manual_seed(seed))
    if not isinstance(values, Tensor):
        refuse(f"gives {type(values).__name__} instead of a tensor")
    return values


def _gives_the_wanted_shape(draw: Any) -> str:
    for (fan_in, fan_out), is_bias in product(LAYERS, (False, True)):
        values = draw(fan_in, fan_out, is_bias=is_bias)
        wanted = (fan_out,) if is_bias else (fan_in, fan_out)
        if values.shape != wanted or values.dtype != torch.float32:
            refuse(f"{'a bias' if is_bias else 'weights'} {wanted} become {values.dtype} {tuple(values.shape)}")
    return "weights [in, out] and biases [out] in float32"


def _is_finite(draw: Any) -> str:
    for (fan_in, fan_out), is_bias in product(LAYERS, (False, True)):
        if not draw(fan_in, fan_out, is_bias=is_bias).isfinite().all():
            refuse(f"a layer of {fan_in} inputs and {fan_out} units has values that are NaN or infinite")
    return "for layers of 1 to 784 inputs"


def _draws_from_its_generator_alone(draw: Any) -> str:
    state = torch.get_rng_state()
    first, other, again = draw(64, 32), draw(64, 32, 1), draw(64, 32)
    is_global = not torch.equal(state, torch.get_rng_state())
    torch.set_rng_state(state)
    if is_global:
        refuse("draws from torch's global generator: use the one that it is given")
    if not torch.equal(first, again):
        refuse("the same seed gives other values: it keeps a state, or draws from somewhere else")
    return "the same seed, the same values" + ("; every seed the same" if torch.equal(first, other) else "")


def _is_plain(draw: Any) -> str:
    if draw(64, 32).requires_grad:
        refuse("its values carry a gradient: make them under torch.no_grad() or detach them")
    return "plain values"


def _spread(draw: Any) -> str:
    values = draw(784, 256).double()
    return f"mean {float(values.mean()):.3g} and sd {float(values.std()):.3g} for 784 inputs and 256 units"


def starting_weights(trial: Trial) -> dict[str, tuple[Any, ...]]:
    """The values of all parameters before training, by layer and row by row, as records keep those after it."""
    return {name: tuple(values.flatten().tolist()) for name, values in initial_parameters(trial).items()}
