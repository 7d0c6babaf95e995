"""The settings of one training, as frozen models: what an experiment file may say under data, model and train."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from actbench.catalogue import datasets
from actbench.catalogue.registry import Entry, Kind, did_you_mean, find, parameters_model

FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

Yaml = Any


class Choice(BaseModel):
    """One catalogue entry with all its parameters, as in `{leaky_relu: {negative_slope: 0.1}}`."""

    model_config = FROZEN

    kind: Kind
    name: str
    parameters: tuple[tuple[str, Any], ...]

    @property
    def entry(self) -> Entry:
        """What the catalogue knows under this name."""
        return find(self.kind, self.name)

    def own_parameters(self) -> dict[str, Any]:
        """The parameters that differ from the entry's defaults."""
        defaults = parameters_model(self.entry)().model_dump()
        return {name: value for name, value in self.parameters if value != defaults[name]}

    def to_yaml(self) -> Yaml:
        """The shortest spelling in an experiment file."""
        own = self.own_parameters()
        return {self.name: {key: _listed(value) for key, value in own.items()}} if own else self.name

    def __str__(self) -> str:
        own = ", ".join(f"{name}={value}" for name, value in self.own_parameters().items())
        return f"{self.name}({own})" if own else self.name


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def nested_problem(problems: Iterable[tuple[tuple[str | int, ...], str]]) -> PydanticCustomError:
    """A pydantic error that carries several problems, each with its path below the field being validated."""
    return PydanticCustomError("nested", "see details", {"problems": list(problems)})


def parse_choice(kind: Kind, value: Yaml) -> Choice:
    """Read `name` or `{name: {parameter: value}}`; raises a pydantic error that names every mistake."""
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        name, given = value, {}
    elif isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict | None):
        name, given = next(iter(value.items()))
        given = given or {}
    else:
        raise nested_problem([((), f"expected a name or {{name: {{setting: value}}}} of {kind}, found {shown(value)}")])
    try:
        entry = find(kind, str(name))
    except KeyError as unknown:
        raise nested_problem([((), str(unknown.args[0]))]) from None
    try:
        parameters = parameters_model(entry)(**given)
    except ValidationError as invalid:
        known = tuple(parameters_model(entry).model_fields)
        raise nested_problem(
            ((name, *problem["loc"]), explain(problem, known_keys=known)) for problem in invalid.errors()
        ) from None
    return Choice(kind=kind, name=entry.name, parameters=tuple(parameters.model_dump().items()))


def shown(value: Any) -> str:
    """A value as an error message quotes it: short, and with the kind of thing it is."""
    kinds = {bool: "true or false", str: "text", int: "a whole number", float: "a number", tuple: "a list", dict: "a mapping"}
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else repr(list(value) if isinstance(value, tuple) else value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({kinds.get(type(value), type(value).__name__)})"


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "one of {expected}",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "string_pattern_mismatch": "text that matches {pattern}",
}


