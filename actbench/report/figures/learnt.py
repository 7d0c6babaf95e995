"""Learnt parameters of activations, such as prelu's slope, by layer and epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import Values
from actbench.report.figures.layout import (
    End,
    Paper,
    Picture,
    bottom_axis,
    end_label_width,
    labels_at_ends,
    left_axis,
    number_shown,
    picture,
    tick_width,
)
from actbench.report.figures.looks import looks
from actbench.report.figures.marks import Dot, Group, Line, Mark, Scene
from actbench.report.figures.scales import Axis, Scale, limits
from actbench.report.numbers import value
from actbench.store.results import Results
from actbench.text import counted, visible

MAX_CURVES, MAX_PANELS = 12, 4
SPREAD = "_sd"


@dataclass(frozen=True)
class LearntCurve:
    """The mean over the seeds of one learnt parameter of one layer of an arm, after each probed epoch."""

    arm: str
    values: Values
    layer: int
    parameter: str
    means: tuple[tuple[int, float], ...]

    def text(self, number: float) -> str:
        """A number as the tables show it."""
        return value(number, parse_metric(f"layer{self.layer}.{self.parameter}"))


def learnt_curves(results: Results) -> list[LearntCurve]:
    """The curves of each arm, parameter by parameter and layer by layer."""
    curves = []
    for arm, trials in results.plan.arms:
        found: dict[tuple[str, int], dict[int, list[float]]] = {}
        for record in (results.records[trial.id] for trial in trials if trial.id in results.records):
            for probe in record.probes:
                for name, number in probe.learnt.items():
                    if number is not None and not name.endswith(SPREAD):
                        found.setdefault((name, probe.layer), {}).setdefault(probe.epoch, []).append(number)
        for (name, layer), by_epoch in sorted(found.items()):
            means = tuple((epoch, fmean(numbers)) for epoch, numbers in sorted(by_epoch.items()))
            curves.append(LearntCurve(arm.label(), arm.values, layer, name, means))
    return curves


def learnt_picture(results: Results) -> Picture | None:
    """One panel for each parameter; None where no activation learns one."""
    curves = learnt_curves(results)
    if not curves:
        return None
    names = list(dict.fromkeys(curve.parameter for curve in curves))
    panels = [[curve for curve in curves if curve.parameter == name] for name in names[:MAX_PANELS]]
    longest = max(panels, key=len)
    return picture(
        "learnt",
        "Learnt parameters of the activations",
        lambda paper: _draw([panel[:MAX_CURVES] for panel in panels], paper),
        caption=[
            "Means over the seeds before training (epoch 0) and after each probed epoch; of a parameter with a value "
            "for each feature, the mean over the features.",
            number_shown(min(len(longest), MAX_CURVES), len(longest), first="first").replace("arms", "curves"),
            len(names) > MAX_PANELS and f"The first {MAX_PANELS} of {len(names)} parameters are shown.",
        ],
        description=[f"{counted(len(curves), 'curve')}: {'; '.join(map(_described, curves[:MAX_CURVES]))}."],
    )


def _described(curve: LearntCurve) -> str:
    first, last = (curve.text(number) for _, number in (curve.means[0], curve.means[-1]))
    return f"{curve.parameter} of {visible(curve.arm)}, layer {curve.layer}, goes from {first} to {last}"


def _draw(panels: Sequence[Sequence[LearntCurve]], paper: Paper) -> Scene:
    em, top, marks = paper.size, 2.4 * paper.size, list[Mark]()
    right = paper.width - end_label_width([_ending(curve, paper) for panel in panels for curve in panel], paper)
    for panel in panels:
        bottom = top + max(12 * em, 1.1 * paper.small * len(panel))
        marks += _panel(panel, right, top, bottom, paper)
        top = bottom + 6.2 * em
    return Scene(paper.width, top - 2.6 * em, marks)


def _ending(curve: LearntCurve, paper: Paper) -> str:
    return f"{paper.named(curve.arm)}, layer {curve.layer}: {curve.text(curve.means[-1][1])}"


def _panel(curves: Sequence[LearntCurve], right: float, top: float, bottom: float, paper: Paper) -> list[Mark]:
    em, scale = paper.size, Scale()
    y = Axis(scale, limits([number for curve in curves for _, number in curve.means], scale), bottom, top)
    left = tick_width(y, paper)
    last = max(curve.means[-1][0] for curve in curves)
    x = Axis(scale, (0, max(last, 1)), left + 0.5 * em, right - 0.3 * em)
    marks = left_axis(y, left, right, curves[0].parameter, paper)
    marks += bottom_axis(x, top, bottom, "epoch", paper, most=max(2, min(last, int((right - left) / (4 * em)))))
    chosen, ends = looks({curve.arm: curve.values for curve in curves}), []
    for curve in curves:
        look, points = chosen[curve.arm], [(x.at(epoch), y.at(number)) for epoch, number in curve.means]
        dashes = [length * em / 14 for length in look.dashes]
        drawn: list[Mark] = [Line(points, look.colour, 0.12 * em, dashes)]
        drawn.append(Dot(*points[-1], 0.24 * em, look.colour, look.marker, tip=_ending(curve, paper)))
        marks.append(Group(drawn, curve.arm))
        ends.append(End(curve.arm, points[-1][1], _ending(curve, paper), look.colour))
    return [*marks, *labels_at_ends(ends, right - 0.3 * em, top, bottom, paper)]
