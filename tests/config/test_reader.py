"""Experiment files that can run: defaults, other spellings, overrides, warnings, and what determines a trial's id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from actbench.config.reader import Loaded, load_experiment
from actbench.config.source import write_yaml
from actbench.errors import MAX_NAMED_FILE_BYTES, ConfigurationError
from actbench.experiment.cells import Cells
from actbench.experiment.definition import SECTIONS, Experiment, Looks, experiment_to_yaml
from actbench.experiment.settings import ModelSettings, TrialSettings
from actbench.plan.plan import make_plan
from actbench.store.folder import write_experiment
from actbench.store.names import EXPERIMENT
from places import EXPERIMENT_FILES

TOO_LONG = f"f.yaml:1:1: expected at most {MAX_NAMED_FILE_BYTES:,} bytes"
SMALL = "model: {hidden: [4, 3]}\nvary: {model.activation: [swish, tanh]}\nseeds: 2\n"
TRICKY = """
name: 2024.tricky_one
data: {dataset: cube, train: 600, validation: 0, scale: 256}
model:
  layers:
    - {units: 3, activation: {gelu: {approximate: tanh, learn: true}}, init: {xavier_normal: {gain: 2}}, dropout: 0.5}
    - {units: 2, batch_norm: true, bias_init: {constant: {val: -1e-7}}}
  dropout: 1e-3
train:
  optimizer: {adam: {betas: [0.8, 0.99], eps: 1e-30}}
  weight_decay: 0
  batch_size: full
  lr: 1e+2
seeds: [9223372036854775807, 3, 0]
"""
SEVERAL_FACTORS = """
vary:
  model.hidden: [[], [4], [4, 4]]
  train.batch_size: [32, full]
  model.activation: [silu, {prelu: {per_feature: true}}, {leaky_relu: {negative_slope: 1e-5}}]
  model.bias_init: [null, ones]
  train.optimizer: [sgd, {adam: {betas: [0.5, 0.6]}}]
  model.batch_norm: [false, true]
  data.scale: [unit, 2]
seeds: 1
baseline:
  train.batch_size: full
  model.hidden: [4]
  model.bias_init: null
  model.activation: {leaky_relu: {negative_slope: 0.00001}}
"""
VARIED_LAYERS = "vary: {model.layers: [[{units: 3, activation: {elu: {alpha: 2}}}], [{units: 3}, {units: 2}]]}"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, overrides: Sequence[str] = (), name: str = "f.yaml") -> Loaded:
    Path(name).write_text(text, encoding="utf-8")
    return load_experiment(Path(name), overrides)


def trial_ids(text: str, *overrides: str) -> set[str]:
    return set(make_plan(load(text, overrides).experiment).trials())


def mistakes(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(text, overrides)
    return str(caught.value).splitlines()


def test_what_a_file_leaves_out_has_its_default() -> None:
    loaded = load("model: {}\n", name="from-its_file.2.yaml")
    settings = TrialSettings(model=ModelSettings(hidden=(256, 128)))
    assert loaded == Loaded(
        Experiment("from-its_file.2", settings, factors=(), cells=Cells(()), seeds=tuple(range(10)), baseline=()),
        warnings=(),
    )
    assert load("data:\nmodel:\ntrain:\nvary:\nname:\nbaseline:\nseeds:\n", name="from-its_file.2.yaml") == loaded


def test_a_name_in_the_file_comes_before_the_files_own() -> None:
    assert load("name: chosen").experiment.name == "chosen"


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    plain = load(SMALL).experiment
    Path("f.yaml").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load_experiment(Path("f.yaml")).experiment == plain


def test_looks_take_seeds_from_the_first_on_until_the_last_look() -> None:
    text = SMALL.replace("seeds: 2\n", "baseline: {model.activation: swish}\nseeds: ")
    loaded = load(text + "{looks: [5, 12], first: 100, alpha: [0.01, 0.04]}").experiment
    assert loaded.seeds == tuple(range(100, 112))
    assert loaded.looks == Looks((5, 12), (0.01, 0.04))
    assert load(text + "{looks: [5, 12]}").experiment.looks == Looks((5, 12))
    resolved = write_yaml(experiment_to_yaml(loaded))
    assert load(resolved).experiment == replace(loaded, name=load(resolved).experiment.name)


def test_seeds_are_a_count_from_0_or_a_list_in_its_own_order() -> None:
    assert load("seeds: 3").experiment.seeds == (0, 1, 2)
    assert load("seeds: [7, 0, 5]").experiment.seeds == (7, 0, 5)


@pytest.mark.parametrize(("one", "other"), [
    ("model: {hidden: [4, 3]}", "model: {layers: [{units: 4}, {units: 3}]}"),
    ("model: {hidden: [4], activation: elu, init: ones, dropout: 0.5, batch_norm: true, bias_init: ones}",
     "model: {layers: [{units: 4, activation: elu, init: ones, dropout: 0.5, batch_norm: true}], output_init: ones, "
     "bias_init: ones}"),
    ("model: {hidden: []}", "model: {layers: []}"),
    ("model: {hidden: [4], activation: swish}", "model: {hidden: [4], activation: silu}"),
    ("model: {init: he_normal, output_init: glorot_uniform}",
     "model: {init: kaiming_normal, output_init: xavier_uniform}"),
    ("model: {init: pytorch}", "model: {init: torch_default, bias_init: torch_default}"),
    ("model: {output: logits}\ntrain: {loss: squared_error}", "model: {output: identity}\ntrain: {loss: mse}"),
    ("model: {hidden: [4], activation: elu}", "model: {hidden: [4], activation: {elu: {alpha: 1}}}"),
    ("model: {hidden: [4], activation: relu}", "model: {hidden: [4], activation: {relu: }}"),
    ("data: {validation: 239}", "data: {train: 1437, test: 360}"),
    ("model: {bias_init: zeros}", "model: {output_init: kaiming_normal}"),
    ("train: {optimizer: adamw}", "train: {optimizer: adamw, weight_decay: 1e-2}"),
    ("train: {weight_decay: 0}", "train: {lr: 0.001, batch_size: 128, optimizer: {adam: {betas: [0.9, 0.999]}}}"),
    ("# a comment\nname: a\nseeds: 10\ntrain: {lr: 1, epochs: 2}", "train:\n  epochs: 2\n  lr: 1.0 # b\nname: b"),
    ("vary: {train.lr: [1, 2], train.epochs: [3, 4]}", "vary: {train.epochs: [4, 3], train.lr: [2, 1]}"),
    ("train: {lr: 3}", "vary: {train.lr: [3]}\nbaseline: {train.lr: 3}"),
    ("train: &t {lr: 3}\nname: a", "train: {lr: 3}"),
])  # fmt: skip
def test_two_spellings_of_the_same_training_have_the_same_trial_ids(one: str, other: str) -> None:
    assert trial_ids(one) == trial_ids(other)


CHANGES = [
    ("data.dataset", "data.dataset=cube"), ("data.train", "data.train=1000"), ("data.test", "data.test=100"),
    ("data.validation", "data.validation=0"), ("data.split", "data.split=tail"), ("data.scale", "data.scale=2"),
    ("data.scale", "data.scale=standard"), ("model.hidden", "model.hidden=[4]"),
    ("model.hidden", "model.hidden=[3, 4]"), ("model.init", "model.init=ones"),
    ("model.layers", "model={layers: [{units: 4, dropout: 0.1}, {units: 3}]}"),
    ("model.activation", "vary.model.activation=[relu, elu]"), ("model.bias_init", "model.bias_init=ones"),
    ("model.activation", "vary.model.activation=[{swish: {beta: 2}}, {swish: {learn: true}}]"),
    ("model.output", "model.output={log_softmax: {shift: false}}"), ("model.output_init", "model.output_init=ones"),
    ("model.dropout", "model.dropout=0.1"), ("model.batch_norm", "model.batch_norm=true"),
    ("train.loss", "train.loss=mse"), ("train.optimizer", "train.optimizer=sgd"),
    ("train.optimizer", "train.optimizer={adam: {betas: [0.9, 0.99]}}"), ("train.lr", "train.lr=0.1"),
    ("train.batch_size", "train.batch_size=64"), ("train.batch_size", "train.batch_size=full"),
    ("train.epochs", "train.epochs=11"), ("train.weight_decay", "train.weight_decay=0.1"),
    ("train.schedule", "train.schedule=cosine"), ("train.shuffle", "train.shuffle=false"),
    ("train.precision", "train.precision=bf16"),
]  # fmt: skip


@pytest.mark.parametrize("override", [override for _, override in CHANGES])
def test_a_change_that_determines_numbers_changes_every_trial_id(override: str) -> None:
    assert not trial_ids(SMALL) & trial_ids(SMALL, override)


def test_every_setting_is_known_to_determine_numbers() -> None:
    known = {f"{section}.{field}" for section, model in SECTIONS.items() for field in model.model_fields}
    assert {path for path, _ in CHANGES} == known


def test_more_seeds_and_more_arms_keep_the_ids_of_the_trials_that_were_there() -> None:
    assert trial_ids(SMALL) < trial_ids(SMALL, "seeds=3")
    assert trial_ids(SMALL) < trial_ids(SMALL, "vary.model.activation=[relu, swish, tanh]")


def test_probabilities_into_nll_load_with_a_warning_that_names_the_place() -> None:
    loaded = load("model: {output: sigmoid}\ntrain:\n  epochs: 3\n  loss: nll\n")
    assert loaded.warnings == (
        "f.yaml:4:3: train.loss: nll is meant for log-probabilities, but output sigmoid gives probabilities: "
        "it trains, but on another loss than its name says",
    )


def test_a_warning_that_several_arms_share_is_given_once_and_names_the_varied_setting() -> None:
    loaded = load("vary:\n  train.loss: [nll, mse]\n  model.output: [softmax, log_softmax]\n  train.lr: [0.1, 0.2]\n")
    assert [warning.split(": ")[:2] for warning in loaded.warnings] == [["f.yaml:2:3", "vary.train.loss"]] * 2
    assert load(SMALL).warnings == ()


def test_overrides_set_what_the_file_could_have_said() -> None:
    overrides = [
        "name=b", "data.train=500", "train.optimizer={sgd: {momentum: 0.5}}", "model.hidden=[5, 6]", "seeds=[4]",
        "vary.model.activation=[relu, silu]", "vary.train.lr=[1e-3]", "baseline.train.lr=1e-3",
    ]  # fmt: skip
    written = """
name: b
data: {train: 500}
model: {hidden: [5, 6]}
train: {optimizer: {sgd: {momentum: 0.5}}}
vary: {model.activation: [relu, silu], train.lr: [1e-3]}
seeds: [4]
baseline: {train.lr: 1e-3}
"""
    assert load(SMALL, overrides).experiment == load(written).experiment


def test_the_last_override_of_a_setting_counts_and_hides_a_mistake_in_the_file() -> None:
    loaded = load("train: {epochs: many}", ["train.epochs=2", "train.epochs=3"])
    assert loaded.experiment.settings.train.epochs == 3


@pytest.mark.parametrize(("override", "line"), [
    ("train.epochs=0", "train.epochs: expected a number of at least 1, found 0 (a whole number)"),
    ("train.lr=", "train.lr: expected a number, found nothing"),
    ("train.lrr=1", "train.lrr: unknown key; did you mean lr?"),
    ("sed=1", "sed: unknown key; did you mean seeds?"),
    ("modle.hidden=[3]", "modle: unknown key; did you mean model?"),
    ("model.hidden=[3, big]", "model.hidden[1]: expected a whole number, found 'big' (text)"),
    ("model.hidden.first=3", "model.hidden.first: hidden is not a mapping"),
    ("model.activation=rleu", "model.activation: this experiment varies model.activation: "
                              "set vary.model.activation=[...] instead"),
    ("model.activation = relu", "model.activation: this experiment varies model.activation: "
                                "set vary.model.activation=[...] instead"),
    ("vary.model.activation=[relu, tahn]",
     "vary.model.activation[1]: no activation is called 'tahn'; did you mean tanh or arctan?"),
    ("baseline.model.activation=elu",
     "baseline.model.activation: expected one of the varied values (swish, tanh), found 'elu' (text)"),
    ("train.loss=bce", "train.loss: bce is meant for probabilities, but output log_softmax gives log-probabilities: "
                       "it cannot be computed"),
    ("train.epochs", "expected key=value, as in train.epochs=3"),
    ("=3", "expected key=value, as in train.epochs=3"),
    ("train.lr=!!float 1", "train.lr: tags such as tag:yaml.org,2002:float are not allowed here"),
])  # fmt: skip
def test_a_mistake_in_an_override_has_the_override_as_its_place(override: str, line: str) -> None:
    assert mistakes(SMALL, override) == [f"--set {override}: {line}"]


def test_mistakes_of_overrides_come_after_those_of_the_file() -> None:
    lines = mistakes("seeds: 0\n", "train.epochs=0", "model.hidden=[1", "train.lr")
    assert [line.split(": ")[0] for line in lines] == [
        "f.yaml:1:1",
        "--set train.lr",
        "--set model.hidden=[1",
        "--set train.epochs=0",
    ]


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda path: str(path.stem))
def test_every_shipped_experiment_loads_and_is_called_as_its_file(path: Path) -> None:
    assert load_experiment(path).experiment.name == path.stem


@pytest.mark.parametrize("text", [*(path.read_text(encoding="utf-8") for path in EXPERIMENT_FILES), TRICKY,
                                  SEVERAL_FACTORS, VARIED_LAYERS, "model: {}"])  # fmt: skip
def test_an_experiment_written_as_yaml_reads_back_equal(text: str) -> None:
    experiment = load(text).experiment
    written = yaml.safe_dump(experiment_to_yaml(experiment), sort_keys=False)
    assert load(written).experiment == experiment


@pytest.mark.parametrize("name", ["a", "no", "null", "true", "5", "08", "1e-3", "0o17", "0x1F", "1.e3", "2024-01-31"])
def test_an_experiment_of_any_name_reads_back_from_its_result_folder(name: str, tmp_path: Path) -> None:
    experiment = load("model: {}", name=f"{name}.yaml").experiment
    write_experiment(tmp_path, experiment_to_yaml(experiment))
    assert load_experiment(tmp_path / EXPERIMENT).experiment == experiment


@pytest.mark.parametrize(("path", "near"), [
    ("quikstart.yaml", "; did you mean quickstart.yaml?"), ("zzz.yml", ""), ("nowhere/quickstart.yaml", ""),
])  # fmt: skip
def test_a_file_that_is_not_there_is_named_with_the_nearest_one(path: str, near: str) -> None:
    Path("quickstart.yaml").touch()
    with pytest.raises(ConfigurationError) as caught:
        load_experiment(Path(path))
    assert (str(caught.value), caught.value.exit_code) == (f"{path}: no such file{near}", 2)


def test_a_folder_is_not_an_experiment_file() -> None:
    Path("configs").mkdir()
    with pytest.raises(ConfigurationError, match=r"^configs: expected an experiment file, found a folder$"):
        load_experiment(Path("configs"))


@pytest.mark.parametrize(("content", "message"), [
    pytest.param(b"name: \xff\n", "f.yaml: not UTF-8 text (byte 6): save it as UTF-8", id="latin-1"),
    pytest.param(b"#" * (MAX_NAMED_FILE_BYTES + 1), TOO_LONG, id="long"),
    pytest.param(b"#" + "é".encode() * MAX_NAMED_FILE_BYTES, TOO_LONG, id="cut between characters"),
    pytest.param("é".encode() * MAX_NAMED_FILE_BYTES, TOO_LONG, id="cut within a character"),
    pytest.param(b"\xef\xbb\xbf" + b"#" * (MAX_NAMED_FILE_BYTES + 1), TOO_LONG, id="long after a byte order mark"),
])  # fmt: skip
def test_a_file_that_is_not_utf_8_or_too_long_is_refused(content: bytes, message: str) -> None:
    Path("f.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_experiment(Path("f.yaml"))
    assert (str(caught.value), caught.value.exit_code) == (message, 2)
