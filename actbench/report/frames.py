"""Derived tables as pandas frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from actbench.lazy import LazyModule
from actbench.report.tables import Table

if TYPE_CHECKING:
    import pandas
else:
    pandas = LazyModule("pandas")


def to_frame(table: Table, settings: Sequence[str] = ()) -> pandas.DataFrame:
    """The table's rows under its columns; the columns of `settings` that hold numbers only are made numbers.

    Other than in a CSV file nothing is put before a text that a spreadsheet would compute.
    """
    rows, columns = table
    frame = pandas.DataFrame(list(rows), columns=list(columns))
    frame = frame.fillna(float("nan")) if len(frame) else frame
    for name in settings:
        numbers = pandas.to_numeric(frame[name], errors="coerce")
        if len(numbers) and numbers.notna().equals(frame[name].notna()):
            frame[name] = numbers
    return frame
