"""Contradictions in a record; whatever reads records relies on their absence."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from math import inf

from actbench.experiment.records import HISTOGRAM_EDGES, TrialRecord, bytes_of_a_mistake, mistake_codes
from actbench.experiment.settings import TrialSettings, hidden_layers

MAX_ROUNDING = 1e-6
MAX_MAGNITUDE = 1e60  # far beyond float32, in which networks train, and small enough for the squares of differences
HISTOGRAM = re.compile(rf"[A-Za-z0-9+/]{{{4 * (len(HISTOGRAM_EDGES) + 1) // 3}}}")
MAX_SECONDS = 1e9  # 30 years


@dataclass(frozen=True)
class Expected:
    """What follows from settings for every record with them: images by part, epochs, layers with the last, classes."""

    counts: tuple[tuple[str, int], ...]
    epochs: int
    layers: int
    classes: int
    is_never_negative: bool


def expected_of(settings: TrialSettings) -> Expected:
    """Computed once for the many records that share settings."""
    data = settings.data
    return Expected(
        counts=(("train", data.train_count()), ("validation", data.validation_count()), ("test", data.test_count())),
        epochs=settings.train.epochs,
        layers=len(hidden_layers(settings.model)) + 1,
        classes=data.facts().classes,
        is_never_negative=_is_never_negative(settings),
    )


def contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    """A sentence for each statement of a record that contradicts another one or its settings."""
    yield from _count_contradictions(record, expected)
    yield from _curve_contradictions(record, expected)
    yield from _outcome_contradictions(record, expected)
    yield from _test_contradictions(record, expected)
    yield from _mistake_contradictions(record, expected)
    yield from _measure_contradictions(record)
    if record.probes:
        yield from _probe_contradictions(record, expected)
    seconds = (record.wall_seconds, *record.epoch_seconds)
    if not 0 <= min(seconds) <= max(seconds) <= MAX_SECONDS:
        yield f"seconds: not between 0 and {MAX_SECONDS:g}"
    if max(map(abs, filter(None, _measured_numbers(record))), default=0) > MAX_MAGNITUDE:
        yield "numbers: beyond what float32 holds"


def _measured_numbers(record: TrialRecord) -> Iterator[float | None]:
    yield from (*record.curves.train_loss, *record.curves.validation_loss, record.test_loss)
    yield from (*record.curves.validation_nll, record.test_nll)
    for probe in record.probes:
        yield from (probe.mean, probe.sd, probe.weight_gradient_norm, probe.bias_gradient_norm, probe.weight_norm)
        yield from probe.learnt.values()
    yield from chain.from_iterable(record.parameters.values())


def _count_contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    recorded = (record.train_count, record.validation_count, record.test_count)
    for (part, count), given in zip(expected.counts, recorded, strict=True):
        if given != count:
            yield f"{part}_count: other than the {count} images of its settings"
    if record.stack_trials < 1:
        yield "stack_trials: less than 1"


def _curve_contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    curves, epochs = record.curves, len(record.curves.train_loss)
    validated = (len(curves.validation_loss), len(curves.validation_correct_count))
    if epochs != len(curves.train_correct_count) or validated not in ((0, 0), (epochs, epochs)):
        yield "curves: of different lengths"
    elif validated[0] and not record.validation_count:
        yield "curves: validated without validation images"
    if epochs > expected.epochs or 0 < len(record.epoch_seconds) < epochs:
        yield "epochs: other than were trained"
    for part, correct_counts, count in (
        ("train", curves.train_correct_count, record.train_count),
        ("validation", curves.validation_correct_count, record.validation_count),
    ):
        if correct_counts and not 0 <= min(correct_counts) <= max(correct_counts) <= count:
            yield f"{part}_correct_count: not between 0 and the number of images"
    losses = [loss for loss in (*curves.train_loss, *curves.validation_loss, record.test_loss) if loss is not None]
    if losses and min(losses) < -MAX_ROUNDING and expected.is_never_negative:
        yield f"losses: less than 0, which {record.settings.train.loss.name} never is"


def _is_never_negative(settings: TrialSettings) -> bool:
    """Whether a built-in loss gets outputs that it is meant for; on others even nll is negative."""
    loss, output = settings.train.loss, settings.model.output
    return loss.recorded is None and output.recorded is None and output.entry.yields in loss.entry.accepts


def _outcome_contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    epochs, curves = expected.epochs, record.curves
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


def _test_contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    correct, predicted = record.test_correct_count, record.test_prediction_counts
    if not 0 <= (correct or 0) <= record.test_count:
        yield "test_correct_count: not between 0 and the number of images"
    if predicted:
        if min(predicted) < 0 or sum(predicted) != record.test_count:
            yield f"test_prediction_counts: not {record.test_count} predictions in all"
        if len(predicted) != expected.classes:
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


def _mistake_contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    """Mistakes whose number is not that of the wrong images, or whose two classes are the same."""
    if not record.test_mistakes:
        return
    try:
        coded = base64.b64decode(record.test_mistakes, validate=True)
    except ValueError:
        yield "test_mistakes: not base64"
        return
    classes = expected.classes
    if len(coded) != (record.test_count - (record.test_correct_count or 0)) * bytes_of_a_mistake(classes):
        yield "test_mistakes: not one for each image that is not marked as right"
        return
    counts = Counter(mistake_codes(coded, classes))
    if not counts.keys() <= _possible_codes(classes):
        yield "test_mistakes: a class that the data does not have, or the right one"
        return
    given: Counter[int] = Counter()
    for code, count in counts.items():
        given[code % classes] += count
    if any(given[one] > count for one, count in enumerate(record.test_prediction_counts)):
        yield "test_mistakes: a class was predicted more often than test_prediction_counts says"


@cache
def _possible_codes(classes: int) -> frozenset[int]:
    return frozenset(label * classes + other for label in range(classes) for other in range(classes) if label != other)


def _measure_contradictions(record: TrialRecord) -> Iterator[str]:
    """Measures outside of what their definitions allow; Brier's score sums over the classes, so that it ends at 2."""
    curves = record.curves
    for name, largest in (("nll", inf), ("brier", 2.0), ("ece", 1.0)):
        series = getattr(curves, f"validation_{name}")
        if len(series) not in (0, len(curves.validation_loss)):
            yield f"validation_{name}: another length than the other curves"
        values = (*series, getattr(record, f"test_{name}"))
        if not all(-MAX_ROUNDING <= one <= largest + MAX_ROUNDING for one in values if one is not None):
            yield f"{name}: not between 0 and {largest:g}"
    counts, best = curves.validation_top2_correct_count, curves.validation_correct_count
    if counts and (
        len(counts) != len(best)
        or not all(one <= two <= record.validation_count for one, two in zip(best, counts, strict=True))
    ):
        yield "validation_top2_correct_count: not between the correct count and the number of images"
    two = record.test_top2_correct_count
    if two is not None and not (record.test_correct_count or 0) <= two <= record.test_count:
        yield "test_top2_correct_count: not between the correct count and the number of images"


def _probe_contradictions(record: TrialRecord, expected: Expected) -> Iterator[str]:
    epochs, depth = expected.epochs, expected.layers
    if not all(0 <= probe.epoch <= epochs and 1 <= probe.layer <= depth for probe in record.probes):
        yield "probes: of other epochs or layers than there are"
    shares = chain.from_iterable((probe.zero_share, probe.dead_share, probe.saturated_share) for probe in record.probes)
    if not all(0 <= share <= 1 for share in shares if share is not None):
        yield "probes: a share that is not between 0 and 1"
    magnitudes = chain.from_iterable(
        (probe.sd, probe.weight_gradient_norm, probe.bias_gradient_norm, probe.weight_norm) for probe in record.probes
    )
    if not all(magnitude >= 0 for magnitude in magnitudes if magnitude is not None):
        yield "probes: a deviation or a norm below 0"
    if any(probe.histogram and not HISTOGRAM.fullmatch(probe.histogram) for probe in record.probes):
        yield f"probes: a histogram that is not of {len(HISTOGRAM_EDGES) + 1} bins"
