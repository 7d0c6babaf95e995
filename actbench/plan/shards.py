"""A shard: one of several equal shares of an experiment, trained independently of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from actbench.errors import ConfigurationError

MAX_SHARDS = 9999
FOLDER_NAME = re.compile(r"(.+)\.shard-([0-9]{1,4})-of-([0-9]{1,4})")
WRITTEN = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """The share `number` (from 1) of `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def folder_name(self, experiment: str) -> str:
        """The result folder of this shard beside the experiment's own; no two shards share one."""
        return f"{experiment}.shard-{self.number}-of-{self.of}"

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every `of`-th item, so that shares differ by one item at most, also of any run of items."""
        return items[self.number - 1 :: self.of]


def shard_of(folder: str, experiment: str | None = None) -> Shard | None:
    """The shard of this experiment, or of any, whose result folder has this name; None for other names."""
    found = FOLDER_NAME.fullmatch(folder)
    if not found or experiment not in (None, found[1]):
        return None
    shard = Shard(int(found[2]), int(found[3]))
    return shard if shard.folder_name(found[1]) == folder else None


def parse_shard(text: str | None) -> Shard | None:
    """The shard that `--shard 2/5` names; raises `ConfigurationError`."""
    if text is None:
        return None
    found = WRITTEN.fullmatch(text)
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of <= MAX_SHARDS:
        what = "shards are counted from 1" if found and of and number == 0 else "expected I/N, such as 2/5"
        raise ConfigurationError(f"--shard {text}: {what}, with I from 1 to N, and N at most {MAX_SHARDS}")
    return Shard(number, of)
