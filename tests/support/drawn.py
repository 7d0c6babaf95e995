"""Made-up results for pictures, and what can be read off a drawn figure."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.layers import resolve_layers
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Curves, LayerProbe, Trial, TrialRecord
from actbench.plan.plan import make_plan
from actbench.report.figures.layout import Picture
from actbench.report.figures.pictures import pictures
from actbench.report.figures.style import drawing
from actbench.store.results import Results
from builders import experiment_from, record_of

SVG = "{http://www.w3.org/2000/svg}"
TOUCHING_PIXELS = 1.5


def trained(trial: Trial, **changes: Any) -> TrialRecord:
    """A record with curves, probes and times; its numbers depend on the trial alone."""
    drawn = random.Random(int(hashlib.sha256(trial.id.encode()).hexdigest()[:8], 16))
    data, epochs = trial.settings.data, trial.settings.train.epochs
    level = 0.9 + 0.05 * drawn.random()
    shares = [level * (1 - 0.5 ** (epoch + 1)) + 0.01 * drawn.random() for epoch in range(epochs)]
    fields: dict[str, Any] = {
        "curves": Curves(
            train_loss=tuple(1 - share for share in shares),
            train_correct_count=tuple(round(share * data.train_count()) for share in shares),
            validation_loss=tuple(1 - share for share in shares) if data.validation_count() else (),
            validation_correct_count=tuple(round(share * data.validation_count()) for share in shares)
            if data.validation_count()
            else (),
        ),
        "probes": tuple(_probes(trial, drawn)),
        "epoch_seconds": tuple(0.01 + 0.01 * drawn.random() for _ in range(epochs)),
        "test_prediction_counts": (10, 20),
    }
    return record_of(trial, round(level * data.test_count()), **{**fields, **changes})


def _probes(trial: Trial, drawn: random.Random) -> list[LayerProbe]:
    depth = len(resolve_layers(trial.settings))
    return [
        LayerProbe(
            epoch=epoch,
            layer=layer,
            mean=0.1,
            sd=1.0,
            zero_share=0.2,
            dead_share=None if layer == depth else 0.3 * drawn.random(),
            saturated_share=None if layer == depth else drawn.random(),
            weight_gradient_norm=10 ** drawn.uniform(-6, 3),
            bias_gradient_norm=0.1,
        )
        for epoch in sorted(trial.settings.train.probed_epochs())
        for layer in range(1, depth + 1)
    ]


def results_from(text: str, folder: Path, train: Callable[[Trial], TrialRecord] = trained) -> Results:
    """The results that a run of this experiment would leave if `train` trained it."""
    experiment = experiment_from(text, folder)
    records: dict[str, TrialRecord] = {}
    plan = make_plan(experiment, records)
    while missing := [trial for key, trial in plan.trials().items() if key not in records]:
        records |= {trial.id: train(trial) for trial in missing}
        plan = make_plan(experiment, records)
    return Results(folder, experiment, plan, records, 0, {}, 0, {})


def renamed(results: Results, names: Sequence[str]) -> Results:
    """The same results with arms of one factor that are called anything."""
    named = {
        arm.values: ((path, name),)
        for name, (arm, _) in zip(names, results.plan.arms, strict=True)
        for path, _ in arm.values
    }
    arms = tuple((replace(arm, values=named[arm.values]), trials) for arm, trials in results.plan.arms)
    tunings = tuple(
        replace(tuning, arm=replace(tuning.arm, values=named[tuning.arm.values])) for tuning in results.plan.tunings
    )
    baseline = named.get(results.experiment.baseline, ())
    return replace(
        results,
        plan=replace(results.plan, arms=arms, tunings=tunings),
        experiment=replace(results.experiment, baseline=baseline),
    )


def comparison_of(results: Results, metric: str = "test_accuracy") -> Comparison:
    """The comparison that a report of these results makes."""
    return compare(results.plan, results.records, question_of(results.experiment, parse_metric(metric)))


def pictures_of(results: Results, metric: str = "test_accuracy") -> dict[str, Picture]:
    """The pictures of a report by name, in its order."""
    return {picture.name: picture for picture in pictures(results, comparison_of(results, metric))}


def texts(svg: str) -> list[str]:
    """What an inlined picture writes, its title and description left out."""
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def misplaced_texts(figure: Figure) -> list[str]:
    """Texts that are cut off at the figure's edge or run into another."""
    canvas: Any = FigureCanvasAgg(figure)
    with drawing():
        canvas.draw()
    renderer = canvas.get_renderer()
    shown = [text for text in figure.findobj(Text) if _is_shown(text)]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in shown]
    cut = [
        f"{text!r} is cut"
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > figure.bbox.width + 1 or box.y1 > figure.bbox.height + 1
    ]
    return cut + [
        f"{first!r} runs into {second!r}"
        for number, (first, a) in enumerate(boxes)
        for second, b in boxes[number + 1 :]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > TOUCHING_PIXELS and min(a.y1, b.y1) - max(a.y0, b.y0) > TOUCHING_PIXELS
    ]


def _is_shown(text: Text) -> bool:
    in_axes = text.axes is None or text.axes.get_visible()
    return bool(text.get_text().strip()) and text.get_visible() and in_axes
