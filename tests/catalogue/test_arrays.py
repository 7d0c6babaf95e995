"""Arrays from a file: only the command line names them, mistakes in them are said, and others are other trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from actbench import api
from actbench.catalogue.arrays import dataset_in_use, own_data_in_use, read_own_data
from actbench.catalogue.datasets import is_present, load
from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from actbench.plan.plan import make_plan
from actbench.store.journal import read_journal
from in_process import Answer, invoke

EXPERIMENT = """
name: own
data: {validation: 20}
model: {hidden: [6]}
train: {epochs: 20, batch_size: 8, lr: 0.01}
vary: {model.activation: [relu, tanh]}
seeds: 2
baseline: {model.activation: relu}
"""
Given = dict[str, NDArray[Any]]


def made(seed: int = 0, *, floats: bool = False) -> Given:
    """Bright images of three classes, 60 to train and 30 to test, each with a bright column of its class."""
    draws = numpy.random.Generator(numpy.random.PCG64(seed))
    given: Given = {}
    for part, count in (("train", 60), ("test", 30)):
        labels = numpy.arange(count) % 3
        images = draws.integers(0, 100, (count, 4, 5), dtype=numpy.uint8)
        images[numpy.arange(count), :, labels] += 150
        given |= {f"x_{part}": images / numpy.float32(255) if floats else images, f"y_{part}": labels}
    return given


def saved(path: Path, **changes: Any) -> Path:
    numpy.savez(path, **{name: array for name, array in (made() | changes).items() if array is not None})
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(EXPERIMENT, encoding="utf-8")
    saved(Path("my.npz"))
    return tmp_path


def run(*arguments: str) -> Answer:
    return invoke("run", "own.yaml", "--jobs", "1", *arguments)


def test_arrays_and_facts_are_those_of_the_file(folder: Path) -> None:
    dataset, arrays = read_own_data(Path("my.npz"))
    given = made()
    assert numpy.array_equal(arrays.train_inputs, given["x_train"].reshape(60, 20))
    assert numpy.array_equal(arrays.test_labels, given["y_test"])
    facts = (str(dataset), dataset.features, dataset.classes, dataset.output_units, dataset.maximum)
    assert facts == ("my.npz", 20, 3, 3, 255)
    assert (dataset.train_count, dataset.test_count, dataset.source) == (60, 30, "file")


def test_floats_are_kept_and_columns_of_labels_are_labels(folder: Path) -> None:
    floats = made(floats=True)
    saved(Path("floats.npz"), **floats | {"y_train": floats["y_train"][:, None].astype(numpy.uint16)})
    dataset, arrays = read_own_data(Path("floats.npz"))
    assert (dataset.maximum, str(arrays.train_inputs.dtype), str(arrays.train_labels.dtype)) == (1, "float32", "int64")
    assert numpy.array_equal(arrays.train_inputs, floats["x_train"].reshape(60, 20))


def test_the_checksum_is_of_types_shapes_and_contents_and_not_of_the_file(folder: Path) -> None:
    everything: dict[str, Any] = made() | {"more": numpy.zeros(3)}
    numpy.savez_compressed("packed.npz", **everything)
    saved(Path("other.npz"), y_test=made()["y_test"][::-1])
    given = made()
    flat = {name: given[name].reshape(len(given[name]), 2, 10) for name in ("x_train", "x_test")}
    saved(Path("flat.npz"), **flat)
    checksum = read_own_data(Path("my.npz"))[0].checksum
    assert read_own_data(Path("packed.npz"))[0].checksum == checksum
    assert read_own_data(Path("flat.npz"))[0].checksum == checksum
    assert read_own_data(Path("other.npz"))[0].checksum != checksum


def test_the_arrays_are_at_hand_while_the_file_is_in_use_and_not_after(folder: Path) -> None:
    with own_data_in_use(Path("my.npz")) as dataset:
        assert dataset is not None
        assert dataset_in_use() == dataset
        assert is_present(dataset, folder)
        assert load(dataset, folder).test_inputs.shape == (30, 20)
    assert dataset_in_use() is None
    assert not is_present(dataset, folder)
    with pytest.raises(ConfigurationError, match=r"my.npz \(sha256:.* are not loaded: name their file with --use-data"):
        load(dataset, folder)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an array is missing": (
        {"y_test": None}, "expected the arrays x_train, y_train, x_test and y_test; y_test not in: x_test, x_train,",
    ),
    "numbers instead of images": ({"x_train": numpy.zeros(60)}, r"x_train: expected images by values.* found \(60,"),
    "no images": ({"x_test": numpy.zeros((0, 4, 5), numpy.uint8)}, r"x_test: expected images .* found \(0, 4, 5\)"),
    "integers": ({"x_train": numpy.zeros((60, 4, 5), int)}, "x_train: expected uint8 or floats from 0 to 1, found int"),
    "text": ({"x_test": numpy.full((30, 4, 5), "x")}, "x_test: expected uint8 or floats from 0 to 1, found <U1"),
    "floats to 255": (
        {"x_train": made()["x_train"].astype(float)}, "x_train: expected floats from 0 to 1, found 0 to 249",
    ),
    "not a number": ({"x_train": numpy.full((60, 4, 5), numpy.nan)}, "floats from 0 to 1, found nan to nan: leave out"),
    "one float and one byte": ({"x_test": made(floats=True)["x_test"]}, "x_test: expected uint8, as x_train, found fl"),
    "other shapes": (
        {"x_test": numpy.zeros((30, 5, 4), numpy.uint8)},
        r"x_test: expected images of \(4, 5\) values, as in x_train, found \(5, 4\)",
    ),
    "fewer labels": ({"y_train": numpy.arange(59) % 3}, "y_train: expected 60 labels, as there are images, found 59"),
    "labels of floats": ({"y_test": numpy.zeros(30)}, r"y_test: expected one whole number .* found float64 \(30,\)"),
    "one-hot labels": ({"y_train": numpy.eye(60, dtype=int)}, "y_train: expected one whole number for each image"),
    "labels from 1": (
        {"y_train": 1 + numpy.arange(60) % 3},
        "y_train: expected 2 to 256 classes, counted from 0, each of which occurs; found 3 from 1 to 3",
    ),
    "negative labels": ({"y_train": numpy.arange(60) % 3 - 1}, "each of which occurs; found 3 from -1 to 1"),
    "one class": ({"y_train": numpy.zeros(60, int)}, "each of which occurs; found 1 from 0 to 0"),
    "far labels": ({"y_train": numpy.arange(60) * 10**15}, "each of which occurs; found 60 from 0 to"),
    "an unknown class": ({"y_test": numpy.arange(30) % 4}, "y_test: class 3 does not occur in y_train"),
    "objects": ({"x_train": numpy.array([{}] * 60)}, r"expected arrays, as numpy.savez writes them \(Object"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_what_is_wrong_with_the_arrays_is_said(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "bad.npz", **changes)
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_own_data(path)
    assert all(line.startswith(f"{path}: ") for line in str(caught.value).splitlines())


class Trap:
    """What creates a file where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("RAN"),)


def test_a_pickle_among_the_arrays_is_never_unpickled(folder: Path) -> None:
    trap = numpy.empty(60, dtype=object)
    trap[:] = Trap()
    path = saved(Path("trap.npz"), x_train=trap)
    assert not Path("RAN").exists()
    with pytest.raises(ConfigurationError, match="Object arrays cannot be loaded"):
        read_own_data(path)
    assert not Path("RAN").exists()
    with numpy.load(path, allow_pickle=True) as arrays:
        assert len(arrays["x_train"]) == 60
    assert Path("RAN").exists()


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "bad.npz", x_train=numpy.zeros((60, 4, 5), int), y_test=numpy.zeros(3, int))
    with pytest.raises(ConfigurationError) as caught:
        read_own_data(path)
    assert len(str(caught.value).splitlines()) == 3  # x_train's type, x_test's other type, y_test's number


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("nmy.npz", None, "nmy.npz: no such file; did you mean my.npz?"),
        ("my.npy", b"", "my.npy: expected a .npz file, as numpy.savez writes it"),
        ("text.npz", b"x_train", "text.npz: expected arrays, as numpy.savez writes them (File is not a zip file)"),
        ("empty.npz", b"", "empty.npz: expected arrays"),
    ],
)
def test_a_file_of_another_kind_is_exit_2_with_one_message(
    name: str, contents: bytes | None, message: str, folder: Path
) -> None:
    if contents is not None:
        Path(name).write_bytes(contents)
    answer = run("--use-data", name)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"actbench: {message}")
    assert not Path("results").exists()


def test_a_broken_archive_and_a_folder_are_told_apart_from_arrays(folder: Path) -> None:
    contents = Path("my.npz").read_bytes()
    Path("broken.npz").write_bytes(contents[:300] + bytes(200) + contents[500:])
    Path("folder.npz").mkdir()
    assert "broken.npz: expected arrays" in run("--use-data", "broken.npz").stderr
    assert "folder.npz: cannot be read (Is a directory)" in run("--use-data", "folder.npz").stderr


def test_a_run_trains_on_them_and_its_folder_is_read_without_them(folder: Path) -> None:
    answer = run("--use-data", "my.npz", "--format", "json")
    assert answer.exit_code == 0, answer.stderr
    assert "on my.npz" in json.loads(answer.stdout)["comparison"]["answer"]
    records = read_journal(Path("results/own")).records
    dataset = read_own_data(Path("my.npz"))[0]
    assert {record.settings.data.dataset for record in records.values()} == {dataset}
    assert {(record.train_count, record.test_count) for record in records.values()} == {(40, 30)}
    assert max(record.test_correct_count or 0 for record in records.values()) > 15
    Path("my.npz").unlink()
    for verb in ("compare", "report", "verify"):
        assert invoke(verb, "results/own").exit_code == 0
    assert "--use-data my.npz" in invoke("report", "results/own", "--html", "page.html").stdout + Path(
        "page.html"
    ).read_text(encoding="utf-8")


