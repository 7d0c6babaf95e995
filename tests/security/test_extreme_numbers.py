"""Numbers that overflow, collapse or are none are recorded for what they are, and no file ever holds a NaN."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest

from actbench.catalogue.datasets import Arrays
from actbench.catalogue.lookup import names
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.runs.executors.worker import train_with_torch
from actbench.store.journal import read_journal
from actbench.store.names import ENVIRONMENT, JOURNAL, PLAN
from builders import experiment_from
from in_process import invoke
from slow import one_in

# What becomes of it: `diverged` in the first epoch, `done`, or either, where the last bits decide.
EXTREMES = {
    "a rate that overflows": ("model: {hidden: [8]}\ntrain: {optimizer: sgd, lr: 1e30, epochs: 3}", "diverged"),
    "a rate beyond float32": ("model: {hidden: [8]}\ntrain: {optimizer: sgd, lr: 1e300, epochs: 3}", "diverged"),
    "a rate beyond float32 with adam": ("model: {hidden: [8]}\ntrain: {lr: 1e300, epochs: 3}", "diverged"),
    "a rate below float32": ("model: {hidden: [8]}\ntrain: {lr: 1e-300, epochs: 3}", "done"),
    "the smallest rate there is": ("model: {hidden: [8]}\ntrain: {optimizer: sgd, lr: 5e-324, epochs: 3}", "done"),
    "a decay that overflows": (
        "model: {hidden: [8]}\ntrain: {optimizer: sgd, weight_decay: 1e38, lr: 1, epochs: 3}", "diverged"
    ),
    "weights that overflow": ("model: {hidden: [8], init: {constant: {val: 1e38}}}\ntrain: {epochs: 3}", "diverged"),
    "weights that are all zero": ("model: {hidden: [8], init: zeros}\ntrain: {epochs: 3}", "done"),
    "inputs that overflow": ("data: {scale: 1e-40}\nmodel: {hidden: [8]}\ntrain: {epochs: 3}", "diverged"),
    "a divisor below float32": ("data: {scale: 1e-320}\nmodel: {hidden: [8]}\ntrain: {epochs: 3}", "diverged"),
    "inputs that all vanish": ("data: {scale: 1e300}\nmodel: {hidden: [8]}\ntrain: {epochs: 3}", "done"),
    "softmax without its shift": (
        "data: {scale: 1e-4}\nmodel: {hidden: [8], output: {softmax: {shift: false}}}\ntrain: {loss: mse, epochs: 3}",
        "diverged",
    ),
    "a slope that overflows": (
        "model: {hidden: [8, 8], activation: {leaky_relu: {negative_slope: 1e38}}}\ntrain: {epochs: 3}", "diverged"
    ),
    "a division of zero by zero": (
        "data: {scale: 1e300}\nmodel: {hidden: [8], init: zeros}\n"
        "train: {optimizer: {adam: {eps: 1e-300}}, epochs: 3}", "diverged"
    ),
    "a logarithm of zero": (
        "data: {scale: 1e-6}\nmodel: {hidden: [8], output: sigmoid}\ntrain: {loss: bce, optimizer: sgd, epochs: 3}",
        "either",
    ),
    "batches of one image": ("model: {hidden: [8]}\ntrain: {batch_size: 1, epochs: 3}", "done"),
    "one image in all": (
        "data: {train: 1, test: 1, validation: 0, scale: standard}\nmodel: {hidden: [8]}\ntrain: {epochs: 3}", "done"
    ),
    "one unit": ("model: {hidden: [1, 1]}\ntrain: {epochs: 3}", "done"),
    "almost everything dropped": ("model: {hidden: [8], dropout: 0.999}\ntrain: {epochs: 3}", "done"),
    "a learnt slope that overflows": (
        "model: {hidden: [8], activation: {prelu: {}}}\ntrain: {optimizer: sgd, lr: 1e20, epochs: 3}", "diverged"
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def experiment_text(text: str) -> str:
    """The small experiment with these lines; its data settings are put together."""
    lines = text.splitlines()
    data = [line.removeprefix("data: {").removesuffix("}") for line in lines if line.startswith("data: ")]
    given = {part.split(":")[0].strip(): part for part in ", ".join(["train: 120, test: 60", *data]).split(", ")}
    others = "\n".join(line for line in lines if not line.startswith("data: "))
    return f"name: f\ndata: {{{', '.join(given.values())}}}\n{others}\nseeds: 2\n"


def trained(text: str) -> list[TrialRecord]:
    """The records of an experiment that the program has run here."""
    Path("f.yaml").write_text(experiment_text(text), encoding="utf-8")
    answer = invoke("run", "f.yaml", "--jobs", "1", "--allow-unusable")
    assert answer.exit_code == 0, Path("results/f/trials.csv").read_text(encoding="utf-8")
    return list(read_journal(Path("results/f")).records.values())


def assert_consistent(record: TrialRecord) -> None:
    """A record's parts say the same, and nothing in it is a number that is none."""
    curves, epochs = record.curves, record.settings.train.epochs
    losses = [*zip(curves.train_loss, curves.validation_loss or curves.train_loss, strict=True)]
    wrong = [epoch for epoch, pair in enumerate(losses, start=1) if None in pair]
    assert all(number is None or math.isfinite(number) for pair in losses for number in pair)
    assert len(losses) == (record.diverged_epoch or epochs)
    assert (record.outcome == "diverged") == (record.diverged_epoch is not None)
    assert wrong in ([], [record.diverged_epoch])
    assert wrong or record.outcome == "done" or record.test_loss is None
    assert all(0 <= count <= record.train_count for count in curves.train_correct_count)
    assert all(0 <= count <= record.validation_count for count in curves.validation_correct_count)
    assert record.test_correct_count is not None
    assert 0 <= record.test_correct_count <= record.test_count == sum(record.test_prediction_counts)


