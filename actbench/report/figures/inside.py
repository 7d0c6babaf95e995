"""Dead units, saturation and gradients as heat maps of layer by epoch, one arm below the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison, ranked
from actbench.lazy import LazyModule
from actbench.report.figures.curves import LONG_TRAINING_EPOCHS
from actbench.report.figures.layout import Picture, characters_in, new_figure, picture, shortened
from actbench.report.figures.style import CELL_POINTS, COLUMN_INCHES, PAGE_INCHES, SMALL_POINTS, colour_map
from actbench.store.results import Results
from actbench.text import counted, listed, visible

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import BoundaryNorm
    from matplotlib.figure import Figure
    from matplotlib.path import Path

    Numbers = np.ndarray[Any, np.dtype[np.float64]]
    Cells = np.ma.MaskedArray[Any, np.dtype[np.float64]]
else:
    np = LazyModule("numpy")

# Some units of relu are always dead; a tenth of a layer is capacity that training cannot win back.
MAX_DEAD = 0.1
# Half of relu's inputs are flat in a healthy network; clearly more, and most of the gradient is lost in every layer.
MAX_SATURATED = 0.6
# With sgd's usual learning rate of 0.1, a gradient of 1e-4 changes a layer of the usual weights (norm about 10) by a
# millionth per step, which is as good as nothing, and one of 1e2 by their own size.
MIN_GRADIENT, MAX_GRADIENT = 1e-4, 1e2
DECADES = (-8, 6)

MAX_ARMS = 16
MAX_IN_A_COLUMN = 4
MAX_DESCRIBED = 4
ROW_INCHES, NAME_INCHES, MAX_ARM_INCHES = 0.115, 0.19, 1.2
MIN_MARKED_INCHES = 0.1
BAR_INCHES, BESIDE_A_BAR_INCHES = 0.07, 0.3
ABSENT = -1
OUTLINES = ({"edgecolor": "white", "linewidth": 1.8}, {"edgecolor": "black", "linewidth": 0.8})


@dataclass(frozen=True)
class Probe:
    """A number measured in every layer: its field in the records, its name and unit, what it is, and what is trouble.

    `low` and `high` bound the healthy values. Shares have ten colours from 0 to 1, norms one for each power of ten.
    """

    field: str
    title: str
    unit: str
    explanation: str
    trouble: str
    low: float
    high: float

    @property
    def is_share(self) -> bool:
        """Whether it runs from 0 to 1."""
        return self.field.endswith("share")

    def is_trouble(self, cells: Cells) -> Any:
        """Which cells are not within the bounds, those without a finite number included."""
        healthy: Any = (cells >= self.low) & (cells <= self.high)
        return ~healthy.filled(True)

    def colour_edges(self, arms: Sequence[ArmProbes]) -> list[float]:
        """The values between the colours: all tenths, or the powers of ten within the bounds and those that occur."""
        if self.is_share:
            return [tenth / 10 for tenth in range(11)]
        means = np.concatenate([arm.cells[self.field].compressed() for arm in arms])
        powers = np.floor(np.log10([self.low, *means[means > 0]])).clip(DECADES[0], DECADES[1] - 1)
        return [
            10.0**power
            for power in range(int(powers.min()), max(int(powers.max()) + 1, round(math.log10(self.high))) + 1)
        ]

    def edge_text(self, edge: float) -> str:
        """The label of an edge on the colour bar."""
        return f"{100 * edge:.0f}" if self.is_share else f"1e{math.log10(edge):.0f}"


PROBES = (
    Probe(
        "dead_share",
        "dead units",
        "% of units",
        "Dead units have a derivative of 0 for every image (mean over the seeds).",
        f"over {100 * MAX_DEAD:.0f} % dead",
        0.0,
        MAX_DEAD,
    ),
    Probe(
        "saturated_share",
        "saturated inputs",
        "% of inputs",
        "Saturated inputs meet a slope under 5 % of the activation's largest (mean over the seeds).",
        f"over {100 * MAX_SATURATED:.0f} % saturated",
        0.0,
        MAX_SATURATED,
    ),
    Probe(
        "weight_gradient_norm",
        "gradient norm",
        "L2 norm",
        "The gradient norm is over a layer's weights (median over the seeds).",
        f"a gradient norm below {MIN_GRADIENT:g} or above {MAX_GRADIENT:g}",
        MIN_GRADIENT,
        MAX_GRADIENT,
    ),
)


@dataclass(frozen=True)
class ArmProbes:
    """One arm: its probed epochs, and for each probe's field the averages over the seeds, `[layers, epochs]`.

    Masked where nothing was measured; NaN where no seed gave a finite number.
    """

    label: str
    epochs: tuple[int, ...]
    cells: Mapping[str, Cells]

    def trouble(self, probe: Probe) -> float:
        """The share of the probe's cells that are in trouble."""
        return float(probe.is_trouble(self.cells[probe.field]).sum() / max(1, self.cells[probe.field].count()))


