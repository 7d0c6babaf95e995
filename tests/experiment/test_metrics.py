"""Metrics: what each reads off a record, and where it is absent."""

from __future__ import annotations

import base64
import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from actbench.experiment.metrics import PROBES, parse_metric
from actbench.experiment.records import Curves, LayerProbe, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from builders import record_of
from metric_settings import NOTHING_HELD_OUT, PERCEPTRON, SMALL

TRAINED, HELD_OUT, TESTED = 1198, 239, 360
IS_CORRECT = np.random.default_rng(0).random(TESTED) < 0.7

PARTS, WHATS = ("test", "validation", "train"), ("accuracy", "loss")
MEASURED = ("nll", "brier", "ece", "top2_accuracy")
PROBE_NAMES = (
    "mean", "abs_mean", "sd", "zero_share", "dead_share", "saturated_share", "weight_gradient_norm",
    "bias_gradient_norm", "weight_norm",
)  # fmt: skip
SINGLE_FORMS = [
    *[f"{part}_{what}" for part, what in product(PARTS, WHATS)],
    *[f"{part}_{what}" for part, what in product(PARTS[:2], MEASURED)],
    *[f"validation_{what}@{epoch}" for what, epoch in product(MEASURED, (1, 3))],
    "test_accuracy_of_class_3",
    "layer1.beta",
    "layer1.beta@0",
    *[f"{part}_{what}@{epoch}" for part, what, epoch in product(PARTS[1:], WHATS, (1, 3))],
    *[f"layer{layer}.{probe}{at}" for layer, probe, at in product((1, 2), PROBE_NAMES, ("", "@0", "@3"))],
    "test_accuracy_of_first_1",
    "test_accuracy_of_first_64",
    "epochs_to_0.95_validation_accuracy",
    "epochs_to_1_train_accuracy",
    "epochs_to_0.05_validation_loss",
    "epochs_to_2_train_loss",
    "step_seconds",
    "boundary",
]
ALL_FORMS = [*SINGLE_FORMS, *[f"{a} {sign} {b}" for a, sign, b in product(SINGLE_FORMS, "-/", SINGLE_FORMS)]]


def record(settings: TrialSettings = SMALL, **changes: Any) -> TrialRecord:
    return record_of(make_trial(settings, 0), **changes)


def value(name: str, of: TrialRecord) -> float | None:
    return parse_metric(name).value(of)


def packed(bits: Any) -> str:
    return base64.b64encode(np.packbits(bits).tobytes()).decode()


def probe(epoch: int, layer: int, **figures: float | None) -> LayerProbe:
    usual = {"mean": 0.5, "sd": 1.0, "zero_share": 0.0, "weight_gradient_norm": 4.0, "bias_gradient_norm": 2.0,
             "weight_norm": 9.0, "learnt": {"beta": 1.5}}  # fmt: skip
    return LayerProbe.model_validate({"epoch": epoch, "layer": layer} | usual | figures)


PROBED = record(
    probes=[
        probe(0, 1, mean=-0.25, dead_share=0.0, saturated_share=0.125, zero_share=0.5),
        probe(0, 2, weight_gradient_norm=8.0),
        probe(3, 1, mean=-0.75, dead_share=0.25, saturated_share=None, bias_gradient_norm=None),
        probe(3, 2, mean=1.5, weight_gradient_norm=0.0),
    ]
)
FAILED = record(outcome="failed", curves=Curves(), test_correct_count=None, test_loss=None)
STOPPED_AFTER_2 = Curves(
    train_loss=(2.0, None),
    train_correct_count=(100, 90),
    validation_loss=(1.5, None),
    validation_correct_count=(50, 40),
)
DIVERGED = record(test_correct_count=36, outcome="diverged", diverged_epoch=2, curves=STOPPED_AFTER_2, test_loss=None)
MEASURED_CURVES = record().curves.model_copy(
    update={
        "validation_nll": (0.9, 0.8, 0.7),
        "validation_brier": (0.6, 0.5, 0.4),
        "validation_ece": (0.3, 0.2, 0.1),
        "validation_top2_correct_count": (100, 150, 200),
    }
)
EVERYTHING = PROBED.model_copy(
    update={
        "test_is_correct": packed(IS_CORRECT),
        "epoch_seconds": (1.0, 2.0, 3.0),
        "curves": MEASURED_CURVES,
        "test_nll": 0.4,
        "test_brier": 0.2,
        "test_ece": 0.1,
        "test_top2_correct_count": 330,
        "test_mistakes": base64.b64encode(bytes([*[31] * 20, *[32] * 40])).decode(),
        "test_prediction_counts": (0, 20, 40, 300, *[0] * 6),
        "parameters": {"layer1.weight": (2.0,), "layer1.bias": (-1.0,)},
    }
)


