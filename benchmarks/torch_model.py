"""The model and the images of the contestants that use torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.job import Job, load_images


def create_model(job: Job) -> nn.Sequential:
    """Linear layers with relu between them, initialised as torch does."""
    layers: list[nn.Module] = []
    for fan_in, units in pairwise(job.widths()):
        layers += [nn.Linear(fan_in, units), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def load_tensors(job: Job) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Inputs `[images, features]` and labels `[images]` to train on, and those to validate on."""
    images = load_images(job)
    return (
        (torch.from_numpy(images.train_inputs), torch.from_numpy(images.train_labels)),
        (torch.from_numpy(images.validation_inputs), torch.from_numpy(images.validation_labels)),
    )
