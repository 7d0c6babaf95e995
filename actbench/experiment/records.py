"""What travels between the rooms: a trial to be trained, what its training gave, and how far a stack has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actbench.experiment.settings import TrialSettings

Phase = Literal["tune", "final"]
Outcome = Literal["done", "diverged", "failed"]
Ending = Literal["done", "diverged", "collapsed", "failed"]

SCHEMA = 1
TRAINING_CODE_VERSION = 4
UNUSABLE: tuple[Ending, ...] = ("diverged", "collapsed", "failed")
CLOCK_FIELDS = ("wall_seconds", "epoch_seconds")
MIN_IMAGES_OF_A_COLLAPSE = 20  # of fewer test images, a sound network may well give all the same class
NOT_FINITE = "the loss was no longer finite"  # why a trial diverged, in records without a cause


@dataclass(frozen=True)
class Trial:
    """One training: its settings, its seed, and the id that names exactly these numbers."""

    id: str
    phase: Phase
    seed: int
    settings: TrialSettings


class Curves(BaseModel):
    """One value per epoch; losses are means per image, None where not finite.

    Training figures are taken over the epoch's own batches while the weights move (dropout on); validation figures
    after the epoch's last step (dropout off). Without a validation part its lists are empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    train_loss: tuple[float | None, ...] = ()
    train_correct_count: tuple[int, ...] = ()
    validation_loss: tuple[float | None, ...] = ()
    validation_correct_count: tuple[int, ...] = ()


class LayerProbe(BaseModel):
    """One layer on the seed's first 256 training images, as evaluation sees it; epoch 0 is before any step.

    `mean`, `sd` and `zero_share` (exact zeros) are over the activation's values of all units and images, or over the
    scores for the last layer. `dead_share`: units whose derivative is 0 for all images. `saturated_share`: inputs of
    the activation at which |f'| is below 5 % of its maximum. The gradient norms are L2 norms for the batch's mean loss.
    None where there is no activation or the figure is not finite.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epoch: int
    layer: int
    mean: float | None
    sd: float | None
    zero_share: float | None
    dead_share: float | None = None
    saturated_share: float | None = None
    weight_gradient_norm: float | None
    bias_gradient_norm: float | None


class TrialRecord(BaseModel):
    """One finished trial: a line of the journal.

    `diverged_epoch` is the first epoch (from 1) whose training, validation or, after the last, test loss was not
    finite; the trial stopped there and its test figures are those of the network as it then was. `test_is_correct` has
    a bit for each test image (`numpy.packbits` as base64); `test_prediction_counts` is how often each class was
    predicted. `parameters` holds the final weights, by layer and row by row, of networks of at most 64 parameters.
    `wall_seconds` is the stack's time divided by its trials, `epoch_seconds` the part that each epoch's steps took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    schema_version: int = Field(SCHEMA, alias="schema")
    trial: str
    phase: Phase
    seed: int
    settings: TrialSettings
    outcome: Outcome
    cause: str | None = None
    diverged_epoch: int | None = None
    train_count: int
    validation_count: int
    test_count: int
    curves: Curves = Curves()
    probes: tuple[LayerProbe, ...] = ()
    test_correct_count: int | None = None
    test_loss: float | None = None
    test_is_correct: str = ""
    test_prediction_counts: tuple[int, ...] = ()
    parameters: dict[str, tuple[float | None, ...]] = {}
    wall_seconds: float
    epoch_seconds: tuple[float, ...] = ()
    stack_trials: int
    device: str
    environment: str = ""

    def is_collapsed(self) -> bool:
        """Whether the trained network predicts the same class for every test image, and not all of them are of it."""
        predicted = sum(count > 0 for count in self.test_prediction_counts)
        is_telling = self.test_count >= MIN_IMAGES_OF_A_COLLAPSE and self.test_correct_count != self.test_count
        return self.outcome == "done" and predicted == 1 and is_telling

    def ending(self) -> Ending:
        """How the trial ended: its outcome, where a collapsed network is not done; only `done` is usable."""
        return "collapsed" if self.is_collapsed() else self.outcome


def count_endings(records: Iterable[TrialRecord]) -> Counter[Ending]:
    """How many trials ended how."""
    return Counter(record.ending() for record in records)


def unusable_text(endings: Mapping[Ending, int]) -> str:
    """`1 diverged, 0 collapsed, 2 failed`."""
    return ", ".join(f"{endings.get(word, 0)} {word}" for word in UNUSABLE)


def unusable_document(endings: Mapping[Ending, int]) -> dict[str, int]:
    """The same for JSON: `failed` is the sum, and trials that raised an error are `crashed`."""
    diverged, collapsed, crashed = (endings.get(word, 0) for word in UNUSABLE)
    return {
        "failed": diverged + collapsed + crashed,
        "diverged": diverged,
        "collapsed": collapsed,
        "crashed": crashed,
    }
