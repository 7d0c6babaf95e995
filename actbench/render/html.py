"""The templates of pages: whatever is put into one is escaped and made visible."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from actbench.text import visible


def render(template: str, **values: Any) -> str:
    """The template with the values in their places; only `Markup` stays as it is."""
    environment = Environment(
        loader=PackageLoader("actbench.report"),
        autoescape=True,
        finalize=_visible_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return str(environment.get_template(template).render(**values))


def _visible_text(shown: Any) -> Any:
    return visible(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown
