"""`keep: weights`: one file for each final trial, which nothing else needs."""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import CLOCK_FIELDS, Report, Trial, TrialRecord, Weights
from actbench.experiment.settings import TrialSettings
from actbench.plan.stacks import Stack
from actbench.plan.trials import make_trial
from actbench.runs.executors.ray import stream_training
from actbench.runs.executors.worker import train_with_torch
from actbench.runs.verify import verify_folder
from actbench.store import weights
from actbench.store.files import hold
from actbench.store.results import load_results
from actbench.training.loop import train_stack
from program import actbench

TEXT = """name: kept
data: {dataset: digits, train: 260}
model: {hidden: [8]}
train: {epochs: 2, batch_size: 50}
vary: {model.activation: [relu, prelu]}
tune: {train.lr: [1e-3, 1e-2]}
tuning_seeds: 1
seeds: 2
"""
KEEP = "keep: weights\n"


def run(folder: Path, text: str, *options: str) -> Path:
    (folder / "kept.yaml").write_text(text)
    finished = actbench("run", "kept.yaml", "--device", "cpu", *options, folder=folder)
    assert finished.returncode in (0, 3), finished.stderr
    return folder / "results" / "kept"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has kept its weights, to be copied."""
    return run(tmp_path_factory.mktemp("kept"), TEXT + KEEP, "--jobs", "1")


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "results" / "kept")


def bad(folder: Path) -> dict[str, str]:
    return {finding.where: finding.what for finding in verify_folder(folder) if finding.is_bad()}


def test_the_final_trials_have_a_file_with_which_plain_numpy_predicts_what_the_record_says(finished: Path) -> None:
    records = load_results(finished, finished.parent).records
    final = {key: record for key, record in records.items() if record.phase == "final"}
    assert weights.kept_trials(finished) == set(final)
    assert len(final) == 4
    images = load(DATASETS["digits"], Path())
    for key, record in final.items():
        kept = arrays_in(weights.weights_file(finished, key))
        hidden = images.test_inputs / 16.0 @ kept["layer1.weight"] + kept["layer1.bias"]
        slope = kept["layer1.negative_slope"] if record.settings.model.activation.name == "prelu" else 0
        scores = np.where(hidden > 0, hidden, slope * hidden) @ kept["layer2.weight"] + kept["layer2.bias"]
        predicted, labels = scores.argmax(1), images.test_labels
        assert (predicted == labels).sum() == record.test_correct_count
        wrong = predicted != labels
        assert record.mistakes() == list(zip(labels[wrong].tolist(), predicted[wrong].tolist(), strict=True))
        for label in range(10):
            accuracy = parse_metric(f"test_accuracy_of_class_{label}").value(record)
            assert accuracy == pytest.approx((predicted[labels == label] == label).mean())
        assert read(finished, key).keys() == set(kept)


def arrays_in(file: Path | io.BytesIO) -> dict[str, Any]:
    with np.load(file) as archive:
        return dict(archive)


def read(folder: Path, key: str) -> dict[str, Any]:
    record = load_results(folder, folder.parent).records[key]
    return weights.read_weights(folder, key, record.settings)


def test_workers_keep_the_same_files_and_without_the_word_every_record_and_table_is_the_same(
    finished: Path, tmp_path: Path
) -> None:
    by_workers = run(tmp_path, TEXT + KEEP, "--jobs", "2")
    for key in weights.kept_trials(finished):
        one, other = (weights.weights_file(folder, key).read_bytes() for folder in (finished, by_workers))
        assert one == other
    without = run(tmp_path, TEXT, "--fresh", "--jobs", "1")
    assert not (without / weights.FOLDER).exists()
    kept, plain = (load_results(folder, folder.parent).records for folder in (finished, without))
    exclude = {*CLOCK_FIELDS, "stack_trials"}
    assert {key: one.model_dump(exclude=exclude) for key, one in kept.items()} == {
        key: one.model_dump(exclude=exclude) for key, one in plain.items()
    }
    assert (finished / "table.csv").read_bytes() == (without / "table.csv").read_bytes()


def test_nothing_but_verify_misses_them_and_the_next_run_trains_nothing(folder: Path) -> None:
    key, other, *_ = sorted(weights.kept_trials(folder))
    assert bad(folder) == {}
    weights.weights_file(folder, key).unlink()
    weights.weights_file(folder, other).rename(folder / weights.FOLDER / "0123456789abcdef.npz")
    assert bad(folder) == {"weights": f"there for 2 of 4 final trials; not of {key} and {other}"}
    assert ("weights", "1 file of no final trial of this experiment") in [
        (one.where, one.what) for one in verify_folder(folder) if one.state == "note"
    ]
    assert "0 trained now" in actbench("run", folder / "experiment.yaml", folder=folder.parent.parent).stderr
    assert actbench("compare", folder, folder=folder).returncode == 0
    shutil.rmtree(folder / weights.FOLDER)
    assert list(bad(folder)) == ["weights"]


def changed(content: bytes, **arrays: Any) -> bytes:
    """The file with other arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **(arrays_in(io.BytesIO(content)) | arrays))
    return buffer.getvalue()


