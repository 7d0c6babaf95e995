"""What a metric's name says before anything is trained: its unit, which way is better, and which networks have it."""

from __future__ import annotations

import pytest

from actbench.experiment.metrics import parse_metric
from actbench.experiment.settings import TrialSettings
from metric_settings import NOTHING_HELD_OUT, PERCEPTRON, SMALL

NO_PROBABILITIES = TrialSettings.model_validate({"model": {"output": "tanh"}, "train": {"loss": "mse"}})
PRELU = TrialSettings.model_validate({"model": {"hidden": (4,), "activation": "prelu"}, "train": {"epochs": 3}})
GELU = TrialSettings.model_validate({"model": {"hidden": (4,), "activation": {"gelu": {"learn": True}}}})
LONG = TrialSettings.model_validate({"model": {"hidden": (4,)}, "train": {"epochs": 1000}})


@pytest.mark.parametrize(("name", "unit", "larger_is_better"), [
    ("test_accuracy", "share", True), ("validation_accuracy@2", "share", True), ("train_loss", "loss", False),
    ("test_loss", "loss", False), ("test_accuracy_of_first_64", "share", True),
    ("epochs_to_0.9_validation_accuracy", "number", False), ("epochs_to_0.9_validation_loss", "number", False),
    ("layer1.dead_share", "share", False), ("layer1.saturated_share@0", "share", False),
    ("layer1.zero_share", "share", None), ("layer1.mean", "number", None), ("layer1.abs_mean", "number", None),
    ("layer1.weight_gradient_norm", "number", None), ("step_seconds", "number", False), ("boundary", "number", None),
    ("train_accuracy - validation_accuracy", "share", None), ("test_loss - train_loss", "loss", None),
    ("train_accuracy - train_loss", "number", None), ("test_loss / train_loss", "number", None),
    ("layer1.zero_share - layer1.dead_share", "share", None),
    ("test_nll", "loss", False), ("validation_brier@2", "loss", False), ("test_ece", "loss", False),
    ("test_top2_accuracy", "share", True), ("test_accuracy_of_class_9", "share", True),
    ("layer1.weight_norm", "number", None), ("layer1.negative_slope@0", "number", None),
])  # fmt: skip
def test_a_metric_has_a_unit_and_mostly_a_better_way(name: str, unit: str, larger_is_better: bool | None) -> None:
    metric = parse_metric(name)
    assert (metric.unit, metric.larger_is_better) == (unit, larger_is_better)


@pytest.mark.parametrize(("name", "is_timed"), [
    ("step_seconds", True), ("step_seconds / train_loss", True), ("train_loss / step_seconds", True),
    ("test_loss - step_seconds", True), ("train_loss", False), ("train_loss / test_loss", False),
    ("epochs_to_0.9_train_accuracy", False),
])  # fmt: skip
def test_whatever_holds_the_time_of_a_step_is_timed(name: str, is_timed: bool) -> None:
    assert parse_metric(name).is_timed is is_timed


@pytest.mark.parametrize(("name", "settings", "problem"), [
    ("validation_loss", NOTHING_HELD_OUT, "validation_loss: no validation images are held out"),
    ("validation_accuracy@99", NOTHING_HELD_OUT, "validation_accuracy@99: no validation images are held out"),
    ("epochs_to_0.9_validation_accuracy", NOTHING_HELD_OUT,
     "epochs_to_0.9_validation_accuracy: no validation images are held out"),
    ("train_loss@4", SMALL, "train_loss@4: epochs are 1 to 3"),
    ("train_loss@0", SMALL, "train_loss@0: epochs are 1 to 3"),
    ("test_loss@3", SMALL, "test_loss@3: test images are looked at once, after the last epoch"),
    ("layer3.mean", SMALL, "layer3.mean: layers are 1 to 2"),
    ("layer0.mean", SMALL, "layer0.mean: layers are 1 to 2"),
    ("layer2.dead_share", SMALL, "layer2.dead_share: the last layer has no activation"),
    ("layer2.saturated_share@0", SMALL, "layer2.saturated_share@0: the last layer has no activation"),
    ("layer1.mean@4", SMALL, "layer1.mean@4: of epochs 0 (before training) to 3, 4 are probed; nearest: 3"),
    ("layer1.mean@996", LONG, "layer1.mean@996: of epochs 0 (before training) to 1000, 101 are probed; nearest: 1000"),
    ("layer1.mean@14", LONG, "layer1.mean@14: of epochs 0 (before training) to 1000, 101 are probed; nearest: 10"),
    ("test_accuracy_of_first_361", SMALL, "test_accuracy_of_first_361: there are 360 test images"),
    ("test_accuracy_of_first_0", SMALL, "test_accuracy_of_first_0: there are 360 test images"),
    ("boundary", SMALL, "boundary: only a network of one input and one unit has one"),
    ("boundary", TrialSettings.model_validate({"data": {"dataset": "thermostat"}, "model": {"hidden": (1,)}}),
     "boundary: only a network of one input and one unit has one"),
    ("boundary", TrialSettings.model_validate({"data": {"dataset": "cube"}, "model": {"hidden": ()}}),
     "boundary: only a network of one input and one unit has one"),
    ("train_loss - validation_loss", NOTHING_HELD_OUT, "validation_loss: no validation images are held out"),
    ("test_nll", NO_PROBABILITIES, "test_nll: tanh with mse gives no probabilities"),
    ("validation_ece@1", NO_PROBABILITIES, "validation_ece@1: tanh with mse gives no probabilities"),
    ("test_top2_accuracy", PERCEPTRON, "test_top2_accuracy: of two classes one of two is always right"),
    ("test_accuracy_of_class_10", SMALL, "test_accuracy_of_class_10: classes are 0 to 9"),
    ("layer1.beta", SMALL, "layer1.beta: layer 1 learns no parameter of its activation"),
    ("layer1.negatve_slope", PRELU,
     "layer1.negatve_slope: layer 1 learns negative_slope; did you mean negative_slope?"),
    ("layer2.negative_slope", PRELU, "layer2.negative_slope: layer 2 learns no parameter of its activation"),
    ("layer3.negative_slope", PRELU, "layer3.negative_slope: layers are 1 to 2"),
    ("layer9.sd / train_loss@9", SMALL, "layer9.sd: layers are 1 to 2"),
])  # fmt: skip
def test_a_network_that_cannot_have_the_metric_is_told_why(name: str, settings: TrialSettings, problem: str) -> None:
    assert parse_metric(name).problem(settings) == problem


