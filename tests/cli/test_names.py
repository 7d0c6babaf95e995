"""Names that nothing has, wherever they stand: all at once, with up to three nearest, and nothing is started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from program import TINY, actbench, assert_one_message

pytestmark = pytest.mark.oldest

MANY_MISTAKES = """\
modle: {}
data: {dataset: fashon_mnist, splt: tail}
model: {activation: {leaky_rel: {}}, init: he_norml, output: sofmax}
train: {loss: cross_entrop, optimizer: {adam: {bets: [0.9, 0.9]}}, schedule: cosin}
vary: {model.activaton: [relu]}
"""
NEAREST = {
    "modle": "did you mean model?",
    "data.dataset": "did you mean fashion_mnist",
    "data.splt": "did you mean split?",
    "model.activation": "did you mean leaky_relu",
    "model.init": "did you mean he_normal",
    "model.output": "did you mean softmax",
    "train.loss": "did you mean cross_entropy or ",
    "train.optimizer.adam.bets": "did you mean betas?",
    "train.schedule": "did you mean cosine?",
    "vary.model.activaton": "did you mean model.activation",
}
CLAIMS = """\
expect:
  - {claim: a, metric: test_acuracy, above: 0}
  - {claim: b, better: {model.activaton: relu}, than: {model.activation: tanh}}
  - {claim: c, arm: {model.activation: rellu}, above: 0}
"""


@pytest.mark.parametrize("verb", ["validate", "summary", "plan", "run"])
def test_every_name_in_a_file_that_nothing_has_is_said_at_once(verb: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(MANY_MISTAKES, encoding="utf-8")
    finished = actbench(verb, "bad.yaml", folder=tmp_path)
    assert_one_message(finished, 2)
    lines = [line for line in finished.stderr.splitlines() if "bad.yaml:" in line]
    assert len(lines) == len(NEAREST)
    for path, nearest in NEAREST.items():
        (line,) = [line for line in lines if f" {path}: " in line]
        assert nearest in line
        assert len(re.split(", | or ", line.split("did you mean ")[1])) <= 3
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_so_are_metrics_and_arms_of_claims_and_settings_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(TINY + CLAIMS, encoding="utf-8")
    finished = actbench(
        "validate",
        "bad.yaml",
        "--set",
        "train.epoch=3",
        "--set",
        "model.bias_init=he",
        "--set",
        "seed=3",
        folder=tmp_path,
    )
    assert_one_message(
        finished, 2,
        "expect[0].metric: no metric is called 'test_acuracy'; did you mean test_accuracy",
        "expect[1].better.model.activaton: expected a setting that is varied; did you mean model.activation",
        "expect[2].arm.model.activation: no activation is called 'rellu'; did you mean relu",
        "--set train.epoch=3: train.epoch: unknown key; did you mean epochs?",
        "--set seed=3: seed: unknown key; did you mean seeds?",
        "no initialiser is called 'he'",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["show", "rlu", "tanh", "softmx"], [
            "actbench: no function is called 'rlu'; did you mean relu, relu6 or prelu?",
            "no function is called 'softmx'; did you mean softmax or log_softmax?",
        ]),
        (["show", "rlu", "--cost"], ["actbench: no function is called 'rlu'; did you mean relu, relu6 or prelu?"]),
        (["list", "activatoin"], ["actbench: no kind of entry is called 'activatoin'; did you mean activation?"]),
        (["data", "fetch", "kmnst"], ["actbench: no dataset is called 'kmnst'; did you mean kmnist, mnist or qmnist?"]),
    ],
)  # fmt: skip
def test_names_on_the_command_line_are_never_silently_corrected(
    arguments: list[str], lines: list[str], tmp_path: Path
) -> None:
    finished = actbench(*arguments, folder=tmp_path)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.splitlines() == lines


def test_metric_baseline_and_factor_of_compare_are_named_at_once(tiny: Path) -> None:
    finished = actbench(
        "compare", "--metric", "tst_accuracy", "--baseline", "tnh, zzz", "--by", "acivation", folder=tiny
    )
    assert_one_message(
        finished, 2,
        "no metric is called 'tst_accuracy'; did you mean test_accuracy, ",
        "'tnh' is not in this experiment; did you mean tanh?", "'zzz' is not in this experiment; known here: ",
        "--by acivation: expected a setting that is varied; did you mean activation or model.activation?",
    )  # fmt: skip
