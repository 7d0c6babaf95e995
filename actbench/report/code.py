"""An arm's network and its training as a script in plain PyTorch, to read and to run."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from actbench.errors import ConfigurationError
from actbench.experiment.cells import has_values
from actbench.experiment.choices import Choice
from actbench.experiment.definition import Experiment
from actbench.experiment.layers import learnable_parameter_sizes, resolve_layers
from actbench.render.html import source

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
    train, output = settings.train, settings.model.output
    problems = [
        *(["dropout"] if any(layer.dropout for layer in layers) else []),
        *(["learnt parameters of activations"] if any(learnable_parameter_sizes(layer) for layer in layers) else []),
        *(["train.precision bf16"] if train.precision != "float32" else []),
        *(["custom functions"] if experiment.custom_choices() else []),
        *(["arrays from a file"] if settings.data.dataset.source == "file" else []),
    ]
    if problems:
        raise ConfigurationError(f"--code: there is no plain form of {', '.join(problems)} here")
    chosen = [layer.activation for layer in layers if layer.activation is not None]
    names = _names((*chosen, output, train.loss))
    modules, forward = [], []
    for index, layer in enumerate(layers, start=1):
        modules.append(f"self.layer{index} = nn.Linear({layer.fan_in}, {layer.units})")
        value = f"self.layer{index}(x)"
        if layer.batch_norm:
            modules.append(f"self.norm{index} = nn.BatchNorm1d({layer.units})")
            value = f"self.norm{index}({value})"
        function = layer.activation or output
        call = f"{names[function.entry.function]}({value}{_settings(function)})"
        forward.append(f"return {call}" if index == len(layers) else f"x = {call}")
    count = settings.data.train_count()
    steps = train.epochs * -(-count // train.batch_images(count))
    return source("network.txt").format(
        title=f"{experiment.name}, {arms[number].label()}, seed {experiment.seeds[0]}",
        functions="\n\n".join(_sources(names)),
        modules=textwrap.indent("\n".join(modules), " " * 8),
        forward=textwrap.indent("\n".join(forward), " " * 8),
        optimizer=textwrap.indent("\n".join(_optimizer(train, steps)), " " * 4),
        batch=train.batch_images(count),
        loss=names[train.loss.entry.function],
        loss_settings=_settings(train.loss),
        scheduled="" if train.schedule == "constant" else " " * 12 + "schedule.step()\n",
        config=config,
        arm=number,
        seed=experiment.seeds[0],
        overrides=overrides,
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


def _optimizer(train: Any, steps: int) -> Iterator[str]:
    options = "".join(f", {name}={value!r}" for name, value in train.optimizer.parameters)
    decay = train.resolved_weight_decay()
    parameters = "network.parameters()"
    if train.optimizer.name == "adamw":
        options += ", weight_decay=0.0"  # torch's own default is 0.01
    if decay:
        yield "decayed = [one for one in network.parameters() if one.ndim > 1]"
        yield "others = [one for one in network.parameters() if one.ndim == 1]"
        parameters = f"[{{'params': decayed, 'weight_decay': {decay!r}}}, {{'params': others, 'weight_decay': 0.0}}]"
    yield f"optimizer = torch.optim.{OPTIMIZERS[train.optimizer.name]}({parameters}, lr={train.lr!r}{options})"
    shapes = {
        "cosine": f"(1 + torch.cos(torch.tensor(torch.pi * step / {steps})).item()) / 2",
        "linear": f"1 - step / {steps}",
    }
    if shape := shapes.get(train.schedule):
        yield f"schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: {shape})"


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
