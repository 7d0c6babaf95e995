"""The JSON Schema accepts what is valid, and refuses what is spelt wrong or of another type, as `validate` does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

import mistaken_experiments
from actbench.catalogue.datasets import DATASETS
from actbench.catalogue.lookup import names
from actbench.catalogue.registry import Kind
from actbench.config.cells import SETTING_PATHS
from actbench.config.reader import KNOWN_KEYS, load_experiment
from actbench.config.schema import DESCRIPTIONS, DRAFT, SPELT_FREELY, experiment_schema, schema_text
from actbench.config.source import read_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.definition import MARGIN, SECTIONS, TUNING_SEEDS
from actbench.experiment.settings import LayerSettings
from actbench.experiment.validation import validated_setting
from places import EXPERIMENT_FILES, ROOT
from program import TINY, actbench

pytestmark = pytest.mark.oldest

RESOLVED = sorted((ROOT / "results").rglob("experiment.yaml"))
SCHEMA = experiment_schema()
VALIDATOR = Draft7Validator(SCHEMA)
KINDS: tuple[Kind, ...] = ("activation", "output", "initialiser", "loss", "optimizer")

# What only the whole file shows, or no draft-07 schema can say (5.0 is an integer there; .nan is above every bound).
BEYOND_A_SCHEMA = re.compile(
    r"is varied too|none are held out|found -?\d+\.0 \(a number\)|found -?(nan|inf) \(a number\)|at most 100 layers|"
    r"at most 10,000 arms|the same as entry|a setting that is varied|one of the varied values|"
    r"either hidden or layers|at most \d+ images|leave none of|it cannot be computed|nesterov needs|"
    r"\(use sigmoid with bce\)|neither way is better|the same arm as under|the smaller bound first|"
    r"layers are 1 to|epochs are 1 to|epochs 0 \(before training\)|looked at once|a fraction, such as 0.95|"
    r"the last layer has no activation|there are \d+ test images|only a network of one input|needs \w+ below|"
    r"increasing numbers of seeds|a sum of at most|looks need a baseline"
)


def plain(data: Any) -> Any:
    """What `read_yaml` gives, as an editor's YAML reader gives it."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    return [plain(value) for value in data] if isinstance(data, tuple) else data


def is_accepted(text: str) -> bool:
    source = read_yaml(text, "f.yaml")
    assert source.problems == []
    return VALIDATOR.is_valid(plain(source.data))


def mistakes(data: Any, folder: Path) -> list[str]:
    """What `validate` says of it; data is written as JSON, which is YAML."""
    path = folder / "f.yaml"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    try:
        load_experiment(path)
    except ConfigurationError as refused:
        return str(refused).splitlines()
    return []


def test_it_is_a_draft_07_schema_of_every_key_and_setting() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DRAFT
    assert tuple(SCHEMA["properties"]) == KNOWN_KEYS
    assert set(SETTING_PATHS) <= set(SCHEMA["definitions"])


