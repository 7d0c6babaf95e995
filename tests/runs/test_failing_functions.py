"""A custom function that fails is answered with its file, its line and its cause, by every verb that calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_files import EXPERIMENT, custom_file, function_text
from program import actbench, assert_one_message

LINE = "activation(formula='x', reference='a test')"
RAISES = function_text(LINE, "tent(x)", "raise ValueError('no such thing')")
ENDS = function_text(LINE, "tent(x)", "raise SystemExit(0)")
GIVES_NOTHING = function_text(LINE, "tent(x)", "torch.relu(x)")
VERBS = (["show", "tent"], ["show", "tent", "--cost"], ["summary", "own.yaml", "--preflight"])


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RAISES, "tent.py:12: ValueError: no such thing"),
        (ENDS, "tent.py:12: SystemExit: 0"),
        (GIVES_NOTHING, "tent.py:9: activation tent is refused: "),
    ],
    ids=["raises", "ends the program", "gives nothing"],
)
def test_every_verb_that_calls_a_failing_custom_function_says_where_it_fails(
    verb: list[str], text: str, message: str, tmp_path: Path
) -> None:
    custom_file(tmp_path, text)
    custom_file(tmp_path, EXPERIMENT, "own.yaml")
    assert_one_message(actbench(*verb, "--use", "tent.py", folder=tmp_path), 2, f"actbench: {message}")


def test_a_failure_that_is_elsewhere_is_not_blamed_on_the_custom_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("elsewhere")

    monkeypatch.setattr("actbench.report.functions.find_functions", broken)
    with pytest.raises(RuntimeError, match="elsewhere"):
        actbench("show", "tent", "--use", custom_file(tmp_path), folder=tmp_path)
