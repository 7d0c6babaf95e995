"""A contestant's measurement, and the error of a contestant that cannot run here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actbench.catalogue.torch_private import multiplies_in_bf16


@dataclass(frozen=True)
class Measurement:
    """One contestant in one round.

    `seconds` is wall-clock time per model and epoch, for each row that the contestant has in the table; `timed_seconds`
    is the total time measured. `accuracy` is the lowest validation accuracy of its models after their last
    epoch, None if nothing learns.
    """

    seconds: Mapping[str, float]
    models: int
    epochs: int
    timed_seconds: float
    accuracy: float | None
    remark: str = ""


def measurement_of(name: str, timed_seconds: float, models: int, epochs: int, accuracy: float) -> Measurement:
    """The measurement of a contestant with one row, named like the contestant."""
    return Measurement({name: timed_seconds / (models * epochs)}, models, epochs, timed_seconds, accuracy)


class LeftOutError(Exception):
    """The contestant cannot run here; the message is the reason."""


def require_bf16() -> None:
    """Raise `LeftOutError` if the processor has no bf16 products."""
    if not multiplies_in_bf16():
        raise LeftOutError("this processor cannot multiply in bf16 (AVX-512 or AMX is needed)")


def require(*names: str) -> Any:
    """The first installed package of these; raises `LeftOutError` if none is installed."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise LeftOutError(f"{' or '.join(names)} is not installed")