@pytest.mark.parametrize(("text", "outcome"), one_in(3, EXTREMES))
def test_an_extreme_training_is_recorded_for_what_it_is(text: str, outcome: str) -> None:
    records = trained(text)
    assert len(records) == 2
    for record in records:
        assert_consistent(record)
        assert outcome in (record.outcome, "either")
    assert_no_file_holds_a_nan()


def assert_no_file_holds_a_nan() -> None:
    folder = Path("results/f")
    for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=pytest.fail)
    for name in (ENVIRONMENT, PLAN):
        json.loads((folder / name).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    for path in folder.glob("*.csv"):
        cells = {cell.lower() for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) for cell in row}
        assert not cells & {"nan", "inf", "-inf", "infinity"}, path
    for metric in ("test_accuracy", "train_loss", "layer1.dead_share", "layer1.sd", "layer1.weight_gradient_norm"):
        answer = invoke("compare", "results/f", "--metric", metric, "--format", "json")
        if metric == "test_accuracy":
            assert answer.exit_code == 0
        if answer.exit_code == 0:
            json.loads(answer.stdout, parse_constant=pytest.fail)
    for words in (["report", "results/f"], ["verify", "results/f"], ["plan", "f.yaml"], ["summary", "f.yaml"]):
        answer = invoke(*words, "--format", "json")
        assert answer.exit_code == 0, answer.stderr
        json.loads(answer.stdout, parse_constant=pytest.fail)
    assert invoke("report", "results/f").exit_code == 0


@pytest.mark.parametrize(
    "model",
    [
        "init: {constant: {val: 1e300}}",
        "init: {normal: {std: 1e39}}",
        "bias_init: {uniform: {a: -1e300}}",
        "activation: {elu: {alpha: 3.5e38}}",
    ],
)
def test_numbers_that_float32_does_not_hold_are_refused(model: str) -> None:
    Path("f.yaml").write_text(experiment_text(f"model: {{hidden: [8], {model}}}"), encoding="utf-8")
    refused = invoke("run", "f.yaml", "--jobs", "1")
    assert refused.exit_code == 2
    assert "expected a number that float32 can hold (up to 3.4e38 in size), found" in refused.stderr
    assert not Path("results").exists()


def test_the_largest_number_of_float32_is_accepted() -> None:
    text = experiment_text("model: {hidden: [8], init: {constant: {val: 3.4028234e38}}}")
    Path("f.yaml").write_text(text, encoding="utf-8")
    assert invoke("validate", "f.yaml").exit_code == 0


def test_a_collapsed_training_is_done_and_counted_as_failed() -> None:
    records = trained("model: {hidden: [8], init: zeros}\ntrain: {epochs: 1}")
    assert [record.outcome for record in records] == ["done", "done"]
    assert all(max(record.test_prediction_counts) == record.test_count for record in records)
    (arm,) = json.loads(invoke("compare", "results/f", "--format", "json").stdout)["arms"]
    assert [arm[key] for key in ("n", "failed", "diverged", "collapsed", "crashed")] == [2, 2, 0, 2, 0]


def test_a_diverged_training_stays_in_the_sample_and_is_counted_as_failed() -> None:
    trained(EXTREMES["a rate that overflows"][0])
    (arm,) = json.loads(invoke("compare", "results/f", "--format", "json").stdout)["arms"]
    assert (arm["n"], arm["failed"]) == (2, 2)
    assert "diverged" in invoke("report", "results/f").stdout


