"""What docs/notebook.md says, run as a notebook by a real kernel."""

from __future__ import annotations

import re
from typing import Any

import pytest

from places import ROOT

DOCUMENT = ROOT / "docs" / "notebook.md"
SECONDS_FOR_A_CELL = 600


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each cell has shown, by the kind of output."""
    import nbclient
    import nbformat

    folder = tmp_path_factory.mktemp("notebook")
    cells = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS_FOR_A_CELL, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [_by_kind(cell.outputs) for cell in notebook.cells]


def _by_kind(shown: list[Any]) -> dict[str, Any]:
    """Streams by name, and what a cell's last line gives by its type."""
    found: dict[str, Any] = {}
    for output in shown:
        if output.output_type == "stream":
            found[output.name] = found.get(output.name, "") + output.text
        else:
            found |= output.data
    return found


def test_a_run_tells_how_far_it_is_and_shows_its_table(outputs: list[dict[str, Any]]) -> None:
    run = outputs[0]
    assert "trained now, 0 diverged, 0 collapsed, 0 failed" in run["stderr"]
    assert "stdout" not in run
    assert "<table>" in run["text/html"]
    assert "test accuracy by arm" in run["text/html"]
    assert run["text/plain"].startswith("<ResultFolder results/quickstart: 8 arms x 3 seeds, ")


def test_frames_are_shown_as_pandas_shows_them(outputs: list[dict[str, Any]]) -> None:
    trials, curves = outputs[1], outputs[2]
    assert "leaky_relu" in trials["text/html"]
    assert "epoch" in curves["text/plain"]


def test_pictures_and_the_page_are_shown(outputs: list[dict[str, Any]]) -> None:
    picture, page = outputs[3], outputs[4]
    assert "<svg" in picture["text/html"]
    assert page["text/html"].startswith("<iframe ")


def test_comparisons_are_shown_with_their_verdicts(outputs: list[dict[str, Any]]) -> None:
    comparison, against_another_folder = outputs[5], outputs[6]
    assert "validation loss by arm" in comparison["text/html"]
    assert comparison["text/plain"].startswith("Which activation gives the lowest validation loss on digits?")
    assert "stderr" not in against_another_folder
    assert "verdict" in against_another_folder["text/plain"]


def test_a_mistake_is_caught_with_its_message(outputs: list[dict[str, Any]]) -> None:
    assert "'quickstrat': no such file" in outputs[7]["stdout"]
    assert "did you mean quickstart?" in outputs[7]["stdout"]
