"""The rounds: who is measured when, who is left out, and what ends the run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import typer

from actbench.errors import ConfigurationError
from benchmarks import __main__ as program
from benchmarks.contest import CONTESTANTS
from benchmarks.job import FULL, QUICK, Job
from benchmarks.measurement import LeftOutError, Measurement, measurement_of, require
from benchmarks.rounds import ContestantFailedError, NotLearntError, measure_in_process, run_rounds


def learnt(name: str, accuracy: float | None = 0.95) -> tuple[Measurement, float]:
    return Measurement({name: 0.5}, models=4, epochs=2, timed_seconds=4.0, accuracy=accuracy), 5.5


def measured(names: list[str], rounds: int, accuracies: dict[str, float | None], seen: list[list[str]]) -> list[str]:
    """Run the rounds with made-up accuracies; what was said. `seen` gets the contestants after each measurement."""
    said: list[str] = []
    for course in run_rounds(names, rounds, FULL, lambda name: learnt(name, accuracies.get(name, 0.95)), said.append):
        seen.append([f"{entry.contestant} {entry.round}" for entry in course.entries])
    return said


def test_seconds_are_shared_among_models_and_epochs() -> None:
    assert measurement_of("one", 12.0, models=3, epochs=2, accuracy=0.9).seconds == {"one": 2.0}


def test_everybody_is_measured_once_in_every_round_in_the_rotated_order() -> None:
    seen: list[list[str]] = []
    said = measured(["floor", "actbench", "jax"], 2, {}, seen)
    assert seen[-1] == ["floor 1", "actbench 1", "jax 1", "actbench 2", "jax 2", "floor 2"]
    assert said[0] == "round 1 of 2: floor 0.5 s per model and epoch"


@pytest.mark.parametrize("accuracy", [0.8999, 0.1, math.nan])
def test_a_contestant_that_does_not_learn_ends_the_run_and_what_was_measured_before_is_kept(accuracy: float) -> None:
    seen: list[list[str]] = []
    with pytest.raises(NotLearntError, match=r"jax has not learnt: validation accuracy \S+ after 2 epochs") as failure:
        measured(["floor", "jax", "sklearn"], 1, {"floor": None, "jax": accuracy}, seen)
    assert failure.value.exit_code == 1
    assert seen == [["floor 1"]]


@pytest.mark.parametrize("accuracy", [0.90, None])
def test_just_enough_is_enough_and_the_floor_need_not_learn(accuracy: float | None) -> None:
    seen: list[list[str]] = []
    measured(["floor"], 1, {"floor": accuracy}, seen)
    assert seen == [["floor 1"]]


def test_a_contestant_that_cannot_take_part_is_asked_once_and_the_reason_is_said() -> None:
    asked: list[str] = []
    said: list[str] = []

    def measure(name: str) -> tuple[Measurement, float]:
        asked.append(name)
        if name == "jax":
            raise LeftOutError("jax is not installed")
        return learnt(name)

    *_, course = run_rounds(["floor", "jax"], 2, FULL, measure, said.append)
    assert asked == ["floor", "jax", "floor"]
    assert course.left_out == {"jax": "jax is not installed"}
    assert "jax is left out: jax is not installed" in said


def test_the_command_ends_with_1_where_a_contestant_does_not_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(name: str, job: Job) -> tuple[Measurement, float]:
        return learnt(name, accuracy=None if name == "floor" else 0.12)

    monkeypatch.setattr(program, "measure_in_process", measure)
    with pytest.raises(typer.Exit) as ended:
        program.main(rounds=2, only="floor,sklearn", out=tmp_path, quick=True)
    assert ended.value.exit_code == 1
    shown = capsys.readouterr()
    assert "sklearn has not learnt: validation accuracy 0.1200" in shown.err
    assert shown.out == ""
    assert "| floor | 0.500 |" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_a_contestant_that_breaks_ends_the_run_with_its_own_message() -> None:
    with pytest.raises(ContestantFailedError, match=r"nobody ended with code 2: .*invalid choice: 'nobody'") as failure:
        measure_in_process("nobody", QUICK)
    assert failure.value.exit_code == 3


def test_a_package_that_is_not_installed_leaves_its_contestant_out_and_a_broken_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LeftOutError, match="absent_one or absent_two is not installed"):
        require("absent_one", "absent_two")
    (tmp_path / "broken_package.py").write_text("import absent_part\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_part"):
        require("broken_package")
    assert require("absent_one", "math") is math


def test_names_are_taken_in_the_usual_order_and_unknown_ones_are_told_with_the_nearest() -> None:
    assert program.parse_names(None) == list(CONTESTANTS)
    assert program.parse_names("jax, floor") == ["floor", "jax"]
    with pytest.raises(ConfigurationError, match=r"'flor' is no contestant.*floor"):
        program.parse_names("flor,jax")
    with pytest.raises(ConfigurationError, match="no name"):
        program.parse_names(" ,")
