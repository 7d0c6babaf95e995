"""Custom functions as records keep them: which version it was, and enough to read results without its source."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from actbench.catalogue.lookup import find_version
from actbench.catalogue.registry import NOT_LOADED, Entry, Kind, Origin, Yields
from actbench.errors import ConfigurationError

FROM = "from"
"""The key beside the parameters under which a result folder keeps a custom function; no parameter can be called so."""
MAX_TEXT_LENGTH = 2000


def tupled(value: Any) -> Any:
    """A value as frozen models have it, which know no lists."""
    return tuple(value) if isinstance(value, list) else value


def _plain_values(value: Any) -> Any:
    """A mapping of names to plain values as pairs, which can be hashed."""
    pairs = tuple(value.items()) if isinstance(value, Mapping) else tupled(value)
    if not isinstance(pairs, tuple) or not all(isinstance(name, str) and is_plain(one) for name, one in pairs):
        raise PydanticCustomError("plain", "expected names with numbers, texts or lists of them")
    return tuple((name, tupled(one)) for name, one in pairs)


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text, nothing, or a list of such."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, int | str) or (isinstance(value, float) and isfinite(value))


Text = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(tupled)]
Kinds = Annotated[tuple[Yields, ...], BeforeValidator(tupled)]


class RecordedEntry(BaseModel):
    """One version of an entry from a file or a package, by the checksum of its source.

    What stands here is what results are read by: names, labels, pairs of output and loss, counts of parameters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    formula: Text = ""
    defaults: Annotated[tuple[tuple[str, Any], ...], BeforeValidator(_plain_values)] = ()
    aliases: Texts = ()
    learnable: Texts = ()
    yields: Yields = "scores"
    across_units: bool = False
    accepts: Kinds = ()
    tolerates: Kinds = ()

    def is_loaded(self, kind: Kind, name: str) -> bool:
        """Whether the very source that this was is loaded."""
        return find_version(kind, name, self.checksum) is not None

    def entry(self, kind: Kind, name: str) -> Entry:
        """The entry itself where it is loaded, else one that says the same of itself and cannot be called."""
        if loaded := find_version(kind, name, self.checksum):
            return loaded

        def absent(*_values: Any, **_settings: Any) -> NoReturn:
            """Say that there is no such function here."""
            raise ConfigurationError(not_loaded(kind, name, self.checksum))

        known = {key: value for key, value in self if key not in ("checksum", "defaults")}
        origin = Origin(NOT_LOADED, self.checksum)
        return Entry(kind=kind, name=name, function=absent, reference="", summary="", origin=origin, **known)

    def to_yaml(self) -> dict[str, Any]:
        """As a result folder keeps it, without what is as usual."""
        fields = RecordedEntry.model_fields
        kept = {key: listed(value) for key, value in self if value != fields[key].default}
        return kept | ({"defaults": {key: listed(value) for key, value in self.defaults}} if self.defaults else {})


def listed(value: Any) -> Any:
    """A value as YAML and JSON have it, which know no tuples."""
    return list(value) if isinstance(value, tuple) else value


def recorded_entry(entry: Entry, defaults: Mapping[str, Any]) -> RecordedEntry:
    """What records keep of an entry that came from a file or a package."""
    assert entry.origin is not None
    known = {name: getattr(entry, name) for name in RecordedEntry.model_fields if name not in ("checksum", "defaults")}
    known["formula"] = entry.formula[:MAX_TEXT_LENGTH]
    return RecordedEntry(checksum=entry.origin.checksum, defaults=tuple(defaults.items()), **known)


def not_loaded(kind: Kind, name: str, checksum: str) -> str:
    """What to do about a custom function of which there is only a record."""
    return f"{kind} {name} is a custom function ({checksum}) that is not loaded: name its file with --use FILE"