@pytest.mark.parametrize(("name", "settings"), [
    ("train_loss@3", SMALL), ("train_loss", NOTHING_HELD_OUT), ("layer2.zero_share@0", SMALL),
    ("layer1.dead_share@3", SMALL), ("layer1.mean@10", LONG), ("layer1.mean@1000", LONG),
    ("test_accuracy_of_first_360", SMALL), ("boundary", PERCEPTRON), ("step_seconds", SMALL),
    ("layer1.negative_slope@3", PRELU), ("layer1.learnt_mean", GELU), ("layer1.std", GELU),
    ("test_nll", SMALL), ("test_accuracy_of_class_9", SMALL),
    ("epochs_to_0.9_train_loss", NOTHING_HELD_OUT), ("train_loss / step_seconds", SMALL),
])  # fmt: skip
def test_a_network_that_has_the_metric_has_no_problem(name: str, settings: TrialSettings) -> None:
    assert parse_metric(name).problem(settings) is None


EVERY_CURVE = (
    "; known here: test_accuracy, test_loss, validation_accuracy, validation_loss, train_accuracy, train_loss, "
    "test_nll, test_brier, test_ece, test_top2_accuracy, validation_nll, validation_brier, validation_ece, "
    "validation_top2_accuracy, step_seconds, boundary"
)


@pytest.mark.parametrize(("name", "called", "near"), [
    ("boundry", "boundry", "; did you mean boundary?"),
    ("step_second", "step_second", "; did you mean step_seconds?"),
    ("test_acuracy", "test_acuracy",
     "; did you mean test_accuracy, test_top2_accuracy or train_accuracy?"),
    ("layer1.dead_shar", "layer1.dead_shar",
     "; did you mean layer1.dead_share, layer1.zero_share or layer1.saturated_share?"),
    ("epochs_to_0.9_test_accuracy", "epochs_to_0.9_test_accuracy",
     "; did you mean epochs_to_0.95_validation_accuracy or test_accuracy?"),
    ("train_loss@", "train_loss@", "; did you mean train_loss, validation_loss@3 or validation_loss?"),
    ("test_loss - boundry", "boundry", "; did you mean boundary?"),
    ("boundry / test_loss", "boundry", "; did you mean boundary?"),
    ("zzz", "zzz", EVERY_CURVE), ("", "", EVERY_CURVE), ("- zzz", "- zzz", EVERY_CURVE),
])  # fmt: skip
def test_an_unknown_metric_is_refused_with_the_nearest_names(name: str, called: str, near: str) -> None:
    with pytest.raises(ValueError, match=r"^no metric is called") as caught:
        parse_metric(name)
    assert str(caught.value) == f"no metric is called {called!r}{near}"


@pytest.mark.parametrize("length", [3, 2000])
def test_more_than_two_metrics_cannot_be_combined(length: int) -> None:
    with pytest.raises(ValueError, match=r"^no metric is called 'train_loss - train_loss - train_loss"):
        parse_metric(" - ".join(["train_loss"] * length))
