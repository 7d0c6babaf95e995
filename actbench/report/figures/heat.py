"""Colours of cells, and text on them that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# Made for colour-blind eyes, and its lightness alone says the order (Nunez, Anderton & Renslow 2018).
COLOUR_MAP = "cividis"
ON_DARK, ON_LIGHT = "#ffffff", "#000000"
Rgb = tuple[float, float, float]


def colour_map(steps: int | None = None, *, is_reversed: bool = False) -> Colormap:
    """From dark to light, or from light to dark, in so many steps where they are to be told apart."""
    import matplotlib as mpl

    chosen = mpl.colormaps[f"{COLOUR_MAP}{'_r' * is_reversed}"]
    return chosen if steps is None else chosen.resampled(steps)


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance as WCAG 2 defines it, of red, green and blue from 0 to 1."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: Sequence[float], second: Sequence[float]) -> float:
    """The contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def text_colour(cell: Sequence[float]) -> str:
    """Black or white, whichever can be read better; one of them always has a contrast of at least 4.5 to 1."""
    return ON_DARK if contrast(cell, (1, 1, 1)) >= contrast(cell, (0, 0, 0)) else ON_LIGHT
