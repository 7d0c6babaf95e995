"""One picture: what it is called, what it says, and how to draw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A picture that can be drawn whenever it is needed.

    `name` is the stem of its file; `caption` says what is drawn how; `description` says its main numbers in words, for
    whoever does not see it.
    """

    name: str
    title: str
    caption: str
    description: str
    draw: Callable[[], Figure]
