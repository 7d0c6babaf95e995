"""Dead units, saturation and gradients as heat maps of layer by epoch: white is fine, colour is trouble."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from actbench.analysis.comparison import Comparison, ranked
from actbench.experiment.records import LayerProbe, TrialRecord, recorded
from actbench.plan.plan import Plan
from actbench.render.sections import Section
from actbench.report.figures.layout import Canvas, Picture, picture
from actbench.report.figures.marks import GRID, PAGE, QUIET, VERMILLION, Line, text_width
from actbench.report.numbers import ABSENT
from actbench.store.results import Results
from actbench.text import counted, first_few, listed, visible

# Some units of relu are always dead; a tenth of a layer is capacity that training cannot win back.
MAX_DEAD = 0.1
# Half of relu's inputs are flat in a healthy network; clearly more, and most of the gradient is lost in every layer.
MAX_SATURATED = 0.6
# With sgd's usual learning rate of 0.1, a gradient of 1e-4 changes a layer of the usual weights (norm about 10) by a
# millionth per step, which is as good as nothing, and one of 1e2 by their own size.
MIN_GRADIENT, MAX_GRADIENT = 1e-4, 1e2
WORST_DECADES = 4.0

MAX_ARMS = 16
MAX_SENTENCES = 4
FAINTEST, STRONGEST = 0.2, 0.95


@dataclass(frozen=True)
class Probe:
    """A number measured in every layer: its field in the records, its name, what it is, and what is trouble.

    `low` and `high` bound the healthy values.
    """

    field: str
    title: str
    explanation: str
    trouble: str
    low: float
    high: float

    @property
    def is_share(self) -> bool:
        """Whether it runs from 0 to 1."""
        return self.field.endswith("share")

    def trouble_of(self, number: float | None) -> float:
        """0 where all is well, up to 1 for the worst; a number that is not finite is the worst."""
        if number is None or not math.isfinite(number):
            return 1.0
        if self.low <= number <= self.high:
            return 0.0
        if self.is_share:
            return min(1.0, max(0.01, (number - self.high) / (1 - self.high)))
        decades = math.log10(self.low / number) if 0 < number < self.low else math.log10(max(number / self.high, 1.0))
        return min(1.0, max(0.01, decades / WORST_DECADES)) if number > 0 else 1.0

    def text(self, number: float | None) -> str:
        """A number in words: `12 % dead units`, `a gradient norm of 2e-06`."""
        if number is None or not math.isfinite(number):
            return f"no finite {self.title}"
        return f"{100 * number:.0f} % {self.title}" if self.is_share else f"a {self.title} of {number:.1g}"


PROBES = (
    Probe("dead_share", "dead units",
          "Dead units have a derivative of 0 for every probed image (mean over the seeds).",
          f"over {100 * MAX_DEAD:.0f} % dead", 0.0, MAX_DEAD),
    Probe("saturated_share", "saturated inputs",
          "Saturated inputs meet a slope under 5 % of the activation's largest (mean over the seeds).",
          f"over {100 * MAX_SATURATED:.0f} % saturated", 0.0, MAX_SATURATED),
    Probe("weight_gradient_norm", "gradient norm",
          "The gradient norm is over a layer's weights (median over the seeds).",
          f"a gradient norm below {MIN_GRADIENT:g} or above {MAX_GRADIENT:g}", MIN_GRADIENT, MAX_GRADIENT),
)  # fmt: skip


@dataclass(frozen=True)
class ArmProbes:
    """One arm: its probed epochs, and for each probe's field the averages over the seeds by layer and epoch.

    A layer and epoch without a measurement are missing; None where no seed gave a finite number.
    """

    label: str
    epochs: tuple[int, ...]
    layers: int
    cells: Mapping[str, Mapping[tuple[int, int], float | None]]

    def worst(self, probe: Probe) -> tuple[float, int, float | None]:
        """At the last epoch: the largest trouble, the layer it is in, and its number."""
        last = [(layer, one) for (layer, epoch), one in self.cells[probe.field].items() if epoch == self.epochs[-1]]
        troubles = [(probe.trouble_of(one), -layer, one) for layer, one in last]
        return max(troubles, key=lambda found: found[:2], default=(0.0, 0, 0.0))

    def trouble(self, probe: Probe) -> float:
        """The share of the probe's cells that are in trouble."""
        cells = self.cells[probe.field].values()
        return sum(probe.trouble_of(one) > 0 for one in cells) / max(1, len(cells))