def test_every_key_and_setting_is_described_in_one_place() -> None:
    described = {f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields}
    assert all(SCHEMA["definitions"][path]["description"] for path in described)
    layer = SCHEMA["definitions"]["model.layers"]["anyOf"][0]["items"]["properties"]
    assert list(layer) == list(LayerSettings.model_fields)
    for properties in (layer, SCHEMA["definitions"]["claim"]["properties"]):
        assert all(inner["description"] for inner in properties.values())
    assert all(SCHEMA["properties"][key].get("description") for key in KNOWN_KEYS if key not in SECTIONS)
    assert set(DESCRIPTIONS) == set(KNOWN_KEYS) - set(SECTIONS)
    assert f"; {TUNING_SEEDS} when left out" in DESCRIPTIONS["tuning_seeds"]
    assert f"; {MARGIN} for accuracies" in DESCRIPTIONS["margin"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_of_the_catalogue_is_offered_with_its_parameters(kind: Kind) -> None:
    by_name, with_parameters = SCHEMA["definitions"][kind]["anyOf"]
    assert by_name["enum"] == list(names(kind))
    assert set(with_parameters["properties"]) == set(names(kind))
    assert all(entry["description"] for entry in with_parameters["properties"].values())


def test_datasets_are_offered_too() -> None:
    assert SCHEMA["definitions"]["data.dataset"]["enum"] == list(DATASETS)


@pytest.mark.parametrize("path", [*EXPERIMENT_FILES, *RESOLVED], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_experiment_of_the_repository_is_accepted(path: Path) -> None:
    data = plain(read_yaml(path.read_text(encoding="utf-8"), str(path)).data)
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_config_names_the_schema_that_lies_in_the_repository(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found
    assert (path.parent / found[1]).resolve() == ROOT / "configs" / "actbench.schema.json"


def test_the_schema_in_the_repository_is_what_the_program_prints(tmp_path: Path) -> None:
    committed = (ROOT / "configs" / "actbench.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run: actbench schema > configs/actbench.schema.json"
    finished = actbench("schema", folder=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == schema_text()


GOOD = [
    "seeds: 3", "seeds: [3, 1, 9223372036854775807]", "seeds:", "vary:", "vary: {}", "data:", "model: {}", "expect:",
    "name: A-1.b_c", "margin: 0.01", "tuning_seeds: 100", "baseline:", "train: {weight_decay: }",
    "model: {activation: silu}", "model: {activation: {leaky_relu: }}", "model: {activation: {leaky_relu: {}}}",
    "model: {activation: {prelu: {learn: false, negative_slope: 1}}}", "model: {hidden: []}",
    "model: {activation: {leaky_relu: {negative_slope: 1e-1}}}", "model: {layers: [{units: 3, init: he_normal}]}",
    "train: {optimizer: {adam: {betas: [0.9, 0.99]}}}", "train: {optimizer: {sgd: {momentum: 0.9, nesterov: true}}}",
    "train: {batch_size: full}", "data: {scale: 256}", "data: {scale: standard}", "train: {lr: 1}",
    "vary: {model.hidden: [[], [3], null]}", "vary: {model.layers: [[{units: 3}], [{units: 4, dropout: 0.5}]]}",
    "vary: {train.batch_size: [full, 32], data.scale: [unit, 2]}", "tune: {train.lr: [1e-3, 1e-2]}",
    "vary: {model.activation: [relu, {elu: {alpha: 2}}]}\nbaseline: {model.activation: {elu: {alpha: 2}}}",
]  # fmt: skip
CLAIMS = [
    "above: 0.5", "arm: {model.activation: relu}, below: 1", "between: [0, 1], metric: validation_loss@1",
    "better: {model.activation: relu}, than: {model.activation: tanh}", "arm: {}, above: -1",
    "arm: {model.activation: relu}, minus: {model.activation: tanh}, above: 0, metric: layer1.dead_share@0",
    "above: 0, metric: train_accuracy - validation_accuracy", "above: 0, metric: ' test_loss  /  train_loss '",
    "above: 0, metric: test_accuracy_of_first_60", "above: 0, metric: epochs_to_0.95_validation_accuracy",
    "above: 0, metric: layer2.abs_mean", "below: 3, metric: step_seconds",
]  # fmt: skip


@pytest.mark.parametrize("text", [*GOOD, *(f"{TINY}expect: [{{claim: c, {claim}}}]" for claim in CLAIMS)])
def test_every_shorthand_is_accepted(text: str, tmp_path: Path) -> None:
    assert mistakes(text, tmp_path) == []
    assert is_accepted(text)


BAD = [
    "modle: {}", "name: -a", "name: a b", "name: 3", f"name: {'a' * 65}", "seeds: 0", "seeds: []", "seeds: [1, 1]",
    "seeds: 1.5", "seeds: many", "seeds: [a]", "seeds: [-1]", "seeds: 10001", "seeds: true", "tuning_seeds: 0",
    "tuning_seeds: 101", "margin: 1", "margin: 0", "margin: small", "baseline: relu", "baseline: {activation: relu}",
    "data: {dataset: mnst}", "data: mnist", "data: {train: 0}", "data: {scale: 0}", "data: {scale: units}",
    "data: {split: tial}", "data: {validation: -1}", "model: {activation: rellu}", "model: {activation: softmax}",
    "model: {activation: {relu: 3}}", "model: {activation: {leaky_relu: {slope: 0.1}}}", "model: {activation: 3}",
    "model: {activation: {leaky_relu: {negative_slope: steep}}}", "model: {activation: {relu: {}, tanh: {}}}",
    "model: {activation: {}}", "model: {activation: [relu]}", "model: {activation: }", "model: {init: hee_normal}",
    "model: {init: {kaiming_normal: {mode: fan_on}}}", "model: {hidden: 3}", "model: {hidden: [0]}",
    "model: {hidden: [3.5]}", "model: {layers: [3]}", "model: {layers: [{activation: relu}]}",
    "model: {layers: [{units: 3, unit: 3}]}", "model: {dropout: 1}", "model: {batch_norm: yes}",
    "model: {output: log_sofmax}", "train: {loss: nl}", "train: {optimizer: adamm}", "train: {optimizer: {adam: 1e-3}}",
    "train: {optimizer: {adam: {betas: 0.9}}}", "train: {optimizer: {adam: {betas: [0.9]}}}",
    "train: {optimizer: {adam: {betas: [0.9, 1]}}}", "train: {optimizer: {sgd: {nesterov: 1}}}", "train: {lr: 0}",
    "train: {lr: fast}", "train: {lr: true}", "train: {lr: }", "train: {epochs: 0}", "train: {epochs: 2.5}",
    "train: {batch_size: 0}", "train: {batch_size: all}", "train: {schedule: cosin}", "train: {weight_decay: -1}",
    "train: {shuffle: 1}", "vary: [relu]", "vary: {model.activation: relu}", "vary: {model.activation: []}",
    "vary: {model.activation: [rellu]}", "vary: {activation: [relu]}", "vary: {data.dataset: [mnist, digits]}",
    "vary: {model.activation: [relu, relu]}", "vary: {model.layers: [[{units: x}]]}", "tune: {train.lr: [1e-3]}",
    "tune: {train.lr: 1e-3}", "tune: {data.train: [10, 20]}", "tune: {data.split: [stratified, tail]}",
    "tune: {train.lrr: [1e-3, 1e-2]}", "expect: {}", "expect: []", "expect: [relu wins]", "expect: [{above: 1}]",
]  # fmt: skip
BAD_CLAIMS = [
    "", "above: high", "above: 0, below: 1", "arm: {model.activation: relu}", "better: {model.activation: relu}",
    "better: {model.activation: relu}, than: {model.activation: tanh}, above: 0", "between: [0]", "between: 0",
    "arm: relu, above: 0", "arm: {activation: relu}, above: 0", "arm: {model.activation: rellu}, above: 0",
    "above: 0, metric: acuracy", "above: 0, metric: test_accuracy + train_accuracy", "above: 0, metrik: test_loss",
    "above: 0, metric: layer1.deadshare", "above: 0, metric: test_accuracy-train_accuracy", "above: 0, metric: 3",
    "above: ", "than: {model.activation: relu}, above: 0",
]  # fmt: skip


@pytest.mark.parametrize("text", [*BAD, *(f"{TINY}expect: [{{claim: c, {claim}}}]" for claim in BAD_CLAIMS)])
def test_what_is_spelt_wrong_or_of_another_type_is_refused(text: str, tmp_path: Path) -> None:
    assert mistakes(text, tmp_path)
    assert not is_accepted(text)


def corpus() -> Iterator[tuple[str, str]]:
    """Every mistake that the tests of `validate` know, with the sentence that is said of it."""
    for cases in vars(mistaken_experiments).values():
        if isinstance(cases, list) and cases and isinstance(cases[0], tuple):
            yield from ((case[0], str(case[1])) for case in cases)


def test_the_schema_refuses_whatever_validate_refuses_unless_only_the_whole_file_shows_it() -> None:
    seen = 0
    for text, sentence in corpus():
        source = read_yaml(text, "f.yaml")
        if not source.problems:
            seen += 1
            is_refused = not VALIDATOR.is_valid(plain(source.data))
            assert is_refused or BEYOND_A_SCHEMA.search(sentence), (text, sentence)
    assert seen > 100


REPLACEMENTS: tuple[Any, ...] = ("nonsense", "relu", True, -1, 0, 0.5, 7, None, [], [1], ["relu", "tanh"], {}, {"a": 1})


def paths(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything in a file."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield (*above, key)
        yield from paths(value, (*above, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one thing replaced; an Ellipsis misspells its key instead."""
    key, *rest = path
    items = data.items() if isinstance(data, dict) else enumerate(data)
    copy = {k: changed(v, tuple(rest), value) if k == key and rest else v for k, v in items}
    if not rest and value is not ...:
        copy[key] = value
    if not rest and value is ... and isinstance(data, dict):
        copy = {f"{k}_x" if k == key else k: v for k, v in copy.items()}
    return copy if isinstance(data, dict) else list(copy.values())


MUTATED = """\
{"name": "m", "data": {"dataset": "digits", "scale": "unit", "split": "tail"}, "model": {"layers": [{"units": 3,
"activation": {"leaky_relu": {"negative_slope": 0.1}}}], "init": "he_normal", "dropout": 0.1}, "train": {"optimizer":
{"adam": {"betas": [0.9, 0.99], "eps": 1e-8}}, "lr": 0.01, "batch_size": 32, "schedule": "cosine", "shuffle": false},
"vary": {"model.activation": ["relu", {"elu": {"alpha": 2}}]}, "tune": {"train.weight_decay": [0, 0.1]},
"tuning_seeds": 2, "seeds": [3, 4], "baseline": {"model.activation": "relu"}, "margin": 0.01, "expect":
[{"claim": "c", "arm": {"model.activation": "relu"}, "metric": "test_loss", "between": [0, 1]}]}
"""


@pytest.mark.slow
def test_a_file_with_anything_in_it_replaced_or_misspelt_is_judged_alike(tmp_path: Path) -> None:
    whole = json.loads(MUTATED)
    assert mistakes(whole, tmp_path) == []
    judged = {True: 0, False: 0}
    for path in paths(whole):
        for value in (*REPLACEMENTS, ...):
            data = changed(whole, path, value)
            said = mistakes(data, tmp_path)
            is_valid = VALIDATOR.is_valid(data)
            judged[is_valid] += 1
            assert is_valid or said, (path, value)
            assert not said or not is_valid or all(map(BEYOND_A_SCHEMA.search, said)), (path, value, said)
    assert judged[True] > 50
    assert judged[False] > 400


@pytest.mark.parametrize("path", SPELT_FREELY)
def test_settings_that_are_read_by_a_function_of_their_own_are_told_as_that_function_reads_them(path: str) -> None:
    validator = Draft7Validator(SPELT_FREELY[path])
    values = [*DATASETS, "mnst", "unit", "standard", "none", "full", "all", "", True, False, None, -1, 0, 1, 0.5, 1.5]
    for value in (*values, 256, 10_000_000, 10_000_001, [], [1], {}, {"a": 1}):
        given = tuple(value) if isinstance(value, list) else value
        assert validator.is_valid(value) == (validated_setting(path, given)[1] == []), value
