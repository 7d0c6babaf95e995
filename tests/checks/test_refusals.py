"""Good custom functions pass; all refusals of the others come at once, and checking leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actbench.catalogue.custom_files import custom_files_in_use
from actbench.checks.examination import require_passed
from actbench.errors import ConfigurationError
from actbench.experiment.choices import parse_choice
from custom_files import custom_file, function_text
from examined import ARGUMENTS, DRAWN, LOSS, ROOT, checks_of


def test_good_custom_functions_of_every_kind_pass(tmp_path: Path) -> None:
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


def test_checking_leaves_the_global_random_numbers_as_they_were(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    text = function_text(ROOT, "own(x)", "return torch.nn.functional.dropout(torch.relu(x), 0.5)")
    assert checks_of("activation", text, tmp_path)["repeatable"].outcome == "refused"
    assert torch.equal(before, torch.get_rng_state())


def test_all_refusals_of_all_custom_functions_are_raised_at_once(tmp_path: Path) -> None:
    decorator = "activation(formula='tanh(x)', bounds=(0, 1), reference='y')"
    path = custom_file(tmp_path, function_text(decorator, "own(x)", "return torch.tanh(x).detach()"))
    with custom_files_in_use([path]), pytest.raises(ConfigurationError) as refused:
        require_passed([parse_choice("activation", "own"), parse_choice("activation", "relu")])
    lines = str(refused.value).splitlines()
    assert (
        lines[0]
        == f"{path}:9: activation own is refused: bounds: f(-200) = -1 lies outside of [0, 1] by more than 0.001 %"
    )
    assert any("its gradient is detached" in line for line in lines)
    assert lines[-1].startswith("Nothing was trained")
