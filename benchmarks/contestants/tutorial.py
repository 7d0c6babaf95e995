"""The loop of PyTorch's tutorial: torchvision's `MNIST` with `ToTensor`, a `DataLoader`, one model.

Functions for training and testing with cross entropy and Adam, the loss read now and then, the hits read for every
batch; torch's own number of threads.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.job import LEARNING_RATE, Job
from benchmarks.measurement import Measurement, measurement_of
from benchmarks.torch_model import create_model
from benchmarks.torchvision_images import create_loaders

EPOCHS = 1


def measure(job: Job, name: str) -> Measurement:
    """One epoch and its test loop."""
    with tempfile.TemporaryDirectory() as folder:
        train_loader, validation_loader = create_loaders(job, Path(folder))
        model = nn.Sequential(nn.Flatten(), create_model(job))
        loss_function = nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        accuracy = 0.0
        started = time.perf_counter()
        for _ in range(EPOCHS):
            train_loop(train_loader, model, loss_function, optimizer)
            accuracy = test_loop(validation_loader, model, loss_function)
        return measurement_of(name, time.perf_counter() - started, 1, EPOCHS, accuracy)


def train_loop(
    loader: DataLoader[Any], model: nn.Module, loss_function: nn.Module, optimizer: torch.optim.Optimizer
) -> list[float]:
    """One pass over the batches; every hundredth loss."""
    model.train()
    losses = []
    for number, (inputs, labels) in enumerate(loader):
        loss = loss_function(model(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if number % 100 == 0:
            losses.append(loss.item())
    return losses


@torch.no_grad()
def test_loop(loader: DataLoader[Any], model: nn.Module, loss_function: nn.Module) -> float:
    """The share of images that the model gets right."""
    model.eval()
    hits, images, loss = 0.0, 0, 0.0
    for inputs, labels in loader:
        predicted = model(inputs)
        loss += loss_function(predicted, labels).item()
        hits += (predicted.argmax(dim=1) == labels).float().sum().item()
        images += len(labels)
    return hits / images
