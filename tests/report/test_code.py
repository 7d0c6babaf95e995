"""The script of `summary --code` is run: it trains in plain PyTorch and gets the engine's losses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import load
from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from actbench.plan.trials import make_trial
from actbench.report.code import network_code
from actbench.runs.plain_start import plain_start
from actbench.training.loop import train_stack
from program import TINY, actbench

TRAININGS = [
    "activation: tanh",
    "activation: {leaky_relu: {negative_slope: 0.2}}, batch_norm: true",
    "activation: swish, output: identity}\ntrain: {loss: cross_entropy, optimizer: {sgd: {momentum: 0.9}}, lr: 0.1",
    "activation: gelu, output: softmax}\ntrain: {loss: mse, schedule: cosine, weight_decay: 0.01",
    "activation: sigmoid, output: sigmoid}\ntrain: {loss: bce, optimizer: rmsprop, schedule: linear",
    "activation: {tanh: {}}, output: tanh}\ntrain: {loss: mse, optimizer: adamw, weight_decay: 0",
    "activation: softplus}\ntrain: {loss: nll, optimizer: adamw, lr: 0.01",
    "activation: snake",
]


@pytest.mark.usefixtures("_uncompiled")
@pytest.mark.parametrize("model", TRAININGS)
def test_the_script_trains_as_the_engine_does(model: str, tmp_path: Path) -> None:
    text = f"data: {{dataset: digits, train: 170, test: 50}}\nmodel: {{hidden: [24, 10], {model}}}\nseeds: 2\n"
    text = (
        text + "train: {epochs: 3}\n"
        if "train: {loss" not in text
        else text.replace("train: {loss", "train: {epochs: 3, loss")
    )
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    experiment = load_experiment(path).experiment
    script = network_code(experiment, str(path), [])
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(script, "script.py", "exec", dont_inherit=True), names)
    inputs, labels, weights, orders = plain_start(str(path), arm=0, seed=0)
    network = names["Network"]()
    network.load_state_dict(weights, strict=False)
    means = names["train"](network, inputs, labels, orders)
    trial = make_trial(next(iter(experiment.arms())).settings, 0)
    (record,) = train_stack([trial], load(trial.settings.data.dataset, tmp_path), "cpu", lambda _epoch: None)
    assert means == pytest.approx(list(record.curves.train_loss), rel=2e-4)


def test_what_has_no_plain_form_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "data: {dataset: digits}\nmodel: {dropout: 0.5, activation: {prelu: {learn: true}}}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigurationError, match=r"no plain form of dropout and learnt parameters of activations here"):
        network_code(load_experiment(path).experiment, "x.yaml", [])


def test_the_command_prints_a_script_for_the_baseline(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    finished = actbench("summary", "tiny.yaml", "--code", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    compile(finished.stdout, "script.py", "exec")
    assert finished.stdout.startswith('"""tiny, activation=relu, ')
    assert re.search(r"self\.layer1 = nn\.Linear\(64, 8\)", finished.stdout)
    assert "@activation" not in finished.stdout
