"""What the catalogue says of an initialiser is true: its distribution, torch's own draws, and draws in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from actbench.catalogue.gains import with_gain
from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, default_parameters, parameters_model
from variations import cases

INITIALISERS = entries("initialiser")
IN, OUT = 400, 300
SHAPES = [(IN, OUT), (OUT,), (1, 7), (7, 1), (1, 1), (1,), (20, 20)]


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def draw(name: str, shape: tuple[int, ...] = (IN, OUT), seed: int = 0, **parameters: Any) -> Tensor:
    """The entry's values for a layer with that weight or bias."""
    fan_in, fan_out = shape if len(shape) == 2 else (IN, shape[0])
    parameters = with_gain(default_parameters(find("initialiser", name)) | parameters, None, {})
    values: Tensor = find("initialiser", name).function(shape, fan_in, fan_out, seeded(seed), **parameters)
    return values


by_entry = pytest.mark.parametrize("entry", INITIALISERS, ids=lambda entry: entry.name)
by_case = pytest.mark.parametrize(("entry", "parameters"), cases(INITIALISERS))


@dataclass(frozen=True)
class Distribution:
    """What a formula promises of the values."""

    mean: float
    variance: float
    low: float = -math.inf
    high: float = math.inf


def promised(entry: Entry, parameters: dict[str, Any]) -> Distribution:
    """The formula, read as a distribution: `normal(mean, sd)`, also `within [a, b]`, `uniform(low, high)`, a number."""

    def uniform(low: float, high: float) -> Distribution:
        return Distribution((low + high) / 2, (high - low) ** 2 / 12, low, high)

    def normal(mean: float, sd: float) -> Distribution:
        return Distribution(mean, sd**2)

    known = {"uniform": uniform, "normal": normal, "sqrt": math.sqrt, "fan_in": IN, "fan_out": OUT}
    known |= {"fan": OUT if parameters.get("mode") == "fan_out" else IN} | parameters
    distribution, _, limits = entry.formula.partition(" within ")
    found = eval(distribution, {"__builtins__": {}}, known)
    if isinstance(found, int | float):
        return Distribution(found, 0, found, found)
    assert isinstance(found, Distribution)
    if not limits:
        return found
    low, high = eval(limits, {"__builtins__": {}}, known)
    sd = math.sqrt(found.variance)
    mean, variance = stats.truncnorm.stats((low - found.mean) / sd, (high - found.mean) / sd, found.mean, sd)
    return Distribution(float(mean), float(variance), low, high)


TORCH: dict[str, Callable[..., Tensor]] = {
    "uniform": lambda **k: nn.init.uniform_(torch.empty(OUT, IN), **k),
    "normal": lambda **k: nn.init.normal_(torch.empty(OUT, IN), **k),
    "trunc_normal": lambda **k: nn.init.trunc_normal_(torch.empty(OUT, IN), **k),
    "zeros": lambda generator: nn.init.zeros_(torch.empty(OUT, IN)),
    "ones": lambda generator: nn.init.ones_(torch.empty(OUT, IN)),
    "constant": lambda val, generator: nn.init.constant_(torch.empty(OUT, IN), val),
    "kaiming_normal": lambda **k: nn.init.kaiming_normal_(torch.empty(OUT, IN), **k),
    "kaiming_uniform": lambda **k: nn.init.kaiming_uniform_(torch.empty(OUT, IN), **k),
    "xavier_normal": lambda **k: nn.init.xavier_normal_(torch.empty(OUT, IN), **k),
    "xavier_uniform": lambda **k: nn.init.xavier_uniform_(torch.empty(OUT, IN), **k),
    "lecun_normal": lambda **k: nn.init.kaiming_normal_(torch.empty(OUT, IN), nonlinearity="linear", **k),
    "lecun_uniform": lambda **k: nn.init.kaiming_uniform_(torch.empty(OUT, IN), nonlinearity="linear", **k),
    "torch_default": lambda **k: nn.init.kaiming_uniform_(torch.empty(OUT, IN), a=math.sqrt(5), **k),
    "orthogonal": lambda **k: nn.init.orthogonal_(torch.empty(IN, OUT), **k),
}


@pytest.mark.parametrize(("entry", "parameters"), cases(one for one in INITIALISERS if one.name != "orthogonal"))
def test_values_are_distributed_as_the_formula_says(entry: Entry, parameters: dict[str, Any]) -> None:
    claim = promised(entry, parameters)
    values = draw(entry.name, **parameters).double()
    standard_error = math.sqrt(claim.variance / values.numel())
    assert values.mean().item() == pytest.approx(claim.mean, abs=4 * standard_error + 1e-12)
    assert values.var().item() == pytest.approx(claim.variance, rel=0.02, abs=1e-12)
    rounding = 1e-6 * values.abs().max().item()
    assert values.min().item() >= claim.low - rounding
    assert values.max().item() <= claim.high + rounding
    if entry.formula.startswith("uniform"):
        assert values.min().item() == pytest.approx(claim.low, abs=1e-3 * (claim.high - claim.low))
        assert values.max().item() == pytest.approx(claim.high, abs=1e-3 * (claim.high - claim.low))


