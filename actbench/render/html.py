"""HTML from templates; every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from actbench.render.sections import Section, numeric_columns
from actbench.text import visible


def render(template: str, **values: Any) -> str:
    """The filled template; every value but `Markup` is escaped."""
    environment = Environment(
        loader=PackageLoader("actbench.render"),
        autoescape=True,
        finalize=_visible_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return str(environment.get_template(template).render(**values))


def source(name: str) -> str:
    """A file beside the templates as it is, such as a script."""
    return (files("actbench.render") / "templates" / name).read_text(encoding="utf-8")


def sections_to_html(sections: Iterable[Section]) -> str:
    """Tables with titles and notes, without scripts, style sheets or links."""
    return render("notebook.html", parts=[(section, numeric_columns(section)) for section in sections])


def _visible_text(shown: Any) -> Any:
    return visible(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown
