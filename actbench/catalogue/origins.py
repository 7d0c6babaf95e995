"""Where entries come from that are not built in, and what their functions have to look like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "activation": ("x",),
    "output": ("x",),
    "initialiser": ("shape", "fan_in", "fan_out", "generator"),
    "loss": ("prediction", "label"),
}


@dataclass(frozen=True)
class Origin:
    """Where an entry that is not built in comes from: a file or a package, and the checksum of its source."""

    place: str
    checksum: str


class RegistrationError(ValueError):
    """A function that the catalogue cannot take, with the reason."""


def require_own(kind: str, function: Callable[..., Any], aliases: Sequence[str]) -> None:
    """Raise `RegistrationError` where a function from a file or a package could not be trained with."""
    name = function.__name__
    if kind not in ARGUMENTS:
        raise RegistrationError(f"no {kind} of one's own: only {', '.join(ARGUMENTS)}")
    if wrong := [alias for alias in aliases if not alias.isidentifier()]:
        raise RegistrationError(f"alias {wrong[0]!r} of {kind} {name!r} is no name")
    positional = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    wanted = ARGUMENTS[kind]
    if len(positional) != len(wanted):
        found = ", ".join(positional) or "nothing"
        raise RegistrationError(
            f"{kind} {name!r} is called with {len(wanted)} values ({', '.join(wanted)}) and with settings behind a *, "
            f"which have defaults; it takes {found}"
        )
