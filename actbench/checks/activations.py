"""Checks of activations: metadata, elementwise, differentiable, accurate, without effect on other trials."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from math import inf
from statistics import median
from typing import Any

import torch
from torch import Tensor

from actbench.catalogue.facts import differentiable, saturation, values_and_derivatives
from actbench.catalogue.gains import gain
from actbench.catalogue.registry import Entry, call_parameters
from actbench.checks import check
from actbench.checks.cost import measure_costs
from actbench.experiment.choices import Choice

CENTRE = torch.linspace(-25.03, 25.11, 1501, dtype=torch.float64)
STEP = 1e-5
CLOSE, NEAR_A_KINK, STEEP = 1e-6, 1e-3, 1e3
ISOLATED = torch.arange(-20, 21, dtype=torch.float64) / 2
FAR = (1e2, 1e4, 1e8)
COST_ROUNDS = 15


def activation_questions(choice: Choice, *, measures_cost: bool) -> list[check.Question]:
    """Every check of an activation at the chosen parameters."""
    entry, given = choice.entry, dict(choice.parameters)
    parameters = call_parameters(given)
    given_itself: check.Function = differentiable(entry, parameters)
    function = check.on_copies(given_itself)
    stack = check.draws(check.TRIALS, check.BATCH, check.UNITS)

    @cache
    def pole() -> str:
        with suppress(Exception):  # the checks say what is wrong with the values
            return _pole(function)
        return ""

    @cache
    def other_shape() -> str:
        with suppress(Exception):
            return "" if function(stack).shape == stack.shape else "its values have another shape than its input"
        return ""

    between_poles, of_one_shape = partial(check.unless, pole), partial(check.unless, other_shape)
    questions: dict[str, check.Examine] = {
        "shape and dtype": lambda: _keeps_shape_and_dtype(function, stack),
        "input": lambda: check.keeps_its_input(given_itself, CENTRE.clone()),
        "repeatable": lambda: check.is_repeatable(
            function, stack, check.draws(check.TRIALS, check.BATCH, check.UNITS, seed=1)
        ),
        "formula": lambda: check.require_formula(entry.formula, {"x": CENTRE, **parameters}, function(CENTRE), CENTRE),
        "bounds": between_poles(lambda: _stays_in_bounds(entry.bounds_at(parameters), function)),
        "finite": lambda: _is_finite(function, pole()),
        "derivative": between_poles(partial(_declares_its_slope if entry.gradient else _has_its_derivative, function)),
        "elementwise": lambda: _is_elementwise(function, stack),
        "stack": lambda: check.stays_within_its_trial(function, stack),
        "float32": between_poles(lambda: _is_accurate(function)),
        "cuda": lambda: check.runs_on_cuda(function, stack),
    }
    if entry.learnable:
        questions["learnt parameters"] = lambda: _can_learn(entry, parameters)
    if entry.kernel:
        questions["kernel"] = lambda: _kernel_agrees(entry, parameters, stack)
    notes: dict[str, check.Examine] = {"curve": between_poles(lambda: _curve(entry, given))}
    if measures_cost:
        notes["cost"] = lambda: _cost(choice)
    questions |= {name: of_one_shape(examine) for name, examine in questions.items() if name != "shape and dtype"}
    return check.as_questions(questions, {name: of_one_shape(note) for name, note in notes.items()})


def _keeps_shape_and_dtype(function: check.Function, stack: Tensor) -> str:
    values = function(stack)
    if values.shape != stack.shape:
        check.refuse(
            f"turns shape {tuple(stack.shape)} into {tuple(values.shape)}: an activation keeps the shape; functions "
            "that change the number of units, such as GLU and Maxout, are not supported"
        )
    return check.keeps_shape_and_dtype(function, ((), (3,), (2, 0), (2, 3, 5))) + ", of any shape"


def _wide_grid() -> Tensor:
    far = torch.tensor([-1e4, 1e4], dtype=torch.float64)
    return torch.cat([torch.linspace(-200, 200, 40_001).double(), torch.linspace(-7, 7, 14_001).double(), far])


def _stays_in_bounds(bounds: tuple[float, float], function: check.Function) -> str:
    """Whether no value lies outside, and each end is approached, or the values grow without end."""
    x = _wide_grid()
    values = function(x)
    check.require_finite(values, x, "value")
    farther = torch.tensor([-1e8, -1e6, 1e6, 1e8], dtype=torch.float64)
    x = torch.cat([x, farther, torch.zeros(1, dtype=torch.float64)])
    values = function(x)
    x, values = x[values.isfinite()], values[values.isfinite()]

    def where(value: float) -> str:
        return f"f({float(x[(values == value).nonzero()[0]]):g}) = "

    def grows(sign: int) -> bool:
        ends = [float((sign * function(torch.linspace(-far, far, 1001, dtype=torch.float64))).max()) for far in FAR]
        return all(later > earlier + 1 for earlier, later in itertools.pairwise(ends))

    least, most = float(values.min()), float(values.max())
    check.require_bounds(bounds, least, most, where)
    check.require_ends(bounds, least, most, grows)
    return f"every value is in {check.span(bounds)}, and its ends are approached"


def _is_finite(function: check.Function, pole: str) -> str:
    if pole:
        check.refuse(f"{pole}: values grow without bound next to it")
    for dtype in check.DTYPES:
        check.require_finite_at(function, torch.tensor(check.EXTREMES, dtype=dtype))
    return "values and derivatives, from -10,000 to 10,000 and at 0, in float32, float64 and bfloat16"


def _slopes(function: check.Function, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return slopes


def _has_its_derivative(function: check.Function) -> str:
    """Whether autograd agrees with central differences in float64, or lies between both sides' at a kink."""
    check.both(function, CENTRE)
    slopes, (left, central, right) = _slopes(function, CENTRE), _differences(function, CENTRE)
    agrees = (slopes - central).abs() <= CLOSE * (1 + central.abs())
    low, high = torch.minimum(left, right) - CLOSE, torch.maximum(left, right) + CLOSE
    is_kink = ((right - left).abs() > NEAR_A_KINK) & (slopes >= low) & (slopes <= high)
    wrong = ~(agrees | is_kink)
    if wrong.any():
        worst = int((wrong * (slopes - central).abs().nan_to_num(posinf=1e300)).argmax())
        check.refuse(
            f"autograd gives {float(slopes[worst]):.4g} at x = {float(CENTRE[worst]):.4g}, differences "
            f"{float(central[worst]):.4g}: a part of it is detached, or its backward pass is wrong"
        )
    points = torch.cat([ISOLATED, _bends(function)])
    _agrees_at_isolated_points(function, points)
    return f"autograd agrees with differences at {len(CENTRE) + len(points):,} points, kinks among them"


