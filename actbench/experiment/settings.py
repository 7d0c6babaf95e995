"""The settings of one training, as frozen models: what an experiment file may say under data, model and train."""

from __future__ import annotations

import math
from functools import partial
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

from actbench.catalogue.arrays import MAX_CLASSES, SUFFIX, own_dataset
from actbench.catalogue.datasets import DATASETS, Dataset
from actbench.catalogue.recorded import FROM
from actbench.catalogue.registry import Kind
from actbench.experiment import choices
from actbench.text import did_you_mean, nearest_or_all

MAX_IMAGES = 10_000_000
MAX_WIDTH = 65_536


class RecordedData(BaseModel):
    """What a result folder keeps of arrays from a file: which they were, and enough to read results without them."""

    model_config = choices.FROZEN

    checksum: Annotated[str, Field(alias=FROM, pattern=r"^sha256:[0-9a-f]{64}$")]
    features: Annotated[int, Field(ge=1)]
    classes: Annotated[int, Field(ge=2, le=MAX_CLASSES)]
    train_count: Annotated[int, Field(ge=1)]
    test_count: Annotated[int, Field(ge=1)]
    maximum: Annotated[float, Field(gt=0)]


def _read_dataset(value: choices.Yaml) -> Dataset:
    """A dataset by its name, or as a result folder records arrays from a file."""
    if isinstance(value, Dataset):
        return value
    name, given = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
    if isinstance(given, dict) and str(name).endswith(SUFFIX):
        return own_dataset(name, **choices.validated(RecordedData, given, name).model_dump())
    if not isinstance(value, str):
        raise choices.nested_problem([((), f"expected text, found {choices.shown(value)}")])
    if value not in DATASETS:
        near = nearest_or_all(value, DATASETS)
        if value.endswith(SUFFIX):
            near = "; name a file of arrays on the command line, by --use-data FILE"
        raise choices.nested_problem([((), f"no dataset is called {value!r}{near}")])
    return DATASETS[value]


def dataset_to_record(dataset: Dataset) -> choices.Yaml:
    """A dataset's name; of arrays from a file all that is needed to read results without them."""
    if dataset.source != "file":
        return dataset.name
    return {
        dataset.name: {field.alias or key: getattr(dataset, key) for key, field in RecordedData.model_fields.items()}
    }


def _usual(kind: Kind, name: str, description: str) -> Any:
    return Field(default_factory=partial(choices.parse_choice, kind, name), description=description)


def _scale(value: choices.Yaml) -> choices.Yaml:
    names = ("unit", "standard", "none")
    if value in names or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf):
        return value
    near = did_you_mean(value, names) if isinstance(value, str) else ""
    raise choices.nested_problem(
        [((), f"expected unit, standard, none or a number above 0 to divide by, found {choices.shown(value)}{near}")]
    )


def _batch_size(value: choices.Yaml) -> choices.Yaml:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_IMAGES):
        return value
    raise choices.nested_problem(
        [((), f"expected a whole number from 1 to {MAX_IMAGES:,}, or full, found {choices.shown(value)}")]
    )


Count = Annotated[int, Field(ge=1, le=MAX_IMAGES)]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Precision = Literal["float32", "bf16"]


class DataSettings(BaseModel):
    """Which images, how many, and how they are scaled."""

    model_config = choices.FROZEN

    dataset: Annotated[Dataset, PlainValidator(_read_dataset), PlainSerializer(dataset_to_record)] = Field(
        DATASETS["digits"], description="which images; `actbench list dataset` describes them"
    )
    train: Count | None = Field(None, description="use only the first so many training images")
    test: Count | None = Field(None, description="use only the first so many test images")
    validation: Annotated[int, Field(ge=0)] | None = Field(
        None, description="how many of the training images are held out; one sixth when left out"
    )
    split: Literal["stratified", "tail"] = Field(
        "stratified", description="drawn per seed with every class in proportion, or the last images of the file"
    )
    scale: Annotated[str | float, BeforeValidator(_scale)] = Field(
        "unit", description="to [0, 1], to mean 0 and sd 1 of the training images, not at all, or divided by a number"
    )

    def divisor(self) -> float | None:
        """What inputs are divided by; None for `standard`, where it depends on a seed's training images."""
        if self.scale == "standard":
            return None
        named = {"none": 1.0, "unit": float(self.dataset.maximum)}
        return named[self.scale] if isinstance(self.scale, str) else float(self.scale)

    def train_available(self) -> int:
        """Images taken from the dataset's training part, validation included."""
        return min(self.train or self.dataset.train_count, self.dataset.train_count)

    def validation_count(self) -> int:
        """Images held out for validation."""
        return self.train_available() // 6 if self.validation is None else self.validation

    def train_count(self) -> int:
        """Images that are trained on."""
        return self.train_available() - self.validation_count()

    def test_count(self) -> int:
        """Images that are tested on."""
        return min(self.test or self.dataset.test_count, self.dataset.test_count)


