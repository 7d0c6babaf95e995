"""What a run leaves behind says nothing of the person, the folder or the machine's name."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import zlib
from pathlib import Path

import pytest

import actbench
from watched import PRIVATE, Walk

MIN_NAME_LENGTH = 5
KEYS = {
    "id", "actbench", "training_code", "commit", "python", "torch", "torchvision", "numpy", "scipy", "pandas",
    "scikit-learn", "system", "machine", "processor", "cores", "device", "device_name", "workers",
    "threads_per_worker", "dataset", "data_checksum", "compiled_functions",
}  # fmt: skip


def unpacked(path: Path) -> bytes:
    """A file's bytes, with the packed streams of a PDF unpacked behind them."""
    contents = path.read_bytes()
    for start in contents.split(b"stream\n")[1:] if path.suffix == ".pdf" else []:
        contents += zlib.decompressobj().decompress(start) if start[:1] == b"x" else b""
    return contents


def secrets(folder: Path) -> list[bytes]:
    """What nobody else should learn: paths, names, and what stands in the environment."""
    known = [*PRIVATE.values(), folder.name, str(folder), str(Path.home()), sys.prefix]
    known += [str(Path(actbench.__file__).parent), socket.gethostname(), getpass.getuser(), os.environ.get("USER", "")]
    return [text.encode() for text in known if len(text) >= MIN_NAME_LENGTH]


@pytest.mark.slow
def test_no_file_names_the_person_the_folder_or_the_machine(walk: Walk) -> None:
    parts = [walk.folder / "results", walk.folder / "pictures"]
    written = [path for part in parts for path in part.rglob("*") if path.is_file()] + [walk.folder / "page.html"]
    names = {path.name for path in written}
    assert {"trials.jsonl", "environment.json", "experiment.yaml", "trials.csv", "table.md", "differences.pdf"} <= names
    for path in written:
        contents = unpacked(path)
        assert [secret for secret in secrets(walk.folder) if secret in contents] == [], path


def test_what_is_looked_for_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"stream\n" + zlib.compress(b"in pr1vate-user's folder"))
    assert any(secret in unpacked(tmp_path / "x.pdf") for secret in secrets(tmp_path))


@pytest.mark.slow
def test_the_environment_record_has_known_keys_and_no_others(walk: Walk) -> None:
    record = json.loads((walk.folder / "results" / "tiny" / "environment.json").read_text(encoding="utf-8"))
    assert record.keys() <= KEYS
    assert record.keys() >= {"id", "torch", "processor", "data_checksum"}


@pytest.mark.slow
def test_a_picture_does_not_say_when_it_was_made(walk: Walk) -> None:
    assert b"CreationDate" not in unpacked(walk.folder / "pictures" / "differences.pdf")
    assert b"<dc:date>" not in (walk.folder / "page.html").read_bytes()
