"""Made-up results for pictures, and what can be read off a drawn figure."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.layers import resolve_layers
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Curves, LayerProbe, Trial, TrialRecord
from actbench.plan.plan import make_plan
from actbench.report.figures.layout import FULL, Paper, Picture
from actbench.report.figures.marks import Scene, Text, text_width
from actbench.report.files import pictures
from actbench.report.request import with_short_names
from actbench.store.results import Results
from builders import experiment_from, record_of

TOUCHING = 0.12


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
    shown = with_short_names(results)
    return {picture.name: picture for picture in pictures(shown, comparison_of(shown, metric))}


def drawn_texts(picture: Picture, paper: Paper = FULL) -> list[str]:
    """What a picture writes, in the order in which it is drawn."""
    return [mark.text for mark in picture.draw(paper).walk() if isinstance(mark, Text)]


def misplaced_texts(scene: Scene) -> list[str]:
    """Texts that are cut off at the picture's edge or run into another."""
    shown = [(mark.text, _box(mark)) for mark in scene.walk() if isinstance(mark, Text) and mark.text.strip()]
    cut = [
        f"{text!r} is cut"
        for text, (left, top, right, bottom) in shown
        if left < -1 or top < -1 or right > scene.width + 1 or bottom > scene.height + 1
    ]
    return cut + [
        f"{first!r} runs into {second!r}"
        for number, (first, a) in enumerate(shown)
        for second, b in shown[number + 1 :]
        if min(a[2], b[2]) - max(a[0], b[0]) > TOUCHING * (b[3] - b[1])
        and min(a[3], b[3]) - max(a[1], b[1]) > TOUCHING * (b[3] - b[1])
    ]


def _box(text: Text) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text."""
    width = text_width(text.text, text.size, is_bold=text.is_bold)
    left = text.x - {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    return left, text.y - 0.75 * text.size, left + width, text.y + 0.22 * text.size
