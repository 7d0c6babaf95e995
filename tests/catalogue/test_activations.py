"""What the catalogue says of an activation is true: formula, bounds, gradient, parameters; torch's own agrees."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, parameters_model
from variations import cases

pytestmark = pytest.mark.oldest

ACTIVATIONS = entries("activation")
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
CENTRE = torch.linspace(-25.03, 25.11, 1501, dtype=torch.float64)  # meets no kink
EXTREMES = [-1e4, -200.0, -20.0, -6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 20.0, 200.0, 1e4]


def wide_grid() -> Tensor:
    far = torch.tensor([-1e4, 1e4], dtype=torch.float64)
    return torch.cat([torch.linspace(-200, 200, 40_001).double(), torch.linspace(-7, 7, 14_001).double(), far])


by_entry = pytest.mark.parametrize("entry", ACTIVATIONS, ids=lambda entry: entry.name)
by_case = pytest.mark.parametrize(("entry", "parameters"), cases(ACTIVATIONS))
by_learnt_case = pytest.mark.parametrize(
    ("entry", "parameters"), cases(entry for entry in ACTIVATIONS if entry.learnable)
)


def gate_of_any_normal(x: Tensor, mean: float, std: float, approximate: str) -> Tensor:
    z = (x - mean) / std
    return x * functional.gelu(z, approximate=approximate) / z


TORCH: dict[str, Callable[..., Tensor]] = {
    "identity": nn.Identity(),
    "sigmoid": nn.Sigmoid(),
    "logsigmoid": nn.LogSigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "leaky_relu": functional.leaky_relu,
    "prelu": lambda x, negative_slope: functional.prelu(x, x.new_tensor([negative_slope])),
    "elu": functional.elu,
    "selu": nn.SELU(),
    "celu": functional.celu,
    "softplus": functional.softplus,
    "swish": lambda x, beta: functional.silu(beta * x) / beta,
    "mish": nn.Mish(),
    "gelu": gate_of_any_normal,
    "softsign": nn.Softsign(),
    "hardtanh": functional.hardtanh,
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": nn.Hardswish(),
    "tanhshrink": nn.Tanhshrink(),
    "softshrink": functional.softshrink,
    "arctan": torch.arctan,
}


def apply(name: str, x: Tensor, **parameters: Any) -> Tensor:
    values: Tensor = find("activation", name).function(x, **parameters)
    return values


def gradient(entry: Entry, at: Tensor, parameters: dict[str, Any]) -> Tensor:
    x = at.clone().requires_grad_()
    return torch.autograd.grad(entry.function(x, **parameters).sum(), x)[0]


@by_case
def test_the_formula_gives_the_functions_values(entry: Entry, parameters: dict[str, Any]) -> None:
    code = compile(entry.formula, entry.name, "eval")
    known = {"__builtins__": {}, "min": min, "max": max, "abs": abs, **vars(math), **parameters}
    points = torch.cat([CENTRE, torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0], dtype=torch.float64)])
    wanted = torch.tensor([eval(code, known | {"x": x}) for x in points.tolist()], dtype=torch.float64)
    assert_close(entry.function(points, **parameters), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("entry", "parameters"), cases(entry for entry in ACTIVATIONS if entry.name in TORCH))
def test_torchs_own_function_agrees(entry: Entry, parameters: dict[str, Any]) -> None:
    oracle = TORCH[entry.name]
    assert_close(entry.function(CENTRE, **parameters), oracle(CENTRE, **parameters), rtol=1e-9, atol=1e-12)


def test_every_activation_that_torch_has_under_the_same_name_is_compared_with_torch() -> None:
    torch_has = {name.replace("_", "").lower() for module in (torch, nn, functional) for name in dir(module)}
    of_torch = {
        entry.name
        for entry in ACTIVATIONS
        if any(name.replace("_", "") in torch_has for name in (entry.name, *entry.aliases))
    }
    assert of_torch == TORCH.keys()


def reached(entry: Entry, parameters: dict[str, Any]) -> tuple[float, float]:
    """The least and the greatest value from -1e10 to 1e10, to about eight digits, less what rounding of x may add.

    torch's square root is not the nearest float on every processor: sqrt(x * x) can be less than abs(x).
    """
    size = torch.logspace(-4, 10, 40_001, dtype=torch.float64)
    x = torch.cat([torch.linspace(-200, 200, 40_001, dtype=torch.float64), -size, size]).sort().values
    values = entry.function(x, **parameters)
    for index in (int(values.argmin()), int(values.argmax())):
        left, right = float(x[max(index - 1, 0)]), float(x[min(index + 1, len(x) - 1)])
        x = torch.cat([x, torch.linspace(left, right, 20_001, dtype=torch.float64)])
    values, rounding = entry.function(x, **parameters), torch.finfo(torch.float64).eps * x.abs()
    return (values + rounding).min().item(), (values - rounding).max().item()


def assert_bounds_hold(entry: Entry, parameters: dict[str, Any]) -> None:
    """No value lies outside, and each end is approached, or passed by nothing."""
    for bound, extreme, sign in zip(entry.bounds_at(parameters), reached(entry, parameters), (-1, 1), strict=True):
        if math.isinf(bound):
            assert sign * extreme > 1e4
        else:
            assert sign * (extreme - bound) <= 1e-12 * max(1, abs(bound))
            assert extreme == pytest.approx(bound, rel=1e-6, abs=1e-6)


@by_case
def test_values_stay_within_the_bounds_at_these_parameters_and_come_near_them(
    entry: Entry, parameters: dict[str, Any]
) -> None:
    assert_bounds_hold(entry, parameters)


def drawn(entry: Entry, draw: random.Random) -> dict[str, Any]:
    """Parameters of any sign and of sizes from a hundredth to a hundred, if the entry takes them."""
    model = parameters_model(entry)
    while True:
        values: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            if get_origin(field.annotation) is Literal:
                values[name] = draw.choice(get_args(field.annotation))
            elif field.annotation is not bool:
                values[name] = draw.choice([-1, 1, 1, 0 if draw.random() < 0.1 else 1]) * 10 ** draw.uniform(-2, 2)
        if values.get("min_val", 0) <= values.get("max_val", 0):
            with contextlib.suppress(ValidationError):
                model(**values)
                return values


@pytest.mark.parametrize("draws", [10, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "entry", [entry for entry in ACTIVATIONS if parameters_model(entry).model_fields], ids=lambda entry: entry.name
)
def test_bounds_follow_any_parameters(entry: Entry, draws: int) -> None:
    draw = random.Random(entry.name)
    for _ in range(draws):
        assert_bounds_hold(entry, drawn(entry, draw))


@pytest.mark.parametrize(
    ("name", "parameters", "bounds"),
    [
        ("elu", {"alpha": 2.0}, (-2, math.inf)),
        ("elu", {"alpha": -2.0}, (0, math.inf)),
        ("celu", {"alpha": 2.0}, (-2, math.inf)),
        ("hardtanh", {"min_val": -3.0, "max_val": 0.5}, (-3, 0.5)),
        ("swish", {"beta": 2.0}, (-0.1392323, math.inf)),
        ("swish", {"beta": -1.0}, (-math.inf, 0.2784645)),
        ("gelu", {"approximate": "none", "mean": 1.0, "std": 1.0}, (-0.0334167, math.inf)),
        ("leaky_relu", {"negative_slope": -0.5}, (0, math.inf)),
        ("softplus", {"beta": 2.0, "threshold": -6.0}, (-3, math.inf)),
        ("sine", {"omega": 0.0}, (0, 0)),
    ],
)
def test_bounds_at_parameters(name: str, parameters: dict[str, Any], bounds: tuple[float, float]) -> None:
    assert find("activation", name).bounds_at(parameters) == pytest.approx(bounds, abs=1e-6)


@by_case
def test_the_gradient_equals_central_differences_away_from_kinks(entry: Entry, parameters: dict[str, Any]) -> None:
    h = 1e-5
    differences = (entry.function(CENTRE + h, **parameters) - entry.function(CENTRE - h, **parameters)) / (2 * h)
    assert_close(gradient(entry, CENTRE, parameters), differences, rtol=1e-6, atol=1e-6)


@by_case
def test_values_and_gradients_are_finite_at_kinks_and_extremes(entry: Entry, parameters: dict[str, Any]) -> None:
    for dtype in DTYPES:
        points = torch.tensor(EXTREMES, dtype=dtype)
        assert entry.function(points, **parameters).isfinite().all(), dtype
        assert gradient(entry, points, parameters).isfinite().all(), dtype


@by_case
def test_shape_and_dtype_are_kept(entry: Entry, parameters: dict[str, Any]) -> None:
    for dtype, shape in itertools.product(DTYPES, ((), (3,), (2, 0), (2, 3, 5))):
        values = entry.function(torch.ones(shape, dtype=dtype), **parameters)
        assert (values.shape, values.dtype) == (shape, dtype)


@by_case
def test_each_value_depends_on_its_own_input_alone_and_inputs_are_left_alone(
    entry: Entry, parameters: dict[str, Any]
) -> None:
    x = CENTRE.clone()
    together = entry.function(x, **parameters)
    assert x.equal(CENTRE)
    alone = torch.stack([entry.function(one, **parameters) for one in x[::50]])
    assert_close(together[::50], alone, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 1, 3)], ids=["per layer", "per feature"])
@by_learnt_case
def test_a_parameter_given_as_a_tensor_gives_the_values_of_the_number(
    entry: Entry, parameters: dict[str, Any], shape: tuple[int, ...]
) -> None:
    x = CENTRE[:1500].reshape(2, -1, 3)
    given = {name: torch.full(shape, parameters[name], dtype=torch.float64) for name in entry.learnable}
    assert_close(entry.function(x, **parameters | given), entry.function(x, **parameters), rtol=1e-12, atol=1e-14)


@by_learnt_case
def test_the_gradient_reaches_every_learnable_parameter_and_equals_differences(
    entry: Entry, parameters: dict[str, Any]
) -> None:
    x, h = CENTRE[500:1000], 1e-5
    for name in entry.learnable:
        given = torch.tensor([parameters[name]], dtype=torch.float64, requires_grad=True)
        (found,) = torch.autograd.grad(entry.function(x, **parameters | {name: given}).sum(), given)
        above, below = (
            entry.function(x, **parameters | {name: parameters[name] + step}).sum().item() for step in (h, -h)
        )
        assert found.item() != 0
        assert found.item() == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@by_learnt_case
def test_learnt_parameters_have_finite_gradients_at_extremes(
    entry: Entry, parameters: dict[str, Any], dtype: torch.dtype
) -> None:
    given = {name: torch.tensor([parameters[name]], dtype=dtype, requires_grad=True) for name in entry.learnable}
    x = torch.tensor(EXTREMES, dtype=dtype, requires_grad=True)
    found = torch.autograd.grad(entry.function(x, **parameters | given).sum(), [x, *given.values()])
    assert all(one.isfinite().all() for one in found)


def test_silu_is_swish() -> None:
    assert find("activation", "silu") is find("activation", "swish")
    assert apply("swish", CENTRE).equal(functional.silu(CENTRE))


def test_mish_applies_tanh_once() -> None:
    once, twice = (
        CENTRE * gate for gate in (functional.softplus(CENTRE).tanh(), functional.softplus(CENTRE).tanh().tanh())
    )
    assert_close(apply("mish", CENTRE), once)
    assert (apply("mish", CENTRE) - twice).abs().max() > 0.2


def test_softplus_is_the_straight_line_above_its_threshold_and_bent_below() -> None:
    above, below = torch.tensor([20.5, 25.0]).double(), torch.tensor([19.5]).double()
    assert apply("softplus", above).equal(above)
    assert (apply("softplus", below) > below).all()
    assert apply("softplus", below, threshold=19.0).equal(below)


def test_prelu_with_slope_0_is_relu_and_shares_leaky_relus_formula() -> None:
    assert apply("prelu", CENTRE, negative_slope=0.0).equal(apply("relu", CENTRE))
    assert apply("prelu", CENTRE, negative_slope=0.1).equal(apply("leaky_relu", CENTRE, negative_slope=0.1))


def test_swish_with_beta_1_702_is_close_to_gelu() -> None:
    def distance(beta: float) -> float:
        return (apply("swish", CENTRE, beta=beta) - apply("gelu", CENTRE)).abs().max().item()

    assert distance(1.702) < 0.0205
    assert distance(1.0) > 0.1
