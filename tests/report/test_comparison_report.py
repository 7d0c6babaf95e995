"""A comparison as people and programs read it: the table, its notes, all pairs, CSV and JSON."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pandas
import pytest
from rich.console import Console

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.render.sections import Section
from actbench.render.terminal import _print_section, fitting_columns
from actbench.report.comparison import (
    arms_table,
    comparison_section,
    comparison_to_json,
    pairs_sections,
)
from actbench.report.numbers import value
from actbench.report.statements import notes, statements
from planted import (
    DIVERGED,
    FIVE_ACTIVATIONS,
    MUCH,
    NOTHING,
    RATE_OUT_OF_REACH,
    RELU,
    TUNED,
    UNTUNED,
    above,
    asked,
    five_arms,
    planted,
)
from program import actbench

BEST_ALONE = "Best: {}, distinguishable from {} ({})."
BEST_BESIDE = "Best: {}. Not distinguishable from it: {} ({})."
VERDICTS = "as the verdicts say"
BOTH = "at 5 %, Bonferroni over {} with the best; between an arm and its baseline, the verdict counts"


@pytest.fixture
def two(tmp_path: Path) -> Comparison:
    """Relu and a clearly better tanh, both tuned."""
    return asked(planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}))


@pytest.fixture
def five(tmp_path: Path) -> Comparison:
    """An arm for every verdict, and all pairs."""
    return asked(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS), all_pairs=True)


def cells(section: Section, arm: str) -> dict[str, str]:
    (row,) = [row for row in section.rows if row[0] == arm]
    return dict(zip(section.header, row, strict=True))


def best_note(comparison: Comparison) -> str:
    return "".join(one.text for one in statements(comparison, []) if one.kind == "best")


def notes_of(comparison: Comparison) -> str:
    return "\n".join(notes(statements(comparison, [])))


def test_the_table_has_every_number_with_its_unit(two: Comparison) -> None:
    section = comparison_section(two, ["a note"])
    assert section.title == "test accuracy by arm"
    assert section.notes == ["a note"]
    assert cells(section, "tanh") == {
        "arm": "tanh",
        "tuned": "0.003",
        "n (failed)": "10 (0)",
        "mean %": "98.07",
        "sd (points)": "0.099",
        "predicted sd (points)": "0.098",
        "95 % interval": "97.99 to 98.14",
        "difference (points) [95 % interval]": "+0.21 [+0.17 to +0.24]",
        "adjusted interval": "+0.17 to +0.24",
        "p": "0.002",
        "p (Holm)": "0.002",
        "P(better)": "1.00 [0.72 to 1.00]",
        "verdict": "better",
    }
    baseline = cells(section, "relu")
    assert baseline["difference (points) [95 % interval]"] == "baseline"
    assert {baseline[name] for name in ("p", "p (Holm)", "P(better)", "verdict")} == {"-"}


def test_the_share_of_seeds_won_has_an_interval_also_if_all_were(five: Comparison) -> None:
    section = comparison_section(five, [])
    assert cells(section, "mish")["P(better)"] == "0.50 [0.24 to 0.76]"
    assert cells(section, "elu")["P(better)"] == "1.00 [0.72 to 1.00]"


def test_without_tuning_there_is_no_column_of_tuned_values(tmp_path: Path) -> None:
    assert "tuned" not in comparison_section(asked(planted(tmp_path, {"relu": RELU}, UNTUNED)), []).header


def test_a_loss_has_no_unit_and_no_predicted_sd(tmp_path: Path) -> None:
    section = comparison_section(asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}), metric="test_loss"), [])
    assert section.title == "test loss by arm"
    assert section.header == [
        "arm", "tuned", "n (failed)", "mean", "sd", "95 % interval", "difference [95 % interval]",
        "adjusted interval", "p", "p (Holm)", "P(better)", "verdict",
    ]  # fmt: skip
    assert cells(section, "tanh")["mean"] == "0.5000"
    assert cells(section, "tanh")["difference [95 % interval]"] == "+0.0000 [+0.0000 to +0.0000]"
    assert value(-2.4203e23, parse_metric("test_loss"), signed=True) == "-2.42e+23"


def test_arms_are_ranked_by_mean_and_the_smallest_loss_is_first(tmp_path: Path) -> None:
    def change(label: str, _seed: int) -> dict[str, Any]:
        return {"test_loss": {"relu": 0.5, "tanh": 1.5}.get(label, 0.7)}

    text = TUNED.replace("relu, tanh", "relu, tanh, elu")
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}, text, change=change)
    for metric, expected in (("test_accuracy", ["tanh", "relu", "elu"]), ("test_loss", ["relu", "tanh", "elu"])):
        section = comparison_section(asked(results, metric=metric), [])
        assert [row[0] for row in section.rows] == expected


def test_a_metric_of_which_neither_way_is_better_has_dashes(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": RELU})
    row = cells(comparison_section(asked(results, metric="train_loss - test_loss"), []), "tanh")
    assert (row["verdict"], row["P(better)"], row["p"]) == ("-", "-", "1.000")


def test_failed_trials_stand_beside_n(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {"relu": [*RELU[:9], None], "tanh": [*RELU]}
    results = planted(tmp_path, counts, change=lambda label, seed: DIVERGED if seed < 2 and label == "tanh" else {})
    section = comparison_section(asked(results), [])
    assert cells(section, "relu")["n (failed)"] == "9 (0)"
    assert cells(section, "tanh")["n (failed)"] == "10 (2)"


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_keeps_arm_mean_difference_and_verdict(five: Comparison, width: int) -> None:
    section = comparison_section(five, [])
    kept = {section.header[index] for index in fitting_columns(section, width)}
    assert kept >= {"arm", "mean %", "difference (points) [95 % interval]", "verdict"}
    (pairs,) = pairs_sections(five)
    kept = {pairs.header[index] for index in fitting_columns(pairs, width)}
    assert kept >= {"first", "second", "difference [95 % interval]", "verdict"}


def test_a_narrow_terminal_says_what_is_not_shown_and_cuts_no_verdict(five: Comparison) -> None:
    console = Console(file=io.StringIO(), width=80)
    _print_section(console, comparison_section(five, []))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    words = set(" ".join(lines).split())
    assert {"Not", "shown", "equivalent", "within", "+-0.10", "pp", "better", "(small)"} <= words


def test_the_notes_say_what_the_numbers_are(two: Comparison) -> None:
    assert notes(statements(two, [])) == [
        "test accuracy at the last epoch over 10 seeds; sd and intervals are over seeds, on this test set.",
        "predicted sd: what a test set of this size causes by itself, sqrt(error / (2 images)).",
        "Differences are paired by seed; p is the sign-flip test, Holm over 1 comparison with the baseline; "
        "P(better): the share of seeds won, ties counting half, with Wilson's 95 % interval. The verdict uses the "
        "adjusted interval, whose confidence is that of the step in Holm's method.",
        "10 seeds show a true difference of 0.05 points 8 times in 10; a smaller one goes unnoticed more often.",
        BEST_ALONE.format("tanh", "every other arm", VERDICTS),
    ]


def test_the_notes_count_the_comparisons_that_p_is_adjusted_for(five: Comparison, tmp_path: Path) -> None:
    assert "Holm over 4 comparisons with the baseline;" in notes_of(five)
    part = {label: counts for label, counts in five_arms().items() if label != "mish"}
    found = notes_of(asked(planted(tmp_path / "part", part, FIVE_ACTIVATIONS)))
    assert "Holm over 3 comparisons with the baseline;" in found
    assert "Some differences rest on only 0 of 10 seeds" in found
    assert "never reach" not in found


def test_the_notes_say_on_how_many_seeds_a_difference_rests(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {"relu": [*RELU], "tanh": [*above(RELU, MUCH)]}
    assert "rest on only" not in notes_of(asked(planted(tmp_path / "all", counts)))
    counts["tanh"][7] = None
    found = notes_of(asked(planted(tmp_path / "without 7", counts)))
    assert "Some differences rest on only 9 of 10 seeds: the others are not in both arms, or failed." in found
    assert "So many seeds show a true difference of" in found


@pytest.mark.parametrize(("seeds", "least"), [(2, "0.500"), (3, "0.250"), (5, "0.062")])
def test_too_few_seeds_are_said_to_be_too_few_and_to_show_nothing(seeds: int, least: str, tmp_path: Path) -> None:
    counts = {"relu": RELU[:seeds], "tanh": above(RELU, MUCH)[:seeds]}
    found = notes_of(asked(planted(tmp_path, counts, TUNED.replace("seeds: 10", f"seeds: {seeds}"))))
    assert f"{seeds} seeds can never reach p (Holm) below {least} here: too few seeds to tell." in found
    assert "8 times in 10" not in found


def test_without_a_baseline_the_notes_speak_of_no_differences(tmp_path: Path) -> None:
    text = TUNED.replace("baseline: {model.activation: relu}\n", "")
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}, text))
    assert [one.kind for one in statements(comparison, []) if one.family == "baseline"] == ["no_baseline"]


@pytest.mark.parametrize(
    ("metric", "beginning"),
    [
        ("validation_loss", "validation loss at the last epoch over 10 seeds; sd and intervals are over seeds."),
        ("test_loss", "test loss at the last epoch over 10 seeds; sd and intervals are over seeds, on this test set."),
        ("validation_loss@1", "validation_loss@1 over 10 seeds; sd and intervals are over seeds."),
    ],
)
def test_only_what_is_read_off_the_test_images_is_said_to_be_so(metric: str, beginning: str, tmp_path: Path) -> None:
    assert notes_of(asked(planted(tmp_path, {"relu": RELU}), metric=metric)).startswith(beginning)


def test_the_best_set_is_a_sentence(five: Comparison, two: Comparison, tmp_path: Path) -> None:
    assert best_note(two) == BEST_ALONE.format("tanh", "every other arm", VERDICTS)
    level = asked(planted(tmp_path / "level", {"relu": RELU, "tanh": above(RELU, NOTHING)}))
    assert best_note(level) == BEST_BESIDE.format("tanh", "relu", VERDICTS)
    assert best_note(asked(planted(tmp_path / "one", {"relu": RELU}))) == ""


def test_arms_without_results_are_not_said_to_be_told_from_the_best(tmp_path: Path) -> None:
    counts = {"relu": RELU, "elu": above(RELU, MUCH), "gelu": above(RELU, above(MUCH, NOTHING))}
    found = best_note(asked(planted(tmp_path / "close", counts, FIVE_ACTIVATIONS)))
    assert found == BEST_BESIDE.format("gelu", "elu", BOTH.format("2 comparisons"))
    counts = {"relu": RELU, "elu": above(RELU, MUCH)}
    found = best_note(asked(planted(tmp_path / "far", counts, FIVE_ACTIVATIONS)))
    assert found == BEST_ALONE.format("elu", "every other arm that is judged", VERDICTS)


def test_arms_in_doubt_are_not_said_to_be_told_from_the_best(tmp_path: Path) -> None:
    best_rates = {"mish": RATE_OUT_OF_REACH}
    comparison = asked(planted(tmp_path / "one", five_arms(), FIVE_ACTIVATIONS, best_rates=best_rates))
    rule = BOTH.format("3 comparisons")
    assert best_note(comparison) == BEST_ALONE.format("tanh", "every other arm that is judged", rule)
    close = five_arms() | {"elu": above(RELU, above(MUCH, NOTHING))}
    comparison = asked(planted(tmp_path / "two", close, FIVE_ACTIVATIONS, best_rates=best_rates))
    assert best_note(comparison) == BEST_BESIDE.format("elu", "tanh", rule)


def test_all_pairs_are_a_table_of_their_own(five: Comparison) -> None:
    (section,) = pairs_sections(five)
    assert section.title == "test accuracy, all pairs"
    assert len(section.rows) == 10
    assert section.rows[0] == [
        "relu", "tanh", "10", "-0.21 [-0.24 to -0.17]", "-0.27 to -0.15", "0.002", "0.020",
        "0.00 [0.00 to 0.28]", "worse",
    ]  # fmt: skip
    assert section.notes == [
        "Difference: first minus second in points; the verdict is on the first; p (Holm) is over 10 pairs."
    ]


JSON_KEYS = {
    "arm", "n", "failed", "mean", "sd", "ci", "difference", "difference_ci", "p", "p_holm", "probability_better",
    "verdict",
}  # fmt: skip


def test_csv_has_one_row_for_each_arm_and_pandas_reads_it(five: Comparison) -> None:
    table = pandas.read_csv(io.StringIO(arms_table(five).to_csv()))
    assert list(table["arm"]) == list(table["model.activation"]) == list(five_arms())
    assert list(table["tuned"]) == [0.003] * 5
    assert list(table["mean"]) == pytest.approx([sum(counts) / 10 / 10_000 for counts in five_arms().values()])
    assert list(table["difference"][1:]) == pytest.approx([0.00206, 0.0005, 0.00001, 0.00005])
    assert (table["difference_ci_low"][1:] < table["difference"][1:]).all()
    assert (table["difference"][1:] < table["difference_ci_high"][1:]).all()
    assert list(table["verdict"][1:3]) == ["better", "better (small)"]
    assert table.loc[0, "difference":"verdict"].isna().all()


def test_csv_leaves_empty_what_was_not_tuned(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}, UNTUNED))
    assert [row["tuned"] for row in arms_table(comparison).rows] == [None, None]


def test_collapsed_trials_have_a_column_for_programs(tmp_path: Path) -> None:
    results = planted(
        tmp_path,
        {"relu": RELU, "tanh": [980, *RELU[1:]]},
        change=lambda label, seed: (
            {"test_prediction_counts": (10_000, *[0] * 9)} if (label, seed) == ("tanh", 0) else {}
        ),
    )
    found = {row["arm"]: (row["n"], row["failed"], row["collapsed"]) for row in arms_table(asked(results)).rows}
    assert found == {"relu": (10, 0, 0), "tanh": (10, 1, 1)}


def test_json_holds_everything_that_the_table_says(five: Comparison) -> None:
    document = json.loads(json.dumps(comparison_to_json(five), allow_nan=False))
    assert document.keys() == {
        "metric", "baseline", "seeds", "arms", "margin", "best_set", "detectable_difference", "pairs",
    }  # fmt: skip
    assert (document["metric"], document["baseline"]) == ("test_accuracy", {"model.activation": "relu"})
    assert (document["seeds"], document["margin"]) == (list(range(10)), 0.001)
    assert all(arm.keys() > JSON_KEYS for arm in document["arms"])
    relu, tanh, *_ = document["arms"]
    assert relu["difference"] is relu["difference_ci"] is relu["p"] is relu["verdict"] is None
    assert tanh["arm"] == {"model.activation": "tanh"}
    assert tanh["tuned"] == {"train.lr": 0.003}
    assert tanh["difference_ci"][0] < tanh["difference"] == 0.00206 < tanh["difference_ci"][1]
    assert (tanh["p"], tanh["p_holm"], tanh["verdict"]) == (2 / 2**10, 8 / 2**10, "better")
    assert document["best_set"] == ["tanh", "mish"]
    assert len(document["pairs"]) == 10
    assert document["pairs"][0]["first"] == "relu"
    assert document["pairs"][0]["verdict"] == "worse"


def test_json_has_pairs_only_where_they_are_asked_for(two: Comparison) -> None:
    assert "pairs" not in comparison_to_json(two)


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss", "layer1.mean", "train_loss / test_loss"])
@pytest.mark.parametrize(
    "counts", [{}, {"relu": [0]}, {"relu": [9800], "tanh": [9800]}, {"relu": [9800] * 10, "tanh": [9810] * 10}]
)
def test_no_format_ever_says_nan(counts: dict[str, list[int]], metric: str, tmp_path: Path) -> None:
    results = planted(tmp_path, counts, change=lambda _, seed: DIVERGED if seed % 2 else {})
    options = ("--metric", metric, "--all-pairs", "--format")
    for form in ("table", "markdown", "csv"):
        text = actbench("compare", results.folder, *options, form, folder=results.folder).stdout
        assert text.endswith("\n")
        assert not {"nan", "inf", "infinity", "none"} & set(text.lower().replace(",", " ").split())
    document = json.loads(
        actbench("compare", results.folder, *options, "json", folder=results.folder).stdout, parse_constant=pytest.fail
    )
    numbers = [one for arm in document["arms"] for one in arm.values() if isinstance(one, float)]
    assert all(map(math.isfinite, numbers))
