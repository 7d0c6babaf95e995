"""`run --dry-run` of very many arms: quick, short on the screen, whole as JSON."""

from __future__ import annotations

import cProfile
from pathlib import Path

import pytest

from actbench.runs.dry_run import MAX_ARMS_SHOWN, count_to_do, dry_run_document, dry_run_sections, estimate_costs
from builders import TWO_ACTIVATIONS, experiment_from
from in_process import invoke

ARMS = 2 * 150


def with_rates(count: int) -> str:
    rates = ", ".join(str(number / 10_000) for number in range(1, count + 1))
    return TWO_ACTIVATIONS.replace("vary: {", f"vary: {{train.lr: [{rates}], ")


MANY = with_rates(ARMS // 2)


def test_of_very_many_arms_the_first_are_shown_and_all_are_in_the_document(tmp_path: Path) -> None:
    to_do = count_to_do(experiment_from(MANY, tmp_path), tmp_path / "results", tmp_path, fresh=False)
    costs = estimate_costs(to_do, 2, "cpu")
    arms, _ = dry_run_sections(to_do, costs)
    assert len(arms.rows) == MAX_ARMS_SHOWN
    assert f"{ARMS - MAX_ARMS_SHOWN} more arms not shown; --format json has them all." in arms.notes
    assert len(dry_run_document(to_do, costs)["arms"]) == ARMS


def test_a_sample_of_the_trials_gives_the_memory_and_disk_of_all(tmp_path: Path) -> None:
    few, many = (
        estimate_costs(
            count_to_do(experiment_from(text, tmp_path), tmp_path / "results", tmp_path, fresh=False), 2, "cpu"
        )
        for text in (MANY, MANY.replace("seeds: 3", "seeds: 30"))
    )
    assert few.worker_bytes == many.worker_bytes
    assert 9.9 < many.journal_bytes / few.journal_bytes < 10.1


def calls_of(*words: str) -> int:
    """The calls of functions that a command makes, which do not depend on the machine as its time does."""
    with cProfile.Profile() as profile:
        invoke(*words)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.slow
def test_a_dry_run_of_very_many_arms_takes_about_as_long_as_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls = []
    for rates in (1, 300, 600):  # what the first needs is kept
        experiment_from(with_rates(rates), tmp_path)
        calls.append([calls_of(*words, "experiment.yaml") for words in (("plan",), ("run", "--dry-run"))])
    _, (plan, dry_run), (later_plan, later_dry_run) = calls
    assert later_dry_run - dry_run < 2.5 * (later_plan - plan), calls
