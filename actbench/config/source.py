"""YAML text to plain data with the place of every value, under limits, with scalars as YAML 1.2 reads them."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from actbench.errors import MAX_NAMED_FILE_BYTES

if TYPE_CHECKING:  # completion reads YAML, and waits for no settings' models
    from actbench.experiment.validation import SettingPath

MAX_NESTING = 20
MAX_VALUES = 20_000
MAX_ALIASES = 100
MAX_INTEGER_LENGTH = 100
MAX_TEXT_READ_TWICE_LENGTH = 30_000
MAX_PART_LENGTH = 1_000

Path = tuple[str | int, ...]

_FASTEST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, which setting it concerns, and a sentence."""

    place: str
    path: Path
    message: str

    def __str__(self) -> str:
        parts = filter(None, (self.place, dotted_path(self.path), self.message))
        texts = ("".join(c if c.isprintable() else repr(c)[1:-1] for c in part) for part in parts)  # no escape codes
        return ": ".join(text if len(text) <= MAX_PART_LENGTH else f"{text[:MAX_PART_LENGTH]}..." for text in texts)


@dataclass
class Source:
    """Plain data (dict, tuple and scalars), the place `file:line:column` of every path, and problems."""

    data: Any = None
    places: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> str:
        """The place of a path, or of the nearest thing above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, "")


def dotted_path(path: Path) -> str:
    """`vary.model.activation[2]` for `("vary", "model.activation", 2)`; keys that begin with a blank are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if part and not part[0].isspace() else f"'{part}'")
    return text


def read_yaml(text: str, file: str) -> Source:
    """Read one YAML document; every mistake in it becomes a problem of the result, and nothing is raised."""
    source = Source(places={(): f"{file}:1:1"})
    try:
        if len(text.encode()) > MAX_NAMED_FILE_BYTES:
            raise _RefusedError(Problem(f"{file}:1:1", (), f"expected at most {MAX_NAMED_FILE_BYTES:,} bytes"))
        try:
            _check_limits(text, file, _FASTEST_LOADER)
            node = yaml.compose(text, Loader=_FASTEST_LOADER)
        except yaml.YAMLError as error:
            raise _RefusedError(_syntax_problem(text, file, error)) from None
        if node is None:
            raise _RefusedError(Problem(f"{file}:1:1", (), "expected settings, found an empty file"))
        source.data = _Reader(file, source).value(node, ())
    except UnicodeEncodeError as error:
        message = f"expected text in Unicode, found {error.object[error.start]!r} at character {error.start + 1}"
        source.problems.append(Problem(f"{file}:1:1", (), message))
    except _RefusedError as refused:
        source.problems.append(refused.args[0])
    return source


class _RefusedError(Exception):
    """The text is not read any further, for this `Problem`."""


def _place(file: str, mark: Any) -> str:
    return f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else f"{file}:1:1"


def _check_limits(text: str, file: str, loader: Any) -> None:
    """Walk the events once, before anything is built, and raise `_RefusedError` at the first that passes a limit."""
    depth = nodes = aliases = documents = 0
    for event in yaml.parse(text, Loader=loader):
        documents += isinstance(event, yaml.DocumentStartEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        explicit_tag = getattr(event, "tag", None)
        for broken, message in (
            (documents > 1, "expected one document, found another one"),
            (depth > MAX_NESTING, f"nested deeper than {MAX_NESTING} levels"),
            (nodes > MAX_VALUES, f"more than {MAX_VALUES:,} values"),
            (aliases > MAX_ALIASES, f"more than {MAX_ALIASES} aliases"),
            (explicit_tag not in (None, "!"), f"tags such as {str(explicit_tag)[:60]} are not allowed here"),
        ):
            if broken:
                raise _RefusedError(Problem(_place(file, event.start_mark), (), message))


def _syntax_problem(text: str, file: str, error: yaml.YAMLError) -> Problem:
    """The error in the clearer words of the slower loader, where the text is short enough to be read once more.

    Raises `_RefusedError` at the first event that passes a limit.

    A longer text is cut after the error, so that our limits are checked first: libyaml looks ahead and has limits too.
    What the slower loader accepts stays refused: nothing is ever built from events that the faster one did not give.
    """
    mark = getattr(error, "problem_mark", None)
    if len(text) > MAX_TEXT_READ_TWICE_LENGTH and mark and mark.index < MAX_TEXT_READ_TWICE_LENGTH:
        with contextlib.suppress(yaml.YAMLError, ValueError):
            _check_limits(text[: mark.index], file, yaml.SafeLoader)
    if len(text) <= MAX_TEXT_READ_TWICE_LENGTH:
        try:
            _check_limits(text, file, yaml.SafeLoader)
        except yaml.YAMLError as clearer:
            error = clearer
        except ValueError:  # what it makes of an escape such as \U00110000
            pass
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(f"{file}:1:1", (), f"not YAML: {str(error).splitlines()[0]}")
    sentence = " ".join(filter(None, [error.context, error.problem]))
    return Problem(_place(file, error.problem_mark or error.context_mark), (), f"not YAML: {sentence}")


@dataclass
class _Reader:
    file: str
    source: Source
    nodes_read: int = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.nodes_read += 1
        self.source.places[path] = _place(self.file, node.start_mark)
        if self.nodes_read > MAX_VALUES or len(path) > MAX_NESTING:
            message = f"more than {MAX_VALUES:,} values or too deep once aliases are followed"
            raise _RefusedError(Problem(_place(self.file, node.start_mark), path, message))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.value(item, (*path, index)) for index, item in enumerate(node.value))
        assert isinstance(node, yaml.ScalarNode)
        return node.value if node.style else scalar(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key == "<<":
                self._complain(key_node, path, "expected a plain name as key" if key is None else "`<<` is not allowed")
            elif key in result:
                self._complain(key_node, (*path, key), f"duplicate key, first given in line {lines[key]}")
            else:
                lines[key] = key_node.start_mark.line + 1
                result[key] = self.value(value_node, (*path, key))
                self.source.places[(*path, key)] = _place(self.file, key_node.start_mark)
        return result

    def _complain(self, node: yaml.Node, path: Path, message: str) -> None:
        self.source.problems.append(Problem(_place(self.file, node.start_mark), path, message))


def scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema: `1e-3` is a number, `no` is text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.match(text) and len(text) <= MAX_INTEGER_LENGTH:
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    return float(text) if _FLOAT.match(text) else text


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `read_yaml` would otherwise take for something else."""

    def represent_text(self, text: str) -> yaml.Node:
        style = None if isinstance(scalar(text), str) else "'"
        # Only double quotes have escapes for what YAML counts as a line break, such as U+0085.
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style if text.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_text)


def write_yaml(data: Any) -> str:
    """Plain data as YAML that `read_yaml` reads back equal (lists as tuples)."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120))


def apply_override(source: Source, override: str) -> None:
    """Set `section.field=value` or `vary.section.field=[...]` in the data, as if the file said so."""
    key, equals, text = override.partition("=")
    key, place = key.strip(), f"--set {override}"
    parts = key.split(".")
    path: SettingPath = (
        (parts[0], ".".join(parts[1:])) if parts[0] in ("vary", "tune", "baseline") and parts[1:] else tuple(parts)
    )
    if not equals or not key:
        source.problems.append(Problem(place, (), "expected key=value, as in train.epochs=3"))
        return
    given = read_yaml(text or "~", place)
    if given.problems or not isinstance(source.data, dict):
        source.problems += [Problem(place, path, problem.message) for problem in given.problems]
        return
    for section, verb in (("vary", "varies"), ("tune", "tunes")):
        if isinstance(source.data.get(section), dict) and key in source.data[section]:
            instead = f"this experiment {verb} {key}: set {section}.{key}=[...] instead"
            source.problems.append(Problem(place, path, instead))
            return
    target = source.data
    for depth, part in enumerate(path[:-1], start=1):
        inner = target.get(part)
        if inner is None:
            inner = {}
            source.places[path[:depth]] = place
        target[part] = inner
        if not isinstance(inner, dict):
            source.problems.append(Problem(place, path, f"{part} is not a mapping"))
            return
        target = inner
    target[path[-1]] = given.data
    source.places = {p: where for p, where in source.places.items() if p[: len(path)] != path}
    source.places |= {(*path, *p): place for p in given.places}
