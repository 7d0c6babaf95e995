"""From matplotlib's SVG file to an element that several pages' worth of others can stand beside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

NAMESPACE = "http://www.w3.org/2000/svg"
REFERENCE = re.compile(r"url\(#([^)]+)\)")
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
NO_ROTATION = re.compile(r"rotate\(-?0 \S+ \S+\)")
FONT_FAMILY = re.compile(r"fill: #000000; font-family: [^;]*;? ?")
FONT_SHORTHAND = re.compile(r"font: (?P<size>[\d.]+px) [^;]*")
NUMERIC = ("d", "transform", "x", "y", "width", "height")


def inline_svg(
    source: bytes,
    identifier: str,
    title: str,
    description: str,
    colours: Mapping[str, str],
    *,
    widest: int,
    size: str,
) -> str:
    """An `svg` element with a role, a title and a description, and ids that all begin with the identifier.

    `colours` are swapped in styles only, never in text. Coordinates are kept to a hundredth of a point.
    """
    root = ElementTree.fromstring(source)
    used = _references(root)
    for parent in root.iter():
        for child in [child for child in parent if _name(child) in ("style", "metadata")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _name(element)
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
        _rewrite(element, identifier, used, colours)
    drawn = list(root)
    root[:] = []
    root.attrib = {
        "xmlns": NAMESPACE,
        "class": size,
        "role": "img",
        "aria-labelledby": f"{identifier}-title {identifier}-description",
        "viewBox": root.attrib["viewBox"],
        "style": (
            f"width: 100%; max-width: {widest}px; height: auto; stroke-linejoin: round; stroke-linecap: butt; "
            "fill: #000000; font-family: 'DejaVu Sans', Verdana, sans-serif"
        ),
    }
    ElementTree.SubElement(root, "title", {"id": f"{identifier}-title"}).text = title
    ElementTree.SubElement(root, "desc", {"id": f"{identifier}-description"}).text = description
    root.extend(drawn)
    return ElementTree.tostring(root, encoding="unicode")


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _references(root: ElementTree.Element) -> set[str]:
    """The ids that anything refers to; no other has a use."""
    found: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            found |= {value[1:]} if name.endswith("href") else set(REFERENCE.findall(value))
    return found


def _rewrite(element: ElementTree.Element, identifier: str, used: set[str], colours: Mapping[str, str]) -> None:
    kept: dict[str, str] = {}
    for name, value in element.attrib.items():
        if name == "id":
            if value in used:
                kept["id"] = f"{identifier}-{value}"
        elif name.endswith("href"):
            kept["href"] = f"#{identifier}-{value[1:]}"
        elif name == "transform" and NO_ROTATION.fullmatch(value):
            continue
        elif name in NUMERIC:
            kept[name] = LONG_NUMBER.sub(_hundredth, " ".join(value.split()))
        else:
            kept[name] = REFERENCE.sub(rf"url(#{identifier}-\1)", value)
    if "style" in kept:
        kept["style"] = _restyled(kept["style"], colours)
    element.attrib = kept


def _restyled(style: str, colours: Mapping[str, str]) -> str:
    style = FONT_FAMILY.sub("", FONT_SHORTHAND.sub(r"font-size: \g<size>", style))
    parts = (part.partition(": ") for part in style.split("; "))
    return "; ".join(f"{key}{colon}{colours.get(value.lower(), value)}" for key, colon, value in parts)


def _hundredth(number: re.Match[str]) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