def explain(problem: ErrorDetails, *, known_keys: Iterable[str] = ()) -> str:
    """One pydantic error as a sentence: what was expected, what was found, the nearest name."""
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        known = list(known_keys)
        wrong = str(problem["loc"][-1])
        return f"unknown key{did_you_mean(wrong, known) or '; known here: ' + (', '.join(known) or 'none')}"
    if problem["type"] == "missing":
        return "required, but not there"
    expected = _EXPECTED.get(problem["type"])
    if expected is None:
        return str(problem["msg"])
    nearest = ""
    if problem["type"] == "literal_error":
        nearest = did_you_mean(str(problem["input"]), str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
    return f"expected {expected.format(**context)}, found {shown(problem['input'])}{nearest}"


def _choice_of(kind: Kind) -> Any:
    return Annotated[Choice, BeforeValidator(partial(parse_choice, kind)), PlainSerializer(Choice.to_yaml)]


def _dataset_name(value: Yaml) -> Yaml:
    if isinstance(value, str) and value not in datasets.DATASETS:
        known = tuple(datasets.DATASETS)
        near = did_you_mean(value, known) or f"; known: {', '.join(known)}"
        raise nested_problem([((), f"no dataset is called {value!r}{near}")])
    return value


Activation = _choice_of("activation")
Initialiser = _choice_of("initialiser")
Output = _choice_of("output")
Loss = _choice_of("loss")
Optimizer = _choice_of("optimizer")
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class DataSettings(BaseModel):
    """Which images, how many, and how they are scaled."""

    model_config = FROZEN

    dataset: Annotated[str, BeforeValidator(_dataset_name)] = "digits"
    train: Count | None = Field(None, description="use only the first so many training images")
    test: Count | None = Field(None, description="use only the first so many test images")
    validation: Annotated[int, Field(ge=0)] | None = Field(
        None, description="how many of the training images are held out; one sixth when left out"
    )
    split: Literal["stratified", "tail"] = Field(
        "stratified", description="drawn per seed with every class in proportion, or the last images of the file"
    )
    scale: Literal["unit", "standard", "none"] | Annotated[float, Field(gt=0)] = Field(
        "unit", description="to [0, 1], to mean 0 and sd 1 of the training images, not at all, or divided by a number"
    )

    def train_available(self) -> int:
        """Images taken from the dataset's training part, validation included."""
        return min(self.train or datasets.DATASETS[self.dataset].train_count, datasets.DATASETS[self.dataset].train_count)

    def validation_count(self) -> int:
        """Images held out for validation."""
        return self.train_available() // 6 if self.validation is None else self.validation

    def train_count(self) -> int:
        """Images that are trained on."""
        return self.train_available() - self.validation_count()

    def test_count(self) -> int:
        """Images that are tested on."""
        available = datasets.DATASETS[self.dataset].test_count
        return min(self.test or available, available)


class LayerSettings(BaseModel):
    """One hidden layer; what is left out is taken from the model."""

    model_config = FROZEN

    units: Width
    activation: Activation | None = None
    init: Initialiser | None = None
    bias_init: Initialiser | None = None
    dropout: Rate | None = None
    batch_norm: bool | None = None


class ModelSettings(BaseModel):
    """A multilayer perceptron: hidden layers by width or one by one, then one unit per class and an output function."""

    model_config = FROZEN

    hidden: tuple[Width, ...] | None = None
    layers: tuple[LayerSettings, ...] | None = None
    activation: Activation = Field(default_factory=partial(parse_choice, "activation", "relu"))
    init: Initialiser = Field(default_factory=partial(parse_choice, "initialiser", "kaiming_normal"))
    bias_init: Initialiser | None = Field(None, description="zeros when left out (torch_default beside init: torch_default)")
    output: Output = Field(default_factory=partial(parse_choice, "output", "log_softmax"))
    output_init: Initialiser | None = Field(None, description="of the last layer; init when left out")
    dropout: Rate = 0.0
    batch_norm: bool = False

    @model_validator(mode="after")
    def _one_way_to_name_the_layers(self) -> Self:
        if self.hidden is not None and self.layers is not None:
            raise nested_problem([(("layers",), "give either hidden or layers, not both")])
        if len(self.hidden or self.layers or ()) > 100:
            raise nested_problem([(("hidden",), "expected at most 100 layers")])
        return self


class TrainSettings(BaseModel):
    """How the network is trained."""

    model_config = FROZEN

    loss: Loss = Field(default_factory=partial(parse_choice, "loss", "nll"))
    optimizer: Optimizer = Field(default_factory=partial(parse_choice, "optimizer", "adam"))
    lr: Annotated[float, Field(gt=0)] = 1e-3
    batch_size: Count | Literal["full"] = 128
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(
        None, description="on weights, not biases; torch's default of the optimizer when left out"
    )
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    shuffle: bool = Field(True, description="a new order of the images every epoch, or the file's order")

    def resolved_weight_decay(self) -> float:
        """The given decay, or what torch uses for this optimizer when none is given."""
        if self.weight_decay is None:
            return 0.01 if self.optimizer.name == "adamw" else 0.0
        return self.weight_decay


class TrialSettings(BaseModel):
    """Everything but the seed that one training depends on."""

    model_config = FROZEN

    data: DataSettings = Field(default_factory=DataSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)


class Layer(BaseModel):
    """One linear layer with everything resolved; `activation` is None for the output layer."""

    model_config = FROZEN

    fan_in: int
    units: int
    activation: Activation | None
    init: Initialiser
    bias_init: Initialiser
    dropout: float
    batch_norm: bool


def bias_initialiser(given: Choice | None, init: Choice) -> Choice:
    """The initialiser of a layer's bias where the file may have left it out."""
    return given or (init if init.name == "torch_default" else parse_choice("initialiser", "zeros"))


def resolve_layers(settings: TrialSettings) -> tuple[Layer, ...]:
    """All linear layers from the pixels to the output units, each with its own settings or the model's."""
    model = settings.model
    dataset = datasets.DATASETS[settings.data.dataset]
    hidden = model.layers if model.layers is not None else tuple(LayerSettings(units=u) for u in model.hidden or ())
    layers: list[Layer] = []
    fan_in = dataset.features
    for given in hidden:
        init = given.init or model.init
        layers.append(
            Layer(
                fan_in=fan_in,
                units=given.units,
                activation=given.activation or model.activation,
                init=init,
                bias_init=bias_initialiser(given.bias_init or model.bias_init, init),
                dropout=model.dropout if given.dropout is None else given.dropout,
                batch_norm=model.batch_norm if given.batch_norm is None else given.batch_norm,
            )
        )
        fan_in = given.units
    init = model.output_init or model.init
    layers.append(
        Layer(
            fan_in=fan_in,
            units=dataset.output_units,
            activation=None,
            init=init,
            bias_init=bias_initialiser(model.bias_init, init),
            dropout=0.0,
            batch_norm=False,
        )
    )
    return tuple(layers)
