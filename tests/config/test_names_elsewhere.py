"""Names from other libraries and keys in the wrong place are answered with what is meant here."""

from __future__ import annotations

import tomllib
from typing import get_args

import pytest

from actbench.catalogue.lookup import names
from actbench.catalogue.registry import Kind
from actbench.config.reader import read_experiment
from actbench.errors import ConfigurationError
from actbench.experiment.choices import NAMES_ELSEWHERE


def answer_to(text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_experiment(text, "x.yaml", "x")
    return str(refused.value)


@pytest.mark.parametrize(("line", "meant"), [
    ("model: {activation: logistic}", "it is sigmoid"),
    ("model: {activation: linear}", "it is identity"),
    ("model: {init: he}", "kaiming_normal"),
    ("model: {init: lecun}", "lecun_normal"),
    ("model: {init: random}", "normal or uniform"),
    ("train: {optimizer: momentum}", "{sgd: {momentum: 0.9}}"),
    ("train: {optimizer: nag}", "nesterov: true"),
    ("train: {optimizer: nadam}", "adam"),
    ("train: {loss: BCEWithLogitsLoss}", "bce, with output sigmoid"),
    ("train: {loss: CrossEntropyLoss}", "cross_entropy, with output identity"),
    ("model: {hidden_sizes: [4]}", "did you mean hidden"),
    ("epochs: 3", "epochs belongs under train"),
    ("model: {epochs: 3}", "epochs belongs under train"),
    ("train: {hidden: [3]}", "hidden belongs under model"),
])  # fmt: skip
def test_what_people_type_is_answered_with_what_is_meant(line: str, meant: str) -> None:
    assert meant in answer_to(line)


def test_no_name_from_elsewhere_hides_one_of_the_catalogue() -> None:
    elsewhere = tomllib.loads(NAMES_ELSEWHERE.read_text(encoding="utf-8"))
    kinds = get_args(Kind)
    assert elsewhere.keys() <= set(kinds)
    for kind in kinds:
        assert not elsewhere.get(kind, {}).keys() & {known.lower().replace("_", "") for known in names(kind)}
