"""The keys of an experiment file that hold a plain value: name, seeds, margin.

Each is read with the sentence that says what is wrong with it, empty where nothing is; what stands in for a mistake is
of the right kind, so that the rest of the file can be read.
"""

from __future__ import annotations

from typing import Any

from actbench.experiment.choices import shown
from actbench.experiment.definition import MARGIN, NAME_LENGTH, TUNING_SEEDS

MOST_TUNING_SEEDS = 100
MOST_SEEDS = 10_000
DEFAULT_SEEDS = 10
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def read_name(given: Any, default: str) -> tuple[str, str]:
    """What the result folder is called, on every system."""
    name = default if given is None else given
    allowed = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
    ok = isinstance(name, str) and name.isascii() and len(name) <= NAME_LENGTH and name[:1].isalnum()
    if not ok or not all(c.isalnum() or c in "._-" for c in name):
        return "unnamed", f"expected a name of {allowed} (at most {NAME_LENGTH}), found {shown(name)}"
    if name.endswith(".") or name.split(".")[0].lower() in WINDOWS_DEVICES:
        reason = "ends in a dot" if name.endswith(".") else "is a device there"
        return "unnamed", f"expected a name that a folder can have on Windows too; {name!r} {reason}"
    return str(name), ""


def read_seeds(given: Any) -> tuple[tuple[int, ...], str]:
    """The seeds of the final trials: so many, or these."""
    given = DEFAULT_SEEDS if given is None else given
    numbers = given if isinstance(given, tuple) else (given,)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**63 for n in numbers)
    if isinstance(given, tuple):
        if whole and numbers and len(set(numbers)) == len(numbers) <= MOST_SEEDS:
            return tuple(numbers), ""
    elif whole and 1 <= given <= MOST_SEEDS:
        return tuple(range(given)), ""
    wanted = f"how many seeds (1 to {MOST_SEEDS:,}) or a list of different whole numbers of at least 0"
    return (0,), f"expected {wanted}, found {shown(given)}"


def read_tuning_seeds(given: Any) -> tuple[int, str]:
    """How many seeds tuning has."""
    if given is None:
        return TUNING_SEEDS, ""
    if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= MOST_TUNING_SEEDS:
        return given, ""
    return TUNING_SEEDS, f"expected how many seeds (1 to {MOST_TUNING_SEEDS}), found {shown(given)}"


def read_margin(given: Any) -> tuple[float, str]:
    """The difference in accuracy below which two arms count as equivalent."""
    if given is None:
        return MARGIN, ""
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < 1:
        return float(given), ""
    return MARGIN, f"expected a difference in accuracy as a fraction, such as 0.001, found {shown(given)}"
