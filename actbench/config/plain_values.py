"""The keys of an experiment file that hold one plain value: each read to its value, or to a mistake."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from actbench.experiment import definition
from actbench.experiment.choices import shown
from actbench.experiment.metrics import CURVES, MEASURES, parse_metric
from actbench.text import did_you_mean

Word = TypeVar("Word", bound=str)
MAX_TUNING_SEEDS = 100
MAX_SEEDS = 10_000
DEFAULT_SEEDS = 10
MAX_LOOKS, MIN_LOOK = 20, 2
LEVEL, ROUNDING = 0.05, 1e-12
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def read_name(given: Any, default: str) -> tuple[str, str]:
    """What the result folder is called, on every system."""
    name = default if given is None else given
    allowed = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
    ok = isinstance(name, str) and name.isascii() and len(name) <= definition.NAME_LENGTH and name[:1].isalnum()
    if not ok or not all(c.isalnum() or c in "._-" for c in name):
        return "unnamed", f"expected a name of {allowed} (at most {definition.NAME_LENGTH}), found {shown(name)}"
    if name.endswith(".") or name.split(".")[0].lower() in WINDOWS_DEVICES:
        reason = "ends in a dot" if name.endswith(".") else "is a device there"
        return "unnamed", f"expected a name that a folder can have on Windows too; {name!r} {reason}"
    return str(name), ""


SEED_KEYS = ("looks", "first", "alpha")


def read_seeds(given: Any) -> tuple[tuple[tuple[int, ...], definition.Looks | None], str]:
    """The seeds of the final trials: so many, or these, or as many as it takes until the arms are settled."""
    if isinstance(given, dict):
        return _read_looks(given)
    seeds, mistake = _read_fixed_seeds(given)
    return (seeds, None), mistake


def _read_looks(given: dict[str, Any]) -> tuple[tuple[tuple[int, ...], definition.Looks | None], str]:
    nothing, after, shares = ((0,), None), given.get("looks"), given.get("alpha") or ()
    first = 0 if given.get("first") is None else given["first"]
    if unknown := [key for key in given if key not in SEED_KEYS]:
        return nothing, f"unknown key {unknown[0]!r}; known here: {', '.join(SEED_KEYS)}"
    if not isinstance(after, tuple) or not 1 <= len(after) <= MAX_LOOKS or any(type(one) is not int for one in after):
        return nothing, f"expected looks such as [11, 20, 40, 80] (at most {MAX_LOOKS}), found {shown(after)}"
    if list(after) != sorted(set(after)) or after[-1] > MAX_SEEDS or after[0] < MIN_LOOK:
        return nothing, (f"expected looks after more and more seeds ({MIN_LOOK} to {MAX_SEEDS:,}), found {list(after)}")
    if type(first) is not int or not 0 <= first < 2**63 - MAX_SEEDS:
        return nothing, f"expected the first seed as a whole number of at least 0, found {shown(first)}"
    numbers = isinstance(shares, tuple) and all(isinstance(one, int | float) and 0 < one < 1 for one in shares)
    if not numbers or (shares and (len(shares) != len(after) or sum(shares) > LEVEL + ROUNDING)):
        return nothing, (
            f"expected as alpha a share of {LEVEL:g} for each of the {len(after)} looks, with a sum of at most "
            f"{LEVEL:g}, found {shown(shares)}"
        )
    seeds = tuple(range(first, first + after[-1]))
    return (seeds, definition.Looks(tuple(after), tuple(map(float, shares)))), ""


def _read_fixed_seeds(given: Any) -> tuple[tuple[int, ...], str]:
    """The seeds of the final trials: so many, or these."""
    given = DEFAULT_SEEDS if given is None else given
    numbers = given if isinstance(given, tuple) else (given,)
    whole = all(type(n) is int and 0 <= n < 2**63 for n in numbers)
    if isinstance(given, tuple):
        if whole and numbers and len(set(numbers)) == len(numbers) <= MAX_SEEDS:
            return tuple(numbers), ""
    elif whole and 1 <= given <= MAX_SEEDS:
        return tuple(range(given)), ""
    wanted = f"how many seeds (1 to {MAX_SEEDS:,}) or a list of different whole numbers of at least 0"
    return (0,), f"expected {wanted}, found {shown(given)}"


def read_tuning_seeds(given: Any) -> tuple[int, str]:
    """How many seeds tuning has."""
    if given is None:
        return definition.TUNING_SEEDS, ""
    if type(given) is int and 1 <= given <= MAX_TUNING_SEEDS:
        return given, ""
    return definition.TUNING_SEEDS, f"expected how many seeds (1 to {MAX_TUNING_SEEDS}), found {shown(given)}"


PRIMARY_METRICS = tuple(name for name in (*CURVES, *MEASURES) if name.startswith("test_"))


def read_primary(given: Any) -> tuple[str, str]:
    """The metric that decides."""
    if given is None or given in PRIMARY_METRICS:
        return given or definition.PRIMARY_METRIC, ""
    near = did_you_mean(given, PRIMARY_METRICS) if isinstance(given, str) else ""
    return definition.PRIMARY_METRIC, f"expected one of {', '.join(PRIMARY_METRICS)}, found {shown(given)}{near}"


def read_word(given: Any, words: tuple[Word, ...]) -> tuple[Word | None, str]:
    """One of a few words, or none."""
    if given is None or given in words:
        return given, ""
    near = did_you_mean(given, words) if isinstance(given, str) else ""
    return None, f"expected {' or '.join(words)}, found {shown(given)}{near}"


def read_margin(given: Any, primary: str) -> tuple[float | None, str]:
    """The difference in the primary metric below which two arms count as equivalent; only shares have one by itself."""
    is_share = parse_metric(primary).unit == "share"
    if given is None:
        return definition.MARGIN if is_share else None, ""
    if type(given) in (int, float) and 0 < given < (1 if is_share else math.inf):
        return float(given), ""
    what = "a difference in accuracy as a fraction, such as 0.001" if is_share else f"a difference in {primary} above 0"
    return definition.MARGIN, f"expected {what}, found {shown(given)}"