@pytest.mark.parametrize(("name", "expected"), [
    ("train_loss@1", 1.0), ("train_loss@2", 1 / 2), ("train_loss@3", 1 / 3), ("train_loss", 1 / 3),
    ("train_accuracy@1", 100 / TRAINED), ("train_accuracy@3", 300 / TRAINED), ("train_accuracy", 300 / TRAINED),
    ("validation_loss@1", 1.5), ("validation_loss", 0.5),
    ("validation_accuracy@2", 100 / HELD_OUT), ("validation_accuracy", 150 / HELD_OUT),
    ("test_accuracy", 300 / TESTED), ("test_loss", 0.5),
])  # fmt: skip
def test_a_curve_is_read_after_the_epoch_that_is_named_or_the_last(name: str, expected: float) -> None:
    assert value(name, record()) == expected


@pytest.mark.parametrize(("name", "expected"), [
    ("train_loss@1", 2.0), ("train_loss@2", None), ("train_loss", None), ("train_loss@3", None),
    ("train_accuracy@2", 90 / TRAINED), ("train_accuracy", 90 / TRAINED), ("train_accuracy@3", None),
    ("validation_loss", None), ("validation_accuracy", 40 / HELD_OUT), ("validation_accuracy@3", None),
    ("test_accuracy", 36 / TESTED), ("test_loss", None), ("train_accuracy - train_loss", None),
])  # fmt: skip
def test_a_diverged_trial_has_what_it_came_to_and_no_loss_that_is_not_finite(name: str, expected: float | None) -> None:
    assert value(name, DIVERGED) == expected


def test_a_failed_trial_has_no_value_of_any_metric() -> None:
    assert {name: value(name, FAILED) for name in SINGLE_FORMS} == dict.fromkeys(SINGLE_FORMS)


def test_without_held_out_images_there_is_no_validation_curve() -> None:
    curves = Curves(train_loss=(1.0,), train_correct_count=(100,))
    bare = record(NOTHING_HELD_OUT, curves=curves)
    assert value("validation_accuracy", bare) is None
    assert value("validation_loss", bare) is None
    assert value("train_accuracy", bare) == 100 / 1437


@pytest.mark.parametrize(("name", "expected"), [
    ("layer1.mean", -0.75), ("layer1.mean@3", -0.75), ("layer1.mean@0", -0.25), ("layer1.abs_mean", 0.75),
    ("layer1.abs_mean@0", 0.25), ("layer2.abs_mean", 1.5), ("layer1.dead_share", 0.25), ("layer1.dead_share@0", 0.0),
    ("layer1.zero_share@0", 0.5), ("layer1.sd", 1.0), ("layer1.weight_gradient_norm@0", 4.0),
    ("layer2.weight_gradient_norm@0", 8.0), ("layer1.bias_gradient_norm@0", 2.0), ("layer1.saturated_share@0", 0.125),
    ("layer1.saturated_share", None), ("layer1.bias_gradient_norm", None), ("layer1.mean@1", None),
    ("layer3.mean", None),
])  # fmt: skip
def test_a_layer_is_read_where_it_was_probed_at_the_epoch_or_last(name: str, expected: float | None) -> None:
    assert value(name, PROBED) == expected


def test_every_figure_of_a_probe_can_be_read() -> None:
    assert set(PROBES) == set(PROBE_NAMES)
    assert set(PROBE_NAMES) - {"abs_mean"} == set(LayerProbe.model_fields) - {"epoch", "layer", "histogram", "learnt"}


