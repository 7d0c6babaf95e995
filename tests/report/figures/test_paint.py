"""Pictures as files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.figures.marks import Area, Dot, Group, Line, Scene, Text, box
from actbench.report.figures.paint import save_scene

SCENE = Scene(
    240,
    120,
    [
        Area(box(0, 0, 50, 20), "band"),
        Group([Line([(0, 0), (100, 50)], "#0072b2", 2, (4, 2)), Dot(50, 50, 4, marker="D"), Dot(60, 50, 4)], "relu"),
        Dot(80, 50, 4, marker="x"),
        Text(10, 100, "relu $x$ & <b>", 9, is_bold=True),
    ],
)
SAVE = """
import sys
from pathlib import Path
from actbench.report.figures.marks import Line, Scene, Text
from actbench.report.figures.paint import save_scene
scene = Scene(200, 100, [Line([(0, 0), (100, 50)]), Text(5, 50, "relu", 9)])
for path in sys.argv[1:]:
    save_scene(scene, Path(path), "T", "D")
"""


@pytest.mark.parametrize(("suffix", "signature"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
@pytest.mark.parametrize("font", ["sans", "serif"])
def test_a_picture_is_saved_in_the_format_of_its_name(suffix: str, signature: bytes, font: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    save_scene(SCENE, path, "T", "D", font)
    assert path.read_bytes().startswith(signature)


@pytest.mark.slow
def test_files_are_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    suffixes = ("svg", "png", "pdf")
    for seed in (1, 2):
        command = [sys.executable, "-c", SAVE, *(str(tmp_path / f"{seed}.{suffix}") for suffix in suffixes)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": str(seed)})
    for suffix in suffixes:
        first, second = (tmp_path / f"{seed}.{suffix}" for seed in (1, 2))
        assert first.read_bytes() == second.read_bytes(), suffix


def test_the_users_settings_of_matplotlib_change_nothing(tmp_path: Path) -> None:
    usual, other = tmp_path / "usual.png", tmp_path / "other.png"
    save_scene(SCENE, usual, "T", "D")
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.grid": True}):
        save_scene(SCENE, other, "T", "D")
        assert mpl.rcParams["font.size"] == 20
    assert usual.read_bytes() == other.read_bytes()


def test_another_suffix_and_a_missing_folder_are_errors_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"x\.txt: expected a name that ends in svg, png, pdf"):
        save_scene(SCENE, tmp_path / "x.txt", "T", "D")
    for suffix in ("svg", "png"):
        with pytest.raises(UnusableEnvironmentError, match="cannot be written"):
            save_scene(SCENE, tmp_path / "missing" / f"x.{suffix}", "T", "D")