DEFAULT_HIDDEN = (256, 128)
EVALUATION_IMAGES = 512
MAX_PROBED_EPOCHS = 100


class LayerSettings(BaseModel):
    """One hidden layer; what is left out is taken from the model."""

    model_config = choices.FROZEN

    units: Width = Field(description="width of this layer")
    activation: choices.Activation | None = Field(None, description="of this layer; the model's when left out")
    init: choices.Initialiser | None = Field(None, description="of this layer's weights; the model's when left out")
    bias_init: choices.Initialiser | None = Field(None, description="of this layer's biases; the model's when left out")
    dropout: Rate | None = Field(None, description="share of values set to zero in training; the model's when left out")
    batch_norm: bool | None = Field(None, description="of this layer; the model's when left out")


class ModelSettings(BaseModel):
    """A multilayer perceptron: hidden layers by width or one by one, then one unit per class and an output function."""

    model_config = choices.FROZEN

    hidden: tuple[Width, ...] | None = Field(None, description="256 and 128 when neither this nor layers is given")
    layers: tuple[LayerSettings, ...] | None = Field(
        None, description="the hidden layers one by one, instead of hidden; what a layer leaves out is the model's"
    )
    activation: choices.Activation = _usual(
        "activation", "relu", "of the hidden layers: a name, or {name: {parameter: value}}"
    )
    init: choices.Initialiser = _usual(
        "initialiser", "kaiming_normal", "of the weights: a name, or {name: {parameter: value}}"
    )
    bias_init: choices.Initialiser | None = Field(
        None, description="zeros when left out (torch_default beside init: torch_default)"
    )
    output: choices.Output = _usual("output", "log_softmax", "the function of the last layer's scores")
    output_init: choices.Initialiser | None = Field(None, description="of the last layer; init when left out")
    dropout: Rate = Field(0.0, description="share of hidden values set to zero in training")
    batch_norm: bool = Field(False, description="whether to normalise between linear layer and activation")

    @model_validator(mode="after")
    def _one_way_to_name_the_layers(self) -> Self:
        if self.hidden is not None and self.layers is not None:
            raise choices.nested_problem([(("layers",), "give either hidden or layers, not both")])
        if len(self.hidden or self.layers or ()) > 100:
            raise choices.nested_problem([(("hidden" if self.hidden else "layers",), "expected at most 100 layers")])
        return self


def hidden_layers(model: ModelSettings) -> tuple[LayerSettings, ...]:
    """The hidden layers as given one by one, or by their widths."""
    if model.layers is not None:
        return model.layers
    return tuple(LayerSettings(units=units) for units in (DEFAULT_HIDDEN if model.hidden is None else model.hidden))


class TrainSettings(BaseModel):
    """How the network is trained."""

    model_config = choices.FROZEN

    loss: choices.Loss = _usual("loss", "nll", "mean over the batch of the loss summed over the output units")
    optimizer: choices.Optimizer = _usual(
        "optimizer", "adam", "a name, or {name: {setting: value}} with torch's settings"
    )
    lr: float = Field(1e-3, gt=0, description="learning rate")
    batch_size: Annotated[int | str, BeforeValidator(_batch_size)] = Field(
        128, description="images per step, or full; a smaller last batch is kept"
    )
    epochs: int = Field(10, ge=1, le=1_000_000, description="how often every image is seen")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(
        None, description="on weights, not biases; torch's default of the optimizer when left out"
    )
    schedule: Literal["constant", "cosine", "linear"] = Field(
        "constant", description="of the learning rate, step by step: constant, or to zero along a cosine or a line"
    )
    precision: Precision = Field(
        "float32", description="of the factors in matrix products; weights, sums and everything else stay float32"
    )
    shuffle: bool = Field(True, description="a new order of the images every epoch, or the file's order")

    def batch_images(self, train_count: int) -> int:
        """Images per step."""
        return train_count if self.batch_size == "full" else min(int(self.batch_size), train_count)

    def probed_epochs(self) -> frozenset[int]:
        """Epochs after which layers are probed: 0 (before any step), and all, or 100 evenly spaced ones to the last."""
        count = min(self.epochs, MAX_PROBED_EPOCHS)
        return frozenset({0, *(math.ceil(self.epochs * number / count) for number in range(1, count + 1))})

    def resolved_weight_decay(self) -> float:
        """The given decay, or what torch uses for this optimizer when none is given."""
        if self.weight_decay is None:
            return 0.01 if self.optimizer.name == "adamw" else 0.0
        return self.weight_decay


class TrialSettings(BaseModel):
    """Everything but the seed that one training depends on."""

    model_config = choices.FROZEN

    data: DataSettings = Field(default_factory=DataSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)
