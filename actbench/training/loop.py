"""Training of one stack from its first batch to its test accuracy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from actbench.catalogue.datasets import Arrays
from actbench.records import Trial, TrialRecord
from actbench.settings import TrainSettings
from actbench.training.data import Images, SeedSplit, blocks, epoch_rows, resident, seed_split
from actbench.training.network import Network, create_network, gather_batch, losses_and_predictions, scores
from actbench.training.outcome import Evaluation, TrialCurves, make_record, record_end, record_epoch
from actbench.training.probes import probe


def train_stack(
    trials: Sequence[Trial], arrays: Arrays, device_name: str, on_epoch: Callable[[int], None]
) -> list[TrialRecord]:
    """Train trials of one shape together; one record each, in their order.

    On the CPU the caller sees to it that torch runs on one thread: more would change bits. `on_epoch` is told how many
    epochs are done.
    """
    started = time.perf_counter()
    device = torch.device(device_name)
    train_images, test_images = resident(arrays, device)
    settings, phase = trials[0].settings, trials[0].phase
    network = create_network(trials, device)
    splits = [seed_split(train_images, settings.data, phase, seed) for seed in network.seeds]
    curves = [TrialCurves() for _ in trials]
    optimizer = create_optimizer(network)
    steps = math.ceil(settings.data.train_count() / settings.train.batch_images(settings.data.train_count()))
    test_rows = [torch.arange(settings.data.test_count(), device=device)] * len(splits)
    to_probe = settings.train.probed_epochs()
    probes = [probe(network, train_images, splits, epoch=0)]
    epoch_seconds: list[float] = []
    for epoch in range(1, settings.train.epochs + 1):
        epoch_started = time.perf_counter()
        trained = train_epoch(network, optimizer, train_images, splits, epoch, steps)
        epoch_seconds.append(round((time.perf_counter() - epoch_started) / len(trials), 9))
        validated = validate(network, train_images, splits)
        record_epoch(curves, epoch, trained, validated)
        if epoch in to_probe:
            probes.append(probe(network, train_images, splits, epoch))
        ended = [curve.diverged_epoch == epoch or epoch == settings.train.epochs for curve in curves]
        if any(ended):
            tested = None if phase == "tune" else evaluate(network, test_images, splits, test_rows)
            record_end(curves, ended, network, tested)
        on_epoch(epoch)
        if all(curve.diverged_epoch for curve in curves):
            break
    share_seconds = (time.perf_counter() - started) / len(trials)
    return [
        make_record(
            trial,
            curve,
            by_epoch,
            share_seconds,
            tuple(epoch_seconds[: len(curve.train_loss)]),
            len(trials),
            device_name,
        )
        for trial, curve, by_epoch in zip(trials, curves, zip(*probes, strict=True), strict=True)
    ]


def create_optimizer(network: Network) -> Optimizer:
    """Torch's optimizer over every trial's row of parameters, grouped by learning rate and weight decay."""
    parameters = network.parameters
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for row, gradient, trial in zip(parameters.rows, parameters.gradient_rows, network.trials, strict=True):
        train = trial.settings.train
        decay = train.resolved_weight_decay()
        cut = parameters.weights_end
        parts = [(slice(None), 0.0)] if decay == 0 else [(slice(0, cut), decay), (slice(cut, None), 0.0)]
        for part, part_decay in parts:
            tensor = row[part]
            tensor.grad = gradient[part]
            groups.setdefault((train.lr, part_decay), []).append(tensor)
    choice = network.trials[0].settings.train.optimizer
    optimizer: Optimizer = choice.entry.function(
        [
            {"params": tensors, "lr": lr, "weight_decay": decay, "initial_lr": lr}
            for (lr, decay), tensors in groups.items()
        ],
        **dict(choice.parameters),
    )
    return optimizer


def schedule_factor(train: TrainSettings, step: int, total_steps: int) -> float:
    """What the learning rate is multiplied by at a step: 1, (1 + cos(pi * s)) / 2 or 1 - s, s = step / total_steps."""
    progress = step / total_steps
    if train.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1 - progress if train.schedule == "linear" else 1.0


def train_epoch(
    network: Network, optimizer: Optimizer, images: Images, splits: Sequence[SeedSplit], epoch: int, steps: int
) -> Evaluation:
    """One pass over the training rows; mean loss and correct count of every trial over the epoch's own batches."""
    train, phase = network.trials[0].settings.train, network.trials[0].phase
    orders = [
        epoch_rows(split, phase, seed, epoch, shuffle=train.shuffle)
        for split, seed in zip(splits, network.seeds, strict=True)
    ]
    count = len(orders[0])
    size = train.batch_images(count)
    loss_sums = _zero_sums(network, images)
    hit_sums = torch.zeros_like(loss_sums, dtype=torch.int64)
    for step in range(steps):
        inputs, labels = gather_batch(
            network, images, splits, [order[step * size : (step + 1) * size] for order in orders]
        )
        losses, predicted = losses_and_predictions(network, scores(network, inputs, training=True), labels)
        torch.autograd.backward(losses.mean(dim=1).sum())
        network.parameters.collect_gradients()
        if train.schedule != "constant":
            factor = schedule_factor(train, (epoch - 1) * steps + step, train.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        optimizer.step()
        loss_sums += losses.detach().sum(dim=1)
        hit_sums += (predicted == labels).sum(dim=1)
    return (loss_sums / count).tolist(), hit_sums.tolist()


@torch.no_grad()
def evaluate(
    network: Network, images: Images, splits: Sequence[SeedSplit], rows: Sequence[Tensor]
) -> tuple[list[float], Tensor, Tensor]:
    """Mean loss of every trial on its seed's rows, and labels and predictions `[trials, images]`, with dropout off."""
    loss_sums = _zero_sums(network, images)
    all_labels, all_predicted = [], []
    for block in zip(*(blocks(seed_rows) for seed_rows in rows), strict=True):
        inputs, labels = gather_batch(network, images, splits, block)
        losses, predicted = losses_and_predictions(network, scores(network, inputs, training=False), labels)
        loss_sums += losses.sum(dim=1)
        all_labels.append(labels)
        all_predicted.append(predicted)
    return (loss_sums / len(rows[0])).tolist(), torch.cat(all_labels, dim=1), torch.cat(all_predicted, dim=1)


def validate(network: Network, images: Images, splits: Sequence[SeedSplit]) -> Evaluation | None:
    """Mean loss and correct count of every trial on its seed's validation rows; None where there are none."""
    rows = [split.validation_rows for split in splits]
    if len(rows[0]) == 0:
        return None
    losses, labels, predicted = evaluate(network, images, splits, rows)
    return losses, (predicted == labels).sum(dim=1).tolist()


def _zero_sums(network: Network, images: Images) -> Tensor:
    """One sum per trial, in float64 where the device has it."""
    device = images.inputs.device
    return torch.zeros(
        len(network.trials), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device
    )
