"""An arm's network and its training as a script in plain PyTorch, to read and to run."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from actbench.errors import ConfigurationError
from actbench.experiment.cells import has_values
from actbench.experiment.choices import Choice
from actbench.experiment.definition import Experiment
from actbench.experiment.layers import learnable_parameter_sizes, resolve_layers
from actbench.render.html import render
from actbench.text import listed

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
SKIPPED = {"torch", "Tensor"}


def network_code(experiment: Experiment, config: str, overrides: list[str]) -> str:
    """The script for the experiment's baseline arm, or its first, and its first seed.

    Raises `ConfigurationError` for what has no plain form here: dropout, learnt activation parameters, bf16, custom
    functions, arrays from a file.
    """
    arms = list(experiment.arms())
    is_baseline = [bool(experiment.baseline) and has_values(arm.values, experiment.baseline) for arm in arms]
    number = is_baseline.index(True) if any(is_baseline) else 0
    settings, layers = arms[number].settings, resolve_layers(arms[number].settings)
    train = settings.train
    problems = {
        "dropout": any(layer.dropout for layer in layers),
        "learnt parameters of activations": any(learnable_parameter_sizes(layer) for layer in layers),
        "train.precision bf16": train.precision != "float32",
        "custom functions": experiment.custom_choices(),
        "arrays from a file": settings.data.dataset.source == "file",
    }
    if found := [name for name, is_used in problems.items() if is_used]:
        raise ConfigurationError(f"--code: there is no plain form of {listed(found)} here")
    functions = [layer.activation or settings.model.output for layer in layers]
    names = _names((*functions, train.loss))
    count = settings.data.train_count()
    return render(
        "network.txt",
        title=f"{experiment.name}, {arms[number].label()}, seed {experiment.seeds[0]}",
        sources=Markup("\n\n".join(_sources(names))),
        layers=[
            (layer, names[one.entry.function], _settings(one)) for layer, one in zip(layers, functions, strict=True)
        ],
        train=train,
        optimizer=OPTIMIZERS[train.optimizer.name],
        options="".join(f", {name}={value!r}" for name, value in train.optimizer.parameters),
        decay=train.resolved_weight_decay(),
        steps=train.epochs * -(-count // train.batch_images(count)),
        batch=train.batch_images(count),
        loss=(names[train.loss.entry.function], _settings(train.loss)),
        config=repr(config),
        arm=number,
        seed=experiment.seeds[0],
        overrides=repr(overrides),
    )


def _names(choices: Iterable[Choice]) -> dict[Callable[..., Any], str]:
    """A name in the script for each function: its own, or with its kind where another function has that (`tanh`)."""
    names: dict[Callable[..., Any], str] = {}
    for choice in choices:
        own = choice.entry.function.__name__
        names.setdefault(choice.entry.function, f"{own}_{choice.entry.kind}" if own in names.values() else own)
    return names


def _settings(choice: Choice) -> str:
    """`, negative_slope=0.01`."""
    taken = inspect.signature(choice.entry.function).parameters
    return "".join(f", {name}={value!r}" for name, value in choice.parameters if name in taken)


def _sources(names: Mapping[Callable[..., Any], str]) -> Iterator[str]:
    """The source of each function under its name, without decorators, after that of the functions it calls."""
    done: set[Callable[..., Any]] = set()

    def visit(function: Callable[..., Any]) -> Iterator[str]:
        if function in done:
            return
        done.add(function)
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if inspect.isfunction(value):
                yield from visit(value)
            elif name not in SKIPPED and isinstance(value, int | float):
                yield f"{name} = {value!r}\n"
        source = textwrap.dedent(inspect.getsource(function))
        own = function.__name__
        yield source[source.index("def ") :].replace(f"def {own}(", f"def {names.get(function, own)}(", 1)

    for function in names:
        yield from visit(function)
