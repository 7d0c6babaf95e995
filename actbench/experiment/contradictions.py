"""Contradictions in a record; whatever reads records relies on their absence."""

from __future__ import annotations

from binascii import a2b_base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf

from actbench.experiment.records import MAX_ROUNDING, TrialRecord, bytes_of_a_mistake, mistake_codes
from actbench.experiment.settings import TrialSettings, hidden_layers


@dataclass(frozen=True)
class Expected:
    """What settings say of all their records: training, validation and test images; layers include the last."""

    images: tuple[int, int, int]
    epochs: int
    layers: int
    classes: int
    is_never_negative: bool


def expected_of(settings: TrialSettings) -> Expected:
    """Computed once for the many records that share settings."""
    data, loss, output = settings.data, settings.train.loss, settings.model.output
    is_built_in = loss.recorded is None and output.recorded is None  # on outputs it is not meant for, nll is negative
    return Expected(
        images=(data.train_count(), data.validation_count(), data.test_count()),
        epochs=settings.train.epochs,
        layers=len(hidden_layers(settings.model)) + 1,
        classes=data.dataset.classes,
        is_never_negative=is_built_in and output.entry.yields in loss.entry.accepts,
    )


def contradiction(record: TrialRecord, expected: Expected) -> str:
    """The first statement of a record that contradicts another or its settings (not numbers of probes); else empty."""
    return (
        _of_counts(record, expected)
        or _of_curves(record, expected)
        or _of_outcome(record, expected)
        or _of_test(record, expected)
        or _of_mistakes(record, expected)
        or _of_measures(record)
        or _of_probes(record, expected)
    )


def _outside(values: Sequence[float | None], lowest: float, highest: float) -> bool:
    """Whether any of the values that are known is not between two numbers."""
    try:
        return bool(values) and not (lowest <= min(values) and max(values) <= highest)  # type: ignore[operator, type-var]
    except TypeError:  # one of them is None, which is seldom, and looking for it takes as long as all the rest
        return _outside([value for value in values if value is not None], lowest, highest)


def _of_counts(record: TrialRecord, expected: Expected) -> str:
    recorded = (record.train_count, record.validation_count, record.test_count)
    if recorded != expected.images:
        parts = zip(("train", "validation", "test"), recorded, expected.images, strict=True)
        part, count = next((part, count) for part, given, count in parts if given != count)
        return f"{part}_count: other than the {count} images of its settings"
    return ""


def _of_curves(record: TrialRecord, expected: Expected) -> str:
    curves = record.curves
    epochs = len(curves.train_loss)
    validated = (len(curves.validation_loss), len(curves.validation_correct_count))
    if epochs != len(curves.train_correct_count) or validated not in ((0, 0), (epochs, epochs)):
        return "curves: of different lengths"
    if validated[0] and not record.validation_count:
        return "curves: validated without validation images"
    if epochs > expected.epochs or 0 < len(record.epoch_seconds) < epochs:
        return "epochs: other than were trained"
    if _outside(curves.train_correct_count, 0, record.train_count):
        return "train_correct_count: not between 0 and the number of images"
    if _outside(curves.validation_correct_count, 0, record.validation_count):
        return "validation_correct_count: not between 0 and the number of images"
    losses = (*curves.train_loss, *curves.validation_loss, record.test_loss)
    if expected.is_never_negative and _outside(losses, -MAX_ROUNDING, inf):
        return f"losses: less than 0, which {record.settings.train.loss.name} never is"
    return ""


def _of_outcome(record: TrialRecord, expected: Expected) -> str:
    epochs, curves = expected.epochs, record.curves
    if record.diverged_epoch is not None and not 1 <= record.diverged_epoch <= epochs:
        return f"diverged_epoch: not between 1 and {epochs}"
    if record.outcome != "done":
        return ""
    if record.diverged_epoch is not None:
        return "outcome: done, but it has an epoch in which it diverged"
    validated = len(curves.validation_loss) if record.validation_count else epochs
    if (
        len(curves.train_loss) != epochs
        or validated != epochs
        or None in curves.train_loss
        or None in curves.validation_loss
    ):
        return f"outcome: done, but its curves do not have a value for each of {epochs} epochs"
    if record.phase == "final" and (record.test_correct_count is None or record.test_loss is None):
        return "outcome: done, but without a test figure"
    return ""


def _of_test(record: TrialRecord, expected: Expected) -> str:
    correct, predicted = record.test_correct_count, record.test_prediction_counts
    if not 0 <= (correct or 0) <= record.test_count:
        return "test_correct_count: not between 0 and the number of images"
    if predicted:
        if min(predicted) < 0 or sum(predicted) != record.test_count:
            return f"test_prediction_counts: not {record.test_count} predictions in all"
        if len(predicted) != expected.classes:
            return "test_prediction_counts: other classes than the data has"
    if not record.test_is_correct:
        return ""
    if (bits := _decoded(record.test_is_correct)) is None:
        return "test_is_correct: not base64"
    if len(bits) != -(-record.test_count // 8):
        return f"test_is_correct: not a bit for each of {record.test_count} images"
    if (ones := int.from_bytes(bits, "big").bit_count()) != correct:
        return f"test_correct_count: {correct}, but {ones} images are marked as right"
    return ""


def _decoded(text: str) -> bytes | None:
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        return None


def _of_mistakes(record: TrialRecord, expected: Expected) -> str:
    """Mistakes that are not as many as there are wrong images, or not of two different classes."""
    if not record.test_mistakes:
        return ""
    if (coded := _decoded(record.test_mistakes)) is None:
        return "test_mistakes: not base64"
    classes = expected.classes
    if len(coded) != (record.test_count - (record.test_correct_count or 0)) * bytes_of_a_mistake(classes):
        return "test_mistakes: not one for each image that is not marked as right"
    counts = Counter(mistake_codes(coded, classes))
    if not counts.keys() <= _possible_codes(classes):
        return "test_mistakes: a class that the data does not have, or the right one"
    given: Counter[int] = Counter()
    for code, count in counts.items():
        given[code % classes] += count
    if any(given[label] > count for label, count in enumerate(record.test_prediction_counts)):
        return "test_mistakes: a class was predicted more often than test_prediction_counts says"
    return ""


@cache
def _possible_codes(classes: int) -> frozenset[int]:
    return frozenset(label * classes + other for label in range(classes) for other in range(classes) if label != other)


def _of_measures(record: TrialRecord) -> str:
    """Measures that are not of the epochs of other curves, or counts less than those of fewer images."""
    curves = record.curves
    for name in ("nll", "brier", "ece"):
        if len(getattr(curves, f"validation_{name}")) not in (0, len(curves.validation_loss)):
            return f"validation_{name}: another length than the other curves"
    counts, best = curves.validation_top2_correct_count, curves.validation_correct_count
    if counts and (
        len(counts) != len(best)
        or not all(one <= two <= record.validation_count for one, two in zip(best, counts, strict=True))
    ):
        return "validation_top2_correct_count: not between the correct count and the number of images"
    two = record.test_top2_correct_count
    if two is not None and not (record.test_correct_count or 0) <= two <= record.test_count:
        return "test_top2_correct_count: not between the correct count and the number of images"
    return ""


def _of_probes(record: TrialRecord, expected: Expected) -> str:
    for probe in record.probes:
        if probe.epoch > expected.epochs or probe.layer > expected.layers:
            return "probes: of other epochs or layers than there are"
    return ""
