"""An experiment file to start from, and beside it the schema that editors check it by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from actbench.config.plain_values import WINDOWS_DEVICES
from actbench.config.schema import schema_text
from actbench.errors import ConfigurationError
from actbench.experiment.definition import NAME_LENGTH

SCHEMA_FILE = "actbench.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
STARTER = Path(__file__).with_suffix(".template")


def write_starter(file: Path, *, with_schema: bool, replaces: bool) -> list[Path]:
    """Write the commented experiment and, if wanted, the schema beside it; the written files. Raises as `write_new`."""
    starter = Template(STARTER.read_text(encoding="utf-8")).substitute(name=experiment_name(file))
    texts = {file: MODELINE + starter, file.with_name(SCHEMA_FILE): schema_text()} if with_schema else {file: starter}
    write_new(texts, replaces=replaces)
    return list(texts)


def write_new(texts: Mapping[Path, str], *, replaces: bool) -> None:
    """Write the files; raises `ConfigurationError` if one is there with other contents and may not be replaced."""
    there = {path: text for path, text in texts.items() if path.exists()}
    taken = [path for path, text in there.items() if not path.is_file() or path.read_bytes() != text.encode()]
    if taken and not replaces:
        raise ConfigurationError("\n".join(f"{path}: is there already; --force replaces it" for path in taken))
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8", newline="\n")  # as it is compared with above


def experiment_name(file: Path) -> str:
    """The file's name without its ending, with a hyphen for whatever an experiment's name must not have."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:NAME_LENGTH] or "experiment"
    return f"{name}-experiment" if name.lower() in WINDOWS_DEVICES else name
