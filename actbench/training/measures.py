"""Measures of a network's outputs that do not depend on its loss: NLL, Brier score, calibration error, top 2.

On the CPU a trial's numbers do not depend on its stack: all functions that round differently at the end of a vector
loop get a multiple of 32 images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from actbench.catalogue.losses import Form, logits_of, probability_form
from actbench.experiment.records import Trial
from actbench.training.products import VECTOR_ELEMENTS

CALIBRATION_BINS = 15
DIGITS = 7


@dataclass(frozen=True)
class Measures:
    """One trial's measures over all images of an evaluation; those of probabilities are None where it has none.

    `nll`: mean of -log p(label). `brier`: mean of sum_i (p_i - [i = label])^2, from 0 to 2. `ece`: expected calibration
    error, mean |accuracy - confidence| over 15 bins with equally many images. NaN where outputs are not finite.
    """

    nll: float | None
    brier: float | None
    ece: float | None
    top2_correct_count: int
    correct_count: int


class ImageMeasures(NamedTuple):
    """The same of every image, all `[trials, images]`; NaN where a trial's outputs give no probabilities."""

    nll: Tensor
    brier: Tensor
    confidence: Tensor
    is_in_top2: Tensor


Forms = Sequence[tuple[Form | None, int]]
"""What the outputs of consecutive trials are, and of how many."""


def forms_of(trials: Sequence[Trial]) -> Forms:
    """The form of each group of consecutive trials whose outputs have the same."""
    pairs = [(trial.settings.model.output, trial.settings.train.loss) for trial in trials]
    forms = [probability_form(output.entry, dict(output.parameters), loss.entry) for output, loss in pairs]
    return [(form, len(list(group))) for form, group in groupby(forms)]


def measure_images(forms: Forms, outputs: Tensor, labels: Tensor, predicted: Tensor) -> ImageMeasures:
    """Measures of a block of images, from outputs `[trials, images, units]`, labels and predictions."""
    sizes = [size for _, size in forms]
    parts = zip(forms, *(one.split_with_sizes(sizes) for one in (outputs, labels, predicted)), strict=True)
    columns = [_probability_measures(form, *tensors) for (form, _), *tensors in parts]
    nll, brier, confidence = (torch.cat(column) for column in zip(*columns, strict=True))
    return ImageMeasures(nll, brier, confidence, _is_in_top2(outputs, labels, predicted))


def _probability_measures(form: Form | None, outputs: Tensor, labels: Tensor, predicted: Tensor) -> list[Tensor]:
    precise = torch.float32 if outputs.device.type == "mps" else torch.float64
    if form is None:
        return [torch.full(labels.shape, torch.nan, dtype=precise, device=outputs.device)] * 3
    count = outputs.shape[1]
    padding = -count % VECTOR_ELEMENTS
    logits = logits_of(form, torch.nn.functional.pad(outputs.to(precise), (0, 0, 0, padding)))
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    exponentials = shifted.exp()
    total = exponentials.sum(dim=-1, keepdim=True)
    log_total, shares = total.log()[:, :count, 0], exponentials.div_(total)[:, :count]
    at_label, at_predicted = labels.unsqueeze(-1), predicted.unsqueeze(-1)
    nll = log_total - shifted[:, :count].gather(-1, at_label).squeeze(-1)
    brier = shares.square().sum(dim=-1) + 1 - 2 * shares.gather(-1, at_label).squeeze(-1)
    return [nll, brier.clamp_min_(0), shares.gather(-1, at_predicted).squeeze(-1)]


def _is_in_top2(outputs: Tensor, labels: Tensor, predicted: Tensor) -> Tensor:
    """Whether the label has one of the two largest outputs; of equal ones the first are the larger."""
    if outputs.shape[-1] < 2:
        return torch.ones_like(labels, dtype=torch.bool)
    own = outputs.gather(-1, labels.unsqueeze(-1))
    is_before = torch.arange(outputs.shape[-1], device=outputs.device) < labels.unsqueeze(-1)
    ahead = ~(outputs <= own) | ((outputs == own) & is_before)  # written so that NaN is ahead
    return (ahead.sum(dim=-1) < 2) | (predicted == labels)


def summarise(forms: Forms, blocks: Sequence[ImageMeasures], is_correct: Tensor) -> list[Measures]:
    """Each trial's measures, from those of all blocks of images and whether each was classified correctly."""
    has_probabilities = [form is not None for form, size in forms for _ in range(size)]
    nll, brier, confidence, top2 = (torch.cat(of_blocks, dim=1) for of_blocks in zip(*blocks, strict=True))
    columns = nll.mean(dim=1), brier.mean(dim=1), calibration_error(confidence, is_correct)
    of_probabilities = zip(*(map(_kept, column.tolist()) for column in columns), strict=True)
    counts = zip(*(hits.sum(dim=1).tolist() for hits in (top2, is_correct)), strict=True)
    return [
        Measures(*(figures if has else (None, None, None)), *hits)
        for has, figures, hits in zip(has_probabilities, of_probabilities, counts, strict=True)
    ]


def calibration_error(confidence: Tensor, is_correct: Tensor) -> Tensor:
    """Expected calibration error `[trials]` with 15 bins of equal mass (Naeini 2015, Guo 2017).

    The first bins have an image more where the images are not a multiple of 15; equal confidences keep their order.
    """
    count = confidence.shape[1]
    order = confidence.argsort(dim=1, stable=True)
    gaps = (confidence - is_correct.to(confidence.dtype)).gather(1, order)
    size, more = divmod(count, CALIBRATION_BINS)
    large = gaps[:, : more * (size + 1)].reshape(len(gaps), more, size + 1).sum(dim=2)
    small = gaps[:, more * (size + 1) :].reshape(len(gaps), CALIBRATION_BINS - more, size).sum(dim=2)
    return torch.cat([large, small], dim=1).abs().sum(dim=1) / count


def _kept(figure: float) -> float:
    return float(f"{figure:.{DIGITS}g}") if math.isfinite(figure) else figure
