"""The workflow that the protocol's page offers for CI, run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from program import actbench

ROOT = Path(__file__).parent.parent


def workflow() -> dict[str, Any]:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "protocol.md").read_text("utf-8"), re.DOTALL | re.M)
    found: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)
    return found


def test_the_workflow_of_the_docs_runs_and_passes_against_its_own_results(tmp_path: Path) -> None:
    steps = workflow()["jobs"]["compare"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if "run" in step]
    assert [command[:2] for command in commands] == [["pip", "install"], ["actbench", "run"], ["actbench", "compare"]]
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    _, train, compare = commands
    assert actbench(*train[1:], folder=tmp_path).returncode == 0
    shutil.copytree(tmp_path / "new", tmp_path / "reference")
    summary = tmp_path / "summary.md"
    finished = actbench(*compare[1:], folder=tmp_path, environment={"GITHUB_STEP_SUMMARY": str(summary)})
    assert finished.returncode == 0, finished.stderr
    assert "gate: passed; 0 worse" in finished.stderr
    assert "| arm |" in summary.read_text(encoding="utf-8")
