"""Tables as people read them: numbers, columns that fit, escapes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from actbench.analysis.curves import picked_epochs
from actbench.errors import ConfigurationError
from actbench.experiment.metrics import parse_metric
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section, numeric_columns
from actbench.render.terminal import _print_section, console_for, fitting_columns
from actbench.report import numbers
from actbench.report.contents import report_sections, spark
from actbench.report.listing import catalogue_sections
from actbench.report.networks import hints
from builders import TWO_ACTIVATIONS, experiment_from
from planted import RELU, TUNED, above, asked, planted

WIDE = Section(
    title="wide",
    header=["arm", "mean", "interval", "note"],
    rows=[["relu", "97.95", "97.83 to 98.07", "a note of some length"], ["mish", "98.01", "-", ""]],
    importance=(0, 2, 1, 3),
)


@pytest.mark.parametrize(
    ("number", "metric", "signed", "text"),
    [
        (0.9795, "test_accuracy", False, "97.95"),
        (0.00125, "test_accuracy", True, "+0.12"),
        (-0.000001, "test_accuracy", True, "+0.00"),
        (0.08123, "test_loss", False, "0.0812"),
        (None, "test_loss", False, "-"),
    ],
)
def test_accuracies_are_percent_and_losses_are_not(number: float | None, metric: str, signed: bool, text: str) -> None:
    assert numbers.value(number, parse_metric(metric), signed=signed) == text


def test_a_small_p_is_a_bound() -> None:
    assert [numbers.probability(p) for p in (None, 0.0001, 0.0625, 1.0)] == ["-", "<0.001", "0.062", "1.000"]


def test_a_report_without_results_has_no_curves(tmp_path: Path) -> None:
    results = planted(tmp_path, {}, TWO_ACTIVATIONS)
    assert [section.title for section in report_sections(asked(results), results)] == ["test accuracy by arm"]


def test_a_report_has_the_tuning_the_pairs_of_factors_the_effects_and_the_curves(tmp_path: Path) -> None:
    text = TUNED.replace("[relu, tanh]}", "[relu, tanh], train.batch_size: [32, 64]}")
    labels = [f"activation={name}, batch_size={size}" for name in ("relu", "tanh") for size in (32, 64)]
    results = planted(tmp_path, {label: above(RELU, [10 * i] * 10) for i, label in enumerate(labels)}, text)
    assert [section.title for section in report_sections(asked(results, all_pairs=True), results)] == [
        "test accuracy by arm",
        "test accuracy, all pairs",
        "one run of each: the winner by seed",
        "tuning of train.lr",
        "mean test accuracy by model.activation and train.batch_size",
        "what explains the differences",
        "learning curve: mean validation accuracy in % after each epoch",
    ]


def test_a_narrow_terminal_gets_the_most_important_columns_whole() -> None:
    assert fitting_columns(WIDE, 80) == [0, 1, 2, 3]
    assert fitting_columns(WIDE, 30) == [0, 1, 2]
    assert fitting_columns(WIDE, 24) == [0, 2]
    assert fitting_columns(WIDE, 5) == [0, 2]


def test_numbers_line_up_on_the_right_and_words_on_the_left() -> None:
    assert numeric_columns(WIDE) == [False, True, True, False]


def test_output_that_is_no_terminal_has_no_width() -> None:
    stream = io.StringIO()
    console = console_for(stream)
    console.print("x" * 5000)
    assert stream.getvalue() == "x" * 5000 + "\n"
    assert isinstance(console, Console)


def test_markdown_cells_cannot_break_the_table() -> None:
    section = Section("t", ["arm", "n"], [["a|b\n<script>", "1"]], notes=["one note"])
    assert section_to_markdown(section, heading="##") == (
        "## t\n\n| arm | n |\n| --- | ---: |\n| a\\|b &lt;script> | 1 |\n\n- one note\n"
    )


def test_epochs_picked_for_columns_include_the_first_and_the_last() -> None:
    assert picked_epochs(1, 6, is_log=True) == [1]
    assert picked_epochs(6, 6, is_log=True) == [1, 2, 3, 4, 5, 6]
    for last in (7, 10, 100, 200, 5000):
        epochs = picked_epochs(last, 6, is_log=True)
        assert (epochs[0], epochs[-1]) == (1, last)
        assert len(epochs) <= 6


def test_a_spark_line_spans_the_blocks_and_stays_short() -> None:
    assert spark([0.0, 0.5, 1.0], 0.0, 1.0) == "▁▅█"
    assert spark([0.5], 0.5, 0.5) == "▁"
    assert len(spark([index / 999 for index in range(1000)], 0.0, 1.0)) == 20


def test_the_catalogue_lists_every_kind_or_the_one_asked_for() -> None:
    assert [section.title for section in catalogue_sections(None)] == [
        "activations", "outputs", "initialisers", "losses", "optimizers", "datasets", "experiments",
    ]  # fmt: skip
    assert [section.title for section in catalogue_sections("losses")] == ["losses"]
    with pytest.raises(ConfigurationError, match="did you mean optimizer"):
        catalogue_sections("optimiser")


def test_a_catalogue_that_does_not_fit_becomes_lists_and_loses_nothing() -> None:
    (section,) = catalogue_sections("loss")
    console = Console(file=io.StringIO(), width=60)
    _print_section(console, section)
    file = console.file
    assert isinstance(file, io.StringIO)
    text = " ".join(file.getvalue().split())
    for row in section.rows:
        assert all(cell in text for cell in row if cell != "-")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "vary: {train.lr: [0.1, 0.2]}\nbaseline: {train.lr: 0.1}\nseeds: 5",
            "5 seeds cannot decide 1 comparison, 6 can",
        ),
        ("vary: {train.lr: [0.1, 0.2]}\nbaseline: {train.lr: 0.1}\nseeds: 6", ""),
        ("vary: {train.lr: [0.1, 0.2]}\nseeds: 5", ""),
        ("seeds: 2", ""),
        (
            "vary: {train.loss: [cross_entropy, mse]}\nmodel: {output: identity}\nprimary: test_loss",
            "primary: test_loss ranks no arms that train on different losses (cross_entropy over 10 output",
        ),
        ("vary: {train.loss: [cross_entropy, mse]}\nmodel: {output: identity}", ""),
        (
            "vary: {train.lr: [0.1, 0.2, 0.3], train.batch_size: [8, 16]}\nbaseline: {train.lr: 0.1}\nseeds: 6",
            "6 seeds cannot decide 4 comparisons, 8 can: --set seeds=8",
        ),
        (
            "vary: {data.train: [100, 200, 300, 400]}\nbaseline: {data.train: 100}\nseeds: 4",
            "4 seeds cannot decide 3 comparisons, 5 can: --set seeds=5",
        ),
        ("vary: {data.train: [100, 200, 300, 400]}\nbaseline: {data.train: 100}\nseeds: 5", ""),
    ],
)
def test_seeds_and_metrics_that_cannot_decide_are_named_before_a_run(text: str, hint: str, tmp_path: Path) -> None:
    said = " ".join(hints(experiment_from(text, tmp_path)))
    assert said.startswith(hint)
    assert bool(said) == bool(hint)
