"""Texts from files, made safe to look at: nothing in them moves, hides or colours what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence


def visible(text: str) -> str:
    r"""Line breaks and other blanks as a space; what controls, turns around or has no width as `\x1b`, `\u202e`."""
    return text if text.isprintable() else "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def listed(names: Sequence[str]) -> str:
    """`relu, swish and mish`; with semicolons, `lr=0.1, init=zeros; and lr=0.1, init=ones`, where names hold commas."""
    if not names:
        return ""
    *others, last = names
    comma, before_last = ("; ", "; and ") if any("," in name for name in names) else (", ", " and ")
    return f"{comma.join(others)}{before_last}{last}" if others else last
