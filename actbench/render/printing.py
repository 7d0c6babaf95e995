"""Answers on standard output: tables for people, or text for other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from math import isfinite
from typing import Any, Literal

from actbench.render.sections import Section

DOCUMENT_SCHEMA = 1
PIECES_AT_ONCE = 10_000  # of a comparison of thousands of arms all of them take a hundred megabytes
Format = Literal["table", "markdown", "latex", "csv", "json"]


def print_answer(
    output_format: Format,
    sections: Callable[..., Section | Sequence[Section]],
    document: Callable[..., Mapping[str, Any]],
    *found: Any,
    csv: Callable[[], str] = str,
    title: str = "",
    bold: Collection[str] = (),
) -> None:
    """Print what was found in one format, as sections or as a document: only what this format needs is computed."""

    def shown() -> Sequence[Section]:
        answer = sections(*found)
        return [answer] if isinstance(answer, Section) else answer

    if output_format == "json":
        print_document(document(*found))
    elif output_format == "csv":
        sys.stdout.write(csv())
    elif output_format == "markdown":
        from actbench.render.markdown import sections_to_markdown

        sys.stdout.write(sections_to_markdown(shown(), title))
    elif output_format == "latex":
        from actbench.render.latex import sections_to_latex

        sys.stdout.write(sections_to_latex(shown(), bold))
    else:
        from actbench.render.terminal import print_sections

        print_sections(shown())
    sys.stdout.flush()  # before what is then said on standard error


def print_document(content: Mapping[str, Any]) -> None:
    """Print one JSON document, the number of its `schema` first; numbers that are not finite are null."""
    pieces = json.JSONEncoder(indent=2, allow_nan=False).iterencode(whole_document(content))
    while text := "".join(islice(pieces, PIECES_AT_ONCE)):
        sys.stdout.write(text)
    sys.stdout.write("\n")


def whole_document(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with the number of its `schema` first; numbers that are not finite are None."""
    return {"schema": DOCUMENT_SCHEMA, **_finite(content)}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
