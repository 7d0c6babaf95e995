"""What is said before a run: trials, time, and what its seeds can show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actbench.runs.estimates import START_SECONDS
from actbench.runs.forecast import forecast, forecast_document, forecast_sections
from actbench.statistics.power import detectable_difference, shown_difference
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from
from program import actbench

TUNED = """
name: planned
data: {dataset: mnist}
model: {hidden: [8]}
train: {epochs: 2}
vary: {model.activation: [relu, tanh, gelu]}
tune: {train.lr: [1e-3, 1e-2]}
tuning_seeds: 2
seeds: 18
baseline: {model.activation: relu}
"""


def rows(text: str, folder: Path, workers: int = 2) -> dict[str, str]:
    section, _ = forecast_sections(forecast(experiment_from(text, folder), None, workers))
    return {row[0]: row[1] for row in section.rows}


def test_tuning_and_final_trials_are_counted(tmp_path: Path) -> None:
    found = rows(TUNED, tmp_path)
    assert found["arms"] == "3"
    assert found["tuning trials"].startswith("12 (4 for each arm")
    assert found["final trials"] == "54 (18 seeds)"
    assert "tuning trials" not in rows(TUNED.replace("tune:", "#").replace("tuning_seeds:", "#"), tmp_path)


def test_twice_the_workers_take_half_the_time(tmp_path: Path) -> None:
    long = TUNED.replace("epochs: 2", "epochs: 2000")
    one, two = (rows(long, tmp_path, workers)["time"] for workers in (1, 2))
    minutes = [[int(part) for part in text.split()[1].split(":")] for text in (one, two)]
    seconds = [sum(60 ** (len(parts) - 1 - i) * part for i, part in enumerate(parts)) for parts in minutes]
    assert seconds[0] - START_SECONDS == pytest.approx(2 * (seconds[1] - START_SECONDS), abs=2)


def test_the_tables_of_the_reference_come_out_for_mnist(tmp_path: Path) -> None:
    _, power = forecast_sections(forecast(experiment_from(TUNED, tmp_path), None, 1))
    assert [row[:2] for row in power.rows][:3] == [["0.05", "65"], ["0.10", "18"], ["0.20", "7"]]
    assert power.header[2] == "seeds, 2 comparisons"
    assert "10,000 test images" in power.notes[-1]


def test_seeds_that_can_show_nothing_are_told_so(tmp_path: Path) -> None:
    _, power = forecast_sections(forecast(experiment_from(TUNED.replace("seeds: 18", "seeds: 3"), tmp_path), None, 1))
    assert "The 3 seeds planned here can show nothing: it takes at least 7." in power.notes
    assert shown_difference(3, 0.001, comparisons=2) is None
    assert shown_difference(8, 0.001, comparisons=2) == detectable_difference(8, 0.001, comparisons=2)


def test_a_smaller_test_set_scatters_more(tmp_path: Path) -> None:
    digits = experiment_from(TUNED.replace("dataset: mnist", "dataset: digits"), tmp_path)
    _, power = forecast_sections(forecast(digits, None, 1))
    assert "360 test images" in power.notes[-1]
    assert int(power.rows[1][1]) > 400


def test_an_assumed_spread_is_the_least_and_one_comparison_is_one_column(tmp_path: Path) -> None:
    _, power = forecast_sections(forecast(experiment_from(TUNED, tmp_path), None, 1))
    assert any("planned here show a difference of at least 0." in note for note in power.notes)
    assert "--pilot FOLDER" in power.notes[-1]
    two = experiment_from(TUNED.replace(", gelu", ""), tmp_path)
    assert forecast_sections(forecast(two, None, 1))[1].header == ["true difference (points)", "seeds, one comparison"]


def test_a_pilot_without_differences_is_not_asked_for_again(tiny: Path) -> None:
    pilot = load_results(tiny / "results" / "tiny", tiny)
    arms = tuple((arm, trials[:1]) for arm, trials in pilot.plan.arms)
    _, power = forecast_sections(forecast(pilot.experiment, replace(pilot, plan=replace(pilot.plan, arms=arms)), 1))
    assert power.notes[-1].endswith(
        "tiny shows no spread: it takes two seeds in which an arm's differences are not equal."
    )


def test_a_pilot_gives_time_and_spread(tiny: Path) -> None:
    pilot = load_results(tiny / "results" / "tiny", tiny)
    trials, power = forecast_sections(forecast(pilot.experiment, pilot, 1))
    assert "from 12 trials" in trials.notes[0]
    assert power.notes[-1].startswith("Spread: the sd of differences")
    assert power.header[2] == "seeds, 2 comparisons"


def test_the_verb_plans_without_torch_or_data_and_takes_the_experiments_own_results(tiny: Path, tmp_path: Path) -> None:
    finished = actbench("plan", "tiny.yaml", folder=tiny)
    assert finished.returncode == 0, finished.stderr
    assert "from 12 trials in results/tiny" in finished.stdout
    (tmp_path / "planned.yaml").write_text(TUNED, encoding="utf-8")
    assert "a guess from 60 billion operations" in actbench("plan", "planned.yaml", folder=tmp_path).stdout


def test_looks_take_between_the_first_and_the_last_of_them(tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS.replace("seeds: 3", "seeds: {looks: [5, 12, 20]}") + "margin: 0.02\n"
    found = forecast_document(forecast(experiment_from(text, tmp_path), None, 1))
    looks = found["looks"]
    assert looks["after"] == (7, 12, 20)  # 5 seeds could decide nothing
    assert looks["least"] == 2 * 7 <= looks["all_equal"] <= looks["most"] == found["final_trials"] == 2 * 20
    assert looks["least"] <= looks["one_apart"] <= looks["most"]
    (trials, _) = forecast_sections(forecast(experiment_from(text, tmp_path), None, 1))
    assert ["looks", "after 7, 12 and 20 seeds"] in [list(row) for row in trials.rows]
    assert forecast_document(forecast(experiment_from(TWO_ACTIVATIONS, tmp_path), None, 1))["looks"] is None
