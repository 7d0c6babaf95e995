"""What in a record cannot be true: everything that reads records relies on its being absent."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import chain

from actbench.experiment.records import TrialRecord
from actbench.experiment.settings import TrialSettings, hidden_layers

MAX_ROUNDING = 1e-6
MAX_MAGNITUDE = 1e60  # far beyond float32, in which networks train, and small enough for the squares of differences
MAX_SECONDS = 1e9  # 30 years


def contradictions(record: TrialRecord) -> Iterator[str]:
    """A sentence for each statement of a record that contradicts another one or its settings."""
    yield from _count_contradictions(record)
    yield from _curve_contradictions(record)
    yield from _outcome_contradictions(record)
    yield from _test_contradictions(record)
    yield from _probe_contradictions(record)
    seconds = (record.wall_seconds, *record.epoch_seconds)
    if not 0 <= min(seconds) <= max(seconds) <= MAX_SECONDS:
        yield f"seconds: not between 0 and {MAX_SECONDS:g}"
    if any(number is not None and abs(number) > MAX_MAGNITUDE for number in _measured_numbers(record)):
        yield "numbers: beyond what float32 holds"


def _measured_numbers(record: TrialRecord) -> Iterator[float | None]:
    yield from (*record.curves.train_loss, *record.curves.validation_loss, record.test_loss)
    for probe in record.probes:
        yield from (probe.mean, probe.sd, probe.weight_gradient_norm, probe.bias_gradient_norm)
    yield from chain.from_iterable(record.parameters.values())


def _count_contradictions(record: TrialRecord) -> Iterator[str]:
    data = record.settings.data
    for part in ("train", "validation", "test"):
        count, expected = getattr(record, f"{part}_count"), getattr(data, f"{part}_count")()
        if count != expected:
            yield f"{part}_count: other than the {expected} images of its settings"
    if record.stack_trials < 1:
        yield "stack_trials: less than 1"


def _curve_contradictions(record: TrialRecord) -> Iterator[str]:
    curves, epochs = record.curves, len(record.curves.train_loss)
    validated = (len(curves.validation_loss), len(curves.validation_correct_count))
    if epochs != len(curves.train_correct_count) or validated not in ((0, 0), (epochs, epochs)):
        yield "curves: of different lengths"
    elif validated[0] and not record.validation_count:
        yield "curves: validated without validation images"
    if epochs > record.settings.train.epochs or 0 < len(record.epoch_seconds) < epochs:
        yield "epochs: other than were trained"
    for part in ("train", "validation"):
        correct_counts = getattr(curves, f"{part}_correct_count")
        if not all(0 <= count <= getattr(record, f"{part}_count") for count in correct_counts):
            yield f"{part}_correct_count: not between 0 and the number of images"
    losses = [loss for loss in (*curves.train_loss, *curves.validation_loss, record.test_loss) if loss is not None]
    if losses and min(losses) < -MAX_ROUNDING and _is_never_negative(record.settings):
        yield f"losses: less than 0, which {record.settings.train.loss.name} never is"


def _is_never_negative(settings: TrialSettings) -> bool:
    """Whether the loss is one of the catalogue's on outputs that it is meant for; on others even nll is negative."""
    loss, output = settings.train.loss, settings.model.output
    return loss.recorded is None and output.recorded is None and output.entry.yields in loss.entry.accepts


def _outcome_contradictions(record: TrialRecord) -> Iterator[str]:
    epochs, curves = record.settings.train.epochs, record.curves
    if record.diverged_epoch is not None and not 1 <= record.diverged_epoch <= epochs:
        yield f"diverged_epoch: not between 1 and {epochs}"
    if record.outcome != "done":
        return
    if record.diverged_epoch is not None:
        yield "outcome: done, but it has an epoch in which it diverged"
    lengths = {len(curves.train_loss), len(curves.validation_loss) if record.validation_count else epochs}
    if lengths != {epochs} or None in (*curves.train_loss, *curves.validation_loss):
        yield f"outcome: done, but its curves do not have a value for each of {epochs} epochs"
    if record.phase == "final" and (record.test_correct_count is None or record.test_loss is None):
        yield "outcome: done, but without a test figure"


def _test_contradictions(record: TrialRecord) -> Iterator[str]:
    correct, predicted = record.test_correct_count, record.test_prediction_counts
    if not 0 <= (correct or 0) <= record.test_count:
        yield "test_correct_count: not between 0 and the number of images"
    if predicted:
        if min(predicted) < 0 or sum(predicted) != record.test_count:
            yield f"test_prediction_counts: not {record.test_count} predictions in all"
        if len(predicted) != record.settings.data.facts().classes:
            yield "test_prediction_counts: other classes than the data has"
    if not record.test_is_correct:
        return
    try:
        bits = base64.b64decode(record.test_is_correct, validate=True)
    except ValueError:
        yield "test_is_correct: not base64"
        return
    if len(bits) != -(-record.test_count // 8):
        yield f"test_is_correct: not a bit for each of {record.test_count} images"
    elif (ones := int.from_bytes(bits, "big").bit_count()) != correct:
        yield f"test_correct_count: {correct}, but {ones} images are marked as right"


def _probe_contradictions(record: TrialRecord) -> Iterator[str]:
    epochs, layers = record.settings.train.epochs, len(hidden_layers(record.settings.model)) + 1
    if not all(0 <= probe.epoch <= epochs and 1 <= probe.layer <= layers for probe in record.probes):
        yield "probes: of other epochs or layers than there are"
    shares = chain.from_iterable((probe.zero_share, probe.dead_share, probe.saturated_share) for probe in record.probes)
    if not all(0 <= share <= 1 for share in shares if share is not None):
        yield "probes: a share that is not between 0 and 1"
    magnitudes = chain.from_iterable(
        (probe.sd, probe.weight_gradient_norm, probe.bias_gradient_norm) for probe in record.probes
    )
    if not all(magnitude >= 0 for magnitude in magnitudes if magnitude is not None):
        yield "probes: a deviation or a norm below 0"
