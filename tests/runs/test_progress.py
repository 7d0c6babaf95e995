"""How far a run is: live on a terminal of any width, now and then in a log, and never at the cost of the training."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from actbench.plan.plan import make_plan
from actbench.runs.progress import RunState, Screen, best_arms, describe, log_progress, progress_display
from actbench.text import clock
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from planted import RELU, planted


def state(done: int, epochs: float, seconds: float = 10) -> RunState:
    return RunState(total=4, before=0, done=done, endings=Counter(), epochs=epochs, epochs_to_do=40, seconds=seconds)


def test_progress_says_how_much_time_is_left() -> None:
    assert describe(state(1, 10, 60)) == "1/4 trials, 25% of all epochs, 3:00 left, 0 diverged, 0 collapsed, 0 failed"
    assert describe(state(3, 39.9)).startswith("3/4 trials, 99% of all epochs, ")
    assert describe(state(4, 40)) == "4/4 trials, 100% of all epochs, 0 diverged, 0 collapsed, 0 failed"
    assert describe(state(0, 0, 1)) == "0/4 trials, 0% of all epochs, 0 diverged, 0 collapsed, 0 failed"
    assert clock(3725) == "1:02:05"


def test_neither_the_start_nor_earlier_epochs_distort_the_time_left() -> None:
    late = replace(state(1, 10, 60), measured_from=(5.0, 50.0))
    assert late.seconds_left() == 10 * 30 / 5
    assert replace(late, measured_from=(5.0, 58.0)).seconds_left() is None
    assert replace(late, epochs=40).seconds_left() == 0


def test_a_log_gets_a_line_at_most_every_thirty_seconds_and_one_at_the_end() -> None:
    now = iter([0.0, 1.0, 29.0, 31.0, 31.0, 60.0, 62.0, 62.0, 63.0, 63.0])
    lines: list[str] = []
    show = log_progress(lines.append, lambda: next(now))
    for done, epochs in ((0, 1), (0, 2), (1, 10), (1, 11), (2, 20), (4, 40)):
        show(state(done, epochs))
    assert [line.split(" ")[0] for line in lines] == ["1/4", "2/4", "4/4"]


def test_the_end_of_a_look_is_written_once() -> None:
    lines: list[str] = []
    show = log_progress(lines.append, lambda: 0.0)
    first = state(4, 40)
    for one in (first, replace(first, seconds=11), replace(first, total=6), replace(first, total=6, done=6)):
        show(one)
    assert [line.split(" ")[0] for line in lines] == ["4/4", "6/6"]


def test_a_quiet_run_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display(is_quiet=True) as show:
        show(state(4, 40))
    assert capsys.readouterr() == ("", "")


def test_the_best_arms_come_with_their_intervals_and_how_many_seeds_they_have(tmp_path: Path) -> None:
    more = [count + 20 for count in RELU]
    results = planted(tmp_path, {"relu": RELU, "tanh": more[:4]})
    assert best_arms(results.plan, results.records, 3) == [
        "tanh  98.03 (97.86 to 98.20), 4 of 10 seeds",
        "relu  97.86 (97.79 to 97.93), 10 of 10 seeds",
    ]
    assert len(best_arms(results.plan, results.records, 1)) == 1


def test_without_final_trials_no_arm_is_best_and_one_seed_has_no_interval(tmp_path: Path) -> None:
    plan = make_plan(experiment_from(TWO_ACTIVATIONS, tmp_path))
    assert best_arms(plan, {}, 3) == []
    first = next(iter(plan.trials().values()))
    assert best_arms(plan, {first.id: record_of(first, 180)}, 3) == ["relu  50.00, 1 of 3 seeds"]


def test_the_best_arms_are_looked_for_only_now_and_then_and_at_the_end() -> None:
    moments = iter(range(1000))
    looked: list[int] = []

    def find(found: RunState) -> list[str]:
        looked.append(found.done)
        return [str(found.done)]

    screen = Screen(lambda: float(next(moments)), 0.0, find)
    for _ in range(300):
        screen.show(state(1, 1))
    assert looked == [1]
    for _ in range(70):
        screen.show(state(2, 2))
    assert looked == [1]
    for _ in range(70):
        screen.show(state(3, 3))
    assert looked == [1, 3]
    screen.show(state(4, 40))
    assert looked == [1, 3, 4]


@pytest.mark.parametrize("columns", [40, 80])
def test_a_screen_of_any_width_has_all_of_it(columns: int) -> None:
    lines = ["gelu  97.92 (97.87 to 97.97), 4 of 10 seeds"]
    screen = Screen(lambda: 75.0, 10.0, lambda found: lines)
    console = Console(file=io.StringIO(), width=columns, legacy_windows=False)
    console.print(screen)
    screen.show(state(1, 10, 60))
    console.print(screen)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= columns
    words = " ".join(shown.split())
    for part in (
        "starting ... 1:05", "1/4 trials, 25% of all epochs, 3:00 left",
        "0 diverged, 0 collapsed, 0 failed, 1:05 so far",
        "best so far, test accuracy % (95 % interval):", lines[0].replace("  ", " "),
    ):  # fmt: skip
        assert part in words
