"""From matplotlib's SVG file to an `svg` element, of which a page can hold several."""

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
STYLE = (
    "width: 100%; max-width: {}px; height: auto; stroke-linejoin: round; stroke-linecap: butt; "
    "fill: #000000; font-family: 'DejaVu Sans', Verdana, sans-serif"
)


def inline_svg(
    source: bytes,
    identifier: str,
    title: str,
    description: str,
    colours: Mapping[str, str],
    *,
    max_pixels: int,
    size: str,
) -> str:
    """An `svg` element with a role, a title and a description, and ids that all begin with the identifier.

    `colours` are replaced in styles only, never in text. Coordinates are rounded to a hundredth of a point.
    """
    root = ElementTree.fromstring(source)
    values = [(name, value) for element in root.iter() for name, value in element.attrib.items()]
    used = {value[1:] for name, value in values if name.endswith("href")}
    used |= {reference for _, value in values for reference in REFERENCE.findall(value)}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element[:] = [child for child in element if not child.tag.endswith(("}style", "}metadata"))]
        element.tail = None
        element.text = element.text if element.text and element.text.strip() else None
        _rewrite(element, identifier, used, colours)
    drawn, view_box = list(root), root.attrib["viewBox"]
    root.clear()
    root.attrib = {
        "xmlns": NAMESPACE,
        "class": size,
        "role": "img",
        "aria-labelledby": f"{identifier}-title {identifier}-description",
        "viewBox": view_box,
        "style": STYLE.format(max_pixels),
    }
    ElementTree.SubElement(root, "title", {"id": f"{identifier}-title"}).text = title
    ElementTree.SubElement(root, "desc", {"id": f"{identifier}-description"}).text = description
    root.extend(drawn)
    return ElementTree.tostring(root, encoding="unicode")


def _rewrite(element: ElementTree.Element, identifier: str, used: set[str], colours: Mapping[str, str]) -> None:
    """Prefix the ids that anything refers to, drop the others, and shorten numbers and styles."""
    kept: dict[str, str] = {}
    for name, value in element.attrib.items():
        if name == "id":
            if value in used:
                kept["id"] = f"{identifier}-{value}"
        elif name.endswith("href"):
            kept["href"] = f"#{identifier}-{value[1:]}"
        elif name in NUMERIC:
            if not NO_ROTATION.fullmatch(value):
                kept[name] = LONG_NUMBER.sub(_hundredth, " ".join(value.split()))
        else:
            kept[name] = REFERENCE.sub(rf"url(#{identifier}-\1)", value)
    if "style" in kept:
        style = FONT_FAMILY.sub("", FONT_SHORTHAND.sub(r"font-size: \g<size>", kept["style"]))
        parts = (part.partition(": ") for part in style.split("; "))
        kept["style"] = "; ".join(f"{key}{colon}{colours.get(value.lower(), value)}" for key, colon, value in parts)
    element.attrib = kept


def _hundredth(number: re.Match[str]) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
