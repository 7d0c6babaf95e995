"""An experiment file to start from, and beside it the schema that editors check it by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from actbench.config.plain_values import WINDOWS_DEVICES
from actbench.config.schema import schema_text
from actbench.errors import ConfigurationError
from actbench.experiment.definition import NAME_LENGTH

SCHEMA_FILE = "actbench.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
STARTER = """\
# Which of three activations suits this network best? Change what you like; `actbench validate` finds every mistake.
# `actbench list` shows every activation, initialiser, output, loss, optimizer and dataset with its parameters.
name: "{name}" # the result folder is results/{name}

# digits (1,797 images of 8x8 pixels) needs no download; `actbench data fetch mnist` downloads mnist.
data:
  dataset: digits

# The network: two hidden layers, and an output layer with one unit per class, which is always added.
model:
  hidden: [64, 32]
  init: kaiming_normal
  output: log_softmax # goes with loss nll; identity goes with cross_entropy

train:
  loss: nll
  optimizer: adam # or with settings: {{sgd: {{momentum: 0.9, nesterov: true}}}}
  batch_size: 32
  epochs: 10

# What is compared: every combination of these lists is an arm. A name, or a name with parameters.
vary:
  model.activation: [relu, tanh, {{leaky_relu: {{negative_slope: 0.1}}}}]
  # model.init: [kaiming_normal, xavier_normal]

# What is chosen for each arm on validation images, so that no arm is compared at another's best setting.
tune:
  train.lr: [1e-3, 3e-3, 1e-2]

# How often each arm is trained, each time with other weights and batches; `actbench plan` says what so many can show.
seeds: 10

# Every arm is compared with this one, seed by seed.
baseline: {{model.activation: relu}}

# What you believe before you look. Every claim gets a verdict: supported, contradicted or undecided.
expect:
  - {{claim: relu beats tanh, better: {{model.activation: relu}}, than: {{model.activation: tanh}}}}
  - {{claim: relu gets more than 80 % right, arm: {{model.activation: relu}}, above: 0.8}}
"""


def write_starter(file: Path, *, with_schema: bool, replaces: bool) -> list[Path]:
    """Write the commented experiment and, if wanted, the schema beside it; the written files. Raises as `write_new`."""
    starter = STARTER.format(name=experiment_name(file))
    texts = {file: MODELINE + starter, file.with_name(SCHEMA_FILE): schema_text()} if with_schema else {file: starter}
    write_new(texts, replaces=replaces)
    return list(texts)


def write_new(texts: Mapping[Path, str], *, replaces: bool) -> None:
    """Write the files; raises `ConfigurationError` if one is there with other contents and may not be replaced."""
    there = {path: text for path, text in texts.items() if path.exists()}
    taken = [path for path, text in there.items() if not path.is_file() or path.read_bytes() != text.encode()]
    if taken and not replaces:
        raise ConfigurationError("\n".join(f"{path}: is there already; --force replaces it" for path in taken))
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8", newline="\n")  # as it is compared with above


def experiment_name(file: Path) -> str:
    """The file's name without its ending, with a hyphen for whatever an experiment's name must not have."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:NAME_LENGTH] or "experiment"
    return f"{name}-experiment" if name.lower() in WINDOWS_DEVICES else name
