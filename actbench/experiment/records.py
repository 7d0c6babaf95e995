"""What travels between the rooms: a trial to be trained, what its training gave, and how far a stack has come."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from actbench.experiment.settings import TrialSettings

Phase = Literal["tune", "final"]
Outcome = Literal["done", "diverged", "failed"]
Ending = Literal["done", "diverged", "collapsed", "failed"]

SCHEMA = 2
TRAINING_CODE_VERSION = 4
UNUSABLE: tuple[Ending, ...] = ("diverged", "collapsed", "failed")
CLOCK_FIELDS = ("wall_seconds", "epoch_seconds")
HISTOGRAM_EDGES = (-16.0, -8.0, -4.0, -2.0, -1.0, -0.5, -0.25, -0.125, 0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
HISTOGRAM_PATTERN = rf"^([A-Za-z0-9+/]{{{4 * (len(HISTOGRAM_EDGES) + 1) // 3}}})?$"  # a byte for each bin, as base64
MAX_MAGNITUDE = 1e60  # far beyond float32, in which networks train, and small enough for the squares of differences
MAX_ROUNDING = 1e-6  # of measures that end at a round number
MAX_SECONDS = 1e9  # 30 years
MAX_CLASSES_IN_A_BYTE = 16
MIN_IMAGES_OF_A_COLLAPSE = 20  # of fewer test images, a sound network may well give all the same class
NOT_FINITE = "the loss was no longer finite"  # why a trial diverged, in records without a cause


@dataclass(frozen=True)
class Trial:
    """One training: its settings, its seed, and the id that names exactly these numbers."""

    id: str
    phase: Phase
    seed: int
    settings: TrialSettings


@dataclass(frozen=True)
class Weights:
    """The final weights of a trial, as the bytes of an npz file."""

    trial: str
    content: bytes


Report = Callable[[float | Weights], None]
"""What a stack calls with the epochs that it has finished, and with the weights of a trial that has ended."""


Number = Annotated[float, Field(ge=-MAX_MAGNITUDE, le=MAX_MAGNITUDE)]
Magnitude = Annotated[float, Field(ge=0, le=MAX_MAGNITUDE)]
Share = Annotated[float, Field(ge=0, le=1)]
NLL = Annotated[float, Field(ge=-MAX_ROUNDING, le=MAX_MAGNITUDE)]
Brier = Annotated[float, Field(ge=-MAX_ROUNDING, le=2 + MAX_ROUNDING)]  # it sums over the classes
ECE = Annotated[float, Field(ge=-MAX_ROUNDING, le=1 + MAX_ROUNDING)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]


class Curves(BaseModel):
    """One value per epoch; losses are means per image, None where not finite.

    Training figures are taken over the epoch's own batches while the weights move (dropout on); validation figures
    after the epoch's last step (dropout off). Without a validation part its lists are empty. `nll`, `brier` and `ece`
    are empty where outputs are no probabilities, and with `top2` in records of schema 1, which do not have them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    train_loss: tuple[Number | None, ...] = ()
    train_correct_count: tuple[int, ...] = ()
    validation_loss: tuple[Number | None, ...] = ()
    validation_correct_count: tuple[int, ...] = ()
    validation_nll: tuple[NLL | None, ...] = ()
    validation_brier: tuple[Brier | None, ...] = ()
    validation_ece: tuple[ECE | None, ...] = ()
    validation_top2_correct_count: tuple[int, ...] = ()