def arm_probes(results: Results) -> list[ArmProbes]:
    """The averages of each arm whose layers were probed, in the order of the plan."""
    arms = []
    for arm, trials in results.plan.arms:
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        probes = [(row, probe) for row, record in enumerate(records) for probe in record.probes]
        if not probes:
            continue
        epochs = sorted({probe.epoch for _, probe in probes})
        columns = {epoch: column for column, epoch in enumerate(epochs)}
        shape = (len(records), max(probe.layer for _, probe in probes), len(epochs))
        numbers = {kind.field: np.full(shape, np.nan) for kind in PROBES}
        was_probed = np.zeros(shape[1:], dtype=bool)
        for row, probe in probes:
            layer, column = probe.layer - 1, columns[probe.epoch]
            was_probed[layer, column] = True
            for field, array in numbers.items():
                array[row, layer, column] = np.nan if getattr(probe, field) is None else getattr(probe, field)
        cells = {kind.field: _averages(kind, numbers[kind.field], was_probed) for kind in PROBES}
        arms.append(ArmProbes(arm.label(), tuple(epochs), cells))
    return arms


def _averages(probe: Probe, numbers: Numbers, was_probed: Any) -> Cells:
    """The mean of shares, the median of norms, which differ by powers of ten, over `[seeds, layers, epochs]`.

    A layer that never has a share, such as the dead share of the last, has no cells.
    """
    finite = np.ma.masked_invalid(numbers)
    averages = (np.ma.mean if probe.is_share else np.ma.median)(finite, axis=0).filled(np.nan)
    has_none = np.isnan(averages).all(axis=1, keepdims=True) if probe.is_share else False
    return np.ma.masked_array(averages, mask=~was_probed | has_none)


def inside_picture(results: Results, comparison: Comparison) -> Picture | None:
    """What happens inside the networks; None if no layer was probed."""
    arms = arm_probes(results)
    if not arms:
        return None
    shown = _most_troubled(arms, comparison)
    probes = [probe for probe in PROBES if any(arm.cells[probe.field].count() for arm in shown)]
    every = [arm.cells[probe.field].compressed() for arm in shown for probe in probes]
    gradients = [arm.cells[PROBES[-1].field].compressed() for arm in shown]
    return picture(
        "inside",
        "Inside the networks: layer by epoch",
        lambda: _draw(shown, probes),
        caption=[
            "For each arm, layer 1 (next to the pixels) at the top; epoch 0 is before any step.",
            *(probe.explanation for probe in probes),
            f"Outlined: {', '.join(probe.trouble for probe in probes)}.",
            any(bool((cells < MIN_GRADIENT).any()) for cells in gradients)
            and "A gradient that is small late in training may only mean that nothing is left to learn.",
            any(bool(np.isnan(cells).any()) for cells in every)
            and "Outlined without a colour: no finite number in any seed.",
            len(shown) < len(arms) and f"Of {len(arms)} arms, the {len(shown)} with most kinds of trouble are shown.",
        ],
        description=[
            f"Heat maps of {', '.join(probe.title for probe in probes)} for {counted(len(shown), 'arm')}.",
            *(_trouble_in_words(shown, probe) for probe in probes),
        ],
    )


def _most_troubled(arms: Sequence[ArmProbes], comparison: Comparison) -> list[ArmProbes]:
    """All arms, or those with most kinds of trouble, the better ones among equals."""
    rank = {row.sample.label: number for number, row in enumerate(ranked(comparison))}

    def order(arm: ArmProbes) -> tuple[int, int]:
        return -sum(arm.trouble(probe) > 0 for probe in PROBES), rank.get(arm.label, len(rank))

    kept = sorted(arms, key=order)[:MAX_ARMS]
    return [arm for arm in arms if arm in kept]


