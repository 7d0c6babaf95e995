"""What is compared: an arm's values by seed, what failed among its trials, and means over the arms of one value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.samples import Sample, arm_samples, marginal_samples
from actbench.experiment.metrics import parse_metric
from actbench.plan.plan import make_plan
from actbench.store.results import Results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from planted import IMAGES, RATE_OUT_OF_REACH, TUNED, UNTUNED, asked, planted

ONE_CLASS, TWO_CLASSES = (0, IMAGES, *[0] * 8), (1, IMAGES - 1, *[0] * 8)
DIVERGED: dict[str, Any] = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
COLLAPSED: dict[str, Any] = {"test_prediction_counts": ONE_CLASS}
FACTORS = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], train.batch_size: [32, 64]}").replace("seeds: 10", "seeds: 3")


def by_label(results: Results, metric: str = "test_accuracy") -> dict[str, Sample]:
    return {sample.label: sample for sample in arm_samples(results.plan, results.records, parse_metric(metric))}


def test_an_arms_values_are_by_seed_as_far_as_there_are_records(tmp_path: Path) -> None:
    text = UNTUNED.replace("seeds: 10", "seeds: [5, 3, 8]")
    relu = by_label(planted(tmp_path, {"relu": [9800, None, 9700]}, text))["relu"]
    assert relu.by_seed == {5: 0.98, 8: 0.97}
    assert (relu.trials, relu.test_images) == (3, IMAGES)
    assert (relu.failed, relu.endings["collapsed"], relu.doubt, relu.tuned) == (0, 0, "", ())


def test_a_tuned_arm_says_what_was_chosen_for_it(tmp_path: Path) -> None:
    samples = by_label(planted(tmp_path, {"relu": [9800], "tanh": [9800]}))
    assert samples["relu"].tuned == samples["tanh"].tuned == (("train.lr", 0.003),)
    assert {sample.doubt for sample in samples.values()} == {""}


def test_a_rate_at_the_edge_of_the_grid_is_a_doubt_about_its_arm_alone(tmp_path: Path) -> None:
    samples = by_label(planted(tmp_path, {"relu": [9800], "tanh": [9800]}, best_rates={"tanh": RATE_OUT_OF_REACH}))
    assert samples["tanh"].doubt == "train.lr is at the edge of what was tried"
    assert samples["relu"].doubt == ""


@pytest.mark.parametrize(
    ("changes", "failed", "collapsed"),
    [
        ({}, 0, 0),
        (DIVERGED, 1, 0),
        ({"outcome": "failed", "cause": "out of memory"}, 1, 0),
        (COLLAPSED, 1, 1),
        ({"test_prediction_counts": TWO_CLASSES}, 0, 0),
        ({**DIVERGED, **COLLAPSED}, 1, 0),
    ],
    ids=["done", "diverged", "failed", "collapsed", "almost collapsed", "diverged with one class"],
)
def test_diverged_failed_and_collapsed_trials_are_each_counted_once(
    changes: dict[str, Any], failed: int, collapsed: int, tmp_path: Path
) -> None:
    results = planted(tmp_path, {"relu": [1135] * 10}, change=lambda _, seed: changes if seed == 4 else {})
    relu = by_label(results)["relu"]
    assert (relu.failed, relu.endings["collapsed"]) == (failed, collapsed)
    assert len(relu.by_seed) == 10


def test_a_collapsed_trial_stays_in_the_sample_with_what_it_predicts(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [1135, *[9800] * 9]}, change=lambda _, seed: COLLAPSED if seed == 0 else {})
    assert by_label(results)["relu"].by_seed[0] == 0.1135


def test_a_record_without_predicted_classes_is_not_called_collapsed(tmp_path: Path) -> None:
    trial = next(iter(make_plan(experiment_from(UNTUNED, tmp_path)).trials().values()))
    assert not record_of(trial).is_collapsed()
    assert record_of(trial, test_prediction_counts=ONE_CLASS).is_collapsed()


@pytest.mark.parametrize(
    ("images", "correct", "is_collapsed"),
    [(1, 0, False), (1, 1, False), (19, 3, False), (20, 3, True), (20, 20, False)],
)
def test_one_class_is_a_collapse_only_of_enough_images_that_are_not_all_of_it(
    images: int, correct: int, is_collapsed: bool, tmp_path: Path
) -> None:
    trial = next(iter(make_plan(experiment_from(UNTUNED, tmp_path)).trials().values()))
    changes: dict[str, Any] = {
        "test_count": images,
        "test_correct_count": correct,
        "test_prediction_counts": (images, *[0] * 9),
    }
    assert record_of(trial, **changes).is_collapsed() is is_collapsed


@pytest.mark.parametrize(("failed", "doubt"), [(2, ""), (3, "3 of 10 trials unusable")])
def test_more_than_a_fifth_of_failed_trials_is_a_doubt(failed: int, doubt: str, tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return [DIVERGED, COLLAPSED][seed % 2] if label == "tanh" and seed < failed else {}

    samples = by_label(planted(tmp_path, {"relu": [9800] * 10, "tanh": [1135] * 10}, change=change))
    assert samples["tanh"].doubt == doubt
    assert samples["relu"].doubt == ""


def test_an_arm_whose_tuning_has_not_finished_is_in_doubt(tmp_path: Path) -> None:
    results = planted(tmp_path, {})
    plan = make_plan(results.experiment)
    relu, tanh = arm_samples(plan, {}, parse_metric("test_accuracy"))
    assert relu.doubt == tanh.doubt == "tuning has not finished"
    assert (relu.trials, relu.by_seed) == (0, {})


def test_all_doubts_about_an_arm_are_named(tmp_path: Path) -> None:
    samples = by_label(
        planted(tmp_path, {"tanh": [9800] * 10}, best_rates={"tanh": RATE_OUT_OF_REACH}, change=lambda *_: DIVERGED)
    )
    assert samples["tanh"].doubt == "train.lr is at the edge of what was tried; 10 of 10 trials unusable"


def test_a_metric_that_a_trial_lacks_leaves_its_seed_out(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [9800] * 10}, change=lambda _, seed: DIVERGED if seed == 7 else {})
    assert set(by_label(results, "test_loss")["relu"].by_seed) == set(range(10)) - {7}


def test_a_diverged_trial_without_the_metric_leaves_its_arm_unjudged_by_it(tmp_path: Path) -> None:
    """Without it a seed that was lost would drop out of the test, and the arm could be better for it."""
    results = planted(
        tmp_path, {"relu": [9800] * 10}, UNTUNED, change=lambda _label, seed: DIVERGED if seed == 4 else {}
    )
    assert by_label(results, "test_loss")["relu"].doubt == "1 diverged trial without a finite test_loss"
    assert by_label(results)["relu"].doubt == ""


def test_samples_of_other_images_have_other_data(tmp_path: Path) -> None:
    data = ("mnist", "digits", "mnist, train: 1000", "mnist, test: 500", "mnist, split: tail")
    texts = [UNTUNED.replace("mnist", one) for one in data]
    found = [by_label(planted(tmp_path / str(number), {}, text))["relu"].data for number, text in enumerate(texts)]
    assert len(set(found)) == len(texts)
    other_training = UNTUNED.replace("epochs: 1", "epochs: 7, lr: 0.5")
    assert by_label(planted(tmp_path / "same", {}, other_training))["relu"].data == found[0]


def test_arms_that_differ_in_the_scaling_of_their_inputs_are_paired(tmp_path: Path) -> None:
    """They have the same images, split and draws: six wins of six pairs have p = 2 / 2^6 each."""
    text = UNTUNED.replace("model.activation: [relu, tanh]", "data.scale: [unit, standard, none, 100]")
    text = text.replace("model.activation: relu", "data.scale: unit").replace("seeds: 10", "seeds: 6")
    unit = [9000, 9200, 9400, 9600, 9100, 9300]
    others = {f"scale={name}": [count + 5 for count in unit] for name in ("standard", "none", "100.0")}
    counts = others | {"scale=unit": unit}
    made = [row.contrast for row in asked(planted(tmp_path, counts, text), shared_lr=True).rows if row.contrast]
    assert [one.is_paired for one in made] == [True] * 3
    assert [one.p for one in made] == [2 / 2**6] * 3


def test_a_factors_value_has_the_mean_over_its_arms_seed_by_seed(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {
        "activation=relu, batch_size=32": [9000, 9100, 9200],
        "activation=relu, batch_size=64": [9600, None, 9400],
        "activation=tanh, batch_size=32": [8000, 8200, 8400],
        "activation=tanh, batch_size=64": [8000, 8000, 8000],
    }
    results = planted(tmp_path, counts, FACTORS)
    relu, tanh = marginal_samples(list(by_label(results).values()), "model.activation")
    assert (relu.label, tanh.label) == ("relu", "tanh")
    assert relu.by_seed == pytest.approx({0: 0.93, 2: 0.93})
    assert tanh.by_seed == pytest.approx({0: 0.80, 1: 0.81, 2: 0.82})
    assert (relu.trials, relu.test_images) == (6, 0)
    small, _ = marginal_samples(list(by_label(results).values()), "train.batch_size")
    assert small.label == "batch_size=32"
    assert small.by_seed == pytest.approx({0: 0.85, 1: 0.865, 2: 0.88})


def test_failures_and_doubts_of_all_its_arms_are_those_of_a_factors_value(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return {"activation=relu, batch_size=32": DIVERGED, "activation=relu, batch_size=64": COLLAPSED}.get(label, {})

    counts = {label: [9000] * 3 for label in by_label(planted(tmp_path / "empty", {}, FACTORS))}
    results = planted(tmp_path / "failed", counts, FACTORS, change=change)
    relu, tanh = marginal_samples(list(by_label(results).values()), "model.activation")
    assert (relu.failed, relu.endings["collapsed"], relu.doubt) == (6, 3, "3 of 3 trials unusable in 2 of 2 arms")
    assert (tanh.failed, tanh.endings["collapsed"], tanh.doubt) == (0, 0, "")
    small, _ = marginal_samples(list(by_label(results).values()), "train.batch_size")
    assert (small.failed, small.trials, small.doubt) == (3, 6, "3 of 3 trials unusable in 1 of 2 arms")


def test_a_marginal_sample_names_no_tuned_value(tmp_path: Path) -> None:
    text = FACTORS + TUNED.removeprefix(UNTUNED)
    samples = list(by_label(planted(tmp_path, {}, text)).values())
    assert all(sample.tuned for sample in samples)
    assert [one.tuned for one in marginal_samples(samples, "model.activation")] == [(), ()]


def test_an_arm_whose_outputs_are_no_probabilities_is_not_judged_by_a_measure_of_them(tmp_path: Path) -> None:
    text = (
        TWO_ACTIVATIONS.replace("train: {epochs: 3}", "train: {epochs: 3, loss: mse}")
        .replace("model.activation: [relu, tanh]", "model.output: [softmax, tanh]")
        .replace("{model.activation: relu}", "{model.output: softmax}")
    )
    plan = make_plan(experiment_from(text, tmp_path))
    records = {key: record_of(trial, test_nll=0.5) for key, trial in plan.trials().items()}
    softmax, tanh = arm_samples(plan, records, parse_metric("test_nll"))
    assert (softmax.doubt, tanh.doubt) == ("", "tanh with mse gives no probabilities")
    assert softmax.losses == tanh.losses == frozenset()