def test_a_diverged_training_changes_nothing_for_those_beside_it() -> None:
    both = trained("model: {hidden: [8]}\nvary: {train.lr: [0.01, 1e30]}\ntrain: {optimizer: sgd, epochs: 2}")
    alone = trained("model: {hidden: [8]}\ntrain: {optimizer: sgd, epochs: 2, lr: 0.01}")
    found = {record.trial: record.curves for record in both}
    assert [found[record.trial] for record in alone] == [record.curves for record in alone]
    assert [record.outcome for record in both] == ["done", "done", "diverged", "diverged"]


PIXELS = 64


def made_of(inputs: Sequence[float], labels: Sequence[int]) -> Arrays:
    """The images of digits' shape that have this value everywhere, and these labels in turn."""
    counts = (1437, 360)
    train, test = (numpy.resize(numpy.array(inputs, numpy.float32), (count, PIXELS)) for count in counts)
    of_train, of_test = (numpy.resize(numpy.array(labels, numpy.int64), count) for count in counts)
    return Arrays(train, of_train, test, of_test)


def train_on(arrays: Arrays, text: str, tmp_path: Path) -> list[TrialRecord]:
    """The records of an experiment on other images than it says."""
    stack = tuple(make_plan(experiment_from(experiment_text(text), tmp_path)).trials().values())
    return train_with_torch(stack, arrays, "cpu", lambda epochs: None)


@pytest.mark.parametrize("scale", ["unit", "standard", "none", "16"])
@pytest.mark.parametrize("batch_norm", ["false", "true"])
def test_images_without_any_contrast_are_trained_on_at_the_level_of_chance(
    scale: str, batch_norm: str, tmp_path: Path
) -> None:
    text = f"data: {{scale: {scale}}}\nmodel: {{hidden: [8], batch_norm: {batch_norm}}}\ntrain: {{epochs: 2}}"
    for record in train_on(made_of([7.0], range(10)), text, tmp_path):
        assert_consistent(record)
        assert record.outcome == "done"
        assert record.test_correct_count == 6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("scale", ["unit", "standard"])
def test_images_that_are_no_numbers_end_as_diverged_in_the_first_epoch(
    value: float, scale: str, tmp_path: Path
) -> None:
    text = f"data: {{scale: {scale}}}\nmodel: {{hidden: [8]}}\ntrain: {{epochs: 3}}"
    for record in train_on(made_of([1.0] * 63 + [value], range(10)), text, tmp_path):
        assert (record.outcome, record.diverged_epoch) == ("diverged", 1)
        assert_consistent(record)
        json.loads(record.model_dump_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize("scale", ["unit", "standard"])
def test_the_largest_numbers_there_are_leave_consistent_records(scale: str, tmp_path: Path) -> None:
    text = f"data: {{scale: {scale}}}\nmodel: {{hidden: [8]}}\ntrain: {{epochs: 3}}"
    for record in train_on(made_of([3e38, -3e38, 1e-45], range(10)), text, tmp_path):
        assert_consistent(record)


def test_labels_of_one_class_are_learnt_and_the_test_is_won(tmp_path: Path) -> None:
    for record in train_on(
        made_of([1.0, 2.0, 3.0], [4]), "model: {hidden: [8]}\ntrain: {epochs: 9, lr: 0.1}", tmp_path
    ):
        assert_consistent(record)
        assert record.test_correct_count == record.test_count


@pytest.mark.parametrize("label", [10, 255, -1, -200, 2**40])
@pytest.mark.parametrize("loss", [name for name in names("loss") if name not in ("bce", "binary_cross_entropy")])
def test_a_label_out_of_range_is_an_error_and_never_another_ones_memory(label: int, loss: str, tmp_path: Path) -> None:
    text = f"model: {{hidden: [8], output: identity}}\ntrain: {{epochs: 1, loss: {loss}}}"
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        train_on(made_of([1.0, 2.0], [0, 1, label]), text, tmp_path)


def test_a_number_that_is_none_is_written_as_null(tmp_path: Path) -> None:
    record, _ = train_on(made_of([1.0], range(10)), "model: {hidden: [2]}\ntrain: {epochs: 1}", tmp_path)
    for number in (math.nan, math.inf, -math.inf):
        spoilt = record.model_copy(update={"test_loss": number, "wall_seconds": number})
        found = json.loads(spoilt.model_dump_json(), parse_constant=pytest.fail)
        assert (found["test_loss"], found["wall_seconds"]) == (None, None)
