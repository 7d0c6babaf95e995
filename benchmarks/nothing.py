"""A training that does nothing; a separate module, since workers do not import the main program."""

from __future__ import annotations

from collections.abc import Callable

from actbench.catalogue.datasets import Arrays
from actbench.experiment.records import Curves, LayerProbe, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.stacks import Stack

TRIALS, EPOCHS = 5, 10


def train_nothing(stack: Stack, _arrays: Arrays, _device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    """Records of the usual length without training; each epoch is reported."""
    for epoch in range(1, EPOCHS + 1):
        on_epoch(epoch)
    return [_record(trial.id, trial.seed, trial.settings) for trial in stack]


def _record(trial: str, seed: int, settings: TrialSettings) -> TrialRecord:
    data = settings.data
    curve, counts = (1 / 3,) * EPOCHS, (40_000,) * EPOCHS
    share = 1 / 3
    probes = tuple(
        LayerProbe(
            epoch=epoch, layer=layer, mean=share, sd=share, zero_share=share, dead_share=share, saturated_share=share,
            weight_gradient_norm=share, bias_gradient_norm=share,
        )
        for epoch in range(EPOCHS + 1)
        for layer in (1, 2, 3)
    )  # fmt: skip
    return TrialRecord(
        trial=trial, phase="final", seed=seed, settings=settings, outcome="done", train_count=data.train_count(),
        validation_count=data.validation_count(), test_count=data.test_count(), probes=probes,
        curves=Curves(
            train_loss=curve, train_correct_count=counts, validation_loss=curve, validation_correct_count=counts
        ),
        test_correct_count=9_000, test_loss=share, test_is_correct="A" * (data.test_count() // 6), wall_seconds=0.0,
        epoch_seconds=curve, stack_trials=TRIALS, device="cpu",
    )  # fmt: skip
