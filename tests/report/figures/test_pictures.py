"""Every picture of a report: which there are, what they say, and that nothing is cut or overlaps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from actbench.analysis.comparison import compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Curves, Trial, TrialRecord
from actbench.report.figures.layout import COLUMN, FULL, PAGE, PHONE, Picture
from actbench.report.figures.marks import Dot, Group, Text
from actbench.report.files import picture_svg, pictures
from builders import TWO_ACTIVATIONS, record_of
from drawn import comparison_of, drawn_texts, misplaced_texts, pictures_of, renamed, results_from, trained
from stopwatch import time_limit

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
CLAIM = "expect:\n  - {claim: tanh wins, better: {model.activation: tanh}, than: {model.activation: relu}}\n"
NO_HIDDEN_LAYER = """
name: one-arm
data: {dataset: thermostat, validation: 0, scale: none}
model: {hidden: [], output: sigmoid}
train: {loss: bce, epochs: 300}
seeds: 3
"""
ALWAYS = ["differences", "lottery", "curves", "seeds", "inside", "functions"]
PAPERS = [PAGE, PHONE, FULL, COLUMN]


def words(picture: Picture) -> str:
    return " ".join(drawn_texts(picture))


def arms_of(picture: Picture) -> list[str]:
    return [mark.arm for mark in picture.draw(FULL).walk() if isinstance(mark, Group) and mark.arm]


def plain_record(trial: Trial) -> TrialRecord:
    """A record of a time when there were no probes and no times."""
    return record_of(trial)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Picture]:
    """The pictures of results whose arms have hostile names."""
    return pictures_of(renamed(results_from(EIGHT, tmp_path_factory.mktemp("hostile"), some_fail), HOSTILE))


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
        (TUNED, [*ALWAYS[:4], "sensitivity", *ALWAYS[4:]]),
        (TWO_FACTORS, [*ALWAYS[:2], "luck", "factors", "interaction", *ALWAYS[2:]]),
        (NO_HIDDEN_LAYER, ["arms", "curves", "seeds", "inside"]),
        (TWO_ACTIVATIONS.replace("seeds: 3", "seeds: 1"), ["differences", "curves", "inside", "functions"]),
        (TWO_ACTIVATIONS + CLAIM, [*ALWAYS[:2], "claims", *ALWAYS[2:]]),
    ],
    ids=["two arms", "tuned", "two factors", "no hidden layer", "one seed", "claims"],
)
def test_there_are_those_that_there_are_data_for_in_the_reports_order(
    text: str, expected: list[str], tmp_path: Path
) -> None:
    assert list(pictures_of(results_from(text, tmp_path))) == expected


def test_training_of_one_epoch_has_no_learning_curves(tmp_path: Path) -> None:
    found = pictures_of(results_from(TWO_ACTIVATIONS.replace("epochs: 3", "epochs: 1"), tmp_path))
    assert not {"curves", "seeds"} & set(found)
    assert "differences" in found


def test_without_probes_or_any_trial_their_pictures_are_missing(tmp_path: Path) -> None:
    results = results_from(TWO_ACTIVATIONS, tmp_path, plain_record)
    assert list(pictures_of(results)) == ["differences", "lottery", "curves", "seeds", "functions"]
    assert list(pictures_of(replace(results, records={}))) == ["functions"]


def test_while_tuning_is_not_finished_there_is_what_it_tried_so_far(tmp_path: Path) -> None:
    results = results_from(TUNED, tmp_path)
    tuning = replace(results.plan.tunings[0], chosen=None, edges=())
    arms = tuple((arm, ()) for arm, _ in results.plan.arms)
    unfinished = replace(results, plan=replace(results.plan, arms=arms, tunings=(tuning,)))
    found = pictures_of(unfinished)
    assert list(found) == ["sensitivity", "functions"]
    assert "nothing is chosen yet" in found["sensitivity"].description
    assert misplaced_texts(found["sensitivity"].draw(FULL)) == []


def test_every_picture_is_the_same_when_it_is_drawn_again(tmp_path: Path) -> None:
    text = TUNED.replace("[relu, tanh]", "[relu, tanh], model.init: [kaiming_normal, xavier_normal]")
    first, second = (pictures_of(results_from(text, tmp_path)) for _ in range(2))
    assert len(first) == 10
    assert [picture_svg(one, {}) for one in first.values()] == [picture_svg(one, {}) for one in second.values()]


def test_no_two_pictures_of_a_page_share_an_id(tmp_path: Path) -> None:
    shown = pictures_of(results_from(TUNED, tmp_path)).values()
    elements = [picture_svg(one, {}, paper) for one in shown for paper in (PAGE, PHONE)]
    found = [one for each in elements for one in re.findall(r'\bid="([^"]+)"', each)]
    assert len(found) == len(set(found)) == 4 * len(shown)


@pytest.mark.parametrize("name", ["differences", "lottery", "curves", "sensitivity", "inside"])
def test_arms_are_called_what_they_are_called_whatever_that_is(name: str, hostile: dict[str, Picture]) -> None:
    shown = words(hostile[name])
    assert all(f"activation={arm}".replace(" ", "")[:14] in shown.replace(" ", "") for arm in HOSTILE[:6])
    assert "\x1b" not in picture_svg(hostile[name], {})


@pytest.mark.parametrize(
    "text",
    [SEVERAL_TUNED, TWO_FACTORS, THREE_FACTORS, NO_HIDDEN_LAYER, EIGHT, TWO_ACTIVATIONS + CLAIM],
    ids=["several tuned", "two factors", "three factors", "no hidden layer", "eight", "claim"],
)
def test_no_text_is_cut_or_runs_into_another_on_any_paper(text: str, tmp_path: Path) -> None:
    for picture in pictures_of(results_from(text, tmp_path)).values():
        for paper in PAPERS:
            assert misplaced_texts(picture.draw(paper)) == [], (picture.name, paper)


def test_even_with_hostile_names_every_picture_fits_its_paper_and_has_no_text_smaller_than_can_be_read(
    hostile: dict[str, Picture],
) -> None:
    for picture in hostile.values():
        for paper in PAPERS:
            scene = picture.draw(paper)
            assert misplaced_texts(scene) == [], (picture.name, paper)
            assert scene.width == paper.width
            sizes = [mark.size for mark in scene.walk() if isinstance(mark, Text)]
            assert min(sizes) >= 0.6 * paper.size


def test_descriptions_hold_the_best_arm_the_baseline_and_their_numbers(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        right = 300 if trial.settings.model.activation.name == "relu" else 320 + trial.seed
        record = trained(trial)
        return record.model_copy(update={"test_correct_count": right, "test_count": 400})

    results = results_from(TUNED, tmp_path, train)
    found = pictures_of(results)
    assert found["differences"].description.startswith(
        "Differences of test accuracy to relu in points: tanh +5.25, 95 % interval +4.63 to +5.87: "
    )
    chosen = results.plan.tunings[0].chosen or ()
    assert f"relu {chosen[0][1]} (" in found["sensitivity"].description
    assert re.search(r"tanh goes from \d\d\.\d\d % to \d\d\.\d\d %", found["curves"].description)


def test_of_a_loss_the_smallest_is_the_best(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        loss = 0.5 if trial.settings.model.activation.name == "relu" else 0.25
        return trained(trial).model_copy(update={"test_loss": loss})

    found = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path, train), "test_loss")
    assert "tanh -0.2500" in found["differences"].description
    assert "← better than relu" in drawn_texts(found["differences"])
    assert "all three seeds would have announced the same winner: tanh" in found["lottery"].description


def test_seeds_of_failed_trials_are_crosses(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        is_bad = trial.seed < 2 and trial.settings.model.activation.name == "tanh"
        return trained(trial, test_prediction_counts=(0, 10_000)) if is_bad else trained(trial)

    picture = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path, train))["differences"]
    assert "Crosses: a trial diverged, collapsed or failed." in picture.caption
    assert [mark.marker for mark in picture.draw(FULL).walk() if isinstance(mark, Dot)].count("x") == 2


def test_where_nothing_failed_there_is_no_word_of_crosses(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path))["differences"]
    assert "Crosses" not in picture.caption
    assert all(mark.marker != "x" for mark in picture.draw(FULL).walk() if isinstance(mark, Dot))


def test_the_differences_are_those_of_every_seed_with_both_intervals_and_the_verdict(tmp_path: Path) -> None:
    results = results_from(EIGHT, tmp_path)
    picture = pictures_of(results)["differences"]
    rows = sorted(
        (row.contrast.difference.mean or 0.0, row.sample.label) for row in comparison_of(results).rows if row.contrast
    )
    assert list(dict.fromkeys(arms_of(picture))) == [label for _, label in reversed(rows)]
    tips = [mark.tip for mark in picture.draw(FULL).walk() if isinstance(mark, Dot) and mark.tip]
    assert sum("seed" in tip for tip in tips) == 7 * 4 + 7
    assert all("alone" in tip and "for the verdict" in tip for tip in tips if ", seed " not in tip)
    assert drawn_texts(picture).count("too few seeds") == 7


def test_an_arm_far_from_the_others_is_an_arrow_and_does_not_squeeze_them(tmp_path: Path) -> None:
    def train(trial: Trial) -> TrialRecord:
        name = trial.settings.model.activation.name
        right = 1000 if name == "tanh" else 9700 + 3 * trial.seed + len(name)
        return trained(trial).model_copy(update={"test_correct_count": right})

    picture = pictures_of(results_from(EIGHT, tmp_path, train))["differences"]
    markers = [mark.marker for mark in picture.draw(FULL).walk() if isinstance(mark, Dot) and not mark.tip]
    assert "<" in markers
    assert any(text.startswith("\N{MINUS SIGN}87") for text in drawn_texts(picture))
    assert not any("50" in text for text in drawn_texts(picture))


def test_a_heat_map_has_the_difference_of_every_cell_and_a_panel_for_each_value_of_a_third(tmp_path: Path) -> None:
    results = results_from(THREE_FACTORS, tmp_path)
    picture = pictures_of(results)["factors"]
    shown = drawn_texts(picture)
    for row in comparison_of(results).rows:
        assert row.own.mean is not None
        number = f"{100 * (row.contrast.difference.mean or 0):+.2f}" if row.contrast else f"{100 * row.own.mean:.2f}"
        assert number.replace("-", "\N{MINUS SIGN}").replace("\N{MINUS SIGN}0.00", "0.00") in shown
    assert {"batch_size=32", "batch_size=64"} <= set(shown)
    assert picture.description.startswith("24 means of test accuracy in 4 rows (activation) and 3 columns")


def test_one_bar_says_what_share_is_luck_of_the_seed(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_FACTORS, tmp_path))["luck"]
    shares = re.findall(r"(\d+)% (\S+)", " ; ".join(drawn_texts(picture)))
    assert "luck" in [name for _, name in shares]
    assert 98 <= sum(int(share) for share, _ in shares) <= 102


def test_more_than_forty_arms_are_the_best_forty_with_a_note(tmp_path: Path) -> None:
    rates = ", ".join(str(number / 1000) for number in range(1, 51))
    text = TWO_ACTIVATIONS.replace("model.activation: [relu, tanh]", f"train.lr: [{rates}]")
    results = results_from(text.replace("{model.activation: relu}", "{train.lr: 0.001}"), tmp_path)
    found = pictures_of(results)
    for name in ("curves", "seeds", "lottery"):
        assert "The best 40 of 50 arms are shown." in found[name].caption
    assert "The best 40 of 49 arms are shown." in found["differences"].caption
    assert sum(text.startswith("lr=") for text in drawn_texts(found["differences"])) == 40
    assert not any("rank" in one.caption + words(one) for one in found.values())


def test_arms_of_several_factors_have_short_names(tmp_path: Path) -> None:
    found = pictures_of(results_from(TWO_FACTORS, tmp_path))
    assert "tanh, xavier_uniform" in words(found["differences"])
    assert "init=" not in words(found["curves"])


def test_a_long_training_is_thinned_and_its_epochs_stand_on_a_logarithmic_axis(tmp_path: Path) -> None:
    found = pictures_of(results_from(NO_HIDDEN_LAYER, tmp_path))
    assert re.search(r"Of 300 epochs, \d+ are drawn, evenly spaced on the logarithmic axis", found["curves"].caption)
    assert "epoch (log scale)" in drawn_texts(found["curves"])
    longest = max(path.count("L") for path in re.findall(r' d="([^"]+)"', picture_svg(found["seeds"], {})))
    assert longest <= 50


def test_the_chosen_value_is_ringed_and_one_at_the_edge_is_told_apart(tmp_path: Path) -> None:
    results = results_from(TUNED, tmp_path)
    inner = tuple(replace(tuning, edges=()) for tuning in results.plan.tunings)
    outer = tuple(replace(tuning, edges=("train.lr",)) for tuning in results.plan.tunings)
    for tunings, marker in ((inner, "o"), (outer, "s")):
        picture = pictures_of(replace(results, plan=replace(results.plan, tunings=tunings)))["sensitivity"]
        rings = [mark.marker for mark in picture.draw(FULL).walk() if isinstance(mark, Dot) and mark.is_hollow]
        assert rings == [marker, marker]
        assert ("at the edge of the grid" in picture.caption) == (tunings is outer)


def test_with_two_tuned_settings_there_is_the_best_over_the_second(tmp_path: Path) -> None:
    picture = pictures_of(results_from(SEVERAL_TUNED, tmp_path))["sensitivity"]
    assert {"relu", "tanh", "0.001", "0.003", "0.01"} <= set(drawn_texts(picture))
    assert "At each value, the best over model.dropout." in picture.caption


def test_activations_are_drawn_with_the_parameters_of_their_arms(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_FACTORS, tmp_path))["functions"]
    shown = drawn_texts(picture)
    assert {"relu", "tanh"} <= set(shown)
    assert all(f"leaky_relu(negative_slope={slope})" in "".join(shown) for slope in (0.1, 0.2))
    assert "tanh is flat below -2.18 and above 2.18" in picture.description


def test_means_over_a_factor_are_compared_too(tmp_path: Path) -> None:
    results = results_from(TWO_FACTORS, tmp_path)
    question = replace(question_of(results.experiment, parse_metric("test_accuracy")), by="model.init")
    found = pictures(results, compare(results.plan, results.records, question))
    assert found[0].name == "differences"
    assert arms_of(found[0])[0] in ("xavier_uniform", "torch_default")


def test_where_neither_way_of_a_metric_is_better_none_is_called_the_best(tmp_path: Path) -> None:
    found = pictures_of(results_from(TWO_FACTORS, tmp_path), "layer1.mean")
    assert "lottery" not in found
    assert "largest" in found["factors"].description
    assert "best" not in found["differences"].description
    assert "better" not in found["factors"].caption + words(found["differences"])


MAX_CPU_SECONDS = 8.0
MAX_BYTES = 4_000_000
RATES = [number / 10_000 for number in range(1, 101)]
TEXT = """
name: big
data: {dataset: mnist}
model: {hidden: [64, 32]}
train: {epochs: 50}
"""
LOW_ARMS = f"vary: {{train.lr: {RATES[:20]}}}\nseeds: 50\nbaseline: {{train.lr: 0.0001}}\n"
MANY_ARMS = f"vary: {{train.lr: {RATES}}}\nseeds: 10\nbaseline: {{train.lr: 0.0001}}\n"


@pytest.mark.slow
@pytest.mark.parametrize("arms", [LOW_ARMS, MANY_ARMS], ids=["20 arms", "100 arms"])
def test_all_pictures_take_seconds_and_few_bytes(arms: str, tmp_path: Path) -> None:
    results = results_from(TEXT + arms, tmp_path)
    assert len(results.records) == 1000
    with time_limit(MAX_CPU_SECONDS):
        size = sum(len(picture_svg(one, {}, paper)) for one in pictures_of(results).values() for paper in (PAGE, PHONE))
    assert size < MAX_BYTES
