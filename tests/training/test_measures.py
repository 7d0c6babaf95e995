"""Measures that do not depend on the loss, against scikit-learn and plain numpy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.functions import bind_pair
from actbench.training.loop import train_stack
from actbench.training.measures import ImageMeasures, Measures, calibration_error, forms_of, measure_images, summarise

PAIRS = [
    ("identity", "cross_entropy"), ("log_softmax", "nll"), ("log_softmax", "cross_entropy"), ("softmax", "bce"),
    ("softmax", "mse"), ("sigmoid", "bce"), ("sigmoid", "mse"), ("logsigmoid", "nll"), ("hardsigmoid", "mse"),
]  # fmt: skip
IMAGES = 333
RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 2, (IMAGES, 10)).astype(np.float32)
LABELS = np.where(RNG.random(IMAGES) < 0.6, SCORES.argmax(1), RNG.integers(0, 10, IMAGES))


def measured(scores: NDArray[np.float32], labels: NDArray[np.int64], output: str, loss: str) -> Measures:
    """The measures of one trial with these scores, in two blocks of images."""
    trial = make_trial(settings(output, loss), 0)
    model = trial.settings
    outputs, _ = bind_pair(model.model.output, model.train.loss)[0](torch.from_numpy(scores)[None])
    forms = forms_of([trial])
    predicted, truth = outputs.argmax(-1), torch.from_numpy(labels)[None]
    blocks = [
        measure_images(forms, outputs[:, part], truth[:, part], predicted[:, part])
        for part in (slice(0, 200), slice(200, None))
    ]
    return summarise(forms, blocks, predicted == truth)[0]


def settings(output: str, loss: str, **others: Any) -> TrialSettings:
    model = {"hidden": (8,), "output": output}
    return TrialSettings.model_validate(
        {"data": {"dataset": "digits"}, "model": model, "train": {"loss": loss, "epochs": 2}} | others
    )


def probabilities(output: str) -> NDArray[np.float64]:
    """Each image's probabilities, in plain numpy."""
    x = SCORES.astype(np.float64)
    units: dict[str, NDArray[np.float64]] = {
        "sigmoid": 1 / (1 + np.exp(-x)),
        "logsigmoid": 1 / (1 + np.exp(-x)),
        "hardsigmoid": np.clip(x / 6 + 0.5, 2.0**-126, 1),
    }
    shares = units.get(output, np.exp(x))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def expected_calibration_error(shares: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    order = np.argsort(shares.max(axis=1), kind="stable")
    gap = 0.0
    for rows in np.array_split(order, 15):
        accuracy, confidence = (shares[rows].argmax(1) == labels[rows]).mean(), shares[rows].max(1).mean()
        gap += len(rows) / len(labels) * abs(accuracy - confidence)
    return gap


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_measures_of_every_pair_are_those_of_scikit_learn_and_numpy(output: str, loss: str) -> None:
    from sklearn.metrics import brier_score_loss, log_loss, top_k_accuracy_score

    found, shares = measured(SCORES, LABELS, output, loss), probabilities(output)
    classes = np.arange(10)
    assert found.nll == pytest.approx(-np.log(shares[np.arange(IMAGES), LABELS]).mean(), rel=1e-5)
    assert found.brier == pytest.approx(brier_score_loss(LABELS, shares, labels=classes, scale_by_half=False), rel=1e-5)
    assert found.top2_correct_count == top_k_accuracy_score(LABELS, shares, k=2, labels=classes, normalize=False)
    if output != "hardsigmoid":  # whose equal confidences have no order of their own, and which is surer than 1e-16
        assert found.nll == pytest.approx(log_loss(LABELS, shares, labels=classes), rel=1e-5)
        assert found.ece == pytest.approx(expected_calibration_error(shares, LABELS), rel=1e-4)


@pytest.mark.parametrize(("output", "loss"), [("tanh", "mse"), ("identity", "mse")])
def test_outputs_that_are_no_probabilities_have_only_a_top_2(output: str, loss: str) -> None:
    from sklearn.metrics import top_k_accuracy_score

    found = measured(SCORES, LABELS, output, loss)
    assert (found.nll, found.brier, found.ece) == (None, None, None)
    assert found.top2_correct_count == top_k_accuracy_score(LABELS, SCORES, k=2, normalize=False)


def test_a_sure_network_that_is_right_is_perfect_and_one_that_is_wrong_as_bad_as_can_be() -> None:
    sure, labels = np.full((30, 10), -100, np.float32), np.arange(30) % 10
    sure[np.arange(30), labels] = 100
    assert measured(sure, labels, "softmax", "mse") == Measures(0.0, 0.0, 0.0, 30, 30)
    wrong = measured(sure, (labels + 1) % 10, "softmax", "mse")
    assert (wrong.brier, wrong.ece) == (2.0, 1.0)
    assert wrong.nll == pytest.approx(126 * math.log(2), rel=1e-6)


def test_scores_that_are_not_finite_have_no_measure_and_never_fewer_right_in_two_than_in_one() -> None:
    scores = SCORES.copy()
    scores[0] = np.nan
    found = measured(scores, LABELS, "log_softmax", "nll")
    assert found.nll is not None
    assert math.isnan(found.nll)
    right = int((torch.from_numpy(scores).argmax(-1).numpy() == LABELS).sum())
    assert right <= found.top2_correct_count <= IMAGES


def test_of_equal_outputs_the_first_two_classes_count() -> None:
    outputs, labels = torch.zeros(1, 4, 5), torch.tensor([[0, 1, 2, 4]])
    found = measure_images([(None, 1)], outputs, labels, outputs.argmax(-1))
    assert found.is_in_top2.tolist() == [[True, True, False, False]]


def test_few_images_have_a_bin_each() -> None:
    confidence = torch.tensor([[0.5, 0.75, 1.0]], dtype=torch.float64)
    assert calibration_error(confidence, torch.tensor([[True, False, True]])).tolist() == [pytest.approx(1.25 / 3)]


def test_a_single_unit_gives_the_probability_of_class_1() -> None:
    thermostat = load(DATASETS["thermostat"], Path())
    chosen = {
        "data": {"dataset": "thermostat", "validation": 0},
        "model": {"hidden": (), "output": "sigmoid"},
        "train": {"loss": "bce", "lr": 0.05, "epochs": 5},
    }
    (record,) = trained([chosen], thermostat)
    assert record.test_nll == pytest.approx(record.test_loss, rel=1e-5)
    assert record.test_brier is not None
    assert 0 < record.test_brier < 2


def trained(chosen: list[dict[str, Any]], arrays: Arrays) -> list[TrialRecord]:
    trials = [make_trial(TrialSettings.model_validate(one), 0) for one in chosen]
    return train_stack(trials, arrays, "cpu", lambda epoch: None)


def test_a_trained_network_is_measured_on_its_own_outputs_by_epoch_and_at_the_end() -> None:
    arrays = load(DATASETS["digits"], Path())
    (record,) = train_stack([make_trial(settings("log_softmax", "nll"), 0)], arrays, "cpu", lambda epoch: None)
    assert record.test_nll == pytest.approx(record.test_loss, rel=1e-6)
    assert record.curves.validation_nll == pytest.approx(record.curves.validation_loss, rel=1e-6)
    assert len(record.curves.validation_ece) == len(record.curves.validation_top2_correct_count) == 2
    labels, given = np.array(record.mistakes()).T
    right = np.array(record.test_prediction_counts) - np.bincount(given, minlength=10)
    images = np.bincount(arrays.test_labels[: record.test_count], minlength=10)
    assert (right + np.bincount(labels, minlength=10)).tolist() == images.tolist()
    assert right.sum() == record.test_correct_count
    assert record.curves.validation_top2_correct_count >= record.curves.validation_correct_count


def test_measures_do_not_depend_on_the_stack_to_the_last_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 77, 10, generator=generator)
    labels = torch.randint(0, 10, (5, 77), generator=generator)
    predicted = outputs.argmax(-1)
    forms = [("logits", 2), ("scores of sigmoid", 1), ("log-probabilities", 2)]
    together = measure_images(forms, outputs, labels, predicted)  # type: ignore[arg-type]
    names = [name for name, size in forms for _ in range(size)]
    for index, name in enumerate(names):
        one = slice(index, index + 1)
        alone = measure_images([(name, 1)], outputs[one], labels[one], predicted[one])  # type: ignore[list-item]
        for field in ImageMeasures._fields:
            values: Tensor = getattr(alone, field)
            assert torch.equal(values[0], getattr(together, field)[index])
