"""Dead units, saturation and gradients as heat maps of layer by epoch, arm below arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.report.figures.axes import characters_in, new_figure, set_epochs_from_0
from actbench.report.figures.cells import Block, cell_edges, colour_steps, draw_blocks, stack_blocks
from actbench.report.figures.heat import colour_map
from actbench.report.figures.picture import Picture
from actbench.report.figures.probes import MIN_GRADIENT, PROBES, ArmInside, Probe, insides
from actbench.report.figures.series import LONG_TRAINING_EPOCHS
from actbench.report.figures.style import CELL_POINTS, COLUMN_INCHES, PAGE_INCHES, SMALL_POINTS, drawing
from actbench.report.figures.words import listed, plain, shortened
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ARMS = 16
MAX_IN_A_COLUMN = 4
BAR_INCHES, BESIDE_A_BAR_INCHES = 0.07, 0.3
NAMES_OF_STEPS = 0.3


def inside_picture(results: Results, comparison: Comparison) -> Picture | None:
    """What happens inside the networks; None where no layer was probed."""
    found = insides(results)
    if not found:
        return None
    shown = _shown(found, comparison)
    probes = [probe for probe in PROBES if any(arm.cells[probe.field] for arm in shown)]
    return Picture(
        name="inside",
        title="Inside the networks: layer by epoch",
        caption=_caption(found, shown, probes),
        description=_description(shown, probes),
        draw=lambda: _draw(shown, probes),
    )


def _shown(found: Sequence[ArmInside], comparison: Comparison) -> list[ArmInside]:
    """All arms, or those with most trouble; among equals the better ones."""
    if len(found) <= MAX_ARMS:
        return list(found)
    means = {row.sample.label: row.own.mean or 0.0 for row in comparison.rows}
    sign = 1 if comparison.metric.larger_is_better is False else -1
    ranked = sorted(
        range(len(found)),
        key=lambda index: (
            -sum(found[index].trouble(probe) > 0 for probe in PROBES),
            sign * means.get(found[index].label, 0.0),
        ),
    )
    return [found[index] for index in sorted(ranked[:MAX_ARMS])]


def _caption(found: Sequence[ArmInside], shown: Sequence[ArmInside], probes: Sequence[Probe]) -> str:
    sentences = [
        "For each arm, layer 1 (next to the pixels) at the top; epoch 0 is before any step.",
        *(probe.explanation for probe in probes),
        f"Outlined: {', '.join(probe.trouble for probe in probes)}.",
    ]
    gradients = [cell for arm in shown for cell in arm.cells[PROBES[-1].field].values()]
    if any(cell.mean is not None and cell.mean < MIN_GRADIENT for cell in gradients):
        sentences.append("A gradient that is small late in training may only mean that nothing is left to learn.")
    if any(cell.mean is None for arm in shown for probe in probes for cell in arm.cells[probe.field].values()):
        sentences.append("Hatched: no finite number in any seed.")
    if len(shown) < len(found):
        sentences.append(f"Of {len(found)} arms, the {len(shown)} with most kinds of trouble are shown.")
    return " ".join(sentences)


def _description(shown: Sequence[ArmInside], probes: Sequence[Probe]) -> str:
    names = ", ".join(probe.title for probe in probes)
    return " ".join(
        [f"Heat maps of {names} for {counted(len(shown), 'arm')}.", *(_troubled(shown, probe) for probe in probes)]
    )


def _troubled(shown: Sequence[ArmInside], probe: Probe) -> str:
    """Where a probe tells trouble, the most troubled arms first."""
    shares = {arm.label: 100 * arm.trouble(probe) / max(1, len(arm.cells[probe.field])) for arm in shown}
    ranked = sorted((label for label in shares if shares[label]), key=lambda label: -shares[label])
    named = [f"{plain(label)} in {shares[label]:.0f} % of cells" for label in ranked]
    return f"{probe.trouble[0].upper()}{probe.trouble[1:]}: {listed(named, 4) or 'nowhere'}."


def _draw(shown: Sequence[ArmInside], probes: Sequence[Probe]) -> Figure:
    halves = 1 if len(shown) <= MAX_IN_A_COLUMN or len(probes) == 1 else 2
    size = -(-len(shown) // halves)
    columns = [stack_blocks(shown[start : start + size]) for start in range(0, len(shown), size)]
    height = max(blocks[-1].bottom() for blocks in columns)
    width = COLUMN_INCHES if halves == 1 else PAGE_INCHES
    with drawing():
        figure = new_figure(width, height + 0.85)
        grid = figure.subplots(1, len(probes) * len(columns), squeeze=False)[0]
        for half, blocks in enumerate(columns):
            for number, probe in enumerate(probes):
                axes = grid[half * len(probes) + number]
                draw_blocks(axes, blocks, probe, colour_steps(shown, probe))
                if number == 0:
                    _name_arms(axes, blocks, width / halves)
                _finish(axes, blocks, probe, height, is_first=number == 0)
        for axes, probe in zip(grid, [*probes] * len(columns), strict=True):
            inches = width / len(grid) - BESIDE_A_BAR_INCHES
            _colour_bar(figure, axes, probe, colour_steps(shown, probe), (inches, height))
    return figure


def _name_arms(axes: Axes, blocks: Sequence[Block], inches: float) -> None:
    """Each name above its arm, across the probes beside this one."""
    style: Any = {"va": "center", "fontsize": SMALL_POINTS, "in_layout": False}
    for block in blocks:
        name = shortened(block.arm.label, characters_in(inches - 0.3))
        axes.text(0.0, block.name_at, name, transform=axes.get_yaxis_transform(), **style)


def _finish(axes: Axes, blocks: Sequence[Block], probe: Probe, height: float, *, is_first: bool) -> None:
    axes.set_title(probe.title, pad=2.0)
    edges = cell_edges(max((block.arm.epochs for block in blocks), key=len))
    axes.set(xlim=(edges[0], edges[-1]), ylim=(height, 0.0))
    last = blocks[0].arm.epochs[-1]
    set_epochs_from_0(axes, last, is_long=last > LONG_TRAINING_EPOCHS)
    axes.set_xlabel("epoch", fontsize=SMALL_POINTS)
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=is_first, labelsize=CELL_POINTS)
    marks = [mark for block in blocks for mark in block.layer_marks()]
    axes.set_yticks([position for position, _ in marks], labels=[text for _, text in marks])
    if is_first:
        axes.set_ylabel("layer", fontsize=SMALL_POINTS)


def _colour_bar(figure: Figure, axes: Axes, probe: Probe, steps: range, inches: tuple[float, float]) -> None:
    """What the colours mean, under axes that are about so wide and high."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm

    edges = [*steps, steps[-1] + 1]
    colours = ScalarMappable(BoundaryNorm(edges, len(steps)), colour_map(len(steps), is_reversed=probe.is_share))
    width, height = inches
    sizes: Any = {"aspect": width / BAR_INCHES, "fraction": BAR_INCHES / height, "pad": 0.04 / height}
    bar = figure.colorbar(colours, ax=axes, location="bottom", **sizes)
    inner = [edge for edge in probe.marked_steps() if edges[0] < edge < edges[-1]]
    room = NAMES_OF_STEPS * len(steps)
    marked = sorted([*inner, *(end for end in (edges[0], edges[-1]) if all(abs(end - one) > room for one in inner))])
    bar.set_ticks(marked, labels=[probe.step_text(edge) for edge in marked])
    bar.ax.tick_params(length=2, labelsize=CELL_POINTS)
    bar.outline.set_visible(False)
    bar.set_label(probe.unit, fontsize=CELL_POINTS)
