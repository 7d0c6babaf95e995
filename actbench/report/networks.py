"""What an experiment file describes: its networks layer by layer, and how many trials it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from actbench.analysis.samples import loss_unit
from actbench.experiment.definition import Arm, Experiment
from actbench.experiment.identity import has_pairs
from actbench.experiment.layers import Matched, count_parameters, network_size, resolve_layers
from actbench.experiment.metrics import parse_metric
from actbench.experiment.settings import TrialSettings
from actbench.plan.looks import schedule_of, seeds_at_first, seeds_range
from actbench.render.sections import Section
from actbench.report.statement import cannot_decide
from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import fewest_seeds
from actbench.text import counted, listed


def summary_sections(experiment: Experiment) -> list[Section]:
    """A table of layers for every shape of network; cells that differ between its arms say `varied`."""
    shapes: dict[tuple[tuple[int, int, int], ...], list[Arm]] = {}
    for arm in experiment.arms():
        shape = tuple((layer.fan_in, layer.units, count_parameters(layer)) for layer in resolve_layers(arm.settings))
        shapes.setdefault(shape, []).append(arm)
    return [
        _summary_section(experiment.name if len(shapes) == 1 else "; ".join(arm.label() for arm in arms), arms)
        for arms in shapes.values()
    ]


def summary_document(experiment: Experiment) -> dict[str, Any]:
    """Every arm's network layer by layer as plain data; the last layer has an `output` for an activation."""
    networks = []
    for arm in experiment.arms():
        layers = [
            layer.model_dump() | {"parameters": count_parameters(layer)} for layer in resolve_layers(arm.settings)
        ]
        layers[-1] |= {"activation": None, "output": arm.settings.model.output.to_yaml()}
        networks.append(size_document(arm) | {"layers": layers})
    return {"name": experiment.name, "networks": networks}


def size_document(arm: Arm) -> dict[str, Any]:
    """How large an arm's network is, and how it was made so."""
    matched = arm.matched and asdict(arm.matched)
    return {"arm": arm.to_yaml(), "label": arm.label(), **asdict(network_size(arm.settings)), "matched": matched}


def _summary_section(title: str, arms: Sequence[Arm]) -> Section:
    """Every layer with its output shape, initialisers and trainable parameters, and their sum."""
    networks = [_layer_rows(arm.settings) for arm in arms]
    rows = [
        [cells[0] if len(set(cells)) == 1 else "varied" for cells in zip(*layers, strict=True)]
        for layers in zip(*networks, strict=True)
    ]
    header = ["layer", "linear", "function", "weight init", "bias init", "extras", "output shape", "parameters"]
    size = network_size(arms[0].settings)
    notes = [
        f"{size.parameters:,} trainable parameters; {size.multiply_adds:,} multiply-adds for each image.",
        *dict.fromkeys(filter(None, (_matched_text(arm.matched) for arm in arms))),
    ]
    return Section(title, header, rows, notes, importance=(0, 1, 7, 6, 2, 3, 4, 5))


def _matched_text(matched: Matched | None) -> str:
    """What was changed to have as many parameters as the baseline, if anything was."""
    if matched is None or matched.units == matched.given:
        return ""
    return (
        f"Layer {matched.layer} has {counted(matched.units, 'unit')} instead of {matched.given}, to match the "
        f"baseline's {matched.target:,} parameters ({matched.left:+,})."
    )


def _layer_rows(settings: TrialSettings) -> list[list[str]]:
    return [
        [
            str(number),
            f"{layer.fan_in} -> {layer.units}",
            str(layer.activation or settings.model.output),
            str(layer.init),
            str(layer.bias_init),
            ", ".join(["batch_norm"] * layer.batch_norm + [f"dropout {layer.dropout:g}"] * (layer.dropout > 0)) or "-",
            f"[batch, {layer.units}]",
            f"{count_parameters(layer):,}",
        ]
        for number, layer in enumerate(resolve_layers(settings), start=1)
    ]


def hints(experiment: Experiment) -> Iterator[str]:
    """Warnings: too few seeds, as `5 seeds cannot decide ...`; a loss that ranks no arms with different losses."""
    comparisons, seeds = experiment.comparisons(), len(experiment.seeds)
    schedule = schedule_of(experiment)
    alpha = schedule.alphas[0] if schedule else ALPHA
    is_paired = has_pairs(experiment)
    if comparisons and seeds < (enough := fewest_seeds(comparisons, alpha, is_paired=is_paired)):
        option = f"'seeds={{looks: [{enough}]}}'" if schedule else f"seeds={enough}"
        yield f"{cannot_decide(seeds, comparisons, alpha=alpha, is_paired=is_paired)}: --set {option}"
    if parse_metric(experiment.primary).is_loss:
        losses = sorted({loss_unit(arm.settings) for arm in experiment.arms()})
        if len(losses) > 1:
            yield f"primary: {experiment.primary} ranks no arms that train on different losses ({listed(losses)})"


def validity_line(config: Path, experiment: Experiment) -> str:
    """A sentence: the file is valid and asks for so many trials."""
    arms, seeds, tuning = experiment.arm_count(), seeds_at_first(experiment), experiment.tuning_trial_count()
    of_each = f"{counted(arms, 'arm')} x "
    tuned = f"{of_each}{counted(tuning, 'tuning trial')} + " if tuning else ""
    least = f"{arms * (tuning + seeds)} to " if len(experiment.seeds) > seeds else ""
    most = counted(arms * (tuning + len(experiment.seeds)), "trial")
    return f"{config}: valid; {tuned}{of_each}{seeds_range(experiment)} = {least}{most}"


def validity_document(config: Path, experiment: Experiment | None, sentences: Sequence[str]) -> dict[str, Any]:
    """The same as plain data with its warnings, or the mistakes of an invalid file."""
    if experiment is None:
        return {"file": str(config), "valid": False, "mistakes": list(sentences)}
    return {
        "file": str(config),
        "valid": True,
        "warnings": list(sentences),
        "name": experiment.name,
        "arms": experiment.arm_count(),
        "seeds": list(experiment.seeds),
        "tuning_trials": experiment.arm_count() * experiment.tuning_trial_count(),
        "final_trials": experiment.arm_count() * len(experiment.seeds),
    }
