"""Losses and output functions of a file that are refused, each for its own reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_files import function_text
from examined import LOSS, refused_because

SQUARE = "loss(formula='sum((prediction - target) ** 2)', accepts=('scores', 'probabilities'), reference='a test')"
TARGET = "target = torch.nn.functional.one_hot(label, prediction.shape[-1]).to(prediction.dtype)"

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
        "cannot be in accepts and in tolerates",
    ),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    decorator, expression, check, reason = LOSSES[case]
    text = function_text(decorator, LOSS, TARGET, f"return {expression}")
    assert reason in refused_because("loss", text, check, tmp_path)


SCORES = "output(formula='x', yields='scores', reference='a test')"

OUTPUTS = {
    "yields": (
        "output(formula='x', yields='probabilities', reference='y')",
        "x",
        "yields",
        "yields='probabilities', but it gives",
    ),
    "sum": (
        "output(formula='1 / (1 + exp(-x))', yields='probabilities', bounds=(0, 1), across_units=True, reference='y')",
        "torch.sigmoid(x) + 0 * x.sum(-1, keepdim=True)",
        "yields",
        "across the units, but they sum to",
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
