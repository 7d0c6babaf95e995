"""Functions as facts, plots and figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.functions import (
    find_functions,
    function_claims_sections,
    function_section,
    functions_document,
    plot_lines,
    plotted_inputs,
    save_figure,
)
from program import actbench, assert_one_message


def test_every_unknown_function_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_functions(["rlu", "tanh", "swsh"])
    assert [line.split("'")[1] for line in str(caught.value).splitlines()] == ["rlu", "swsh"]
    assert "did you mean relu" in str(caught.value)
    for name, kind in (("nll", "loss"), ("adam", "optimizer")):
        with pytest.raises(ConfigurationError, match=f"'{name}'; it is in `actbench list {kind}`"):
            find_functions([name])


def test_a_function_is_found_with_parameters_as_an_experiment_file_spells_them() -> None:
    found = find_functions(["leaky_relu: {negative_slope: 0.2}", "{elu: {alpha: 2.0}}", "log_softmax: {shift: false}"])
    assert [str(choice) for choice in found] == [
        "leaky_relu(negative_slope=0.2)", "elu(alpha=2.0)", "log_softmax(shift=false)",
    ]  # fmt: skip
    rows = function_section(find_functions(["leaky_relu: {negative_slope: 0.2}", "leaky_relu"])).rows
    assert rows[0] != rows[1]


def test_every_mistake_in_how_functions_are_called_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        find_functions(["leaky_relu: {negativ_slope: 1, x: 2}", "rlu: {a: 1}", "gelu: 3", "x: [", "tanh", "mish:"])
    assert str(refused.value).splitlines() == [
        "leaky_relu.negativ_slope: unknown key; did you mean negative_slope?",
        "leaky_relu.x: unknown key; known here: negative_slope",
        "no function is called 'rlu'; did you mean relu, relu6 or prelu?",
        'gelu: 3: expected a name or {name: {setting: value}} of activation, found {"gelu": 3} (a mapping)',
        "x: [: expected a name, or a name with parameters such as 'leaky_relu: {negative_slope: 0.2}'",
    ]


def test_aliases_and_outputs_are_functions_and_a_name_of_both_is_the_activation() -> None:
    found = find_functions(["silu", "logits", "softmax", "sigmoid"])
    assert [str(choice) for choice in found] == ["swish", "identity", "softmax", "sigmoid"]
    assert [choice.kind for choice in found] == ["activation", "output", "output", "activation"]


def test_the_section_has_a_row_of_facts_for_each_function() -> None:
    section = function_section(find_functions(["relu", "tanh"]))
    relu, tanh = (dict(zip(section.header, row, strict=True)) for row in section.rows)
    assert (relu["saturates"], relu["and"], relu["gain"], relu["f(1)"]) == ("below 0", "-", "1.4142", "1")
    assert (tanh["bounds"], tanh["f(0)"], tanh["f'(0)"], tanh["f(1)"]) == ("(-1, 1)", "0", "1", "0.762")


def test_what_mixes_the_units_has_formula_and_bounds_but_no_facts_of_a_curve() -> None:
    alone = function_section(find_functions(["softmax", "log_softmax"]))
    assert list(alone.header) == ["name", "formula", "bounds"]
    assert alone.rows[0] == ["softmax", "exp(x) / sum(exp(x))", "(0, 1)"]
    assert alone.notes[0].startswith("softmax: Probabilities that sum to 1")
    assert alone.notes[-1] == "softmax, log_softmax: no curve, because the output units are mixed."
    beside_relu = function_section(find_functions(["softmax", "relu"]))
    assert beside_relu.rows[0][3:] == ["-"] * 9
    assert beside_relu.rows[1] == function_section(find_functions(["relu"])).rows[0]
    assert beside_relu.notes[-1] == "softmax: no curve, because the output units are mixed."


def test_the_claims_about_these_functions_alone_are_a_section_and_others_are_counted() -> None:
    (section,) = function_claims_sections(find_functions(["silu", "tanh"]))
    assert section.is_complete
    assert not any(re.search(r"\bD\d\.\d", cell) for row in section.rows for cell in row)
    assert all("swish" in row[0] or "tanh" in row[0] for row in section.rows)
    assert not any("sigmoid" in row[0] for row in section.rows)
    assert section.notes[0] == "Claims are statements of five teaching articles, checked here."
    assert section.notes[-1].endswith(" claims about other functions too: --format json.")
    (more,) = function_claims_sections(find_functions(["tanh", "sigmoid", "relu"]))
    assert len(more.rows) > len(section.rows) > 0
    (mish,) = function_claims_sections(find_functions(["mish"]))
    assert (mish.header, mish.rows) == ([], [])
    assert function_claims_sections(find_functions(["snake"])) == []


def test_what_has_no_curve_is_left_out_of_plots_and_figures(tmp_path: Path) -> None:
    softmax, relu = find_functions(["softmax", "relu"])
    assert plot_lines([softmax, relu], derivative=True) == plot_lines([relu], derivative=True)
    assert plot_lines([softmax], derivative=False) == []
    for name, choices in (("alone", [relu]), ("both", [softmax, relu])):
        save_figure(choices, tmp_path / f"{name}.svg")
    assert (tmp_path / "alone.svg").read_bytes() == (tmp_path / "both.svg").read_bytes()


def test_softmax_is_shown_with_its_claims_and_cannot_be_drawn(tmp_path: Path) -> None:
    shown = actbench("show", "softmax", folder=tmp_path)
    assert shown.returncode == 0
    assert shown.stderr == ""
    assert "exp(x) / sum(exp(x))" in shown.stdout
    assert shown.stdout.count("verdict") >= 1
    assert " on -8 ... 8" not in shown.stdout
    drawn = actbench("show", "softmax", "--save", "softmax.svg", folder=tmp_path)
    assert_one_message(drawn, 2, "softmax.svg", "nothing to draw", "softmax: no curve")
    assert list(tmp_path.iterdir()) == []


def test_a_plot_shows_each_function_with_its_mark_in_plain_characters() -> None:
    lines = plot_lines(find_functions(["relu", "tanh"]), derivative=False)
    assert lines[0] == "function on -8 ... 8: * relu, o tanh"
    assert {"*", "o"} <= set("".join(lines[1:]))
    assert all(line.isascii() and len(line) < 80 for line in lines)
    assert any(line.startswith("     0 -") or line.startswith("     0 *") for line in lines)


def test_a_plot_names_the_functions_that_it_leaves_out() -> None:
    names = ["relu", "tanh", "gelu", "swish", "mish", "elu", "selu", "celu", "softplus", "sine"]
    lines = plot_lines(find_functions(names), derivative=False)
    assert lines[-1] == "Left out: softplus, sine. At most 8 curves are drawn, between -4 and 8."
    beyond = plot_lines(find_functions(["hardtanh: {min_val: 90, max_val: 100}", "relu"]), derivative=False)
    assert beyond[-1].startswith("Left out: hardtanh(min_val=90.0, max_val=100.0). ")
    assert not plot_lines(find_functions(["relu"]), derivative=False)[-1].startswith("Left out")


def test_bounds_saturation_and_gain_follow_the_parameters() -> None:
    section = function_section(find_functions(["elu: {alpha: 2}", "hardtanh: {min_val: -3, max_val: 2}"]))
    elu, hardtanh = (dict(zip(section.header, row, strict=True)) for row in section.rows)
    assert (elu["bounds"], hardtanh["bounds"]) == ("(-2, inf)", "(-3, 2)")
    assert (hardtanh["saturates"], hardtanh["and"]) == ("below -3", "above 2")
    assert elu["gain"] != function_section(find_functions(["elu"])).rows[0][5]
    (document,) = functions_document(find_functions(["gelu: {mean: 1.0}"]))["functions"]
    assert document["bounds"][0] == pytest.approx(-0.0334167, abs=1e-6)


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


def test_a_saved_figure_is_named(tmp_path: Path) -> None:
    saved = actbench("show", "relu", "--save", "relu.svg", folder=tmp_path)
    assert (saved.returncode, saved.stderr) == (0, "relu.svg\n")
    assert (tmp_path / "relu.svg").is_file()
