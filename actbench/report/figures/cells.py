"""One arm's heat map of a probe, layer by epoch, with an outline around what tells trouble."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from actbench.report.figures.heat import colour_map
from actbench.report.figures.probes import SHARE_STEPS, ArmInside, Probe
from actbench.report.figures.series import LONG_TRAINING_EPOCHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES, NAME_INCHES, TALLEST_ARM_INCHES = 0.115, 0.19, 1.2
THINNEST_MARKED_INCHES = 0.1
UNDER_THE_OUTLINE, OUTLINE = "#ffffff", "#000000"
Segment = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Block:
    """An arm's place in a column of arms: where its name's line is and where layer 1 begins, in inches from the top."""

    arm: ArmInside
    name_at: float
    top: float
    row: float

    def bottom(self) -> float:
        """Where the last layer ends."""
        return self.top + self.row * self.arm.layers

    def layer_marks(self) -> list[tuple[float, str]]:
        """The middles of the layers with their numbers; of thin layers only some."""
        every = math.ceil(THINNEST_MARKED_INCHES / self.row)
        return [(self.top + self.row * (layer - 0.5), str(layer)) for layer in range(1, self.arm.layers + 1, every)]


def stack_blocks(arms: Sequence[ArmInside]) -> list[Block]:
    """The arms below each other, each under its name."""
    blocks, top = [], 0.0
    for arm in arms:
        row = min(ROW_INCHES, TALLEST_ARM_INCHES / arm.layers)
        block = Block(arm, top + NAME_INCHES / 2, top + NAME_INCHES, row)
        blocks.append(block)
        top = block.bottom()
    return blocks


def colour_steps(shown: Sequence[ArmInside], probe: Probe) -> range:
    """The steps that the colours are for: all tenths; or the powers of ten without trouble and those that occur."""
    if probe.is_share:
        return range(SHARE_STEPS)
    means = [cell.mean for arm in shown for cell in arm.cells[probe.field].values() if cell.mean is not None]
    found = [probe.step(mean) for mean in means if mean > 0]
    lowest, highest = probe.marked_steps()
    return range(min([*found, lowest]), max([*found, highest - 1]) + 1)


def cell_edges(epochs: Sequence[int]) -> list[float]:
    """Where cells begin and end along x: by ratio in a long training."""
    at = [math.log10(epoch + 1) if epochs[-1] > LONG_TRAINING_EPOCHS else float(epoch) for epoch in epochs]
    between = [(left + right) / 2 for left, right in pairwise(at)]
    first = at[0] - (between[0] - at[0] if between else 0.5)
    last = at[-1] + (at[-1] - between[-1] if between else 0.5)
    return [first, *between, last]


def draw_blocks(axes: Axes, blocks: Sequence[Block], probe: Probe, steps: range) -> None:
    """The cells of all arms in their colours, and the outlines."""
    from matplotlib.collections import LineCollection, PolyCollection

    colours = colour_map(len(steps), is_reversed=probe.is_share)
    runs = [run for block in blocks for run in _runs(block, probe)]
    coloured = [(run, min(max(run.look, steps[0]), steps[-1])) for run in runs if run.look is not None]
    shades = [colours((step - steps[0] + 0.5) / len(steps)) for _, step in coloured]
    axes.add_collection(PolyCollection([run.corners() for run, _ in coloured], facecolors=shades, linewidths=0))
    hatched = [run.corners() for run in runs if run.look is None]
    if hatched:
        axes.add_collection(PolyCollection(hatched, facecolors="none", hatch="xxxxx", linewidths=0))
    outline = [line for block in blocks for line in _outline(block, probe)]
    axes.add_collection(LineCollection(outline, colors=UNDER_THE_OUTLINE, linewidths=1.8, capstyle="projecting"))
    axes.add_collection(LineCollection(outline, colors=OUTLINE, linewidths=0.8, capstyle="projecting"))


@dataclass(frozen=True)
class Run:
    """Neighbouring epochs of one look: the step of their colour, or None for no number; fewer shapes, and no seams."""

    look: int | None
    left: float
    right: float
    top: float
    bottom: float

    def corners(self) -> list[tuple[float, float]]:
        """Round the rectangle."""
        return [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]


def _runs(block: Block, probe: Probe) -> Iterator[Run]:
    edges, cells = cell_edges(block.arm.epochs), block.arm.cells[probe.field]
    for layer in range(1, block.arm.layers + 1):
        row = [cells.get((layer, epoch)) for epoch in block.arm.epochs]
        looks = [(cell is not None, probe.step(cell.mean) if cell and cell.mean is not None else None) for cell in row]
        top = block.top + block.row * (layer - 1)
        for (is_there, look), run in groupby(range(len(row)), key=looks.__getitem__):
            numbers = list(run)
            if is_there:
                yield Run(look, edges[numbers[0]], edges[numbers[-1] + 1], top, top + block.row)


def _outline(block: Block, probe: Probe) -> list[Segment]:
    """The lines between cells that tell trouble and those that do not."""
    edges = cell_edges(block.arm.epochs)
    cells, epochs, layers = block.arm.cells[probe.field], block.arm.epochs, block.arm.layers

    def is_trouble(layer: int, column: int) -> bool:
        found = cells.get((layer, epochs[column])) if 0 <= column < len(epochs) else None
        return found is not None and found.is_trouble

    lines: list[Segment] = []
    for border in range(layers + 1):
        y = block.top + block.row * border
        differs = [is_trouble(border, column) != is_trouble(border + 1, column) for column in range(len(epochs))]
        for has_line, run in groupby(range(len(epochs)), key=differs.__getitem__):
            numbers = list(run)
            if has_line:
                lines.append(((edges[numbers[0]], y), (edges[numbers[-1] + 1], y)))
    for column in range(len(epochs) + 1):
        differs = [is_trouble(layer, column - 1) != is_trouble(layer, column) for layer in range(1, layers + 1)]
        for has_line, run in groupby(range(layers), key=differs.__getitem__):
            numbers = list(run)
            if has_line:
                top, bottom = (block.top + block.row * number for number in (numbers[0], numbers[-1] + 1))
                lines.append(((edges[column], top), (edges[column], bottom)))
    return lines
