"""The training loop of one stack, from its initial values to its records."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from actbench.catalogue.datasets import Arrays
from actbench.experiment.records import Report, Trial, TrialRecord
from actbench.training.data import Images, SeedSplit, blocks, epoch_rows, seed_split, training_and_test_images
from actbench.training.measures import forms_of, measure_images, summarise
from actbench.training.network import Network, create_network, forward, gather_batch, objective, per_trial
from actbench.training.optimizer import Step, Sums, create_stepper, make_step
from actbench.training.outcome import (
    Evaluation,
    Trained,
    TrialCurves,
    final_weights,
    make_record,
    record_end,
    record_epoch,
)
from actbench.training.probes import probe
from actbench.training.products import products_in
from actbench.training.snapshots import Progress, Snapshots, restore

PULSE_SECONDS = 0.5


def train_stack(
    trials: Sequence[Trial],
    arrays: Arrays,
    device_name: str,
    report: Report,
    snapshots: Snapshots | None = None,
    *,
    keeps_weights: bool = False,
) -> list[TrialRecord]:
    """Train trials of one shape together; returns one record per trial, in their order.

    On the CPU the caller sets torch to one thread, since more change bits. `report` is called with the number of
    finished epochs, after each epoch and, with the share of the steps as its fraction, twice a second within one; and
    if it `keeps_weights`, with those of each final trial at its end. With `snapshots` training continues from the
    latest one, if there is one, and saves others.
    """
    with torch.no_grad(), products_in(trials[0].settings.train.precision):
        started = time.perf_counter()
        device = torch.device(device_name)
        settings, phase = trials[0].settings, trials[0].phase
        train_images, test_images = training_and_test_images(arrays, device_name, settings.train.precision)
        network = create_network(trials, device)
        splits = [seed_split(train_images, settings.data, phase, seed) for seed in network.seeds]
        stepper, sums = create_stepper(network), create_sums(network, device)
        step = make_step(network, stepper, train_images, splits, sums)
        test_rows = torch.arange(settings.data.test_count(), device=device).expand(len(splits), -1)
        held_out = torch.stack([split.validation_rows for split in splits])
        to_probe = settings.train.probed_epochs()
        progress = restore(snapshots.load(), network, stepper) if snapshots else None
        if progress is None:
            progress = Progress([TrialCurves({}) for _ in trials], [probe(network, train_images, splits, epoch=0)])
        curves, probes, epoch_seconds = progress.curves, progress.probes, progress.epoch_seconds
        started -= progress.seconds
        for epoch in range(len(epoch_seconds) + 1, settings.train.epochs + 1):
            epoch_started = time.perf_counter()
            trained = train_epoch(network, step, sums, splits, epoch, report)
            epoch_seconds.append(round((time.perf_counter() - epoch_started) / len(trials), 9))
            validated = evaluate(network, train_images, splits, held_out) if held_out.shape[1] else None
            record_epoch(curves, epoch, trained, validated)
            if epoch in to_probe:
                probes.append(probe(network, train_images, splits, epoch))
            ended = [curve.diverged_epoch == epoch or epoch == settings.train.epochs for curve in curves]
            if any(ended):
                tested = None if phase == "tune" else evaluate(network, test_images, splits, test_rows)
                for index in record_end(curves, ended, network, tested):
                    if keeps_weights and phase == "final":
                        report(final_weights(network, index))
            report(epoch)
            if all(curve.diverged_epoch for curve in curves):
                break
            if snapshots and epoch < settings.train.epochs and time.monotonic() - snapshots.latest >= snapshots.seconds:
                progress.seconds = time.perf_counter() - started
                snapshots.take(network, stepper, progress)
        share_seconds = (time.perf_counter() - started) / len(trials)
        return [
            make_record(trial, curve, by_epoch, share_seconds, epoch_seconds, len(trials), device_name)
            for trial, curve, by_epoch in zip(trials, curves, zip(*probes, strict=True), strict=True)
        ]


def train_epoch(
    network: Network,
    step: Step,
    sums: Sums,
    splits: Sequence[SeedSplit],
    epoch: int,
    report: Report = lambda _epochs: None,
) -> Trained:
    """One pass over the training rows; mean loss and correct count of every trial over the epoch's own batches.

    `report` is called twice a second with the number of epochs, of this one the share of the steps that are done.
    """
    train, phase = network.trials[0].settings.train, network.trials[0].phase
    orders = torch.stack(
        [
            epoch_rows(split, phase, seed, epoch, shuffle=train.shuffle)
            for split, seed in zip(splits, network.seeds, strict=True)
        ]
    )
    count = orders.shape[1]
    batches = torch.split(orders, train.batch_images(count), dim=1)
    sums.clear()
    next_pulse = time.monotonic() + PULSE_SECONDS
    first = (epoch - 1) * len(batches)
    for number, rows in enumerate(batches, start=first):
        step(rows, number, train.epochs * len(batches))
        if time.monotonic() > next_pulse:
            report(epoch - 1 + (number + 1 - first) / len(batches))
            next_pulse = time.monotonic() + PULSE_SECONDS
    return (sums.losses / count).tolist(), sums.hits.tolist()


def evaluate(network: Network, images: Images, splits: Sequence[SeedSplit], rows: Tensor) -> Evaluation:
    """Every trial on its seed's rows `[seeds, images]`.

    Dropout is off, and batch norm uses what it has seen in training.
    """
    loss_sums = create_sums(network, images.inputs.device).losses
    forms = forms_of(network.trials)
    all_predicted, measured = [], []
    for block in blocks(rows):
        inputs, labels = gather_batch(network, images, splits, block)
        reached = objective(network, forward(network, inputs, training=False)[-1].after, labels)
        loss_sums += reached.losses.sum(dim=1)
        all_predicted.append(reached.predicted)
        measured.append(measure_images(forms, reached.outputs, labels, reached.predicted))
    labels, predicted = per_trial(network, images.labels[rows]), torch.cat(all_predicted, dim=1)
    measures = summarise(forms, measured, predicted == labels)
    return Evaluation((loss_sums / rows.shape[1]).tolist(), labels, predicted, measures)


def create_sums(network: Network, device: torch.device) -> Sums:
    """Sums of losses (float64 if the device supports it) and of hits, one per trial."""
    count, precise = len(network.trials), torch.float32 if device.type == "mps" else torch.float64
    return Sums(torch.zeros(count, dtype=precise, device=device), torch.zeros(count, dtype=torch.int64, device=device))
