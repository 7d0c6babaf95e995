"""What happens inside: each probe over the seeds by layer and epoch, in steps, with what tells trouble."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from actbench.experiment.records import LayerProbe, TrialRecord
from actbench.store.results import Results

# Some units of relu are always dead; a tenth of a layer is capacity that training cannot win back.
MAX_DEAD = 0.1
# Half of relu's inputs are flat when all is well; clearly more, and most of the gradient is lost in every layer.
MAX_SATURATED = 0.6
# With sgd's usual rate of 0.1, a gradient of 1e-4 moves a layer of the usual weights (norm about 10) by a millionth per
# step, which is to say not at all, and one of 1e2 by their own size.
MIN_GRADIENT, MAX_GRADIENT = 1e-4, 1e2
SHARE_STEPS = 10
DECADES = (-8, 6)


@dataclass(frozen=True)
class Probe:
    """A figure of the layers: its field in the records, its name and unit, what it is, and what tells trouble.

    Shares have ten steps from 0 to 1, norms one for every power of ten.
    """

    field: str
    title: str
    unit: str
    explanation: str
    trouble: str
    is_trouble: Callable[[float], bool]

    @property
    def is_share(self) -> bool:
        """Whether it runs from 0 to 1."""
        return self.field.endswith("share")

    def average(self, values: Sequence[float]) -> float:
        """The mean of shares; the median of norms, which differ by powers of ten."""
        return sum(values) / len(values) if self.is_share else median(values)

    def step(self, value: float) -> int:
        """Which step of the colours a value belongs to."""
        if self.is_share:
            return min(int(value * SHARE_STEPS + 1e-9), SHARE_STEPS - 1)
        return min(max(math.floor(math.log10(value)), DECADES[0]), DECADES[1] - 1) if value > 0 else DECADES[0]

    def step_text(self, edge: int) -> str:
        """The value at which a step begins."""
        return f"{100 * edge // SHARE_STEPS}" if self.is_share else f"1e{edge}" if edge else "1"

    def marked_steps(self) -> tuple[int, ...]:
        """The steps at which trouble begins or ends."""
        if not self.is_share:
            return round(math.log10(MIN_GRADIENT)), round(math.log10(MAX_GRADIENT))
        return (round((MAX_DEAD if self.field == "dead_share" else MAX_SATURATED) * SHARE_STEPS),)


PROBES = (
    Probe(
        "dead_share",
        "dead units",
        "% of units",
        "Dead units have a derivative of 0 for every image (mean over the seeds).",
        f"over {100 * MAX_DEAD:.0f} % dead",
        lambda share: share > MAX_DEAD,
    ),
    Probe(
        "saturated_share",
        "saturated inputs",
        "% of inputs",
        "Saturated inputs meet a slope under 5 % of the activation's largest (mean over the seeds).",
        f"over {100 * MAX_SATURATED:.0f} % saturated",
        lambda share: share > MAX_SATURATED,
    ),
    Probe(
        "weight_gradient_norm",
        "gradient norm",
        "L2 norm",
        "The gradient norm is over a layer's weights (median over the seeds).",
        f"a gradient norm below {MIN_GRADIENT:g} or above {MAX_GRADIENT:g}",
        lambda norm: norm < MIN_GRADIENT or norm > MAX_GRADIENT,
    ),
)


@dataclass(frozen=True)
class Cell:
    """A probe's average at a layer and an epoch: None where some trials were probed but none gave a finite number."""

    mean: float | None
    is_trouble: bool


@dataclass(frozen=True)
class ArmInside:
    """One arm: its probed epochs, how many layers it has, and each probe's cells by layer (from 1) and epoch."""

    label: str
    epochs: tuple[int, ...]
    layers: int
    cells: Mapping[str, Mapping[tuple[int, int], Cell]]

    def trouble(self, probe: Probe) -> int:
        """How many of the probe's cells tell trouble."""
        return sum(cell.is_trouble for cell in self.cells[probe.field].values())


def insides(results: Results) -> list[ArmInside]:
    """One for each arm whose layers were probed, in the order of the plan."""
    found = []
    for arm, trials in results.plan.arms:
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        probed = _by_place(records)
        if probed:
            epochs = sorted({epoch for _, epoch in probed})
            layers = max(layer for layer, _ in probed)
            cells = {probe.field: _cells(probe, probed, layers) for probe in PROBES}
            found.append(ArmInside(arm.label(), tuple(epochs), layers, cells))
    return found


def _by_place(records: Iterable[TrialRecord]) -> dict[tuple[int, int], list[LayerProbe]]:
    found: dict[tuple[int, int], list[LayerProbe]] = {}
    for record in records:
        for probe in record.probes:
            found.setdefault((probe.layer, probe.epoch), []).append(probe)
    return found


def _cells(
    probe: Probe, probed: Mapping[tuple[int, int], Sequence[LayerProbe]], layers: int
) -> dict[tuple[int, int], Cell]:
    """Of a layer that never has the figure, such as the dead share of the last, there are no cells."""
    cells: dict[tuple[int, int], Cell] = {}
    for layer in range(1, layers + 1):
        places = [place for place in probed if place[0] == layer]
        values = {place: _finite(getattr(one, probe.field) for one in probed[place]) for place in places}
        if probe.is_share and not any(values.values()):
            continue
        for place, known in values.items():
            mean = probe.average(known) if known else None
            cells[place] = Cell(mean, mean is None or probe.is_trouble(mean))
    return cells


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
