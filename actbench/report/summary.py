"""What a network looks like, layer by layer, and what the catalogue holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from actbench.catalogue.datasets import DATASETS, is_present, raw_folder
from actbench.catalogue.registry import Entry, Kind, default_parameters, did_you_mean, entries
from actbench.errors import ConfigurationError
from actbench.experiment import Arm, Experiment
from actbench.layers import Layer, count_parameters, resolve_layers
from actbench.report.sections import Section
from actbench.settings import TrialSettings

KINDS = (*get_args(Kind), "dataset")


def summary_sections(experiment: Experiment) -> list[Section]:
    """One summary for every distinct network among the arms, arms with equal networks together."""
    networks: dict[tuple[Layer, ...], list[Arm]] = {}
    for arm in experiment.arms():
        networks.setdefault(resolve_layers(arm.settings), []).append(arm)
    return [
        summary_section(arms[0].settings, f"{experiment.name}: {'; '.join(arm.label() for arm in arms)}")
        for arms in networks.values()
    ]


def summary_section(settings: TrialSettings, title: str) -> Section:
    """Every layer with its output shape, initialisers and trainable parameters, and their sum."""
    layers = resolve_layers(settings)
    rows = [
        [
            str(number),
            f"linear {layer.fan_in} -> {layer.units}",
            str(settings.model.output) if layer.activation is None else str(layer.activation),
            f"{layer.init} / {layer.bias_init}",
            _extras(layer),
            f"[batch, {layer.units}]",
            f"{count_parameters(layer):,}",
        ]
        for number, layer in enumerate(layers, start=1)
    ]
    header = ["layer", "linear", "function", "weight / bias init", "besides", "output shape", "parameters"]
    total = sum(map(count_parameters, layers))
    return Section(title, header, rows, notes=[f"{total:,} trainable parameters."])


def _extras(layer: Layer) -> str:
    extras = ["batch_norm"] * layer.batch_norm + [f"dropout {layer.dropout:g}"] * (layer.dropout > 0)
    return ", ".join(extras) or "-"


def catalogue_sections(kind: str | None) -> list[Section]:
    """The entries of one kind, or of all; raises `ConfigurationError` on an unknown kind."""
    singular = {f"{name}s": name for name in KINDS}
    wanted = singular.get(kind or "", kind)
    if wanted is not None and wanted not in KINDS:
        raise ConfigurationError(
            f"no kind of entry is called {kind!r}{did_you_mean(wanted, KINDS) or ': ' + ', '.join(KINDS)}"
        )
    sections = [_entries_section(name) for name in get_args(Kind) if wanted in (None, name)]
    return sections + ([_datasets_section()] if wanted in (None, "dataset") else [])


def _entries_section(kind: Kind) -> Section:
    header = ["name", "settings", "formula", "bounds", "reference"]
    bounded = kind in ("activation", "output")
    rows = [[_name(entry), _settings(entry), entry.formula, _bounds(entry), entry.reference] for entry in entries(kind)]
    if not bounded:
        header, rows = [h for h in header if h != "bounds"], [[*row[:3], row[4]] for row in rows]
    return Section(f"{kind}s", header, rows)


def _name(entry: Entry) -> str:
    return ", ".join((entry.name, *entry.aliases))


def _settings(entry: Entry) -> str:
    return ", ".join(f"{name}: {_setting(value)}" for name, value in default_parameters(entry).items()) or "-"


def _setting(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(entry: Entry) -> str:
    low, high = entry.bounds
    return f"({_number(low)}, {_number(high)})"


def _number(number: float) -> str:
    return ("-" if number < 0 else "") + "inf" if math.isinf(number) else f"{number:.4g}"


def data_section(folder: Path) -> Section:
    """Every dataset with where it is or would be."""
    rows = [
        [
            dataset.name,
            "present" if is_present(dataset, folder) else f"absent: actbench data fetch {dataset.name}",
            str(raw_folder(dataset, folder)) if dataset.file_md5 else dataset.source,
        ]
        for dataset in DATASETS.values()
    ]
    return Section("datasets", ["name", "state", "where"], rows)


def _datasets_section() -> Section:
    rows: Sequence[Sequence[str]] = [
        [
            d.name,
            f"{d.train_count:,} / {d.test_count:,}",
            str(d.features),
            str(d.classes),
            d.source,
            d.summary,
            d.reference,
        ]
        for d in DATASETS.values()
    ]
    return Section("datasets", ["name", "train / test", "features", "classes", "from", "what it is", "reference"], rows)
