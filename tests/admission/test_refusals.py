"""A piece that is not what it says, or that could harm other trials, is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actbench.admission.checks import Check
from actbench.admission.verdict import examine, require_admitted
from actbench.choices import parse_choice
from actbench.errors import ConfigurationError
from actbench.extensions import own_files_in_use
from own_files import entries_of, function_text, own_file

ROOT = "activation(formula='x if x > 0 else 0', bounds=(0, inf), reference='a test')"
LINE = "activation(formula='x', reference='a test')"
SCORES = "output(formula='x', yields='scores', reference='a test')"
SQUARE = "loss(formula='sum((prediction - target) ** 2)', accepts=('scores', 'probabilities'), reference='a test')"
DRAWN = "initialiser(formula='normal(0, 1)', reference='a test')"
ARGUMENTS = "own(shape, fan_in, fan_out, generator)"
TARGET = "target = torch.nn.functional.one_hot(label, prediction.shape[-1]).to(prediction.dtype)"
LOSS = "own(prediction, label)"

ACTIVATIONS = {
    "wrong bounds": (
        "activation(formula='tanh(x)', bounds=(0, 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "f(-200) = -1 lies outside of [0, 1]",
    ),
    "wide bounds": (
        "activation(formula='tanh(x)', bounds=(-2, 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "no value comes near -2",
    ),
    "no bounds": (
        "activation(formula='tanh(x)', reference='y')",
        "torch.tanh(x)",
        "bounds",
        "-inf is said to be a bound, but the values stop at -1",
    ),
    "NaN between": (
        "activation(formula='max(0, x)', bounds=(0, inf), reference='y')",
        "torch.where((x - 77).abs() < 0.5, x * float('nan'), torch.relu(x))",
        "bounds",
        "its value is NaN at 76.51, 76.52, 76.53, ... in float64",
    ),
    "NaN at 0": (
        "activation(formula='sin(x) / x', bounds=(-0.21723, 1), reference='y')",
        "torch.sin(x) / x",
        "finite",
        "its value is NaN at 0 in float32",
    ),
    "infinite": (
        "activation(formula='exp(x)', bounds=(0, inf), reference='y')",
        "torch.exp(x)",
        "finite",
        "its value is infinite at 200, 10000 in float32",
    ),
    "gradient NaN at 0": (
        LINE,
        "x.abs().sqrt() * x.abs().sqrt() * torch.sign(x)",
        "finite",
        "its derivative is NaN at",
    ),
    "detached": (LINE, "x.detach()", "derivative", "its gradient is detached"),
    "partly detached": (
        "activation(formula='x * x', bounds=(0, inf), reference='y')",
        "x * x.detach()",
        "derivative",
        "a part of it is detached",
    ),
    "no tensor": (LINE, "x.tolist()", "derivative", "gives list instead of a tensor"),
    "mixes trials": (
        LINE,
        "x - x.mean(dim=0, keepdim=True) if x.dim() == 3 else x",
        "stack",
        "mixes trials: other values in one trial of a stack change the values of another",
    ),
    "gradient mixes trials": (
        LINE,
        "x + 0 * x.sum() if x.dim() == 3 else x",
        "stack",
        "mixes trials: NaN in one trial",
    ),
    "mixes units": (
        LINE,
        "x - x.mean(dim=-1, keepdim=True) if x.dim() == 3 else x",
        "elementwise",
        "one input changes other values of its trial",
    ),
    "random": (ROOT, "torch.nn.functional.dropout(torch.relu(x), 0.5)", "repeatable", "it draws random numbers"),
    "state": (ROOT, "(calls.append(1), torch.relu(x) * len(calls))[1]", "repeatable", "it keeps a state"),
    "in place": (ROOT, "x.clamp_(min=0)", "input", "changes its input in place"),
    "dtype": (ROOT, "torch.relu(x).float()", "shape and dtype", "turns torch.float64"),
    "shape": (ROOT, "torch.relu(x).flatten()", "shape and dtype", "of shape ()"),
    "other formula": (
        "activation(formula='2 * x', reference='y')",
        "x",
        "formula",
        "the formula gives -50.06 at -25.03, and the function -25.03",
    ),
    "prose for a formula": (
        "activation(formula='the identity', reference='y')",
        "x",
        "formula",
        "is no Python expression",
    ),
    "unknown name in the formula": (
        "activation(formula='x + y', reference='y')",
        "x",
        "formula",
        "'y' is nothing that a formula can say",
    ),
    "code in the formula": (
        "activation(formula='open(1)', reference='y')",
        "x",
        "formula",
        "'open(1)' is nothing that a formula can say",
    ),
    "raises": (LINE, "x.no_such_method()", "shape and dtype", "raises AttributeError"),
}


def checks_of(kind: str, text: str, folder: Path) -> dict[str, Check]:
    """What was answered to every question about the only entry of a file."""
    with entries_of(own_file(folder, text)) as (entry,):
        assert entry.kind == kind
        return {
            check.name: check for check in examine(parse_choice(entry.kind, entry.name), measures_cost=False).checks
        }


def refused_because(kind: str, text: str, check: str, folder: Path) -> str:
    found = checks_of(kind, text, folder)[check]
    assert found.outcome == "refused"
    return found.reason


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_an_activation_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    decorator, expression, check, reason = ACTIVATIONS[case]
    text = function_text(decorator, "own(x)", f"return {expression}")
    assert reason in refused_because("activation", text, check, tmp_path)


def test_a_function_that_is_right_in_float64_alone_is_refused(tmp_path: Path) -> None:
    text = function_text(LINE, "own(x)", "return x if x.dtype == torch.float64 else x + (1e8 + x * 0 - 1e8 + 0.5)")
    assert "float32 is off by" in refused_because("activation", text, "float32", tmp_path)


def test_a_learnt_parameter_that_no_gradient_reaches_is_refused(tmp_path: Path) -> None:
    decorator = "activation(formula='slope * x', learnable=('slope',), reference='y')"
    text = function_text(
        decorator, "own(x, *, slope=1.0)", "return x * (slope.detach() if hasattr(slope, 'detach') else slope)"
    )
    assert "no gradient reaches slope" in refused_because("activation", text, "learnt parameters", tmp_path)


def test_a_kernel_that_is_not_the_function_is_refused(tmp_path: Path) -> None:
    decorator = (
        "activation(formula='2 * x', reference='y', kernel=__import__('actbench.catalogue.kernels', "
        "fromlist=['Kernel']).Kernel(lambda x, out: torch.mul(x, 2, out=out), lambda outer, value, x: outer.mul_(3)))"
    )
    text = function_text(decorator, "own(x)", "return 2 * x")
    assert refused_because("activation", text, "kernel", tmp_path) == "the kernel's derivative are not the function's"


OUTPUTS = {
    "yields": (
        "output(formula='x', yields='probabilities', reference='y')",
        "x",
        "yields",
        "it says probabilities, and gives",
    ),
    "sum": (
        "output(formula='1 / (1 + exp(-x))', yields='probabilities', bounds=(0, 1), across_units=True, reference='y')",
        "torch.sigmoid(x) + 0 * x.sum(-1, keepdim=True)",
        "yields",
        "across the units, and they sum to",
    ),
    "across units": (
        "output(formula='x - sum(x)', yields='scores', reference='y')",
        "x - x.sum(-1, keepdim=True)",
        "units",
        "say across_units=True",
    ),
    "not across units": (
        "output(formula='x', yields='scores', across_units=True, reference='y')",
        "x",
        "units",
        "say across_units=False",
    ),
    "bounds": (
        "output(formula='tanh(x)', yields='bounded scores', bounds=(0, 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "lies outside of [0, 1]",
    ),
    "formula": (
        "output(formula='exp(x) / sum(exp(x))', yields='scores', reference='y')",
        "x",
        "formula",
        "the formula gives",
    ),
    "overflow": (
        "output(formula='exp(x) / sum(exp(x))', yields='probabilities', bounds=(0, 1), across_units=True, "
        "reference='y')",
        "x.exp() / x.exp().sum(-1, keepdim=True)",
        "finite",
        "its value is NaN at",
    ),
    "detached": (SCORES, "x.detach()", "derivative", "its gradient is detached"),
    "wrong derivative": (
        "output(formula='x * x', yields='scores', bounds=(0, inf), reference='y')",
        "x * x.detach()",
        "derivative",
        "autograd does not agree with differences",
    ),
    "mixes images": (
        "output(formula='x', yields='scores', reference='y')",
        "x - x.mean(dim=-2, keepdim=True) if x.dim() == 3 else x",
        "images",
        "one image's values depend on other images",
    ),
    "mixes trials": (SCORES, "x - x.mean(dim=0, keepdim=True) if x.dim() == 3 else x", "stack", "mixes trials"),
    "closed form": (
        "output(formula='x', yields='scores', gradient=lambda outer, value, x: 2 * outer, reference='y')",
        "x",
        "gradient",
        "is not the function's",
    ),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_an_output_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    decorator, expression, check, reason = OUTPUTS[case]
    text = function_text(decorator, "own(x)", f"return {expression}")
    assert reason in refused_because("output", text, check, tmp_path)


LOSSES = {
    "mean": (
        SQUARE,
        "((prediction - target) ** 2).sum(-1).mean()",
        "shape and dtype",
        "one number per example is wanted",
    ),
    "formula": (SQUARE, "(prediction - target).abs().sum(-1)", "formula", "the formula gives"),
    "NaN at 0": (
        "loss(formula='-sum(target * log(prediction))', accepts=('probabilities',), reference='y')",
        "-(target * prediction.log()).sum(-1)",
        "finite",
        "its value for probabilities is NaN",
    ),
    "infinite where it is certain": (
        "loss(formula='log(sum(exp(prediction))) - prediction[label]', accepts=('scores',), across_units=True, "
        "reference='y')",
        "-(prediction.softmax(-1) * target).sum(-1).log()",
        "finite",
        "its value for scores is infinite",
    ),
    "detached": (SQUARE, "((prediction.detach() - target) ** 2).sum(-1)", "derivative", "its gradient is detached"),
    "no label": (
        "loss(formula='sum(prediction ** 2)', accepts=('scores',), reference='y')",
        "(prediction ** 2).sum(-1)",
        "label",
        "the same whatever the label is",
    ),
    "mixes trials": (
        SQUARE,
        "((prediction - target) ** 2).sum(-1) / (prediction.abs().amax() + 1)",
        "stack",
        "mixes trials",
    ),
    "mixes images": (
        SQUARE,
        "((prediction - target) ** 2).sum(-1) / (prediction.abs().amax(dim=(-1, -2)).unsqueeze(-1) + 1)",
        "images",
        "one image's values depend on other images",
    ),
    "accepts nothing": (
        "loss(formula='sum((prediction - target) ** 2)', accepts=(), reference='y')",
        "((prediction - target) ** 2).sum(-1)",
        "accepts",
        "accepts is empty",
    ),
    "both": (
        "loss(formula='sum((prediction - target) ** 2)', accepts=('scores',), tolerates=('scores',), reference='')",
        "((prediction - target) ** 2).sum(-1)",
        "accepts",
        "cannot be accepted and only tolerated",
    ),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    decorator, expression, check, reason = LOSSES[case]
    text = function_text(decorator, LOSS, TARGET, f"return {expression}")
    assert reason in refused_because("loss", text, check, tmp_path)


INITIALISERS = {
    "shape": ("torch.randn(shape[::-1], generator=generator)", "shape and dtype", "weights (784, 256) become"),
    "dtype": (
        "torch.randn(shape, generator=generator, dtype=torch.float64)",
        "shape and dtype",
        "become torch.float64",
    ),
    "global generator": ("torch.randn(shape)", "repeatable", "draws from torch's global generator"),
    "state": (
        "(calls.append(1), torch.full(shape, float(len(calls))))[1]",
        "repeatable",
        "the same seed gives other values",
    ),
    "infinite": ("torch.randn(shape, generator=generator) / (fan_in - 3)", "finite", "a layer of 3 inputs and 5 units"),
    "gradient": ("torch.randn(shape, generator=generator, requires_grad=True)", "gradient", "carry a gradient"),
    "no tensor": ("[0.0]", "shape and dtype", "gives list instead of a tensor"),
}


@pytest.mark.parametrize("case", INITIALISERS)
def test_an_initialiser_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    expression, check, reason = INITIALISERS[case]
    text = function_text(DRAWN, ARGUMENTS, f"return {expression}")
    assert reason in refused_because("initialiser", text, check, tmp_path)


def test_good_pieces_of_every_kind_pass(tmp_path: Path) -> None:
    good = {
        "activation": (ROOT, "own(x)", "return torch.relu(x)"),
        "output": (
            "output(formula='x - log(sum(exp(x)))', yields='log-probabilities', bounds=(-inf, 0), "
            "across_units=True, reference='y')",
            "own(x)",
            "return torch.log_softmax(x, dim=-1)",
        ),
        "loss": (
            "loss(formula='-prediction[label]', accepts=('log-probabilities',), across_units=True, reference='y')",
            LOSS,
            "return -prediction.gather(-1, label.unsqueeze(-1)).squeeze(-1)",
        ),
        "initialiser": (DRAWN, ARGUMENTS, "return torch.randn(shape, generator=generator)"),
    }
    for kind, (decorator, signature, body) in good.items():
        found = checks_of(kind, function_text(decorator, signature, body), tmp_path)
        assert {name: check.reason for name, check in found.items() if check.outcome == "refused"} == {}


def test_values_that_grow_without_end_in_waves_have_no_bounds(tmp_path: Path) -> None:
    text = function_text("activation(formula='x * sin(x)', reference='y')", "own(x)", "return x * x.sin()")
    assert checks_of("activation", text, tmp_path)["bounds"].outcome == "pass"


def test_checking_leaves_the_global_random_numbers_as_they_were(tmp_path: Path) -> None:
    decorator, expression, _, _ = ACTIVATIONS["random"]
    before = torch.get_rng_state()
    checks_of("activation", function_text(decorator, "own(x)", f"return {expression}"), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_all_refusals_of_all_pieces_are_raised_at_once(tmp_path: Path) -> None:
    path = own_file(tmp_path, function_text(ACTIVATIONS["wrong bounds"][0], "own(x)", "return torch.tanh(x).detach()"))
    with own_files_in_use([path]), pytest.raises(ConfigurationError) as refused:
        require_admitted([parse_choice("activation", "own"), parse_choice("activation", "relu")])
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{path}:9: activation own is refused: bounds: f(-200) = -1 lies outside of [0, 1]"
    assert any("its gradient is detached" in line for line in lines)
    assert lines[-1].startswith("Nothing was trained")
