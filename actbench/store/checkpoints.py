"""Checkpoints of stacks that take long: hidden files of a result folder, which nothing but the next run reads."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actbench.experiment.records import Trial
from actbench.plan.stacks import Stack
from actbench.store.files import HeldFolder, make_inside, replace_file, require_regular_file
from actbench.text import counted

FOLDER = ".checkpoints"
SECONDS = 60.0
SCHEMA = 1
MAX_HEADER_BYTES = 1024 * 1024
ENDING = ".checkpoint"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one result folder, of stacks that train in this environment.

    A file has a line of JSON (trials, environment, epoch and the SHA-256 of the rest) and the bytes of a snapshot.
    """

    folder: Path
    environment: str
    seconds: float

    def path(self, trials: Sequence[Trial]) -> Path:
        """The file of a stack of these trials."""
        name = hashlib.sha256(" ".join(trial.id for trial in trials).encode()).hexdigest()[:16]
        return self.folder / f"{name}{ENDING}"

    def load(self, trials: Sequence[Trial]) -> bytes | None:
        """The snapshot of a stack; None if there is none for this very stack and environment."""
        with contextlib.suppress(OSError, ValueError):
            header, snapshot = _read(self.path(trials))
            if header["trials"] == [trial.id for trial in trials] and header["environment"] == self.environment:
                return snapshot
        return None

    def save(self, trials: Sequence[Trial], snapshot: bytes, epoch: int) -> None:
        """Replace the snapshot of a stack; a folder that is gone or a full disk is no reason to stop the training."""
        header = {
            "schema": SCHEMA,
            "trials": [trial.id for trial in trials],
            "environment": self.environment,
            "epoch": epoch,
            "sha256": hashlib.sha256(snapshot).hexdigest(),
        }
        with contextlib.suppress(OSError):
            if not self.folder.is_symlink():
                replace_file(self.path(trials), [json.dumps(header).encode() + b"\n", snapshot])

    def resume(self, missing: Sequence[Trial], tell: Callable[[str], None]) -> list[Stack]:
        """The stacks among the missing trials that continue from a checkpoint; all others are removed, and told."""
        by_id = {trial.id: trial for trial in missing}
        stacks: list[Stack] = []
        for path in self._files():
            header, reason = self._usable(path, by_id)
            if reason:
                tell(f"{path}: checkpoint ignored, {reason}.")
                path.unlink()
                continue
            trials = tuple(by_id.pop(name) for name in header["trials"])
            tell(f"{counted(len(trials), 'trial')} continue after epoch {header['epoch']}, from a checkpoint.")
            stacks.append(trials)
        return stacks

    def _usable(self, path: Path, missing: Mapping[str, Trial]) -> tuple[dict[str, Any], str]:
        """The header of a checkpoint, and why it cannot be used."""
        try:
            header, _ = _read(path)
        except (OSError, ValueError):
            return {}, "since it is damaged"
        if header["environment"] != self.environment:
            return header, "since it was made with other versions or on another machine"
        names = header["trials"]
        if not set(names) <= missing.keys() or path != self.path([missing[name] for name in names]):
            return header, "since its trials are finished or no longer planned"
        return header, ""

    def _files(self) -> Iterator[Path]:
        """The files in the folder, after removing what a killed run was still writing."""
        if self.folder.is_symlink() or not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith(ENDING):
                yield path
            elif path.is_file():
                path.unlink()

    def discard(self, trials: Sequence[Trial]) -> None:
        """Remove the checkpoint of a stack that has ended."""
        with contextlib.suppress(OSError):
            self.path(trials).unlink(missing_ok=True)


def prepare(held: HeldFolder) -> None:
    """Make the folder of checkpoints in a locked result folder."""
    make_inside(held, FOLDER)


def clear(held: HeldFolder) -> None:
    """Remove all checkpoints of a locked result folder."""
    held.require_in_place()
    if not (held.path / FOLDER).is_symlink():
        shutil.rmtree(held.path / FOLDER, ignore_errors=True)


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and snapshot; raises `ValueError` if they are not what was written, and `OSError`."""
    require_regular_file(path)
    with path.open("rb") as file:
        header = json.loads(file.readline(MAX_HEADER_BYTES))
        snapshot = file.read()
    expected = {"schema": int, "trials": list, "environment": str, "epoch": int, "sha256": str}
    if not isinstance(header, dict) or any(not isinstance(header.get(key), kind) for key, kind in expected.items()):
        raise ValueError("no checkpoint")
    if not all(isinstance(name, str) for name in header["trials"]) or header["schema"] != SCHEMA:
        raise ValueError("another kind of checkpoint")
    if hashlib.sha256(snapshot).hexdigest() != header["sha256"]:
        raise ValueError("damaged")
    return header, snapshot