def arm_probes(results: Results) -> list[ArmProbes]:
    """The averages of each arm whose layers were probed, in the order of the plan."""
    arms = []
    for arm, trials in results.plan.arms:
        probes = [probe for record in recorded(trials, results.records) for probe in record.probes]
        if not probes:
            continue
        averages = {probe.field: _averages(probe, probes) for probe in PROBES}
        epochs = tuple(sorted({one.epoch for one in probes}))
        arms.append(ArmProbes(arm.label(), epochs, max(one.layer for one in probes), averages))
    return arms


def _averages(probe: Probe, probes: Sequence[LayerProbe]) -> dict[tuple[int, int], float | None]:
    """By layer and epoch the mean of shares, the median of norms, which differ by powers of ten."""
    finite: dict[tuple[int, int], list[float]] = {}
    for one in probes:
        number, numbers = getattr(one, probe.field), finite.setdefault((one.layer, one.epoch), [])
        numbers += [number] if number is not None and math.isfinite(number) else []
    measured = {layer for (layer, _), every in finite.items() if every or not probe.is_share}
    average = (lambda every: sum(every) / len(every)) if probe.is_share else median
    return {at: average(every) if every else None for at, every in finite.items() if at[0] in measured}


def inside_picture(results: Results, comparison: Comparison) -> Picture | None:
    """What goes wrong inside the networks; None if nothing does, or no layer was probed."""
    arms = arm_probes(results)
    shown = _most_troubled(arms, comparison)
    probes = [probe for probe in PROBES if any(arm.trouble(probe) for arm in shown)]
    if not probes:
        return None
    return picture(
        "inside",
        "Inside the networks: layer by epoch",
        lambda canvas: _draw(canvas, shown, probes),
        caption=[
            f"White is fine; the stronger the colour, the worse: {', '.join(probe.trouble for probe in probes)}.",
            "For each arm, layer 1 (next to the pixels) at the top; epoch 0 is before any step.",
            *(probe.explanation for probe in probes),
            len(probes) < len(PROBES)
            and f"Fine everywhere: {listed([probe.title for probe in PROBES if probe not in probes])}.",
            any(0 < (one or 0.0) < MIN_GRADIENT for arm in shown for one in arm.cells[PROBES[-1].field].values())
            and "A gradient that is small late in training may only mean that nothing is left to learn.",
            len(shown) < len(arms) and f"Of {len(arms)} arms, the {len(shown)} with most kinds of trouble are shown.",
        ],
        description=trouble_sentences(results),
    )


def trouble_sentences(results: Results) -> list[str]:
    """Where layers are in trouble after the last epoch: `relu: 12 % dead units in layer 1.`, for each probe."""
    arms, said = arm_probes(results), []
    for probe in PROBES:
        found = sorted(((arm.worst(probe), arm) for arm in arms), key=lambda one: -one[0][0])
        troubled = [(worst, arm) for worst, arm in found if worst[0] > 0]
        named = [
            f"{visible(arm.label)}: {probe.text(number)} in layer {-layer}" for (_, layer, number), arm in troubled
        ]
        said += [f"{'; '.join(first_few(named, MAX_SENTENCES))}."] if named else []
    if not said and arms:
        troubles = listed([probe.trouble for probe in PROBES])
        return [f"No layer of {counted(len(arms), 'arm')} is in trouble after the last epoch: none has {troubles}."]
    return said


def _most_troubled(arms: Sequence[ArmProbes], comparison: Comparison) -> list[ArmProbes]:
    """All arms, or those with most kinds of trouble, the better ones among equals; in the order of the ranks."""
    rank = {row.sample.label: number for number, row in enumerate(ranked(comparison))}
    by_rank = sorted(arms, key=lambda arm: rank.get(arm.label, len(rank)))
    kept = sorted(by_rank, key=lambda arm: -sum(arm.trouble(probe) > 0 for probe in PROBES))[:MAX_ARMS]
    return [arm for arm in by_rank if arm in kept]


