"""One walk through all verbs, which several tests look at."""

from __future__ import annotations

import pytest
import typer

from actbench.cli.app import app
from actbench.training.compiled import OFF_VARIABLE
from custom_files import custom_file
from watched import EXPERIMENT, PRIVATE, VERBS, Walk, watch

ABSOLUTE = {"tiny.yaml", "own.py", "results/tiny", "page.html", "pictures", "merged", "logs", "new.yaml"}


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Every verb run with absolute paths, in a folder whose name and environment nobody else should learn."""
    folder = tmp_path_factory.mktemp("pr1vate-folder")
    (folder / "tiny.yaml").write_text(EXPERIMENT, encoding="utf-8")
    custom_file(folder, name="own.py")
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(known) <= set(VERBS), "a new verb needs a command line in watched.py"
    verbs = [verb for verb in VERBS if verb in known]
    lines = [[str(folder / word) if word in ABSOLUTE else word for word in VERBS[verb]] for verb in verbs]
    compiles_nothing = {OFF_VARIABLE: "1"}  # in a home without a cache, for five seconds
    return Walk(folder, dict(zip(verbs, watch(folder, lines, PRIVATE | compiles_nothing), strict=True)))
