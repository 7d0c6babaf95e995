"""A page of HTML as a test sees it: its elements, their text, and what is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY = {"meta", "link", "img", "br", "hr", "input"}
REFERENCES = ("src", "href", "xlink:href", "action", "data", "poster", "srcset", "formaction", "background")
OUTSIDE = re.compile(r"url\((?!#)|@import|expression\(", re.IGNORECASE)


@dataclass
class Element:
    """One element with its attributes, children and text, in the order of the page."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """The element itself and all below it, in the order of the page."""
        waiting = [self]
        while waiting:
            yield (one := waiting.pop())
            waiting += [child for child in reversed(one.children) if isinstance(child, Element)]

    def all(self, *tags: str) -> list[Element]:
        """All elements below with one of these tags."""
        return [one for one in self.walk() if one.tag in tags and one is not self]

    def text(self) -> str:
        """All text below, as it is read."""
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.mistakes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.mistakes.append(f"<{tag}> has an attribute twice")
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in EMPTY:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].tag != tag:
            self.mistakes.append(f"</{tag}> closes <{self.open[-1].tag}>")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def handle_comment(self, data: str) -> None:
        self.mistakes.append(f"a comment: {data}")


def read(text: str) -> Element:
    """The page's elements; a page whose tags do not nest is refused."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.mistakes == []
    assert reader.open == [reader.root], reader.open[-1].tag
    return reader.root


def problems(text: str) -> list[str]:
    """What keeps a page from standing alone, or from being read with a keyboard or a screen reader."""
    root = read(text)
    return [*_references(root), *_ids(root), *_headings(root), *_tables(root), *_pictures(root), *_landmarks(root)]


def _references(root: Element) -> Iterator[str]:
    ids = {one.attributes.get("id") for one in root.walk()}
    for one in root.walk():
        if one.tag == "script" and not _is_allowed(one, root):
            yield "<script> is not allowed by the policy"
        if one.tag in ("link", "iframe", "object", "embed", "base", "form", "img", "image", "foreignobject"):
            yield f"<{one.tag}> is in the page"
        for name, value in one.attributes.items():
            if name.startswith("on"):
                yield f"<{one.tag} {name}> is a script"
            if name in REFERENCES and not (value or "").startswith("#"):
                yield f"{name}={value} leads out of the page"
            if name in REFERENCES and (value or "")[1:] not in ids:
                yield f"{name}={value} leads nowhere"
            if name not in ("xmlns", "xmlns:xlink") and OUTSIDE.search(value or ""):
                yield f"{name}={value} loads something"
        if one.tag == "style" and OUTSIDE.search(one.text()):
            yield "the style loads something"


def _is_allowed(script: Element, root: Element) -> bool:
    """Whether a script is data, or has its hash in the page's policy."""
    policies = [one for one in root.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(script.text().encode()).digest()).decode()
    is_named = any(f"script-src 'sha256-{digest}';" in (one.attributes["content"] or "") for one in policies)
    return "src" not in script.attributes and (script.attributes.get("type") == "application/json" or is_named)


def _ids(root: Element) -> Iterator[str]:
    ids = [one.attributes["id"] for one in root.walk() if "id" in one.attributes]
    yield from (f"id {name} is there twice" for name in set(ids) if ids.count(name) > 1)
    for one in root.walk():
        for name in ("aria-labelledby", "aria-describedby"):
            named = (one.attributes.get(name) or "").split()
            yield from (f"{name} {target} is nowhere" for target in named if target not in ids)


def _headings(root: Element) -> Iterator[str]:
    levels = [int(one.tag[1]) for one in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"the headings are {levels}"
    steps = itertools.pairwise(levels)
    yield from (f"h{second} follows h{first}" for first, second in steps if second > first + 1)


def _tables(root: Element) -> Iterator[str]:
    for table in root.all("table"):
        if not [one for one in table.all("caption") if one.text().strip()]:
            yield "a table has no caption"
        yield from ("a th has no scope" for one in table.all("th") if one.attributes.get("scope") not in ("row", "col"))
        widths = {sum(isinstance(cell, Element) for cell in row.children) for row in table.all("tr")}
        if len(widths) != 1:
            yield f"a table has rows of {widths} cells"


def _pictures(root: Element) -> Iterator[str]:
    for one in root.all("svg"):
        if one.attributes.get("aria-hidden") == "true":
            continue
        if one.attributes.get("role") != "img" or not one.attributes.get("aria-labelledby"):
            yield "a picture has no name"
        if not [title for title in one.all("title") if title.text().strip()]:
            yield "a picture has no title"


def _landmarks(root: Element) -> Iterator[str]:
    (html,) = root.all("html")
    if not html.attributes.get("lang"):
        yield "the page names no language"
    yield from (f"there is no <{tag}>" for tag in ("title", "header", "nav", "main", "footer") if not root.all(tag))
