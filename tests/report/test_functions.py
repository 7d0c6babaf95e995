"""Functions as facts, plots and figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.functions import find_functions, function_section, plot_lines, plotted_inputs, save_figure


def test_every_unknown_function_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_functions(["rlu", "tanh", "swsh"])
    assert [line.split("'")[1] for line in str(caught.value).splitlines()] == ["rlu", "swsh"]
    assert "did you mean relu" in str(caught.value)


def test_aliases_and_elementwise_outputs_are_functions_and_softmax_is_not() -> None:
    assert [str(choice) for choice in find_functions(["silu", "logits"])] == ["swish", "identity"]
    with pytest.raises(ConfigurationError, match="softmax"):
        find_functions(["softmax"])


def test_the_section_has_a_row_of_facts_for_each_function() -> None:
    section = function_section(find_functions(["relu", "tanh"]))
    relu, tanh = (dict(zip(section.header, row, strict=True)) for row in section.rows)
    assert (relu["saturates"], relu["and"], relu["gain"], relu["f(1)"]) == ("below 0", "-", "1.4142", "1")
    assert (tanh["bounds"], tanh["f(0)"], tanh["f'(0)"], tanh["f(1)"]) == ("(-1, 1)", "0", "1", "0.762")


def test_a_plot_shows_each_function_with_its_mark_in_plain_characters() -> None:
    lines = plot_lines(find_functions(["relu", "tanh"]), derivative=False)
    assert lines[0] == "function on -8 ... 8: * relu, o tanh"
    assert {"*", "o"} <= set("".join(lines[1:]))
    assert all(line.isascii() and len(line) < 80 for line in lines)
    assert any(line.startswith("     0 -") or line.startswith("     0 *") for line in lines)


def test_the_plotted_inputs_are_every_tenth_from_minus_8_to_7_9() -> None:
    x = plotted_inputs().tolist()
    assert (x[0], x[1], x[-1], len(x)) == (-8.0, -7.9, 7.9, 160)


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_figure_is_the_same_bytes_each_time(ending: str, tmp_path: Path) -> None:
    choices = find_functions(["relu", "swish"])
    for name in ("first", "second"):
        save_figure(choices, tmp_path / f"{name}.{ending}")
    first = (tmp_path / f"first.{ending}").read_bytes()
    assert first == (tmp_path / f"second.{ending}").read_bytes()
    assert len(first) > 1000


def test_an_unknown_ending_and_an_unwritable_place_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="svg, png, pdf"):
        save_figure(find_functions(["relu"]), tmp_path / "relu.txt")
    with pytest.raises(UnusableEnvironmentError, match="cannot be written"):
        save_figure(find_functions(["relu"]), tmp_path / "missing" / "relu.png")