def _draw(canvas: Canvas, arms: Sequence[ArmProbes], probes: Sequence[Probe]) -> float:
    em = canvas.em
    names = canvas.label_width([arm.label for arm in arms], 0.24)
    layers = names + text_width(str(max(arm.layers for arm in arms)), canvas.small) + 0.5 * em
    left, gap = layers + 0.8 * em, 1.2 * em
    across = 1 if canvas.is_narrow else len(probes)
    wide = (canvas.width - left - gap * (across - 1)) / across
    row = max(0.55, min(1.15, 40 / sum(arm.layers for arm in arms))) * em
    high = sum(max(arm.layers * row, 1.1 * em) + 0.5 * em for arm in arms)
    for number, probe in enumerate(probes):
        x, y = left + (number % across) * (wide + gap), 1.8 * em + (number // across) * (high + 4.9 * em)
        canvas.text(x, y - 0.7 * em, probe.title, is_bold=True)
        for arm in arms:
            with canvas.group(arm.label):
                _draw_block(canvas, arm, probe, (x, y, wide), row)
            if number % across == 0:
                with canvas.group(arm.label):
                    canvas.text(names, y + 0.85 * em, canvas.fitted(arm.label, names * 1.07), "end")
                    size = min(canvas.small, row * 0.95)
                    for layer in range(1, arm.layers + 1, math.ceil(0.9 * canvas.small / row)):
                        base = y + (layer - 0.5) * row + 0.35 * size
                        canvas.text(layers + 0.3 * em, base, str(layer), "end", QUIET, size=size / em)
            y += max(arm.layers * row, 1.1 * em) + 0.5 * em
        _draw_epochs(canvas, max(arms, key=lambda arm: len(arm.epochs)), x, y - 0.3 * em, wide)
    return 1.8 * em + math.ceil(len(probes) / across) * (high + 4.9 * em) - 2.0 * em


def _draw_block(canvas: Canvas, arm: ArmProbes, probe: Probe, place: tuple[float, float, float], row: float) -> None:
    """The cells of an arm."""
    (x, y, wide), cells = place, arm.cells[probe.field]
    cell = wide / len(arm.epochs)
    canvas.box(x, y, wide, row * arm.layers, PAGE, 1.0, GRID, 0.07)
    for layer in range(1, arm.layers + 1):
        top = y + (layer - 1) * row
        for column, epoch in enumerate(arm.epochs):
            if (layer, epoch) in cells and (trouble := probe.trouble_of(number := cells[layer, epoch])) > 0:
                with canvas.group(tip=f"{arm.label}, layer {layer}, epoch {epoch}: {probe.text(number)}"):
                    opacity = FAINTEST + (STRONGEST - FAINTEST) * trouble
                    canvas.box(x + column * cell, top, cell, row, VERMILLION, opacity)
        if layer > 1:
            canvas.line([(x, top), (x + wide, top)], GRID, 0.04)
        if not any(at[0] == layer for at in cells):
            middle = [(x, top + row / 2), (x + wide, top + row / 2)]
            canvas.marks.append(Line(middle, GRID, 0.1 * canvas.em, (2, 3)))


def _draw_epochs(canvas: Canvas, arm: ArmProbes, x: float, y: float, wide: float) -> None:
    """The probed epochs below the cells, as many as have room."""
    small, cell, last = canvas.small, wide / len(arm.epochs), str(arm.epochs[-1])
    every = math.ceil(1.3 * text_width(f"{last} ", small) / cell)
    for column, epoch in list(enumerate(arm.epochs))[::every]:
        place = min(x + (column + 0.5) * cell, canvas.width - text_width(last, small) / 2)
        canvas.note(place, y + 1.1 * small, str(epoch))
    canvas.note(x + wide / 2, y + 2.4 * small, "epoch")


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
    "inputs: there the derivative is below 5 % of its maximum. Zeros, mean and sd describe the layer's output. "
    "Gradient norm: the length of the gradient with respect to the layer's weights; where it is tiny, the layer hardly "
    "learns, and where it is huge, training is about to diverge.",
)


def layers_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section | None:
    """One row for each arm and layer; None without probes."""
    rows = []
    for arm, trials in plan.arms:
        found = [record.probes for record in recorded(trials, records)]
        last = [probe for probes in found for probe in probes if probe.epoch == probes[-1].epoch]
        for layer in sorted({probe.layer for probe in last}):
            of_layer = [probe for probe in last if probe.layer == layer]
            rows.append([arm.label(), str(layer), *(_mean_cell(of_layer, field) for field in PROBED.values())])
    return Section("layers at the end of training", ["arm", "layer", *PROBED], rows, NOTES) if rows else None


def _mean_cell(probes: Sequence[LayerProbe], field: str) -> str:
    """The mean over the probes that have the number."""
    numbers = [number for probe in probes if (number := getattr(probe, field)) is not None]
    if not numbers:
        return ABSENT
    mean = sum(numbers) / len(numbers)
    return f"{100 * mean:.1f}" if field.endswith("share") else f"{mean:.3g}"
