"""Options of a run: executor, device, workers and limits, and their values from text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from actbench import errors

if TYPE_CHECKING:
    from actbench.plan.trials import Shard

DeviceOption = Literal["auto", "cpu", "cuda", "mps"]
Executor = Literal["local", "ray"]

QUIET = -1
NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
DURATION = re.compile(rf"(?:{NUMBER}h)?(?:{NUMBER}m)?(?:{NUMBER}s?)?", re.ASCII)
MAX_DURATION_SECONDS = 365 * 24 * 3600.0
LAST_PORT = 65535
RAY_ADDRESS = re.compile(r"auto|[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}")


@dataclass(frozen=True)
class RunOptions:
    """The options of a run, whatever the experiment.

    No stack starts after `max_seconds`; one may take `trial_seconds` for each of its trials. `command_line` is the
    options as typed, without paths, for the log. `verbosity` is how much is printed: `QUIET` warnings and errors, 0
    also progress, 1 finished stacks, 2 started ones.
    """

    results: Path
    data_folder: Path
    device: DeviceOption = "auto"
    jobs: int | None = None
    fresh: bool = False
    shard: Shard | None = None
    executor: Executor = "local"
    ray_address: str | None = None
    max_seconds: float | None = None
    trial_seconds: float | None = None
    command_line: str = ""
    verbosity: int = 0


def parse_jobs(text: str) -> int | None:
    """The number of worker processes that `--jobs` names; None for `auto`."""
    if text == "auto":
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1024:
        return int(text)
    raise errors.ConfigurationError(f"--jobs {text}: expected auto or a whole number from 1 to 1024")


def parse_duration(option: str, text: str | None) -> float | None:
    """Seconds from `90s`, `10m`, `1h30m` or a bare number of seconds; None without a text."""
    if text is None:
        return None
    duration = DURATION.fullmatch(text)
    parts = duration.groups() if duration else (None, None, None)
    seconds = sum(float(part or 0) * unit for part, unit in zip(parts, (3600, 60, 1), strict=True))
    if not 0 < seconds <= MAX_DURATION_SECONDS:
        raise errors.ConfigurationError(f"{option} {text}: expected a duration such as 90s, 10m, 2h or 1h30m")
    return seconds


def parse_ray_address(executor: str, text: str | None) -> str | None:
    """The address of a Ray cluster; None where the run starts Ray itself."""
    if text is None:
        return None
    if executor != "ray":
        raise errors.ConfigurationError(f"--ray-address {text}: needs --executor ray")
    if not RAY_ADDRESS.fullmatch(text) or (text != "auto" and int(text.rpartition(":")[2]) > LAST_PORT):
        raise errors.ConfigurationError(
            f"--ray-address {text}: expected auto or HOST:PORT, on a machine of the cluster (a client's ray:// cannot "
            "report progress)"
        )
    return text
