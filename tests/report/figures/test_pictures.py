"""The pictures of a report: which there are, what they show and what they say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from actbench.analysis.comparison import compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Curves, Trial, TrialRecord
from actbench.report.figures.layout import Picture
from actbench.report.figures.pictures import pictures
from actbench.report.figures.style import CELL_POINTS, COLUMN_INCHES, PAGE_INCHES, figure_to_svg
from actbench.store.results import Results
from builders import TWO_ACTIVATIONS, record_of
from drawn import comparison_of, misplaced_texts, pictures_of, renamed, results_from, texts, trained

TUNED = TWO_ACTIVATIONS + "tune: {train.lr: [1e-3, 3e-3, 1e-2]}\n"
SEVERAL_TUNED = TWO_ACTIVATIONS + "tune: {train.lr: [1e-3, 3e-3, 1e-2], model.dropout: [0.0, 0.2]}\n"
EIGHT = """
name: eight
data: {dataset: mnist}
model: {hidden: [8, 8]}
train: {epochs: 6}
vary: {model.activation: [relu, tanh, sigmoid, gelu, swish, mish, elu, selu]}
tune: {train.lr: [1e-3, 3e-3, 1e-2]}
seeds: 4
baseline: {model.activation: relu}
"""
HOSTILE = [
    "</script><img onerror=alert(1)>", "{{7*7}}", r"$\foo$", "=cmd()|' /C calc'!A0", r"a_b^c\d", 'id="x" url(#x)',
    "\x1b[31mred\u202e", "long " * 30,
]  # fmt: skip
TWO_FACTORS = """
name: two-factors
data: {dataset: mnist}
model: {hidden: [8, 8]}
train: {epochs: 3}
vary:
  model.activation: [relu, tanh, {leaky_relu: {negative_slope: 0.1}}, {leaky_relu: {negative_slope: 0.2}}]
  model.init: [kaiming_normal, xavier_uniform, torch_default]