@pytest.mark.parametrize(("name", "expected"), [
    ("validation_nll", 0.7), ("validation_nll@1", 0.9), ("validation_brier@2", 0.5), ("validation_ece", 0.1),
    ("validation_top2_accuracy@1", 100 / HELD_OUT), ("validation_top2_accuracy", 200 / HELD_OUT),
    ("test_nll", 0.4), ("test_brier", 0.2), ("test_ece", 0.1), ("test_top2_accuracy", 330 / TESTED),
    ("test_accuracy_of_class_3", 300 / 360), ("test_accuracy_of_class_2", None), ("layer1.beta", 1.5),
    ("layer1.alpha", None),
])  # fmt: skip
def test_measures_classes_and_learnt_parameters_are_read_off_the_record(name: str, expected: float | None) -> None:
    assert value(name, EVERYTHING) == expected
    assert value(name, record()) is None


def test_an_absent_mean_has_no_size() -> None:
    assert value("layer1.abs_mean", record(probes=[probe(0, 1, mean=None)])) is None


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, TESTED])
def test_the_accuracy_of_the_first_images_is_the_mean_of_their_bits(count: int) -> None:
    of = record(test_is_correct=packed(IS_CORRECT))
    by_hand = sum(bool(bit) for bit in IS_CORRECT[:count]) / count
    assert value(f"test_accuracy_of_first_{count}", of) == by_hand


def test_the_first_images_are_those_at_the_front() -> None:
    bits = [True] * 64 + [False] * (TESTED - 64)
    assert value("test_accuracy_of_first_64", record(test_is_correct=packed(bits))) == 1.0
    assert value("test_accuracy_of_first_64", record(test_is_correct=packed(bits[::-1]))) == 0.0


def test_more_first_images_than_were_tested_have_no_accuracy_though_the_last_byte_is_filled_up() -> None:
    of = record(TrialSettings.model_validate({"data": {"test": 60}}), test_is_correct=packed([True] * 60))
    assert value("test_accuracy_of_first_60", of) == 1.0
    assert value("test_accuracy_of_first_61", of) is None
    assert value("test_accuracy_of_first_65", of) is None


def test_a_record_without_bits_has_no_accuracy_of_the_first_images() -> None:
    assert value("test_accuracy_of_first_64", record()) is None


