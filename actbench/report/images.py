"""Which test images arms get wrong, as tables and as plain data; what each network predicted, as one table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.analysis.images import (
    Flips,
    HardImage,
    ImageContrast,
    hardest_images,
    image_contrasts,
    wrong_images,
)
from actbench.catalogue.arrays import Arrays, Dataset
from actbench.errors import ConfigurationError
from actbench.experiment.metrics import parse_metric
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, interval, probability, value
from actbench.statistics.intervals import Estimate
from actbench.statistics.multiple import ALPHA
from actbench.store.results import Results
from actbench.store.tables import Table
from actbench.text import counted

ACCURACY = parse_metric("test_accuracy")
HARDEST, MAX_CLASS_COLUMNS = 10, 20
MIN_SIDE, SHADES = 4, " .:-=+*#%@"
PREDICTION_COLUMNS = ("arm", "trial", "seed", "image", "label", "predicted", "correct")


def images_sections(comparison: Comparison, results: Results) -> list[Section]:
    """Flips against the baseline, differences by class, the hardest images; without what no record says."""
    flips, classes, baselines = [], [], []
    for one in image_contrasts(comparison, results.plan, results.records):  # each is large, so none is kept
        flips.append([one.label, *_flips_cells(one)])
        classes.append([one.label, *map(_difference_cell, one.by_class)])
        baselines.append(one.baseline)
    has_classes = flips and 1 < len(classes[0]) <= 1 + MAX_CLASS_COLUMNS
    hardest = hardest_images(results.plan, results.records, HARDEST)
    return [
        *([_flips_section(flips, baselines[0])] if flips else []),
        *([_classes_section(classes, baselines[0])] if has_classes else []),
        *([_hardest_section(hardest)] if hardest else []),
    ]


def _flips_cells(one: ImageContrast) -> list[str]:
    lost, won = (fmean(getattr(flips, name) for flips in one.by_seed) for name in ("lost", "won"))
    clear = f"{sum(flips.p < ALPHA for flips in one.by_seed)} of {len(one.by_seed)}"
    majority = (str(one.majority.lost), str(one.majority.won), probability(one.majority.p))
    errors = (one.errors.seeds, one.errors.seeds_and_images) if one.errors else (None, None)
    numbers = [value(error, ACCURACY, digits=4) for error in errors]
    return [f"{lost:.1f}", f"{won:.1f}", clear, *majority, *numbers, interval(one.interval(), ACCURACY, signed=True)]


def _flips_section(rows: list[list[str]], baseline: str) -> Section:
    notes = [
        f"Test images that the arm gets wrong and {baseline} right (lost), and the other way round (won): the mean "
        "over the seeds, and for the majority vote of each arm's networks.",
        "Each p is that of McNemar's exact test, not adjusted: for each seed between its two networks, and as majority "
        "p between the two votes. It is about trained networks, not about arms, so seeds are never pooled.",
        "se: standard error of the difference in points for other seeds on these images, and for other seeds and other "
        "images of this kind; the interval is for other seeds and other images.",
    ]
    header = [
        "arm", "lost", "won", "seeds with p < 0.05", "majority lost", "majority won", "majority p", "se, seeds",
        "se, seeds and images", "95 % interval, seeds and images",
    ]  # fmt: skip
    return Section("which test images", header, rows, notes, importance=(0, 1, 2, 9, 4, 5, 6, 3, 8, 7))


def _difference_cell(difference: Estimate) -> str:
    low, high = difference.interval or (0.0, 0.0)
    return value(difference.mean, ACCURACY, signed=True) + "*" * (not low <= 0 <= high)


def _classes_section(rows: list[list[str]], baseline: str) -> Section:
    notes = [
        f"Difference to {baseline} in the share of each class's images that are right, in points; * where its 95 % "
        "interval over seeds excludes 0, by itself: of so many classes some do by chance."
    ]
    return Section("by class", ["arm", *map(str, range(len(rows[0]) - 1))], rows, notes)


def _hardest_section(hardest: Sequence[HardImage]) -> Section:
    columns = {"image": [str(one.image) for one in hardest]}
    if any(one.label is not None for one in hardest):
        columns["class"] = [_class_cell(one.label) for one in hardest]
        columns["most often taken for"] = [_class_cell(one.taken_for) for one in hardest]
    columns["wrong in"] = [f"{one.wrong} of {one.networks}" for one in hardest]
    notes = ["Images are counted from 0 in the order of the test set; 'wrong in' counts the networks of all arms."]
    rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
    return Section("the hardest images", list(columns), rows, notes)


def _class_cell(label: int | None) -> str:
    return ABSENT if label is None else str(label)


def other_images_document(comparison: Comparison, results: Results) -> list[dict[str, Any]]:
    """The error of each difference of test accuracies with seeds, and with seeds and images, as random factors."""
    return [
        {
            "arm": one.label,
            "baseline": one.baseline,
            "n": len(one.own.records),
            "difference": one.mean,
            "se_seeds": one.errors.seeds if one.errors else None,
            "se_seeds_and_images": one.errors.seeds_and_images if one.errors else None,
            "ci_seeds_and_images": one.interval(),
        }
        for one in image_contrasts(comparison, results.plan, results.records)
    ]


def images_document(comparison: Comparison, results: Results) -> dict[str, Any]:
    """Flips by seed and by majority, differences by class, the hardest images."""
    return {
        "arms": [
            {
                "arm": one.label,
                "baseline": one.baseline,
                "seeds": [{"seed": flips.seed, **_flips_document(flips)} for flips in one.by_seed],
                "majority": _flips_document(one.majority),
                "classes": [
                    {"class": label, "difference": of.mean, "difference_ci": of.interval}
                    for label, of in enumerate(one.by_class)
                ],
            }
            for one in image_contrasts(comparison, results.plan, results.records)
        ],
        "hardest": [
            {
                "image": one.image,
                "class": one.label,
                "taken_for": one.taken_for,
                "wrong": one.wrong,
                "networks": one.networks,
            }
            for one in hardest_images(results.plan, results.records, HARDEST)
        ],
    }


def hardest_pictures(results: Results, dataset: Dataset, arrays: Arrays, count: int) -> list[str]:
    """The hardest test images as characters, the darker the brighter the pixel, each below a line about it.

    Raises `ConfigurationError` where the inputs are no square images, or no record says which are wrong.
    """
    side = math.isqrt(dataset.features)
    if side**2 != dataset.features or side < MIN_SIDE:
        raise ConfigurationError(f"--hardest: {dataset} has {dataset.features} inputs, which are no square image")
    hardest = hardest_images(results.plan, results.records, count)
    if not hardest:
        raise ConfigurationError(f"--hardest: {results.folder} does not say of any test image that it was wrong")
    lines = []
    for one in hardest:
        image = arrays.test_inputs[one.image].reshape(side, side) / dataset.maximum
        rows = [image[row : row + 2].mean(axis=0) for row in range(0, side, 2)]
        label, networks = int(arrays.test_labels[one.image]), counted(one.networks, "network")
        taken = "" if one.taken_for is None else f", most often taken for {one.taken_for}"
        lines += [f"image {one.image}, class {label}{taken}; wrong in {one.wrong} of {networks}"]
        lines += ["".join(SHADES[round(float(pixel) * (len(SHADES) - 1))] for pixel in row).rstrip() for row in rows]
    return lines


def _flips_document(flips: Flips) -> dict[str, Any]:
    return {"lost": flips.lost, "won": flips.won, "p": flips.p}


def predictions_table(results: Results, labels: Mapping[str, Sequence[int]] | None = None) -> Table:
    """What each final network predicted: a row for each wrong image; with `labels` by dataset, for each image.

    Raises `ConfigurationError` where no record has kept predicted classes.
    """
    trained = [record for _, trials in results.plan.arms for one in trials if (record := results.records.get(one.id))]
    if not any(record.has_mistakes() for record in trained):
        if all(record.outcome == "failed" for record in trained):
            raise ConfigurationError(
                f"{results.folder}: no final trial has a result; actbench run trains what is missing"
            )
        reason = "its trials were trained before predicted classes were kept (schema 1)"
        raise ConfigurationError(f"{results.folder}: {reason}; train them again with actbench run --fresh")
    return Table(PREDICTION_COLUMNS, _prediction_rows(results, labels))


def _prediction_rows(results: Results, labels: Mapping[str, Sequence[int]] | None) -> Iterator[dict[str, Any]]:
    for arm, trials in results.plan.arms:
        for trial in trials:
            record = results.records.get(trial.id)
            if record is None or not record.test_is_correct or not record.has_mistakes():
                continue
            named = {"arm": arm.label(), "trial": trial.id, "seed": trial.seed}
            wrong = dict(wrong_images(record))
            known = (labels or {}).get(record.settings.data.dataset.name)
            for image in wrong if known is None else range(record.test_count):
                label, predicted = wrong.get(image) or (int((known or [])[image]),) * 2
                yield {**named, "image": image, "label": label, "predicted": predicted, "correct": image not in wrong}