def _trouble_in_words(shown: Sequence[ArmProbes], probe: Probe) -> str:
    """Where a probe shows trouble, the most troubled arms first."""
    troubled = sorted((arm for arm in shown if arm.trouble(probe)), key=lambda arm: -arm.trouble(probe))
    named = [f"{visible(arm.label)} in {100 * arm.trouble(probe):.0f} % of cells" for arm in troubled[:MAX_DESCRIBED]]
    more = [f"{len(troubled) - len(named)} more"] if len(troubled) > len(named) else []
    return f"{probe.trouble[0].upper()}{probe.trouble[1:]}: {listed([*named, *more]) or 'nowhere'}."


@dataclass(frozen=True)
class Block:
    """An arm's place in a column of arms, in inches from the top: where layer 1 begins, and the height of a layer."""

    arm: ArmProbes
    top: float
    row: float

    def layer_edges(self) -> Numbers:
        """Where each layer begins, and the last one ends."""
        ((layers, _),) = {cells.shape for cells in self.arm.cells.values()}
        edges: Numbers = self.top + self.row * np.arange(layers + 1)
        return edges


def _stack_blocks(arms: Sequence[ArmProbes]) -> list[Block]:
    """The arms below each other, each under its name."""
    blocks, bottom = [], 0.0
    for arm in arms:
        layers = len(arm.cells[PROBES[0].field])
        block = Block(arm, bottom + NAME_INCHES, min(ROW_INCHES, MAX_ARM_INCHES / layers))
        blocks.append(block)
        bottom = float(block.layer_edges()[-1])
    return blocks


