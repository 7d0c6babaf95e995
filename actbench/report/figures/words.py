"""Names from files as a picture can show them: without control characters, and no longer than their place."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_LABEL_LENGTH = 48
MAX_LINES = 4
NOT_SHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def plain(text: str) -> str:
    """The text with what cannot be seen, or turns the text around, replaced by a sign that something was there."""
    return "".join(REPLACEMENT if unicodedata.category(one) in NOT_SHOWN else one for one in text)


def shortened(text: str, longest: int = MAX_LABEL_LENGTH) -> str:
    """The text as it is, or its beginning and end where it is longer."""
    text = plain(text)
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def wrapped(label: str, widest: int = MAX_LABEL_LENGTH) -> list[str]:
    """The label in lines, broken after commas, in parts that are too long anywhere; only very long labels are cut."""
    lines: list[str] = []
    parts = plain(label).split(", ")
    for number, part in enumerate(parts):
        piece = part + ("," if number < len(parts) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(piece) <= widest:
            lines[-1] += f" {piece}"
        else:
            lines += _broken(piece, widest)
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"{lines[MAX_LINES - 1][: widest - 1]}…"]
    return lines


def _broken(piece: str, widest: int) -> list[str]:
    """A part in lines, after a bracket, an equals sign or a space where there is one in the line's second half."""
    lines = []
    while len(piece) > widest:
        last = max(piece.rfind(mark, widest // 2, widest) for mark in "(= ") + 1
        lines.append(piece[: last or widest])
        piece = piece[last or widest :]
    return [*lines, piece]


def listed(names: Sequence[str], most: int = 5) -> str:
    """`a, b and c`; of many the first few and how many more."""
    shown = [plain(name) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))
