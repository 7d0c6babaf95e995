"""One training's settings: catalogue choices, defaults that follow other settings, and the layers they lead to."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from pydantic import BaseModel, ValidationError

from actbench.catalogue.datasets import DATASETS
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Kind
from actbench.experiment.choices import Choice, parse_choice
from actbench.experiment.compatibility import conflicts
from actbench.experiment.layers import Layer, count_parameters, learnable_parameter_sizes, resolve_layers
from actbench.experiment.settings import DataSettings, LayerSettings, ModelSettings, TrainSettings, TrialSettings

pytestmark = pytest.mark.oldest

CUBE_NETWORK = {
    "data": {"dataset": "cube"},
    "model": {
        "layers": (
            {"units": 3, "activation": "sigmoid", "init": "xavier_normal"},
            {"units": 2, "activation": "relu", "init": "kaiming_normal"},
        ),
        "output_init": "torch_default",
        "output": "softmax",
    },
    "train": {"loss": "nll"},
}
KINDS: tuple[Kind, ...] = ("activation", "output", "initialiser", "loss", "optimizer")
ENTRIES = [(kind, name) for kind in KINDS for entry in entries(kind) for name in (entry.name, *entry.aliases)]


def layers(**model: Any) -> tuple[Layer, ...]:
    return resolve_layers(TrialSettings.model_validate({"model": model}))


def parameter_counts(**model: Any) -> list[int]:
    return [count_parameters(layer) for layer in layers(**model)]


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_name_and_alias_is_a_choice_that_is_written_as_its_own_name(kind: Kind, name: str) -> None:
    choice = parse_choice(kind, name)
    assert choice == parse_choice(kind, {name: None}) == parse_choice(kind, {name: {}}) == parse_choice(kind, choice)
    assert choice.to_yaml() == str(choice) == choice.entry.name
    assert name in (choice.name, *choice.entry.aliases)
    assert choice.own_parameters() == {}


def test_a_choice_is_written_with_the_parameters_that_differ_from_the_defaults() -> None:
    choice = parse_choice("activation", {"gelu": {"approximate": "tanh", "mean": 0.0, "std": 2}})
    assert choice.to_yaml() == {"gelu": {"approximate": "tanh", "std": 2.0}}
    assert str(choice) == "gelu(approximate=tanh, std=2.0)"
    assert parse_choice("activation", choice.to_yaml()) == choice


def test_a_list_in_a_choice_is_kept_as_a_tuple_and_written_as_a_list() -> None:
    choice = parse_choice("optimizer", {"adam": {"betas": [0.8, 0.99]}})
    assert choice.own_parameters() == {"betas": (0.8, 0.99)}
    assert choice.to_yaml() == {"adam": {"betas": [0.8, 0.99]}}


def test_equal_choices_are_one_key_however_they_are_spelt() -> None:
    spellings: list[Any] = ["silu", "swish", {"silu": {"beta": 1}}, {"swish": {"learn": False, "beta": 1.0}}]
    assert len({parse_choice("activation", spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize("settings", [
    parse_choice("activation", "relu"), DataSettings(), ModelSettings(), TrainSettings(), TrialSettings(),
    LayerSettings(units=3),
], ids=lambda settings: type(settings).__name__)  # fmt: skip
def test_settings_cannot_be_changed_and_take_no_unknown_field(settings: BaseModel) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, next(iter(type(settings).model_fields)), None)
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(settings).model_validate({**dict(settings), "unknown": 1})


def test_hidden_and_layers_are_not_given_together() -> None:
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({"hidden": (3,), "layers": ({"units": 3},)})


@pytest.mark.parametrize("name", DATASETS)
def test_validation_left_out_is_one_sixth_of_the_training_images(name: str) -> None:
    data, dataset = DataSettings(dataset=name), DATASETS[name]
    assert data.validation_count() == dataset.train_count // 6
    assert data.train_count() + data.validation_count() == data.train_available() == dataset.train_count
    assert data.test_count() == dataset.test_count


@pytest.mark.parametrize(("data", "counts"), [
    ({"train": 600, "test": 7}, (500, 100, 7)),
    ({"train": 5}, (5, 0, 360)),
    ({"train": 600, "validation": 0}, (600, 0, 360)),
    ({"validation": 437}, (1000, 437, 360)),
])  # fmt: skip
def test_images_are_counted_as_the_settings_say(data: dict[str, int], counts: tuple[int, int, int]) -> None:
    given = DataSettings.model_validate(data)
    assert (given.train_count(), given.validation_count(), given.test_count()) == counts


def test_scale_is_a_name_or_a_number_that_is_kept_as_a_float() -> None:
    scales = [DataSettings.model_validate({"scale": scale}).scale for scale in ("unit", "standard", "none", 256, 0.5)]
    assert scales == ["unit", "standard", "none", 256.0, 0.5]
    assert isinstance(scales[3], float)


@pytest.mark.parametrize("name", [entry.name for entry in entries("optimizer")])
def test_weight_decay_left_out_is_what_torch_uses_for_the_optimizer(name: str) -> None:
    torch_class = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
                   "rmsprop": torch.optim.RMSprop}[name]  # fmt: skip
    default = inspect.signature(torch_class).parameters["weight_decay"].default
    assert TrainSettings.model_validate({"optimizer": name}).resolved_weight_decay() == default
    assert TrainSettings.model_validate({"optimizer": name, "weight_decay": 0.0}).resolved_weight_decay() == 0.0
    assert TrainSettings.model_validate({"optimizer": name, "weight_decay": 0.3}).resolved_weight_decay() == 0.3


def test_the_network_of_document_4_has_26_parameters_and_an_initialiser_for_every_layer() -> None:
    settings = TrialSettings.model_validate(CUBE_NETWORK)
    first, second, last = resolve_layers(settings)
    assert [(layer.fan_in, layer.units) for layer in (first, second, last)] == [(3, 3), (3, 2), (2, 2)]
    assert [str(layer.init) for layer in (first, second, last)] == ["xavier_normal", "kaiming_normal", "torch_default"]
    assert [str(layer.bias_init) for layer in (first, second, last)] == ["zeros", "zeros", "torch_default"]
    assert [str(layer.activation) for layer in (first, second)] == ["sigmoid", "relu"]
    assert last.activation is None
    assert [count_parameters(layer) for layer in (first, second, last)] == [12, 8, 6]


def test_the_network_of_document_4_works_though_its_loss_is_not_what_its_name_says() -> None:
    (conflict,) = conflicts(TrialSettings.model_validate(CUBE_NETWORK))
    assert (conflict.path, conflict.impossible) == ("train.loss", False)


def test_without_hidden_layers_the_network_is_one_linear_layer() -> None:
    for model in ({"hidden": ()}, {"layers": ()}):
        (layer,) = layers(**model)
        assert (layer.fan_in, layer.units, layer.activation) == (64, 10, None)


def test_a_layer_takes_from_the_model_what_it_leaves_out() -> None:
    model = {"activation": "tanh", "init": "ones", "bias_init": "constant", "dropout": 0.5, "batch_norm": True}
    own = {"units": 2, "activation": "elu", "init": "zeros", "bias_init": "ones", "dropout": 0.0, "batch_norm": False}
    first, second, last = layers(layers=({"units": 3}, own), **model)
    assert [str(choice) for choice in (first.activation, first.init, first.bias_init)] == ["tanh", "ones", "constant"]
    assert (first.dropout, first.batch_norm) == (0.5, True)
    assert [str(choice) for choice in (second.activation, second.init, second.bias_init)] == ["elu", "zeros", "ones"]
    assert (second.dropout, second.batch_norm) == (0.0, False)
    assert [str(choice) for choice in (last.init, last.bias_init)] == ["ones", "constant"]
    assert (last.dropout, last.batch_norm) == (0.0, False)


@pytest.mark.parametrize(("model", "biases"), [
    ({}, ["zeros", "zeros"]),
    ({"init": "torch_default"}, ["torch_default", "torch_default"]),
    ({"init": "pytorch", "output_init": "ones"}, ["torch_default", "zeros"]),
    ({"output_init": "torch_default"}, ["zeros", "torch_default"]),
    ({"init": "torch_default", "bias_init": "ones"}, ["ones", "ones"]),
])  # fmt: skip
def test_a_bias_left_out_is_zeros_or_torchs_own_beside_torchs_weights(model: dict[str, str], biases: list[str]) -> None:
    assert [str(layer.bias_init) for layer in layers(hidden=(3,), **model)] == biases


def torch_count(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("per_feature", [False, True])
def test_parameters_are_counted_as_torch_counts_its_modules(batch_norm: bool, per_feature: bool) -> None:
    activation = {"prelu": {"per_feature": per_feature}}
    first, last = parameter_counts(hidden=(7,), batch_norm=batch_norm, activation=activation)
    norm = [torch.nn.BatchNorm1d(7)] if batch_norm else []
    assert first == torch_count(torch.nn.Linear(64, 7), *norm, torch.nn.PReLU(7 if per_feature else 1))
    assert last == torch_count(torch.nn.Linear(7, 10))


@pytest.mark.parametrize(("activation", "sizes"), [
    ("relu", {}),
    ("prelu", {"negative_slope": 1}),
    ({"prelu": {"learn": False}}, {}),
    ({"prelu": {"learn": False, "per_feature": True}}, {}),
    ("swish", {}),
    ({"swish": {"learn": True}}, {"beta": 1}),
    ("gelu", {}),
    ({"gelu": {"learn": True}}, {"mean": 1, "std": 1}),
    ({"gelu": {"learn": True, "per_feature": True}}, {"mean": 5, "std": 5}),
])  # fmt: skip
def test_a_learnt_parameter_is_one_for_the_layer_or_one_per_feature(activation: Any, sizes: dict[str, int]) -> None:
    hidden, last = layers(hidden=(5,), activation=activation)
    assert learnable_parameter_sizes(hidden) == sizes
    assert learnable_parameter_sizes(last) == {}
    assert count_parameters(hidden) == 65 * 5 + sum(sizes.values())


def test_a_layers_settings_are_written_and_read_back_with_their_choices() -> None:
    layer = LayerSettings.model_validate({"units": 3, "activation": {"elu": {"alpha": 2}}, "dropout": 0.1})
    written = layer.model_dump(exclude_none=True)
    assert written == {"units": 3, "activation": {"elu": {"alpha": 2.0}}, "dropout": 0.1}
    assert LayerSettings.model_validate(written) == layer
    assert isinstance(layer.activation, Choice)
