"""Checkpoints of stacks that take long: hidden files of a result folder that only the next run reads."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from actbench.experiment.records import Trial
from actbench.plan.stacks import Stack
from actbench.store.files import HeldFolder, Target, hold, replace_file
from actbench.text import counted

FOLDER = ".checkpoints"
SECONDS = 60.0
SCHEMA = 1
MAX_HEADER_BYTES = 1024 * 1024
ENDING = ".checkpoint"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, of stacks that train in this environment.

    Workers open the folder by its path and use it through that descriptor, if it has the run's `mark`: another folder
    that has taken its place is neither read nor written. A checkpoint has a line of JSON (trials, environment, epoch
    and the SHA-256 of the rest) and the bytes of a snapshot.
    """

    folder: Path
    environment: str
    seconds: float
    mark: str = field(default_factory=partial(secrets.token_hex, 8))

    def prepare(self, result_folder: HeldFolder) -> None:
        """Make the folder in a locked result folder, and mark it as this run's; without it there are no checkpoints."""
        with contextlib.suppress(OSError), hold(self.folder, inside=result_folder) as held:
            os.close(Target(self.folder / self.mark, held.descriptor).open(os.O_WRONLY | os.O_CREAT))

    def name(self, trials: Sequence[Trial]) -> str:
        """The file of a stack of these trials."""
        return hashlib.sha256(" ".join(trial.id for trial in trials).encode()).hexdigest()[:16] + ENDING

    def load(self, trials: Sequence[Trial]) -> bytes | None:
        """The snapshot of a stack; None without one of these trials and this environment."""
        with contextlib.suppress(OSError, ValueError), self._marked_folder() as descriptor:
            header, snapshot = _read(Target(self.folder / self.name(trials), descriptor))
            if header["trials"] == [trial.id for trial in trials] and header["environment"] == self.environment:
                return snapshot
        return None

    def save(self, trials: Sequence[Trial], snapshot: bytes, epoch: int) -> None:
        """Replace the snapshot of a stack; an absent folder or a full disk does not stop the training."""
        header = {
            "schema": SCHEMA,
            "trials": [trial.id for trial in trials],
            "environment": self.environment,
            "epoch": epoch,
            "sha256": hashlib.sha256(snapshot).hexdigest(),
        }
        with contextlib.suppress(OSError), self._marked_folder() as descriptor:
            target = Target(self.folder / self.name(trials), descriptor)
            replace_file(target, [json.dumps(header).encode() + b"\n", snapshot])

    def resume(self, missing: Sequence[Trial], tell: Callable[[str], None]) -> list[Stack]:
        """The stacks among the missing trials that continue from a checkpoint; all others are removed and reported."""
        by_id = {trial.id: trial for trial in missing}
        stacks: list[Stack] = []
        with contextlib.suppress(OSError), self._marked_folder() as descriptor:
            for target in self._checkpoints(descriptor):
                header, reason = self._usable(target, by_id)
                if reason:
                    tell(f"{target.path}: checkpoint ignored, {reason}.")
                    target.remove()
                    continue
                trials = tuple(by_id.pop(name) for name in header["trials"])
                tell(f"{counted(len(trials), 'trial')} continue after epoch {header['epoch']}, from a checkpoint.")
                stacks.append(trials)
        return stacks

    def discard(self, trials: Sequence[Trial]) -> None:
        """Remove the checkpoint of a stack that has ended."""
        with contextlib.suppress(OSError), self._marked_folder() as descriptor:
            Target(self.folder / self.name(trials), descriptor).remove()

    @contextlib.contextmanager
    def _marked_folder(self) -> Iterator[int | None]:
        """The descriptor of the folder that `prepare` has marked; raises `OSError` if the path leads elsewhere."""
        with hold(self.folder, follows_links=False) as held:
            os.close(Target(self.folder / self.mark, held.descriptor).open(os.O_RDONLY))
            yield held.descriptor

    def _usable(self, target: Target, missing: Mapping[str, Trial]) -> tuple[dict[str, Any], str]:
        """The header of a checkpoint, and why it cannot be used."""
        try:
            header, _ = _read(target)
        except (OSError, ValueError):
            return {}, "since it is damaged"
        if header["environment"] != self.environment:
            return header, "since it was made with other versions or on another machine"
        names = header["trials"]
        if not set(names) <= missing.keys() or target.path.name != self.name([missing[name] for name in names]):
            return header, "since its trials are finished or no longer planned"
        return header, ""

    def _checkpoints(self, descriptor: int | None) -> Iterator[Target]:
        """The checkpoints in the folder, after removing the unfinished files and the mark of a killed run."""
        with os.scandir(self.folder if descriptor is None else descriptor) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            target = Target(self.folder / name, descriptor)
            if name.endswith(ENDING):
                yield target
            elif name != self.mark:
                with contextlib.suppress(OSError):
                    target.remove()


def clear(held: HeldFolder) -> None:
    """Remove all checkpoints of a locked result folder; a link in their place stays."""
    held.require_in_place()
    path = held.path / FOLDER if held.descriptor is None else FOLDER
    shutil.rmtree(path, ignore_errors=True, dir_fd=held.descriptor)


def _read(target: Target) -> tuple[dict[str, Any], bytes]:
    """Header and snapshot; raises `ValueError` if they are not what was written, and `OSError`."""
    descriptor = target.open(os.O_RDONLY | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a file")
    with os.fdopen(descriptor, "rb") as file:
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
