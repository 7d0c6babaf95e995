"""Activations and gradients at the end of training, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actbench.experiment.records import LayerProbe, TrialRecord
from actbench.plan.plan import Plan
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT

PROBED = {
    "dead units %": "dead_share",
    "saturated inputs %": "saturated_share",
    "zeros %": "zero_share",
    "mean": "mean",
    "sd": "sd",
    "gradient norm": "weight_gradient_norm",
}
NOTES = (
    "Means over the seeds of what each trial's last probe saw on its first 256 training images.",
    "Dead units: their activation's derivative is 0 for all of these images, so that they learn nothing. Saturated "
    "inputs: there the derivative is below 5 % of its maximum. Zeros, mean and sd are of what the layer gives on. "
    "Gradient norm: the length of the gradient with respect to the layer's weights; where it is tiny, the layer hardly "
    "learns, and where it is huge, training is about to diverge.",
)


def layers_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section | None:
    """One row for each arm and layer; None without probes."""
    rows = []
    for arm, trials in plan.arms:
        layers: dict[int, list[LayerProbe]] = {}
        for trial in trials:
            for probe in _last_probes(records.get(trial.id)):
                layers.setdefault(probe.layer, []).append(probe)
        rows += [
            [arm.label(), str(layer), *(_mean_cell(probes, field) for field in PROBED.values())]
            for layer, probes in sorted(layers.items())
        ]
    return Section("layers at the end of training", ["arm", "layer", *PROBED], rows, NOTES) if rows else None


def _last_probes(record: TrialRecord | None) -> list[LayerProbe]:
    if record is None or not record.probes:
        return []
    last = record.probes[-1].epoch
    return [probe for probe in record.probes if probe.epoch == last]


def _mean_cell(probes: Sequence[LayerProbe], field: str) -> str:
    """The mean over the probes that have the number."""
    numbers = [number for probe in probes if (number := getattr(probe, field)) is not None]
    if not numbers:
        return ABSENT
    mean = sum(numbers) / len(numbers)
    return f"{100 * mean:.1f}" if field.endswith("share") else f"{mean:.3g}"