@pytest.mark.parametrize(("entry", "parameters"), cases(one for one in INITIALISERS if one.name in TORCH))
def test_torchs_own_initialiser_draws_the_same_values_from_the_same_seed(
    entry: Entry, parameters: dict[str, Any]
) -> None:
    wanted = TORCH[entry.name](generator=seeded(), **parameters)
    assert_close(draw(entry.name, **parameters).flatten(), wanted.flatten(), rtol=1e-5, atol=1e-6)


def test_every_initialiser_that_torch_has_under_the_same_name_is_compared_with_torch() -> None:
    assert {entry.name for entry in INITIALISERS if hasattr(nn.init, f"{entry.name}_")} <= TORCH.keys()


def test_torch_default_is_what_a_new_linear_layer_has() -> None:
    generator = seeded(3)
    weight, bias = (
        find("initialiser", "torch_default").function(shape, 20, 30, generator) for shape in ((20, 30), (30,))
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layer = nn.Linear(20, 30)
    assert_close(weight.flatten(), layer.weight.detach().flatten())
    assert_close(bias, layer.bias.detach())


@by_case
def test_weights_and_biases_of_any_shape_are_finite_float32(entry: Entry, parameters: dict[str, Any]) -> None:
    for shape in SHAPES:
        values = draw(entry.name, shape, **parameters)
        assert (values.shape, values.dtype) == (shape, torch.float32)
        assert values.isfinite().all(), shape


@by_entry
def test_the_smallest_setting_that_is_allowed_works(entry: Entry) -> None:
    fields = parameters_model(entry).model_fields
    smallest: dict[str, Any] = {
        name: 0.0
        for name, field in fields.items()
        if name == "gain" or any(hasattr(one, "ge") for one in field.metadata)
    }
    assert parameters_model(entry)(**smallest)
    assert draw(entry.name, **smallest).isfinite().all()


@by_entry
def test_the_same_seed_gives_the_same_values_and_another_seed_others(entry: Entry) -> None:
    assert draw(entry.name).equal(draw(entry.name))
    assert draw(entry.name).equal(draw(entry.name, seed=1)) == (entry.name in ("zeros", "ones", "constant"))


@by_entry
def test_values_come_from_the_given_generator_alone(entry: Entry) -> None:
    before = torch.random.get_rng_state()
    draw(entry.name)
    assert torch.random.get_rng_state().equal(before)


@pytest.mark.parametrize("distribution", ["normal(0,", "normal(mean,", "uniform(-"])
def test_one_seed_gives_all_scaled_draws_of_a_kind_up_to_a_factor(distribution: str) -> None:
    unit = "normal" if distribution.startswith("normal") else "torch_default"
    first = draw(unit).double()
    scaled = [e for e in INITIALISERS if e.formula.startswith(distribution) and "within" not in e.formula]
    assert scaled
    for entry in scaled:
        other = draw(entry.name).double()
        assert_close(other * (first.norm() / other.norm()), first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gain", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("shape", [(40, 15), (15, 40), (20, 20), (1, 9), (9, 1)], ids=str)
def test_orthogonal_has_orthonormal_columns_or_rows_times_the_gain(shape: tuple[int, int], gain: float) -> None:
    matrix = draw("orthogonal", shape, gain=gain).double()
    tall = matrix if shape[0] >= shape[1] else matrix.T
    assert_close(tall.T @ tall, torch.eye(tall.shape[1]).double() * gain**2, rtol=1e-5, atol=1e-5)


def test_an_orthogonal_bias_is_a_vector_as_long_as_the_gain() -> None:
    assert draw("orthogonal", (OUT,), gain=1.5).norm().item() == pytest.approx(1.5, rel=1e-5)


def test_zeros_ones_and_constant_are_just_that() -> None:
    assert draw("zeros").equal(torch.zeros(IN, OUT))
    assert draw("ones").equal(torch.ones(IN, OUT))
    assert draw("constant").equal(torch.full((IN, OUT), 0.5))
    assert draw("constant", val=-2.0).equal(torch.full((IN, OUT), -2.0))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("he_normal", "kaiming_normal"),
        ("he_uniform", "kaiming_uniform"),
        ("glorot_normal", "xavier_normal"),
        ("glorot_uniform", "xavier_uniform"),
        ("pytorch", "torch_default"),
    ],
)
def test_initialisers_are_known_by_their_authors_names_too(alias: str, name: str) -> None:
    assert find("initialiser", alias) is find("initialiser", name)
