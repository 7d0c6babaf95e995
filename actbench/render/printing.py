"""Answers on standard output: as tables for people, or as one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, Literal

from actbench.render.sections import Section

DOCUMENT_SCHEMA = 1


def print_answer(
    output_format: Literal["table", "json"],
    sections: Callable[[], Iterable[Section]],
    document: Callable[[], Mapping[str, Any]],
) -> None:
    """Print the one of the two that is asked for; the other is not made."""
    if output_format == "json":
        print_document(document())
    else:
        from actbench.render.terminal import print_sections

        print_sections(sections())


def print_document(content: Mapping[str, Any]) -> None:
    """Print one JSON document, which begins with the number of its `schema`; what is no finite number is null."""
    print(json.dumps(whole_document(content), indent=2, allow_nan=False))


def whole_document(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it is printed: the number of its `schema` first, and what is no finite number None."""
    return {"schema": DOCUMENT_SCHEMA, **_finite(content)}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
