"""An activation that is not what it says, or that could harm other trials, is refused with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from actbench.catalogue.facts import values_and_derivatives
from actbench.checks.examination import Check
from actbench.errors import ConfigurationError
from actbench.experiment.choices import parse_choice
from actbench.training.functions import bind_activation
from custom_files import HEADER, custom_file, entries_of, function_text
from examined import ROOT, checks_of, examine, refused_because

LINE = "activation(formula='x', reference='a test')"

ACTIVATIONS = {
    "wrong bounds": (
        "activation(formula='tanh(x)', bounds=(0, 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "f(-200) = -1 lies outside of [0, 1] by more than 0.001 %",
    ),
    "wide bounds": (
        "activation(formula='tanh(x)', bounds=(-2, 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "no value comes near -2",
    ),
    "bounds the wrong way round": (
        "activation(formula='tanh(x)', bounds=(1, -1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "expected the smaller bound first, found (1, -1)",
    ),
    "a bound that is no number": (
        "activation(formula='tanh(x)', bounds=(float('nan'), 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "expected the smaller bound first, found (nan, 1)",
    ),
    "no bounds": (
        "activation(formula='tanh(x)', reference='y')",
        "torch.tanh(x)",
        "bounds",
        "the values lie in [-1, 1]: say bounds=(-1, 1); without `bounds` they are taken to grow without end on both",
    ),
    "one bound left out": (
        "activation(formula='max(-0.25, x)', reference='y')",
        "torch.clamp(x, min=-0.25)",
        "bounds",
        "the values lie in [-0.25, inf): say bounds=(-0.25, inf)",
    ),
    "one bound left out, reached at 0 alone": (
        "activation(formula='abs(x)', reference='y')",
        "x.abs()",
        "bounds",
        "the values lie in [0, inf): say bounds=(0, inf)",
    ),
    "NaN between": (
        "activation(formula='max(0, x)', bounds=(0, inf), reference='y')",
        "torch.where((x - 77).abs() < 0.5, x * float('nan'), torch.relu(x))",
        "bounds",
        "its value is NaN at 76.51, 76.52, 76.53 and 96 more in float64",
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
        "its value is infinite at 200 and 10000 in float32",
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
    "wrong at 0 alone": (
        "activation(formula='sign(x) * log1p(abs(x))', reference='y')",
        "x.sign() * x.abs().log1p()",
        "derivative",
        "autograd gives 0 at x = 0, where the slope is 1 on the left and 1 on the right",
    ),
    "NaN slope at 2 alone": (
        "activation(formula='x + abs(x - 2) ** 0.5', reference='y')",
        "x + (x - 2).abs() ** 0.5",
        "derivative",
        "its derivative is NaN at 2 in float64",
    ),
    "wrong at 1.2345 alone": (
        "activation(formula='x + 3 * abs(x - 1.2345)', reference='y')",
        "x + 3 * (x - 1.2345).abs() + torch.where(x == 1.2345, 9 * (x - x.detach()), torch.zeros_like(x))",
        "derivative",
        "at x = 1.2345, where the slope is -2 on the left and 4 on the right",
    ),
    "pole": (
        "activation(formula='x + 1 / (x - 1.2345)', reference='y')",
        "x + 1 / (x - 1.2345)",
        "finite",
        "it has a pole at x = 1.2345: values grow without bound",
    ),
    "poles of tan": (
        "activation(formula='tan(x)', reference='y')",
        "x.tan()",
        "finite",
        "1.5708: values grow without bound next to it",
    ),
    "pole on one side": (
        "activation(formula='1 / sqrt(abs(x - 0.3))', bounds=(0, inf), reference='y')",
        "1 / (x - 0.3).abs().sqrt()",
        "finite",
        "it has a pole at x = 0.3: ",
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
    "shape": (ROOT, "torch.relu(x).flatten()", "shape and dtype", "into (768,): an activation keeps the shape"),
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
    "ends the program": (LINE, "__import__('sys').exit(0)", "shape and dtype", "raises SystemExit: 0"),
}


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_an_activation_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    decorator, expression, check, reason = ACTIVATIONS[case]
    text = function_text(decorator, "own(x)", f"return {expression}")
    assert reason in refused_because("activation", text, check, tmp_path)


def test_functions_that_change_the_shape_are_refused_with_one_sentence(tmp_path: Path) -> None:
    for body in ("torch.nn.functional.glu(x)", "x.unflatten(-1, (-1, 2)).amax(-1)"):
        checks = checks_of("activation", function_text(LINE, "own(x)", f"return {body}"), tmp_path)
        (refusal,) = [check for check in checks.values() if check.outcome == "refused"]
        assert refusal.name == "shape and dtype"
        assert "such as GLU and Maxout, are not supported" in refusal.reason


def test_a_module_is_refused_with_what_to_write_instead(tmp_path: Path) -> None:
    for text in (
        "activation(formula='x', reference='y')(torch.nn.ReLU())",
        "activation(formula='x', reference='y')(torch.nn.ReLU)",
    ):
        path = custom_file(tmp_path, f"{HEADER}\n{text}\n")
        with (
            pytest.raises(ConfigurationError, match="is not a function: decorate a function of tensors"),
            entries_of(path),
        ):
            pass


STRAIGHT = "activation(formula='sign(x)', bounds=(-1, 1), reference='y', gradient=lambda grad, value, x: {})"


def test_a_declared_slope_is_checked_as_such_and_trained_with(tmp_path: Path) -> None:
    good = function_text(STRAIGHT.format("grad * (x.abs() <= 1)"), "own(x)", "return x.sign()")
    with entries_of(custom_file(tmp_path, good)) as (entry,):
        choice = parse_choice("activation", "own")
        examination = examine(choice)
        assert examination.refusals() == []
        assert "declared by gradient=: differs by at most" in str(examination.checks)
        x = torch.tensor([[[-2.0, -0.5, 0.5, 3.0]]])
        value, pullback = bind_activation(choice, {})(x, torch.empty_like(x))
        assert value.tolist() == [[[-1, -1, 1, 1]]]
        assert pullback(torch.full_like(x, 2.0)).tolist() == [[[0, 2, 2, 0]]]
        assert values_and_derivatives(entry, {}, x)[1].tolist() == [[[0, 1, 1, 0]]]


@pytest.mark.parametrize(
    ("gradient", "reason"),
    [
        ("grad * grad", "does not return the incoming gradient times a slope"),
        ("grad / x.sub(x)", "its declared slope is"),
        ("grad.sum()", "raises RuntimeError"),
    ],
)
def test_a_declared_slope_that_is_none_is_refused(gradient: str, reason: str, tmp_path: Path) -> None:
    text = function_text(STRAIGHT.format(gradient), "own(x)", "return x.sign()")
    assert reason in refused_because("activation", text, "derivative", tmp_path)


@pytest.mark.parametrize("expression", ["x + 1 / (x - 1.2345)", "x.tan()"])
@pytest.mark.filterwarnings("error")
def test_a_pole_is_the_only_reason_of_a_refusal(expression: str, tmp_path: Path) -> None:
    formula = expression.replace("x.tan()", "tan(x)")
    text = function_text(f"activation(formula='{formula}', reference='y')", "own(x)", f"return {expression}")
    checks = checks_of("activation", text, tmp_path)
    assert [name for name, check in checks.items() if check.outcome == "refused"] == ["finite"]
    assert {checks[name].outcome for name in ("bounds", "derivative", "float32", "curve")} == {"skipped"}


@pytest.mark.parametrize("formula", ["x * (x > 0)", "(x > 0) * x", "max(x > 0, x) * clipped * (x > 0)"])
def test_a_formula_may_use_a_comparison_or_a_setting_that_is_true_or_false_as_a_number(
    formula: str, tmp_path: Path
) -> None:
    expression = "x * (x > 0)" if "max" not in formula else "torch.clamp(x, min=1) * (x > 0)"
    text = function_text(
        f"activation(formula='{formula}', reference='y')", "own(x, *, clipped=True)", f"return {expression}"
    )
    assert checks_of("activation", text, tmp_path)["formula"].outcome == "pass"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("expression", "curve"), [("x / x", "constant; no kink"), ("(x - x) / (x - x)", "its derivative is not finite")]
)
def test_a_curve_that_is_not_finite_everywhere_is_described_as_far_as_it_goes(
    expression: str, curve: str, tmp_path: Path
) -> None:
    text = function_text("activation(formula='x / x', reference='y')", "own(x)", f"return {expression}")
    assert checks_of("activation", text, tmp_path)["curve"].reason.startswith(curve)


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


@pytest.mark.parametrize("bound", ["-0.2784", "-0.279", "-0.28"])
def test_a_bound_that_a_message_shows_is_accepted(bound: str, tmp_path: Path) -> None:
    def checked(bound: str) -> Check:
        decorator = f"activation(formula='x * sigmoid(x)', bounds=({bound}, inf), reference='y')"
        text = function_text(decorator, "own(x)", "return x * torch.sigmoid(x)")
        return checks_of("activation", text, tmp_path)["bounds"]

    shown = re.search(r"= (-\d\.\d+) lies outside", checked("-0.2").reason)
    assert shown
    assert checked(shown[1]).outcome == "pass"
    assert (checked(bound).outcome == "refused") == (abs(float(bound) + 0.278465) > 1e-3 or float(bound) > -0.27846)


def test_bounds_that_depend_on_a_parameter_are_a_function_of_it(tmp_path: Path) -> None:
    def refusals(bounds: str) -> list[str]:
        decorator = f"activation(formula='height * tanh(x)', bounds={bounds}, reference='y')"
        text = function_text(decorator, "own(x, *, height: float = 1.0)", "return height * torch.tanh(x)")
        with entries_of(custom_file(tmp_path, text)):
            choice = parse_choice("activation", {"own": {"height": 2.0}})
            return [check.name for check in examine(choice).refusals()]

    assert refusals("(-1, 1)") == ["bounds"]
    assert refusals("lambda height: (-height, height)") == []


def test_values_that_grow_without_end_in_waves_have_no_bounds(tmp_path: Path) -> None:
    text = function_text("activation(formula='x * sin(x)', reference='y')", "own(x)", "return x * x.sin()")
    assert checks_of("activation", text, tmp_path)["bounds"].outcome == "pass"
