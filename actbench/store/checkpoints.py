"""Checkpoints of stacks that take long: hidden files of a result folder that only the next run reads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

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
class Header:
    """The first line of a checkpoint; the rest of the file has this SHA-256."""

    schema: int
    trials: tuple[str, ...]
    environment: str
    epoch: int
    sha256: str


_HEADER = TypeAdapter(Header)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, of stacks that train in this environment.

    Workers open the folder by its path and use it through that descriptor, if it has the run's `mark`: another folder
    that has taken its place is neither read nor written. A checkpoint has its header as a line of JSON and the bytes of
    a snapshot.
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
        return hashlib.sha256(" ".join(_ids(trials)).encode()).hexdigest()[:16] + ENDING

    def load(self, trials: Sequence[Trial]) -> bytes | None:
        """The snapshot of a stack; None without one of these trials and this environment."""
        with contextlib.suppress(OSError, ValueError), self._marked_folder() as descriptor:
            header, snapshot = _read(Target(self.folder / self.name(trials), descriptor))
            if (header.trials, header.environment) == (_ids(trials), self.environment):
                return snapshot
        return None

    def save(self, trials: Sequence[Trial], snapshot: bytes, epoch: int) -> None:
        """Replace the snapshot of a stack; an absent folder or a full disk does not stop the training."""
        header = Header(SCHEMA, _ids(trials), self.environment, epoch, hashlib.sha256(snapshot).hexdigest())
        with contextlib.suppress(OSError), self._marked_folder() as descriptor:
            target = Target(self.folder / self.name(trials), descriptor)
            replace_file(target, [_HEADER.dump_json(header) + b"\n", snapshot])

    def resume(self, missing: Sequence[Trial], tell: Callable[[str], None]) -> list[Stack]:
        """The stacks among the missing trials that continue from a checkpoint; all others are removed and reported."""
        by_id = {trial.id: trial for trial in missing}
        stacks: list[Stack] = []
        with contextlib.suppress(OSError), self._marked_folder() as descriptor:
            for target in self._checkpoints(descriptor):
                header, reason = self._usable(target, by_id)
                if header is None:
                    tell(f"warning: {target.path}: checkpoint ignored, {reason}.")
                    target.remove()
                    continue
                trials = tuple(by_id.pop(name) for name in header.trials)
                tell(f"{counted(len(trials), 'trial')} continue after epoch {header.epoch}, from a checkpoint.")
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

    def _usable(self, target: Target, missing: Mapping[str, Trial]) -> tuple[Header | None, str]:
        """The header of a checkpoint, or why it cannot be used."""
        try:
            header, _ = _read(target)
        except (OSError, ValueError):
            return None, "since it is damaged"
        if header.environment != self.environment:
            return None, "since it was made with other versions or on another machine"
        trials = [missing[name] for name in header.trials if name in missing]
        if len(trials) < len(header.trials) or target.path.name != self.name(trials):
            return None, "since its trials are finished or no longer planned"
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


def _ids(trials: Sequence[Trial]) -> tuple[str, ...]:
    return tuple(trial.id for trial in trials)


def _read(target: Target) -> tuple[Header, bytes]:
    """Header and snapshot; raises `ValueError` if they are not what was written, and `OSError`."""
    descriptor = target.open(os.O_RDONLY | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a file")
    with os.fdopen(descriptor, "rb") as file:
        header = _HEADER.validate_json(file.readline(MAX_HEADER_BYTES))
        snapshot = file.read()
    if (header.schema, header.sha256) != (SCHEMA, hashlib.sha256(snapshot).hexdigest()):
        raise ValueError("damaged, or another kind of checkpoint")
    return header, snapshot
