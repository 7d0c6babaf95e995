"""What training computes from scores, against arithmetic with 40 digits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.network import Objective, create_network, objective

mpmath = pytest.importorskip("mpmath")

UNITS = 10
PAIRS = [("sigmoid", "bce"), ("softmax", "bce"), ("log_softmax", "nll"), ("identity", "cross_entropy")]
MAGNITUDES = (0.0, 1e-30, 1e-3, 0.7, 5.0, 17.5, 24.377, 88.7, 104.0, 1e3, 1e4)


def reached(output: Any, loss: Any, rows: Sequence[Sequence[float]], labels: Sequence[int], **data: Any) -> Objective:
    """The losses and predictions of one trial for a batch of scores."""
    settings = TrialSettings.model_validate(
        {"data": {"dataset": "digits"} | data, "model": {"hidden": (), "output": output}, "train": {"loss": loss}}
    )
    network = create_network([make_trial(settings, 0)], torch.device("cpu"))
    return objective(network, torch.tensor([rows]), torch.tensor([labels]))


def batches() -> Iterator[tuple[list[list[float]], list[int]]]:
    """Scores from -1e4 to 1e4: one unit far from the others, two far, and every order of magnitude at once."""
    scores = [sign * size for size in MAGNITUDES for sign in (1, -1)]
    rows = [[first, second, *([0.0] * (UNITS - 2))] for first, second in itertools.product(scores, repeat=2)]
    draws = torch.Generator().manual_seed(0)
    for size in MAGNITUDES[1:]:
        rows += (size * torch.randn(20, UNITS, generator=draws)).clamp(-1e4, 1e4).tolist()
    rows += [[scores[int(k)] for k in row] for row in torch.randint(len(scores), (60, UNITS), generator=draws)]
    yield rows, [(0, 1, 7)[number % 3] for number in range(len(rows))]


def exact(output: str, loss: str, scores: Sequence[float], label: int) -> tuple[Any, list[Any]]:
    """The loss and its slopes by the scores, each from the definition."""
    with mpmath.workdps(40):
        x = [mpmath.mpf(score) for score in scores]
        e = [mpmath.exp(score - max(x)) for score in x]
        total, units = mpmath.fsum(e), range(len(x))
        if output == "sigmoid":
            signs = [-1 if i == label else 1 for i in units]
            value = mpmath.fsum(mpmath.log1p(mpmath.exp(s * score)) for s, score in zip(signs, x, strict=True))
            return value, [s / (1 + mpmath.exp(-s * score)) for s, score in zip(signs, x, strict=True)]
        value = mpmath.log(total) - mpmath.log(e[label])
        slopes = [e[j] / total - (j == label) for j in units]
        if loss == "bce":
            rest = [mpmath.fsum(e[m] for m in units if m != i) for i in units]
            value += mpmath.fsum(mpmath.log(total) - mpmath.log(rest[i]) for i in units if i != label)
            for j in units:
                slopes[j] += mpmath.fsum(e[j] / total - (i != j) * e[j] / rest[i] for i in units if i != label)
        return value, slopes


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_values_and_slopes_are_right_for_scores_of_any_size(output: str, loss: str) -> None:
    for rows, labels in batches():
        result = reached(output, loss, rows, labels)
        slopes = (result.mean_gradient()[0] * len(rows)).tolist()
        stored = torch.tensor(rows).tolist()
        for number, row in enumerate(stored):
            value, expected = exact(output, loss, row, labels[number])
            assert float(result.losses[0, number]) == pytest.approx(float(value), rel=2e-6, abs=2e-6), row
            assert slopes[number] == pytest.approx([float(slope) for slope in expected], rel=2e-6, abs=2e-6), row


def test_sigmoid_with_bce_learns_from_a_score_that_is_far_off() -> None:
    result = reached("sigmoid", "bce", [[24.377]], [0], dataset="thermostat", validation=0, scale="none")
    assert float(result.losses) == pytest.approx(24.377)
    assert float(result.mean_gradient()) == pytest.approx(1)
    assert result.predicted.tolist() == [[1]]


def test_predictions_see_differences_that_probabilities_have_lost() -> None:
    scores = [[20.0, 30.0, *([0.0] * 8)]]
    assert float(torch.sigmoid(torch.tensor(20.0))) == 1
    assert reached("sigmoid", "bce", scores, [1]).predicted.tolist() == [[1]]


@pytest.mark.parametrize(("output", "loss", "expected"), [
    ("softmax", "nll", "finite"), ({"log_softmax": {"shift": False}}, "nll", "overflows"),
    ({"softmax": {"shift": False}}, "bce", "overflows"), ("hardsigmoid", "bce", "finite"),
])  # fmt: skip
def test_a_pair_that_does_not_fit_keeps_its_literal_form(output: Any, loss: str, expected: str) -> None:
    scores = [[100.0, *([0.0] * 9)]]
    result = reached(output, loss, scores, [0])
    assert bool(torch.isfinite(result.losses).all()) == (expected == "finite")
    if output == "softmax":
        assert float(result.losses) == -1
    if output == "hardsigmoid":
        assert float(result.losses) == pytest.approx(-9 * torch.tensor(0.5).log().item(), rel=1e-5)