class LayerProbe(BaseModel):
    """One layer on the seed's first 256 training images, as evaluation sees it; epoch 0 is before any step.

    `mean`, `sd` and `zero_share` (exact zeros) are over the activation's values of all units and images, or over the
    scores for the last layer. `dead_share`: units whose derivative is 0 for all images. `saturated_share`: inputs of
    the activation at which |f'| is below 5 % of its maximum. The gradient norms are L2 norms for the batch's mean loss,
    `weight_norm` is the weights' own. `histogram` has a byte for each bin between `HISTOGRAM_EDGES`, as base64: the
    share of the values before the activation in it, in units of 1/255. `learnt` holds the activation's learnt
    parameters; of those with a value per feature the mean, and the deviation as `NAME_sd`. None where there is no
    activation, the figure is not finite or, of the last three, the record is of schema 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epoch: Annotated[int, Field(ge=0)]
    layer: Annotated[int, Field(ge=1)]
    mean: Number | None
    sd: Magnitude | None
    zero_share: Share | None
    dead_share: Share | None = None
    saturated_share: Share | None = None
    weight_gradient_norm: Magnitude | None
    bias_gradient_norm: Magnitude | None
    weight_norm: Magnitude | None = None
    histogram: Annotated[str, Field(pattern=HISTOGRAM_PATTERN)] = ""
    learnt: dict[str, Number | None] = Field(default_factory=dict)  # pydantic would copy a `{}` for each probe


class TrialRecord(BaseModel):
    """One finished trial: a line of the journal.

    `diverged_epoch` is the first epoch (from 1) whose training, validation or, after the last, test loss was not
    finite; the trial stopped there and its test figures are those of the network as it then was. `test_is_correct` has
    a bit for each test image (`numpy.packbits` as base64); `test_prediction_counts` is how often each class was
    predicted. `test_mistakes` has a number for each image that was not classified correctly, in their order:
    label * classes + predicted class, in one byte up to 16 classes and in two (the higher first) above, as base64.
    `plan` is the checksum of the plan under which a final trial was trained. `parameters` holds the final weights, by
    layer and row by row, of networks of at most 64 parameters.
    `wall_seconds` is the stack's time divided by its trials, `epoch_seconds` the part that each epoch's steps took.
    Records of schema 1 have neither `plan`, `test_mistakes`, `test_top2_correct_count` nor a test NLL, Brier or ECE.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    schema_version: int = Field(SCHEMA, alias="schema")
    trial: str
    phase: Phase
    seed: int
    settings: TrialSettings
    outcome: Outcome
    plan: str = ""
    cause: str | None = None
    diverged_epoch: int | None = None
    train_count: int
    validation_count: int
    test_count: int
    curves: Curves = Curves()
    probes: tuple[LayerProbe, ...] = ()
    test_correct_count: int | None = None
    test_loss: Number | None = None
    test_is_correct: str = ""
    test_prediction_counts: tuple[int, ...] = ()
    test_nll: NLL | None = None
    test_brier: Brier | None = None
    test_ece: ECE | None = None
    test_top2_correct_count: int | None = None
    test_mistakes: str = ""
    parameters: dict[str, tuple[Number | None, ...]] = Field(default_factory=dict)
    wall_seconds: Seconds
    epoch_seconds: tuple[Seconds, ...] = ()
    stack_trials: Annotated[int, Field(ge=1)]
    device: str
    environment: str = ""

    @classmethod
    def of(cls, trial: Trial, **figures: Any) -> Self:
        """The record of a trial with these figures."""
        data = trial.settings.data
        counts = {part: getattr(data, part)() for part in ("train_count", "validation_count", "test_count")}
        return cls(trial=trial.id, phase=trial.phase, seed=trial.seed, settings=trial.settings, **counts, **figures)

    def has_mistakes(self) -> bool:
        """Whether label and predicted class of each wrong test image are recorded."""
        return self.test_correct_count is not None and (
            bool(self.test_mistakes) or self.test_correct_count == self.test_count
        )

    def mistakes(self) -> list[tuple[int, int]] | None:
        """Label and predicted class of each test image that was not classified correctly; None if not recorded."""
        if not self.has_mistakes():
            return None
        classes = self.settings.data.dataset.classes
        return [divmod(code, classes) for code in mistake_codes(base64.b64decode(self.test_mistakes), classes)]

    def is_collapsed(self) -> bool:
        """Whether the trained network predicts the same class for every test image, and not all of them are of it."""
        predicted = self.test_prediction_counts
        is_telling = self.test_count >= MIN_IMAGES_OF_A_COLLAPSE and self.test_correct_count != self.test_count
        return self.outcome == "done" and predicted.count(0) == len(predicted) - 1 and is_telling

    def ending(self) -> Ending:
        """How the trial ended: its outcome, where a collapsed network is not done; only `done` is usable."""
        return "collapsed" if self.is_collapsed() else self.outcome


def bytes_of_a_mistake(classes: int) -> int:
    """How many bytes hold label * classes + predicted class."""
    return 1 if classes <= MAX_CLASSES_IN_A_BYTE else 2


def mistake_codes(coded: bytes, classes: int) -> Sequence[int]:
    """The numbers label * classes + predicted class that `test_mistakes` holds."""
    size = bytes_of_a_mistake(classes)
    if size == 1:
        return coded
    return [int.from_bytes(coded[start : start + size], "big") for start in range(0, len(coded), size)]


def recorded(trials: Iterable[Trial], records: Mapping[str, TrialRecord]) -> list[TrialRecord]:
    """The records of those trials that have one."""
    return [records[trial.id] for trial in trials if trial.id in records]


def count_endings(records: Iterable[TrialRecord]) -> Counter[Ending]:
    """How many trials ended how."""
    return Counter(record.ending() for record in records)


def sum_endings(counts: Iterable[Mapping[Ending, int]]) -> Counter[Ending]:
    """How many trials of all these ended how."""
    return sum(map(Counter, counts), Counter[Ending]())


def unusable_text(endings: Mapping[Ending, int]) -> str:
    """`1 diverged, 0 collapsed, 2 failed`."""
    return ", ".join(f"{endings.get(word, 0)} {word}" for word in UNUSABLE)


def unusable_document(endings: Mapping[Ending, int]) -> dict[str, int]:
    """The same for JSON: `failed` is the sum, and trials that raised an error are `crashed`."""
    diverged, collapsed, crashed = (endings.get(word, 0) for word in UNUSABLE)
    return {"failed": diverged + collapsed + crashed, "diverged": diverged, "collapsed": collapsed, "crashed": crashed}