seeds: 3
baseline: {model.init: kaiming_normal}
"""
THREE_FACTORS = TWO_FACTORS.replace("seeds: 3", "  train.batch_size: [32, 64]\nseeds: 3")
NO_HIDDEN_LAYER = """
name: one-arm
data: {dataset: thermostat, validation: 0, scale: none}
model: {hidden: [], output: sigmoid}
train: {loss: bce, epochs: 300}
seeds: 3
"""
ALWAYS = ["arms", "curves", "seeds", "inside", "functions", "time"]


def svg_of(picture: Picture) -> str:
    return figure_to_svg(picture.draw(), picture.name, picture.title, picture.description)


def words(svg: str) -> str:
    return "\n".join(texts(svg))


def plain_record(trial: Trial) -> TrialRecord:
    """A record of a time when there were no probes and no times."""
    return record_of(trial)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return renamed(results_from(EIGHT, tmp_path_factory.mktemp("hostile"), some_fail), HOSTILE)


def some_fail(trial: Trial) -> TrialRecord:
    """One diverges, one fails and one predicts a single class."""
    record, name = trained(trial), trial.settings.model.activation.name
    if trial.phase == "final" and (name, trial.seed) == ("tanh", 1):
        early = {name: getattr(record.curves, name)[:2] for name in Curves.model_fields}
        changes = {"outcome": "diverged", "diverged_epoch": 2, "curves": Curves(**early), "test_correct_count": 980}
        return record.model_copy(update=changes)
    if trial.phase == "final" and (name, trial.seed) == ("gelu", 2):
        return record_of(trial, outcome="failed", cause="boom").model_copy(
            update={"curves": Curves(), "test_correct_count": None, "test_loss": None}
        )
    if trial.phase == "final" and (name, trial.seed) == ("mish", 3):
        return record.model_copy(update={"test_prediction_counts": (0, 10_000), "test_correct_count": 1010})
    return record


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TWO_ACTIVATIONS, ALWAYS),
        (TUNED, [*ALWAYS[:3], "sensitivity", *ALWAYS[3:]]),
        (TWO_FACTORS, [*ALWAYS[:3], "factors", *ALWAYS[3:]]),
        (NO_HIDDEN_LAYER, ["arms", "curves", "seeds", "inside"]),
        (TWO_ACTIVATIONS.replace("seeds: 3", "seeds: 1"), ["arms", "curves", "inside", "functions", "time"]),
    ],
    ids=["two arms", "tuned", "two factors", "no hidden layer", "one seed"],
)
def test_there_are_those_that_there_are_data_for_in_the_reports_order(
    text: str, expected: list[str], tmp_path: Path
) -> None:
    assert list(pictures_of(results_from(text, tmp_path))) == expected


def test_without_probes_times_or_any_trial_their_pictures_are_missing(tmp_path: Path) -> None:
    results = results_from(TWO_ACTIVATIONS, tmp_path, plain_record)
    assert list(pictures_of(results)) == ["arms", "curves", "seeds", "functions"]
    assert list(pictures_of(replace(results, records={}))) == ["functions"]


def test_while_tuning_is_not_finished_there_is_what_it_tried_so_far(tmp_path: Path) -> None:
    results = results_from(TUNED, tmp_path)
    tuning = replace(results.plan.tunings[0], chosen=None, edges=())
    arms = tuple((arm, ()) for arm, _ in results.plan.arms)
    unfinished = replace(results, plan=replace(results.plan, arms=arms, tunings=(tuning,)))
    found = pictures_of(unfinished)
    assert list(found) == ["sensitivity", "functions"]
    assert "nothing is chosen yet" in found["sensitivity"].description
    assert misplaced_texts(found["sensitivity"].draw()) == []


def test_every_picture_is_the_same_bytes_when_it_is_drawn_again(tmp_path: Path) -> None:
    text = TUNED.replace("[relu, tanh]", "[relu, tanh], model.init: [kaiming_normal, xavier_normal]")
    first, second = (pictures_of(results_from(text, tmp_path)) for _ in range(2))
    assert len(first) == 8
    assert [svg_of(picture) for picture in first.values()] == [svg_of(picture) for picture in second.values()]


def test_no_two_pictures_of_a_page_share_an_id(tmp_path: Path) -> None:
    found: list[str] = []
    for picture in pictures_of(results_from(TUNED, tmp_path)).values():
        ids = re.findall(r'\bid="([^"]+)"', svg_of(picture))
        assert all(one.startswith(f"{picture.name}-") for one in ids)
        found += ids
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", ["arms", "curves", "sensitivity", "time", "inside"])
def test_arms_are_called_what_they_are_called_whatever_that_is(name: str, hostile: Results) -> None:
    shown = words(svg_of(pictures_of(hostile)[name]))
    assert all(f"activation={arm}" in shown for arm in HOSTILE[:6])
    assert r"activation=\x1b[31mred\u202e" in shown
    assert "\x1b" not in shown


def test_titles_of_small_panels_hold_the_whole_name_in_lines(hostile: Results) -> None:
    shown = texts(svg_of(pictures_of(hostile)["seeds"]))
    assert f"activation={HOSTILE[0]}".replace(" ", "") in "".join(shown)


@pytest.mark.parametrize("text", [SEVERAL_TUNED, TWO_FACTORS, THREE_FACTORS, NO_HIDDEN_LAYER])
def test_no_text_is_cut_or_runs_into_another(text: str, tmp_path: Path) -> None:
    for picture in pictures_of(results_from(text, tmp_path)).values():
        assert misplaced_texts(picture.draw()) == [], picture.name


def test_not_even_with_hostile_names(hostile: Results) -> None:
    for picture in pictures_of(hostile).values():
        assert misplaced_texts(picture.draw()) == [], picture.name


def test_every_picture_fits_a_paper_and_has_no_text_smaller_than_can_be_read(hostile: Results) -> None:
    for picture in pictures_of(hostile).values():
        assert picture.draw().get_figwidth() in (COLUMN_INCHES, PAGE_INCHES)
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg_of(picture))]
        assert min(sizes) >= CELL_POINTS


def test_descriptions_hold_the_best_arm_the_baseline_and_their_numbers(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        right = 300 if trial.settings.model.activation.name == "relu" else 320 + trial.seed
        record = trained(trial)
        return record.model_copy(update={"test_correct_count": right, "test_count": 400})

    results = results_from(TUNED, tmp_path, train)
    found = pictures_of(results)
    assert found["arms"].description == (
        "2 arms by mean test accuracy, the best first: tanh at 80.25 %, interval 79.63 to 80.87 %; relu at 75.00 %, "
        "interval 75.00 to 75.00 %. The baseline is relu at 75.00 %, interval 75.00 to 75.00 %."
    )
    chosen = results.plan.tunings[0].chosen or ()
    assert f"relu {chosen[0][1]} (" in found["sensitivity"].description
    assert re.search(r"tanh goes from \d\d\.\d\d % to \d\d\.\d\d %", found["curves"].description)
    assert "the best is tanh with 80.25 % at 0.0" in found["time"].description


def test_of_a_loss_the_smallest_is_the_best(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        loss = 0.5 if trial.settings.model.activation.name == "relu" else 0.25
        return trained(trial).model_copy(update={"test_loss": loss})

    found = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path, train), "test_loss")
    assert "the best first: tanh at 0.2500" in found["arms"].description
    assert "the best is tanh with 0.2500" in found["time"].description


def test_failed_trials_are_crosses_and_are_counted(hostile: Results) -> None:
    picture = pictures_of(hostile)["arms"]
    assert "3 trials diverged, collapsed or failed." in picture.description
    assert "Crosses diverged, collapsed or failed" in picture.caption
    assert "unusable trial" in words(svg_of(picture))


def test_where_nothing_failed_there_is_no_word_of_crosses(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path))["arms"]
    assert "Crosses" not in picture.caption
    assert "unusable" not in words(svg_of(picture))


def test_a_heat_map_has_the_number_of_every_cell_and_a_panel_for_each_value_of_a_third(tmp_path: Path) -> None:
    results = results_from(THREE_FACTORS, tmp_path)
    picture = pictures_of(results)["factors"]
    shown = texts(svg_of(picture))
    for row in comparison_of(results).rows:
        assert f"{100 * (row.own.mean or 0):.2f}" in shown
    assert {"batch_size=32", "batch_size=64"} <= set(shown)
    assert picture.description.startswith("24 means of test accuracy in 4 rows (model.activation) and 3 columns")


def test_more_than_forty_arms_are_the_best_forty_with_a_note(tmp_path: Path) -> None:
    rates = ", ".join(str(number / 1000) for number in range(1, 51))
    text = TWO_ACTIVATIONS.replace("model.activation: [relu, tanh]", f"train.lr: [{rates}]")
    results = results_from(text.replace("{model.activation: relu}", "{train.lr: 0.001}"), tmp_path)
    found = pictures_of(results)
    for name in ("arms", "curves", "seeds"):
        assert "The best 40 of 50 arms are shown." in found[name].caption
    assert "The best 16 of 50 arms are named." in found["time"].caption
    assert sum(text.startswith("lr=") for text in texts(svg_of(found["arms"]))) == 40


def test_a_long_training_is_thinned_and_its_epochs_stand_on_a_logarithmic_axis(tmp_path: Path) -> None:
    found = pictures_of(results_from(NO_HIDDEN_LAYER, tmp_path))
    assert re.search(r"Of 300 epochs, \d+ are drawn, evenly spaced on the logarithmic axis", found["curves"].caption)
    assert "epoch (log scale)" in texts(svg_of(found["curves"]))
    longest = max(len(path.split("L")) for path in re.findall(r' d="([^"]+)"', svg_of(found["seeds"])))
    assert longest <= 50


def test_the_chosen_value_is_ringed_and_one_at_the_edge_is_told_apart(tmp_path: Path) -> None:
    results = results_from(TUNED, tmp_path)
    inner = tuple(replace(tuning, edges=()) for tuning in results.plan.tunings)
    outer = tuple(replace(tuning, edges=("train.lr",)) for tuning in results.plan.tunings)
    for tunings, named in ((inner, "chosen"), (outer, "chosen, at the edge")):
        picture = pictures_of(replace(results, plan=replace(results.plan, tunings=tunings)))["sensitivity"]
        assert [text for text in texts(svg_of(picture)) if text.startswith("chosen")] == [named]
        assert ("at the edge of the grid" in picture.caption) == (tunings is outer)


def test_with_two_tuned_settings_there_is_a_line_for_each_value_of_the_second(tmp_path: Path) -> None:
    picture = pictures_of(results_from(SEVERAL_TUNED, tmp_path))["sensitivity"]
    assert {"relu", "tanh", "dropout=0.0", "dropout=0.2"} <= set(texts(svg_of(picture)))
    assert "A line for each model.dropout, a panel for each arm." in picture.caption


def test_activations_are_drawn_with_the_parameters_of_their_arms(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_FACTORS, tmp_path))["functions"]
    shown = texts(svg_of(picture))
    assert {"relu", "tanh"} <= set(shown)
    assert all(f"leaky_relu(negative_slope={slope})" in "".join(shown) for slope in (0.1, 0.2))
    assert "tanh is flat below -2.18 and above 2.18" in picture.description


def test_the_time_of_a_shared_stack_is_said_to_be_shared(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        return trained(trial, stack_trials=7)

    assert (
        "Up to 7 trials were trained in one stack" in pictures_of(results_from(TUNED, tmp_path, train))["time"].caption
    )
    assert "stack" not in pictures_of(results_from(TUNED, tmp_path))["time"].caption


def test_means_over_a_factor_are_dots_of_seeds_and_not_of_trials(tmp_path: Path) -> None:
    results = results_from(TWO_FACTORS, tmp_path)
    question = replace(question_of(results.experiment, parse_metric("test_accuracy")), by="model.init")
    found = pictures(results, compare(results.plan, results.records, question))
    arms = found[0]
    assert arms.title == "Test accuracy of every seed"
    assert "one seed" in texts(svg_of(arms))
    assert "3 arms by mean test accuracy" in arms.description
    assert "time" not in [picture.name for picture in found]


def test_where_neither_way_of_a_metric_is_better_none_is_called_the_best(tmp_path: Path) -> None:
    found = pictures_of(results_from(TWO_FACTORS, tmp_path), "layer1.mean")
    for name in ("arms", "factors", "time"):
        assert "largest" in found[name].description
        assert "best" not in found[name].description
    assert "better" not in found["factors"].caption


def test_where_all_arms_have_one_time_there_is_nothing_to_compare(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        return trained(trial, epoch_seconds=(0.5,) * 3)

    assert "time" not in pictures_of(results_from(TWO_ACTIVATIONS, tmp_path, train))