def _draw(shown: Sequence[ArmProbes], probes: Sequence[Probe]) -> Figure:
    halves = 1 if len(shown) <= MAX_IN_A_COLUMN or len(probes) == 1 else 2
    size = -(-len(shown) // halves)
    columns = [_stack_blocks(shown[start : start + size]) for start in range(0, len(shown), size)]
    height = float(max(blocks[-1].layer_edges()[-1] for blocks in columns))
    width = COLUMN_INCHES if halves == 1 else PAGE_INCHES
    figure = new_figure(width, height + 0.85)
    grid = iter(figure.subplots(1, len(probes) * len(columns), squeeze=False)[0])
    bar = (width / len(probes) / len(columns) - BESIDE_A_BAR_INCHES, height)
    for blocks in columns:
        for probe in probes:
            axes = next(grid)
            colours = _draw_cells(axes, blocks, probe, probe.colour_edges(shown))
            _name_cells(axes, blocks, probe, height, is_first=probe is probes[0])
            if probe is probes[0]:
                _name_arms(axes, blocks, width / halves)
            _colour_bar(figure, axes, probe, colours, bar)
    return figure


def epoch_positions(epochs: Sequence[int]) -> Numbers:
    """Where epochs are along x: in a long training by the logarithm of one more than the epoch."""
    positions = np.asarray(epochs, dtype=float)
    return np.log10(positions + 1) if epochs[-1] > LONG_TRAINING_EPOCHS else positions


def cell_edges(epochs: Sequence[int]) -> Numbers:
    """Where cells begin and end along x: halfway between the epochs."""
    at = epoch_positions(epochs)
    between = (at[1:] + at[:-1]) / 2
    first, last = (2 * at[0] - between[0], 2 * at[-1] - between[-1]) if len(between) else (at[0] - 0.5, at[0] + 0.5)
    return np.concatenate([[first], between, [last]])


def _draw_cells(axes: Axes, blocks: Sequence[Block], probe: Probe, edges: Sequence[float]) -> Any:
    """The cells of all arms in their colours, and an outline around trouble; the mapping from values to colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import BoundaryNorm
    from matplotlib.patches import PathPatch

    colours = colour_map(len(edges) - 1, is_reversed=probe.is_share)
    norm = BoundaryNorm(edges, len(edges) - 1, clip=True)
    for block in blocks:
        runs = list(_runs(block, probe, norm))
        shades = colours([step for step, _ in runs])
        axes.add_collection(PolyCollection([corners for _, corners in runs], facecolors=shades, linewidths=0))
        outline = _outline(probe.is_trouble(block.arm.cells[probe.field]), block)
        for style in OUTLINES:
            axes.add_patch(PathPatch(outline, fill=False, capstyle="projecting", **style))
    return ScalarMappable(norm, colours)


def _runs(block: Block, probe: Probe, norm: BoundaryNorm) -> Iterator[tuple[int, list[tuple[float, float]]]]:
    """Neighbouring epochs of one colour as rectangles: fewer shapes than cells, without seams."""
    x, y, cells = cell_edges(block.arm.epochs), block.layer_edges(), block.arm.cells[probe.field]
    steps = norm(np.ma.masked_invalid(cells)).filled(ABSENT)
    for top, bottom, row in zip(y[:-1], y[1:], steps.tolist(), strict=True):
        for step, run in groupby(range(len(row)), key=row.__getitem__):
            columns = list(run)
            left, right = x[columns[0]], x[columns[-1] + 1]
            if step != ABSENT:
                yield step, [(left, top), (right, top), (right, bottom), (left, bottom)]


def _outline(is_trouble: Any, block: Block) -> Path:
    """The lines between cells that are in trouble and those that are not."""
    from matplotlib.path import Path

    x, y, padded = cell_edges(block.arm.epochs), block.layer_edges(), np.pad(is_trouble, 1)
    across = np.argwhere(np.diff(padded, axis=0)[:, 1:-1]).tolist()
    down = np.argwhere(np.diff(padded, axis=1)[1:-1]).tolist()
    lines = [((x[column], y[row]), (x[column + 1], y[row])) for row, column in across]
    lines += [((x[column], y[row]), (x[column], y[row + 1])) for row, column in down]
    return Path(np.reshape(lines, (-1, 2)), [Path.MOVETO, Path.LINETO] * len(lines))


def _name_arms(axes: Axes, blocks: Sequence[Block], inches: float) -> None:
    """Each name above its arm, across the probes beside this one."""
    style: Any = {"va": "center", "fontsize": SMALL_POINTS, "in_layout": False}
    for block in blocks:
        name = shortened(block.arm.label, characters_in(inches - 0.3))
        axes.text(0.0, block.top - NAME_INCHES / 2, name, transform=axes.get_yaxis_transform(), **style)


def _name_cells(axes: Axes, blocks: Sequence[Block], probe: Probe, height: float, *, is_first: bool) -> None:
    axes.set_title(probe.title, pad=2.0)
    edges = cell_edges(max((block.arm.epochs for block in blocks), key=len))
    axes.set(xlim=(edges[0], edges[-1]), ylim=(height, 0.0))
    last = blocks[0].arm.epochs[-1]
    powers = [0, *(10**power for power in range(1, 7) if 10**power <= last)]
    epochs = powers if last > LONG_TRAINING_EPOCHS else range(0, last + 1, max(1, -(-last // 4)))
    axes.set_xticks(epoch_positions([*epochs, last])[:-1], labels=[f"{epoch:.10g}" for epoch in epochs])
    axes.set_xlabel("epoch", fontsize=SMALL_POINTS)
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=is_first, labelsize=CELL_POINTS)
    marks: dict[float, str] = {}
    for block in blocks:
        middles = (block.layer_edges()[1:] - block.row / 2).tolist()
        every = math.ceil(MIN_MARKED_INCHES / block.row)
        marks |= {middle: str(layer) for layer, middle in list(enumerate(middles, 1))[::every]}
    axes.set_yticks(list(marks), labels=list(marks.values()))
    if is_first:
        axes.set_ylabel("layer", fontsize=SMALL_POINTS)


def _colour_bar(figure: Figure, axes: Axes, probe: Probe, colours: Any, inches: tuple[float, float]) -> None:
    """What the colours mean, under axes that are about so wide and high."""
    width, height = inches
    sizes: Any = {"aspect": width / BAR_INCHES, "fraction": BAR_INCHES / height, "pad": 0.04 / height}
    bar = figure.colorbar(colours, ax=axes, location="bottom", **sizes)
    marked = sorted((probe.low or 1.0, probe.high))
    bar.set_ticks(marked, labels=[probe.edge_text(edge) for edge in marked])
    bar.ax.tick_params(length=2, labelsize=CELL_POINTS)
    bar.outline.set_visible(False)
    bar.set_label(probe.unit, fontsize=CELL_POINTS)
