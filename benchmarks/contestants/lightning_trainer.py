"""Lightning's `Trainer` as its introduction shows it: torchvision's `MNIST`, a `DataLoader`, one model.

Defaults, but for the logger, checkpoints, progress bar and model summary, which are off. Timed from the start of
training to its end, so that setting up and the sanity check are not counted.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.job import LEARNING_RATE, Job
from benchmarks.measurement import Measurement, measurement_of, require
from benchmarks.torch_model import create_model
from benchmarks.torchvision_images import create_loaders

lightning = require("lightning", "pytorch_lightning")

EPOCHS = 1


class Classifier(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """The model, its steps, and the clock."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), create_model(job))
        self.seconds = 0.0

    def training_step(self, batch: tuple[Tensor, Tensor], _batch_index: int) -> Tensor:
        """Loss of a batch."""
        inputs, labels = batch
        return cross_entropy(self.model(inputs), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], _batch_index: int) -> None:
        """Accuracy of a batch, which Lightning averages."""
        inputs, labels = batch
        hits = self.model(inputs).argmax(dim=1) == labels
        self.log("validation_accuracy", hits.float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.seconds = -time.perf_counter()

    def on_train_end(self) -> None:
        """Stop the clock."""
        self.seconds += time.perf_counter()


def measure(job: Job, name: str) -> Measurement:
    """One epoch and its validation."""
    with tempfile.TemporaryDirectory() as folder:
        loaders: tuple[Any, Any] = create_loaders(job, Path(folder))
        model = Classifier(job)
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=EPOCHS,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(model, *loaders)
        accuracy = float(trainer.callback_metrics["validation_accuracy"])
        return measurement_of(name, model.seconds, 1, EPOCHS, accuracy)
