"""A corpus of bad data files: each is named with what was expected and found, exit code 4, and nothing is trained."""

from __future__ import annotations

import gzip
import os
import re
import sys
from pathlib import Path

import pytest

from actbench.catalogue.datasets import DATASETS, FILES, load, raw_folder
from actbench.catalogue.image_files import read_idx
from actbench.errors import UnusableEnvironmentError
from corpus.bad_data_files import BAD_FILES, BadFile, damaged, small_dataset
from in_process import invoke

CASES = pytest.mark.parametrize("bad", BAD_FILES.values(), ids=BAD_FILES.keys())
SECRET = "secret contents of a private file\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(BAD_FILES) >= 15


def test_the_files_that_are_damaged_are_good_before(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    assert load(dataset, tmp_path).train_inputs.shape == (12, 784)


@CASES
def test_a_bad_file_is_named_with_what_was_expected_and_found(bad: BadFile, tmp_path: Path) -> None:
    dataset, path = damaged(bad, tmp_path)
    with pytest.raises(UnusableEnvironmentError, match=bad.message) as caught:
        load(dataset, tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, bad in BAD_FILES.items() if "changed" in bad.message])
def test_the_program_stops_with_exit_4_before_anything_is_trained(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, path = damaged(BAD_FILES[name], tmp_path / "data")
    monkeypatch.setitem(DATASETS, "mnist", dataset)
    Path("f.yaml").write_text("name: f\ndata: {dataset: mnist, validation: 0}\nseeds: 1\n", encoding="utf-8")
    answer = invoke("run", "f.yaml", "--data-dir", tmp_path / "data", "--jobs", "1")
    assert answer.exit_code == 4
    assert re.search(f"actbench: {re.escape(str(path))}: {BAD_FILES[name].message}", answer.stderr)
    assert not list(tmp_path.rglob("trials.jsonl"))
    assert not (tmp_path / "pwned").exists()


def test_no_more_is_read_of_a_file_than_it_had_when_it_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, look = tmp_path / "file.gz", Path.stat
    path.write_bytes(b"ab")

    def look_and_let_it_grow(self: Path) -> os.stat_result:
        found = look(self)
        path.write_bytes(b"abcdef")
        return found

    monkeypatch.setattr(Path, "stat", look_and_let_it_grow)
    with pytest.raises(UnusableEnvironmentError, match="truncated or changed \\(2 bytes"):
        read_idx(path, "", (1,))


def test_what_a_link_leads_to_is_not_told(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    (tmp_path / "private").write_text(SECRET, encoding="utf-8")
    path = raw_folder(dataset, tmp_path) / FILES[0]
    path.unlink()
    path.symlink_to(tmp_path / "private")
    with pytest.raises(UnusableEnvironmentError) as caught:
        load(dataset, tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_checked_and_not_only_the_first(name: str, tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    path = raw_folder(dataset, tmp_path) / name
    path.write_bytes(gzip.compress(b"other contents"))
    with pytest.raises(UnusableEnvironmentError) as caught:
        load(dataset, tmp_path)
    assert str(caught.value).startswith(f"{path}: truncated or changed")


@pytest.mark.skipif(sys.platform == "win32", reason="names of files have no control characters there")
def test_the_name_of_a_data_folder_cannot_steer_the_terminal(tmp_path: Path) -> None:
    Path("f.yaml").write_text("name: f\ndata: {dataset: mnist}\nseeds: 1\n", encoding="utf-8")
    raw = tmp_path / "a\x1b[2J\u202e" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / name).write_bytes(b"")
    answer = invoke("run", "f.yaml", "--data-dir", raw.parent.parent)
    assert answer.exit_code == 4
    assert all(line.isprintable() for line in answer.stderr.splitlines())
    assert "\\x1b[2J\\u202e" in answer.stderr