def with_huge_header(content: bytes) -> bytes:
    """A small file whose header promises terabytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.namelist():
            new.writestr(member, old.read(member).replace(b"(64, 8)", b"(99999999999, 8)"))
    return buffer.getvalue()


@pytest.mark.parametrize(("change", "reason"), [
    (lambda content: content[:-30], "damaged (File is not a zip file)"),
    (lambda content: content.replace(content[400:408], bytes(8), 1), "damaged (Bad CRC-32"),
    (lambda content: b"", "damaged (File is not a zip file)"),
    (lambda content: changed(content, other=np.zeros(1)), "not the parameters of its trial's network"),
    (lambda content: changed(content, **{"layer1.bias": np.zeros(9, np.float32)}), "layer1.bias is not of shape (8,)"),
    (lambda content: changed(content, **{"layer1.bias": np.zeros(8)}), "layer1.bias is not of shape (8,) in float32"),
    (lambda content: changed(content, **{"layer1.bias": np.zeros(9999)}), "layer1.bias is larger than (8,)"),
    (lambda content: changed(content, **{"layer1.bias": np.array([print] * 8)}), "layer1.bias is not of shape (8,)"),
    (with_huge_header, "layer1.weight is not of shape (64, 8) in float32"),
])  # fmt: skip
def test_a_file_that_is_not_what_was_written_is_named(change: Any, reason: str, folder: Path) -> None:
    key = min(weights.kept_trials(folder))
    path = weights.weights_file(folder, key)
    path.write_bytes(change(path.read_bytes()))
    found = bad(folder)
    assert list(found) == [f"weights/{key}.npz"]
    assert found[f"weights/{key}.npz"].startswith(reason)


def test_merged_shards_have_the_weights_of_all_also_after_merging_again(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.yaml").write_text(TEXT + KEEP)
    folders = [tmp_path / "results" / f"kept.shard-{number}-of-2" for number in (1, 2)]
    for _ in range(2):
        for number in (1, 2):
            words = ("run", "kept.yaml", "--shard", f"{number}/2", "--jobs", "1", "--device", "cpu")
            assert actbench(*words, folder=tmp_path).returncode in (0, 3)
        for _ in range(2):
            assert actbench("merge", *folders, folder=tmp_path).returncode == 0
    merged = tmp_path / "results" / "kept"
    assert [len(weights.kept_trials(one)) for one in (*folders, merged)] == [2, 2, 4]
    for key in weights.kept_trials(finished):
        one, other = (weights.weights_file(folder, key).read_bytes() for folder in (finished, merged))
        assert one == other
    assert bad(merged) == {}


def test_of_unlike_records_the_weights_are_those_of_the_one_that_counts(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other" / "kept")
    key = min(weights.kept_trials(folder))
    weights.weights_file(folder, key).write_bytes(b"those of the record that counts")
    weights.weights_file(other, key).unlink()
    assert actbench("merge", other, folder, "--results", "merged", folder=tmp_path).returncode == 0
    assert weights.weights_file(tmp_path / "merged" / "kept", key).read_bytes().startswith(b"those of")


def test_what_a_killed_run_was_writing_is_removed_and_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    half = folder / weights.FOLDER / ".0123456789abcdef.npz-0a1b2c3d"
    half.write_bytes(b"half")
    with hold(folder) as held:
        weights.remove_leftovers(held)
        assert not half.exists()
        shutil.rmtree(folder / weights.FOLDER)
        (tmp_path / "elsewhere").mkdir()
        (folder / weights.FOLDER).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="weights"):
            weights.write_weights(held, Weights("0123456789abcdef", b"content"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def trial(phase: str = "final", **model: Any) -> Trial:
    settings = {"data": {"dataset": "digits", "train": 60}, "model": {"hidden": (4,)} | model, "train": {"epochs": 2}}
    return make_trial(TrialSettings.model_validate(settings), 0, phase)  # type: ignore[arg-type]


def test_batch_norms_moments_are_kept_and_those_who_diverge_are_kept_as_they_were_then() -> None:
    arrays = load(DATASETS["digits"], Path())
    trials = [trial(batch_norm=True), trial(batch_norm=True, init={"constant": {"val": 1e38}})]
    said: list[float | Weights] = []
    records = train_stack(trials, arrays, "cpu", said.append, keeps_weights=True)
    kept = [one for one in said if isinstance(one, Weights)]
    assert [record.outcome for record in records] == ["done", "diverged"]
    assert sorted(one.trial for one in kept) == sorted(one.id for one in trials)
    (first,) = [arrays_in(io.BytesIO(one.content)) for one in kept if one.trial == trials[0].id]
    assert set(first) == {
        "layer1.weight", "layer1.bias", "layer1.scale", "layer1.shift", "layer1.running_mean",
        "layer1.running_variance", "layer2.weight", "layer2.bias",
    }  # fmt: skip
    assert (first["layer1.running_variance"] != 1).all()
    said.clear()
    train_stack([trial("tune")], arrays, "cpu", said.append, keeps_weights=True)
    assert said[-1] == 2
    assert not any(isinstance(one, Weights) for one in said)


def test_a_task_of_ray_goes_on_after_a_part_of_an_epoch() -> None:
    seen = threading.Event()

    def train(stack: Stack, arrays: Arrays, device: str, report: Report) -> list[TrialRecord]:
        report(0.5)
        assert seen.wait(60)
        report(Weights(stack[0].id, b"content"))
        return []

    stream = stream_training(train, "cpu", (trial(),), load(DATASETS["digits"], Path()))
    next(stream)
    assert next(stream) == 0.5
    seen.set()
    assert list(stream) == [Weights(trial().id, b"content"), []]


def test_a_task_of_ray_sends_them_before_its_records() -> None:
    arrays = load(DATASETS["digits"], Path())
    _, *said, records = stream_training(partial(train_with_torch, keeps_weights=True), "cpu", (trial(),), arrays)
    assert [one.trial for one in said if isinstance(one, Weights)] == [trial().id] == [one.trial for one in records]
