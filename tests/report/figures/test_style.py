"""The look of all pictures, and their files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.figures.style import (
    BASELINE,
    COLOURS,
    FOREGROUND,
    SEED,
    SEED_ALPHA,
    colour_map,
    contrast,
    drawing,
    figure_to_svg,
    save_figure,
    strokes,
    text_colour,
)

NEAR_BLACK = "#121417"
DRAW_AND_SAVE = """
import sys
from pathlib import Path
from matplotlib.figure import Figure
from actbench.report.figures.style import drawing, save_figure
with drawing():
    figure = Figure(figsize=(3.4, 2.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([1, 2, 3], marker="o", label="relu")
    axes.legend()
save_figure(figure, Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("colour", "alpha"), [*((colour, 1.0) for colour in COLOURS), (SEED, SEED_ALPHA)])
@pytest.mark.parametrize("page", ["#ffffff", NEAR_BLACK])
def test_every_colour_stands_out_on_a_white_and_on_a_dark_page(colour: str, alpha: float, page: str) -> None:
    behind = to_rgb(page)
    seen = [alpha * part + (1 - alpha) * under for part, under in zip(to_rgb(colour), behind, strict=True)]
    assert contrast(seen, behind) >= 3


def test_strokes_differ_in_marker_and_in_colour_and_dashes_together() -> None:
    chosen = list(strokes([f"arm {number}" for number in range(10)]).values())
    assert len({stroke.marker for stroke in chosen}) == 10
    assert len({(stroke.colour, stroke.dashes) for stroke in chosen}) == 10


def test_the_baselines_stroke_is_kept_for_it() -> None:
    chosen = strokes(["relu", "tanh", "gelu"], ["tanh"])
    assert chosen["tanh"] == BASELINE
    others = [chosen["relu"], chosen["gelu"]]
    assert all(stroke.marker != BASELINE.marker and stroke.colour != FOREGROUND for stroke in others)
    assert BASELINE not in strokes(["relu", "tanh"]).values()


def test_text_on_any_cell_has_a_contrast_of_at_least_four_and_a_half() -> None:
    for share in range(101):
        cell = colour_map()(share / 100)
        assert contrast(cell, to_rgb(text_colour(cell))) >= 4.5


def test_the_users_settings_of_matplotlib_change_nothing() -> None:
    def drawn() -> str:
        with drawing():
            figure = Figure(figsize=(3.4, 2.0), layout="constrained")
            figure.subplots().plot([1, 2, 3])
        return figure_to_svg(figure, "x", "T", "D")

    usual = drawn()
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.grid": True, "svg.fonttype": "path"}):
        assert drawn() == usual
        assert mpl.rcParams["font.size"] == 20


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_files_are_the_same_bytes_in_another_process(ending: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.{ending}" for seed in (1, 2)]
    for seed, path in enumerate(paths):
        command = [sys.executable, "-c", DRAW_AND_SAVE, str(path)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": str(seed)})
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(first) > 1000


def test_another_suffix_and_a_missing_folder_are_errors_in_one_sentence(tmp_path: Path) -> None:
    figure = Figure()
    with pytest.raises(ConfigurationError, match=r"x\.txt: expected a name that ends in svg, png, pdf"):
        save_figure(figure, tmp_path / "x.txt")
    with pytest.raises(UnusableEnvironmentError, match="cannot be written"):
        save_figure(figure, tmp_path / "missing" / "x.png")