def test_the_same_command_again_trains_nothing_and_other_arrays_are_other_trials(folder: Path) -> None:
    run("--use-data", "my.npz")
    assert "0 trained now" in run("--use-data", "my.npz").stderr
    first = set(read_journal(Path("results/own")).records)
    saved(Path("my.npz"), **made(seed=1))
    again = run("--use-data", "my.npz")
    assert "4 trials, 4 trained now" in again.stderr
    records = read_journal(Path("results/own")).records
    assert len(records) == 8
    loaded = api.load("results/own").results
    planned = set(loaded.plan.trials())
    assert planned.isdisjoint(first)
    assert {records[trial].settings.data.dataset for trial in planned} == {read_own_data(Path("my.npz"))[0]}


def test_the_ids_of_other_trials_have_nothing_to_do_with_it(folder: Path) -> None:
    before = make_plan(load_experiment(Path("own.yaml")).experiment, {}).trials()
    with own_data_in_use(Path("my.npz")) as data:
        assert make_plan(load_experiment(Path("own.yaml")).experiment, {}).trials().keys() == before.keys()
        own = make_plan(load_experiment(Path("own.yaml"), data=data).experiment, {}).trials()
    assert own.keys().isdisjoint(before)


@pytest.mark.parametrize("name", ["my.npz", "../my.npz", "/etc/my.npz"])
def test_an_experiment_file_cannot_name_arrays(name: str, folder: Path) -> None:
    Path("own.yaml").write_text(EXPERIMENT.replace("{validation", f"{{dataset: {name}, validation"), encoding="utf-8")
    for options in ([], ["--use-data", "my.npz"]):
        answer = run(*options)
        assert answer.exit_code == 2
        assert (
            f"data.dataset: no dataset is called '{name}'; name a file of arrays on the command line" in answer.stderr
        )
    answer = run("--use-data", "my.npz", "--set", "data.dataset=cube")
    assert (answer.exit_code, answer.stderr.splitlines()[0]) == (
        2, "actbench: --use-data and --set data.dataset: give one of them",
    )  # fmt: skip


def test_what_a_folder_records_is_trained_again_only_with_the_very_arrays(folder: Path) -> None:
    run("--use-data", "my.npz")
    Path("own.yaml").write_bytes(Path("results/own/experiment.yaml").read_bytes())
    alone = run()
    assert alone.exit_code == 2
    assert "data.dataset: the arrays of my.npz (sha256:" in alone.stderr
    assert "0 trained now" in run("--use-data", "my.npz").stderr
    saved(Path("my.npz"), **made(seed=1))
    assert run("--use-data", "my.npz").exit_code == 2


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{my.npz: {from: sha256:12}}", "data.dataset.my.npz.from: expected text that matches"),
        ("{mnist: {from: x}}", "data.dataset: expected text, found"),
        ("{my.npz: {features: 2}}", "data.dataset.my.npz.from: required, but not there"),
    ],
)
def test_a_record_of_arrays_that_is_none_is_a_mistake(record: str, message: str, folder: Path) -> None:
    Path("own.yaml").write_text(EXPERIMENT.replace("{validation", f"{{dataset: {record}, validation"), encoding="utf-8")
    answer = run()
    assert answer.exit_code == 2
    assert message in answer.stderr


def test_validate_plan_summary_and_predictions_take_them(folder: Path) -> None:
    for verb in ("validate", "plan", "summary"):
        assert invoke(verb, "own.yaml", "--use-data", "my.npz").exit_code == 0
    assert invoke("summary", "own.yaml", "--use-data", "my.npz", "--preflight").exit_code == 0
    assert "20 -> 6" in invoke("summary", "own.yaml", "--use-data", "my.npz").stdout
    code = invoke("summary", "own.yaml", "--use-data", "my.npz", "--code")
    assert (code.exit_code, "arrays from a file" in code.stderr) == (2, True)
    run("--use-data", "my.npz")
    every = invoke("predictions", "results/own", "--all", "--use-data", "my.npz")
    assert len(every.stdout.splitlines()) == 1 + 4 * 30
    without = invoke("predictions", "results/own", "--all")
    assert (without.exit_code, "are not loaded" in without.stderr) == (2, True)


def test_from_python_they_are_named_by_use_data(folder: Path) -> None:
    found = api.run("own.yaml", use_data="my.npz", jobs=1, quiet=True)
    assert {one.settings.data.dataset.name for one in found.results.records.values()} == {"my.npz"}


def test_an_unusual_name_is_kept_in_plain_letters(folder: Path) -> None:
    path = saved(Path("my data <b>.npz"))
    assert str(read_own_data(path)[0]) == "my-data--b-.npz"
