"""A library that cannot be imported ends the command; it is no trial's failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actbench.errors import EXIT_ENVIRONMENT, UnusableEnvironmentError
from actbench.experiment.records import TrialRecord
from actbench.runs.executors.ray import stream_training
from actbench.store.journal import read_journal
from program import TINY, Finished, actbench_alone, assert_one_message

CAUSE = "ImportError: libcudart.so: cannot open shared object file"
MESSAGE = f"actbench: cannot import {{}} ({CAUSE}). Run `actbench doctor`."


def without(library: str, folder: Path, *arguments: str) -> Finished:
    """What a command comes to where this library raises when it is imported."""
    broken = folder / "broken" / library
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text('raise ImportError("libcudart.so: cannot open shared object file")\n')
    return actbench_alone(*arguments, folder=folder, environment={"PYTHONPATH": str(broken.parent)})


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_without_torch_ends_before_any_trial_is_recorded(jobs: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    finished = without("torch", tmp_path, "run", "tiny.yaml", "--jobs", jobs)
    assert_one_message(finished, EXIT_ENVIRONMENT, MESSAGE.format("torch"))
    assert read_journal(tmp_path / "results" / "tiny").records == {}


@pytest.mark.parametrize(("library", "line"), [("torch", "show relu --cost"), ("scipy", "plan tiny.yaml")])
def test_a_verb_without_a_library_says_what_to_do(library: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    assert_one_message(without(library, tmp_path, *line.split()), EXIT_ENVIRONMENT, MESSAGE.format("a library"))


def test_a_node_without_torch_ends_the_run_too() -> None:
    def train(*_arguments: Any) -> list[TrialRecord]:
        raise UnusableEnvironmentError("no torch")

    nothing: Any = None
    with pytest.raises(UnusableEnvironmentError, match="no torch"):
        list(stream_training(train, "cpu", (), nothing))