RISING = Curves(
    train_loss=(1.0, 0.5, 0.5),
    train_correct_count=(0, TRAINED // 2, TRAINED // 2),
    validation_loss=(0.75, 0.25, 0.5),
    validation_correct_count=(1, 239, 1),
)


@pytest.mark.parametrize(("name", "expected"), [
    ("epochs_to_0_train_accuracy", 1.0), ("epochs_to_0.5_train_accuracy", 2.0), ("epochs_to_0.51_train_accuracy", 4.0),
    ("epochs_to_1_validation_accuracy", 2.0), ("epochs_to_0.004_validation_accuracy", 1.0),
    ("epochs_to_1_train_loss", 1.0), ("epochs_to_0.99_train_loss", 2.0), ("epochs_to_0.5_train_loss", 2.0),
    ("epochs_to_0.49_train_loss", 4.0), ("epochs_to_0.5_validation_loss", 2.0), ("epochs_to_0.24_validation_loss", 4.0),
])  # fmt: skip
def test_epochs_to_a_target_end_where_the_curve_first_is_there(name: str, expected: float) -> None:
    assert value(name, record(curves=RISING)) == expected


@pytest.mark.parametrize(("name", "expected"), [
    ("epochs_to_0.08_train_accuracy", 1.0), ("epochs_to_0.09_train_accuracy", 4.0), ("epochs_to_2_train_loss", 1.0),
    ("epochs_to_1.9_train_loss", 4.0), ("epochs_to_1.4_validation_loss", 4.0),
])  # fmt: skip
def test_a_trial_that_diverged_before_the_target_counts_as_one_that_never_got_there(name: str, expected: float) -> None:
    assert value(name, DIVERGED) == expected


@pytest.mark.parametrize(("batch_size", "steps"), [
    (128, 10), (599, 2), (600, 2), (1198, 1), (5000, 1), ("full", 1), (1, 1198),
])  # fmt: skip
def test_the_time_of_a_step_is_the_median_epochs_by_its_steps_the_last_batch_included(
    batch_size: int | str, steps: int
) -> None:
    settings = TrialSettings.model_validate({"train": {"batch_size": batch_size}})
    assert value("step_seconds", record(settings, epoch_seconds=(9.0, 2.0, 3.0))) == 3.0 / steps
    assert value("step_seconds", record(settings, epoch_seconds=(9.0, 2.0, 3.0, 4.0))) == 3.5 / steps


def test_a_trial_that_shared_its_stack_has_no_time_of_its_own() -> None:
    assert value("step_seconds", record(epoch_seconds=(1.0,), stack_trials=2)) is None
    assert value("step_seconds", record(epoch_seconds=(), stack_trials=1)) is None


def parameters(weight: tuple[float | None, ...], bias: tuple[float | None, ...]) -> TrialRecord:
    return record(PERCEPTRON, parameters={"layer1.weight": weight, "layer1.bias": bias})


def test_the_boundary_is_where_the_score_is_zero() -> None:
    assert value("boundary", parameters((0.5,), (-65.0,))) == 130.0
    assert value("boundary", parameters((-2.0,), (1.0,))) == 0.5
    assert value("boundary", parameters((4.0,), (0.0,))) == 0.0


@pytest.mark.parametrize("of", [
    parameters((0.0,), (1.0,)), parameters((None,), (1.0,)), parameters((1.0,), (None,)), parameters((1.0,), ()),
    parameters((1.0, 2.0), (1.0,)), record(PERCEPTRON),
])  # fmt: skip
def test_without_one_weight_and_one_bias_there_is_no_boundary(of: TrialRecord) -> None:
    assert value("boundary", of) is None


@pytest.mark.parametrize(("name", "expected"), [
    ("train_accuracy - validation_accuracy", 300 / TRAINED - 150 / HELD_OUT), ("test_loss - train_loss@1", -0.5),
    ("train_loss@1 / train_loss@2", 2.0), ("layer1.weight_gradient_norm@0 / layer2.weight_gradient_norm@0", 0.5),
    ("layer1.mean@0 / layer2.weight_gradient_norm", None), ("layer1.mean / layer1.saturated_share", None),
    ("layer1.saturated_share - layer1.mean", None), ("test_accuracy / test_accuracy", 1.0),
    ("test_accuracy - test_accuracy", 0.0),
])  # fmt: skip
def test_a_difference_and_a_ratio_need_both_values_and_a_ratio_a_denominator_that_is_not_0(
    name: str, expected: float | None
) -> None:
    assert value(name, PROBED) == expected


def test_every_form_gives_a_finite_number_of_a_full_record() -> None:
    absent = {"layer1.saturated_share", "layer1.saturated_share@3", "layer1.bias_gradient_norm",
              "layer1.bias_gradient_norm@3"} | {f"layer2.{probe}{at}" for probe, at in product(
                  ("dead_share", "saturated_share"), ("", "@0", "@3"))}  # fmt: skip
    values = {name: value(name, EVERYTHING) for name in SINGLE_FORMS}
    assert {name for name, number in values.items() if number is None} == absent
    assert all(math.isfinite(number) for number in values.values() if number is not None)


def test_the_name_of_every_form_is_the_name_of_the_same_metric() -> None:
    for text in ALL_FORMS:
        metric = parse_metric(f"  {text.replace(' ', '   ')} ")
        again = parse_metric(metric.name)
        assert metric.name == text
        assert (again.name, again.unit, again.larger_is_better, again.is_timed) == (
            metric.name, metric.unit, metric.larger_is_better, metric.is_timed,
        )  # fmt: skip
        assert [again.value(of) for of in (EVERYTHING, DIVERGED)] == [metric.value(of) for of in (EVERYTHING, DIVERGED)]
        assert again.problem(SMALL) == metric.problem(SMALL)