def _declares_its_slope(function: check.Function) -> str:
    """Whether the declared gradient is finite and the incoming gradient times a slope; its gap to the derivative."""
    slopes = _slopes(function, CENTRE)
    check.require_finite(slopes, CENTRE, "declared slope")
    leaf, grad = CENTRE.clone().requires_grad_(), check.draws(len(CENTRE), dtype=torch.float64)
    (result,) = torch.autograd.grad(function(leaf), leaf, grad)
    if not torch.allclose(result, grad * slopes, rtol=1e-6, atol=1e-9):
        check.refuse("gradient= does not return the incoming gradient times a slope")
    gap = (slopes - _differences(function, CENTRE)[1]).abs()
    return f"declared by gradient=: differs by at most {float(gap.max()):.3g} from differences of the values"


def _agrees_at_isolated_points(function: check.Function, points: Tensor) -> None:
    """Whether autograd's slope is finite and lies between the differences on both sides, unless the value jumps."""
    slopes, (left, _, right) = _slopes(function, points), _differences(function, points)
    check.require_finite(slopes, points, "derivative")
    low, high = torch.minimum(left, right), torch.maximum(left, right)
    margin = NEAR_A_KINK * (1 + torch.maximum(low.abs(), high.abs()))
    is_steep = torch.maximum(low.abs(), high.abs()) > STEEP
    wrong = ~is_steep & ((slopes < low - margin) | (slopes > high + margin))
    for point, slope, below, above in torch.stack([points, slopes, left, right], dim=1)[wrong].tolist():
        check.refuse(
            f"autograd gives {slope:.4g} at x = {point:g}, where the slope is {below:.4g} on the left and {above:.4g} "
            "on the right"
        )


