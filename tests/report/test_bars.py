"""Interval bars: in the terminal's table of arms, where there is room, and nowhere else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from actbench.render.sections import Section, without_sparks
from actbench.render.terminal import _print_section, fitting_columns
from actbench.report.comparison import interval_bar, with_interval_bars
from actbench.report.contents import comparison_sections
from actbench.statistics.intervals import Estimate
from actbench.store.results import Results
from planted import FIVE_ACTIVATIONS, RELU, UNTUNED, asked, five_arms, planted
from program import actbench


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)


def estimate(mean: float | None, interval: tuple[float, float] | None = None) -> Estimate:
    return Estimate(3, mean, None, interval)


@pytest.mark.parametrize(
    ("own", "bar"),
    [
        (estimate(0.5, (0.0, 1.0)), "├───────────●───────────┤"),
        (estimate(0.75, (0.5, 1.0)), " " * 12 + "├─────●─────┤"),
        (estimate(0.0, (0.0, 0.0)), "●"),
        (estimate(1.0), " " * 24 + "●"),
        (estimate(None), ""),
    ],
)
def test_a_bar_runs_over_the_interval_with_the_mean_in_it(own: Estimate, bar: str) -> None:
    assert interval_bar(own, 0.0, 1.0) == bar


def test_bars_stand_beside_their_intervals_on_one_scale(results: Results) -> None:
    comparison = asked(results)
    (section,) = comparison_sections(comparison, [results])
    barred = with_interval_bars(section, comparison)
    at = barred.header.index("95 % interval") + 1
    assert barred.header[at].startswith("bars from 97.")
    assert [*barred.header[:at], *barred.header[at + 1 :]] == section.header
    assert [[*row[:at], *row[at + 1 :]] for row in barred.rows] == section.rows
    bars = [row[at] for row in barred.rows]
    assert all(bar.count("●") == 1 for bar in bars)
    assert [bar.index("●") for bar in bars] == sorted((bar.index("●") for bar in bars), reverse=True)
    assert {barred.header[index] for index in barred.prose} == {"verdict"}


def test_bars_give_way_to_everything_but_the_p_values(results: Results) -> None:
    comparison = asked(results)
    (section,) = comparison_sections(comparison, [results])
    barred = with_interval_bars(section, comparison)
    order = [barred.header[index] for index in barred.importance]
    at = next(number for number, name in enumerate(order) if name.startswith("bars"))
    assert {"arm", "mean %", "verdict", "sd (points)"} <= set(order[:at])
    assert {"p", "p (Holm)", "P(better)"} <= set(order[at:])
    narrow, wide = (fitting_columns(barred, width) for width in (100, 200))
    bars = barred.importance[at]
    assert bars not in narrow
    assert bars in wide


def test_arms_that_do_not_differ_have_no_bars(tmp_path: Path) -> None:
    alone = planted(tmp_path, {"all trials": RELU}, UNTUNED.split("vary:")[0] + "seeds: 10\n")
    (section,) = comparison_sections(asked(alone), [alone])
    assert with_interval_bars(section, asked(alone)) is section


def test_only_the_comparison_in_a_terminal_or_pipe_has_bars(results: Results) -> None:
    formats = {"compare": ("table", "markdown", "csv", "json", "latex"), "report": ("table", "markdown", "latex")}
    drawn = [
        (verb, output_format)
        for verb, known in formats.items()
        for output_format in known
        if "●" in actbench(verb, results.folder, "--format", output_format, folder=results.folder).stdout
    ]
    assert drawn == [("compare", "table")]


def test_what_cannot_draw_boxes_gets_plain_ones(results: Results) -> None:
    comparison = asked(results)
    (section,) = comparison_sections(comparison, [results])
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=stream, width=400)
    with console.capture() as captured:
        _print_section(console, with_interval_bars(section, comparison))
    assert captured.get().isascii()
    assert "-o-" in captured.get()


def test_curves_in_characters_are_dropped_and_importance_follows() -> None:
    section = Section("t", ["arm", "curve", "last"], [["relu", "▁▅█", "1"]], importance=(0, 2, 1), prose=(2,))
    kept = without_sparks(section)
    assert (list(kept.header), list(kept.importance), list(kept.prose)) == (["arm", "last"], [0, 1], [1])
    assert without_sparks(Section("t", ["arm", "note"], [["relu", ""]])).header == ["arm", "note"]
