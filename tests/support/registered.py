"""The catalogue as it was before a test that adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from actbench.catalogue.registry import ENTRIES


@contextmanager
def catalogue_restored() -> Iterator[None]:
    """Take out again whatever is added meanwhile."""
    before = dict(ENTRIES)
    try:
        yield
    finally:
        ENTRIES.clear()
        ENTRIES.update(before)