def _differences(function: check.Function, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Slopes from the left, across and to the right."""
    here, above, below = function(x), function(x + STEP), function(x - STEP)
    return (here - below) / STEP, (above - below) / (2 * STEP), (above - here) / STEP


def _bends(function: check.Function) -> Tensor:
    """The ten points, to six decimals, at which the second difference is largest."""
    x, step = torch.linspace(-10, 10, 20_001, dtype=torch.float64), 1e-3
    sizes = (function(x + step) - 2 * function(x) + function(x - step)).abs()
    centres = x[sizes.topk(10).indices]
    for _ in range(4):
        step /= 10
        near = centres[:, None] + step * torch.arange(-12, 13, dtype=torch.float64)
        sizes = (function(near + step) - 2 * function(near) + function(near - step)).abs()
        centres = near.gather(1, sizes.argmax(dim=1, keepdim=True)).squeeze(1)
    return (centres * 1e6).round() / 1e6


def _pole(function: check.Function) -> str:
    """Next to which point values grow without bound; empty if the most prominent of them do not when approached."""
    x = _wide_grid()[:-2].sort().values
    sizes = function(x).abs()
    prominence = sizes[2:-2] / (sizes[:-4] + sizes[4:] + 1)
    is_peak = (sizes[2:-2] >= sizes[1:-3]) & (sizes[2:-2] >= sizes[3:-1])
    count = min(300, int(is_peak.sum()))
    centres = x[2:-2][(prominence * is_peak).topk(count).indices]
    step, reached = 1e-2, []
    for _ in range(10):
        step /= 10
        near = centres[:, None] + step * torch.arange(-12, 13, dtype=torch.float64)
        sizes = function(near).abs().nan_to_num(nan=0.0, posinf=inf)
        centres = near.gather(1, sizes.argmax(dim=1, keepdim=True)).squeeze(1)
        reached.append(sizes.amax(dim=1))
    grows = reached[-1] > 10 * (reached[-5] + 1)
    return f"it has a pole at x = {float(centres[grows][centres[grows].abs().argmin()]):g}" if grows.any() else ""


def _is_elementwise(function: check.Function, stack: Tensor) -> str:
    values = function(stack)
    changed = stack.clone()
    changed[1, 3, 2] += 1.5
    differs = function(changed) != values
    differs[1, 3, 2] = False
    if differs[1].any():
        check.refuse("one input changes other values of its trial: an activation is elementwise")
    alone = torch.stack([function(one) for one in CENTRE[::50]])
    if float((alone - function(CENTRE)[::50]).abs().max()) > 1e-9 * (1 + float(alone.abs().max())):
        check.refuse("an input alone has another value than among others: an activation is elementwise")
    return "each value depends on its own input alone"


def _is_accurate(function: check.Function) -> str:
    x = CENTRE.float()
    exact = function(x.double())
    gap = float(((function(x).double() - exact).abs() / (1 + exact.abs())).max())
    if not gap <= 1e-3:
        check.refuse(f"float32 is off by {gap:.2g} of the value: something in it cancels or is cut")
    return f"within {max(gap, 1e-9):.1g} of float64"


def _can_learn(entry: Entry, parameters: Mapping[str, Any]) -> str:
    """Whether a tensor with one value a trial gives the number's values, and a gradient."""
    x = check.draws(check.TRIALS, check.BATCH, check.UNITS, dtype=torch.float64)
    for name, size in itertools.product(entry.learnable, (1, check.UNITS)):
        leaf = torch.full((check.TRIALS, 1, size), float(parameters[name]), dtype=torch.float64, requires_grad=True)
        values = entry.function(x, **{**parameters, name: leaf})
        if not torch.allclose(values, entry.function(x, **parameters), rtol=1e-9, atol=1e-12):
            check.refuse(f"{name} as a tensor {tuple(leaf.shape)} gives other values than as a number")
        if not values.requires_grad:
            check.refuse(f"no gradient reaches {name}")
        (found,) = torch.autograd.grad(values.sum(), leaf, allow_unused=True)
        if found is None or not bool((found != 0).any()) or not bool(found.isfinite().all()):
            check.refuse(f"no finite gradient reaches {name}")
    return f"{', '.join(entry.learnable)}: one a trial or one a feature, with gradients"


def _kernel_agrees(entry: Entry, parameters: Mapping[str, Any], stack: Tensor) -> str:
    assert entry.kernel is not None
    function: check.Function = partial(entry.function, **parameters)
    value, outer = torch.empty_like(stack), torch.ones_like(stack)
    entry.kernel.forward(stack, value, **parameters)
    entry.kernel.backward(outer, value, stack, **parameters)
    pairs = (value, function(stack), "values"), (outer, _slopes(function, stack), "derivative")
    for found, wanted, what in pairs:
        if not torch.allclose(found, wanted, rtol=1e-4, atol=1e-5):
            check.refuse(f"the kernel's {what} are not the function's")
    return "both passes agree with the function and autograd"


def _curve(entry: Entry, parameters: Mapping[str, Any]) -> str:
    """What the function looks like, which is no question of passing."""
    x = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    _, slopes = values_and_derivatives(entry, parameters, x)
    if not bool(slopes.isfinite().all()):
        raise check.Skipped("its derivative is not finite everywhere")
    rises, falls = bool((slopes > 1e-9).any()), bool((slopes < -1e-9).any())
    way = {(True, False): "never falls", (False, True): "never rises", (True, True): "rises and falls"}
    jumps = x[1:][slopes.diff().abs() > 0.02].tolist()
    kinks = [at for number, at in enumerate(jumps) if number == 0 or at - jumps[number - 1] > 0.01]
    return (
        f"{way.get((rises, falls), 'constant')}; "
        + (f"kinks near {check.named([round(at, 2) for at in kinks])}; " if kinks else "no kink; ")
        + f"saturated {saturation(entry, parameters).in_words()}; gain {gain(entry, parameters):.3g}"
    )


def _cost(choice: Choice) -> str:
    *_, cost = measure_costs([choice], rounds=COST_ROUNDS, counts_memory=False)  # counting takes two seconds of imports
    return f"{median(cost.trained.ratios):.2g} times relu's time, forward and backward"
