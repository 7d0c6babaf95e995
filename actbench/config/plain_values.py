"""The keys of an experiment file that hold one plain value; each function raises `ValueError` with the mistake."""

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
MAX_SEED = 2**63 - 1
DEFAULT_SEEDS = 10
MAX_LOOKS, MIN_LOOK = 20, 2
LEVEL, ROUNDING = 0.05, 1e-12
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def read_name(given: Any, default: str) -> str:
    """What the result folder is called, on every system."""
    name = default if given is None else given
    ok = isinstance(name, str) and name.isascii() and len(name) <= definition.NAME_LENGTH and name[:1].isalnum()
    if not ok or not all(c.isalnum() or c in "._-" for c in name):
        allowed = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
        raise ValueError(f"expected a name of {allowed} (at most {definition.NAME_LENGTH}), found {shown(name)}")
    if name.endswith(".") or name.split(".")[0].lower() in WINDOWS_DEVICES:
        reason = "ends in a dot" if name.endswith(".") else "is a device there"
        raise ValueError(f"expected a name that a folder can have on Windows too; {name!r} {reason}")
    return str(name)


SEED_KEYS = ("looks", "first", "alpha")
Seeds = tuple[tuple[int, ...], definition.Looks | None]
NO_SEEDS: Seeds = (0,), None


def read_seeds(given: Any) -> Seeds:
    """The seeds of the final trials: so many, or these, or as many as it takes until the arms are settled."""
    return _read_looks(given) if isinstance(given, dict) else (_read_fixed_seeds(given), None)


def _read_looks(given: dict[str, Any]) -> Seeds:
    after, shares = given.get("looks"), given.get("alpha") or ()
    first = 0 if given.get("first") is None else given["first"]
    if unknown := [key for key in given if key not in SEED_KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r}; known here: {', '.join(SEED_KEYS)}")
    if not isinstance(after, tuple) or not 1 <= len(after) <= MAX_LOOKS or any(type(one) is not int for one in after):
        raise ValueError(f"expected looks such as [11, 20, 40, 80] (at most {MAX_LOOKS}), found {shown(after)}")
    if list(after) != sorted(set(after)) or after[-1] > MAX_SEEDS or after[0] < MIN_LOOK:
        raise ValueError(f"expected increasing numbers of seeds ({MIN_LOOK} to {MAX_SEEDS:,}), found {list(after)}")
    if type(first) is not int or not 0 <= first <= MAX_SEED - MAX_SEEDS:
        raise ValueError(f"expected the first seed from 0 to {MAX_SEED - MAX_SEEDS}, found {shown(first)}")
    numbers = isinstance(shares, tuple) and all(isinstance(one, int | float) and 0 < one < 1 for one in shares)
    if not numbers or (shares and (len(shares) != len(after) or sum(shares) > LEVEL + ROUNDING)):
        raise ValueError(
            f"expected as alpha a share of {LEVEL:g} for each of the {len(after)} looks, with a sum of at most "
            f"{LEVEL:g}, found {shown(shares)}"
        )
    return tuple(range(first, first + after[-1])), definition.Looks(tuple(after), tuple(map(float, shares)))


def _read_fixed_seeds(given: Any) -> tuple[int, ...]:
    """The seeds of the final trials: so many, or these."""
    given = DEFAULT_SEEDS if given is None else given
    numbers = given if isinstance(given, tuple) else (given,)
    whole = all(type(n) is int and 0 <= n <= MAX_SEED for n in numbers)
    if isinstance(given, tuple):
        if whole and numbers and len(set(numbers)) == len(numbers) <= MAX_SEEDS:
            return tuple(numbers)
    elif whole and 1 <= given <= MAX_SEEDS:
        return tuple(range(given))
    wanted = f"how many seeds (1 to {MAX_SEEDS:,}) or a list of different whole numbers from 0 to {MAX_SEED}"
    raise ValueError(f"expected {wanted}, found {shown(given)}")


def read_tuning_seeds(given: Any) -> int:
    """How many seeds tuning has."""
    if given is None:
        return definition.TUNING_SEEDS
    if type(given) is int and 1 <= given <= MAX_TUNING_SEEDS:
        return given
    raise ValueError(f"expected how many seeds (1 to {MAX_TUNING_SEEDS}), found {shown(given)}")


PRIMARY_METRICS = tuple(name for name in (*CURVES, *MEASURES) if name.startswith("test_"))


def read_word(given: Any, words: tuple[Word, ...]) -> Word | None:
    """One of a few words, or none."""
    if given is None:
        return None
    if given in words:
        return words[words.index(given)]
    expected = f"one of {', '.join(words)}" if len(words) > 2 else " or ".join(words)
    near = did_you_mean(given, words) if isinstance(given, str) else ""
    raise ValueError(f"expected {expected}, found {shown(given)}{near}")


def read_margin(given: Any, primary: str) -> float | None:
    """The difference in the primary metric below which two arms count as equivalent; only shares have a default."""
    if given is None:
        return definition.usual_margin(primary)
    is_share = parse_metric(primary).is_share
    if type(given) in (int, float) and 0 < given < (1 if is_share else math.inf):
        return float(given)
    what = "a difference in accuracy as a fraction, such as 0.001" if is_share else f"a difference in {primary} above 0"
    raise ValueError(f"expected {what}, found {shown(given)}")
