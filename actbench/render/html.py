"""HTML from templates; every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from actbench.render.sections import Section, numeric_columns
from actbench.text import visible

# Of the last cell of a row that is marked as good, bad or doubtful.
TONES = {
    "": "",
    "good": "; color: #009e73; font-weight: 600",
    "bad": "; color: #d55e00; font-weight: 600",
    "doubtful": "; color: #b87f00",
}


def render(template: str, **values: Any) -> str:
    """The filled template; every value but `Markup` is escaped."""
    return str(_environment().get_template(template).render(**values))


@cache
def _environment() -> Environment:
    """Where templates are kept once they are compiled."""
    environment = Environment(
        loader=PackageLoader("actbench.render"),
        autoescape=True,
        finalize=lambda shown: visible(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment


def source(name: str) -> str:
    """A file beside the templates as it is, such as a script."""
    return (files("actbench.render") / "templates" / name).read_text(encoding="utf-8")


def sections_to_html(sections: Iterable[Section]) -> str:
    """Tables with titles and notes, without scripts, style sheets or links."""
    return render("notebook.html", parts=[(section, numeric_columns(section)) for section in sections], tones=TONES)
