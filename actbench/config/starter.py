"""Experiment files to start from: a commented one with its schema, and the challenge of a custom function."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, Kind, Yields
from actbench.config.plain_values import WINDOWS_DEVICES
from actbench.config.reader import SETTINGS
from actbench.config.schema import schema_text
from actbench.errors import ConfigurationError
from actbench.experiment.definition import NAME_LENGTH

STANDING: dict[Kind, tuple[str, ...]] = {
    "activation": ("relu", "gelu", "swish", "mish"),
    "initialiser": ("kaiming_normal", "xavier_normal", "lecun_normal", "orthogonal"),
}
PAIRS: dict[Yields, tuple[str, str]] = {
    "log-probabilities": ("log_softmax", "nll"),
    "scores": ("identity", "cross_entropy"),
    "probabilities": ("softmax", "bce"),
    "bounded scores": ("tanh", "mse"),
}
"""The output function that gives a kind of output most often, and the loss for it."""
SCHEMA_FILE = "actbench.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
STARTER = Path(__file__).with_suffix(".template")
CHALLENGE = STARTER.with_stem("challenge")


def challenge_name(challengers: Sequence[Entry], dataset: str) -> str:
    """The experiment's and result folder's name: the custom function, and the dataset unless it is mnist."""
    plain = "-".join(re.sub(r"\W", "-", one.name, flags=re.ASCII) for one in challengers)
    ending = "" if dataset == "mnist" else f"-{dataset}"
    return f"challenge-{plain}"[: NAME_LENGTH - len(ending)] + ending


def challenge_text(challengers: Sequence[Entry], source: str, dataset: str, against: Sequence[str]) -> str:
    """The experiment as a file; raises `ConfigurationError` on several kinds, unfit losses and unknown opponents."""
    kinds = {one.kind for one in challengers}
    if len(kinds) > 1:
        raise ConfigurationError(
            f"{source}: adds entries of several kinds ({', '.join(sorted(kinds))}); challenge one kind at a time, "
            "each from its own file"
        )
    (kind,) = kinds
    if kind == "loss" and (unfit := [one for one in challengers if not one.accepts]):
        lines = [f"{one.place()}: accepts is empty: say for which outputs it is" for one in unfit]
        raise ConfigurationError("\n".join(lines))
    output, loss = PAIRS[_given(challengers[0])]
    opponents = _opponents(kind, against or _standing(challengers[0]), challengers)
    name = challenge_name(challengers, dataset)
    return Template(CHALLENGE.read_text(encoding="utf-8")).substitute(
        title=f"{', '.join(one.name for one in challengers)} against common baselines",
        file=f"{name}.yaml",
        source=re.sub(r"\s", "?", source),
        name=name,
        dataset=dataset,
        output=output,
        loss=loss,
        setting=SETTINGS[kind],
        arms=", ".join((*opponents, *(one.name for one in challengers))),
        baseline=challengers[0].name if len(challengers) == 1 else opponents[0],
    )


def _given(challenger: Entry) -> Yields:
    """What the networks give, such that the custom function fits in."""
    if challenger.kind == "output":
        return challenger.yields
    return challenger.accepts[0] if challenger.kind == "loss" else "log-probabilities"


def _standing(challenger: Entry) -> tuple[str, ...]:
    """The common baselines for a custom function: those of its kind that can take its place."""
    if challenger.kind in STANDING:
        return STANDING[challenger.kind]
    given = _given(challenger)
    output, loss = PAIRS[given]
    built_in = [one for one in entries(challenger.kind) if one.origin is None]
    if challenger.kind == "output":
        first, fitting = output, [one.name for one in built_in if one.yields == given]
    else:
        first, fitting = loss, [one.name for one in built_in if given in one.accepts]
    return (first, *(name for name in fitting if name != first))


def _opponents(kind: Kind, names: Sequence[str], challengers: Sequence[Entry]) -> list[str]:
    found, mistakes = [], []
    for name in names:
        try:
            entry = find(kind, name)
        except KeyError as unknown:
            mistakes.append(f"--against {name}: {unknown.args[0]}")
        else:
            if entry in challengers or entry.name in found:
                mistakes.append(f"--against {name}: is there already")
            found.append(entry.name)
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return found


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
