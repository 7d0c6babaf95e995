"""The datasets that need no download: scikit-learn's digits, and those that are made by rule."""

from __future__ import annotations

import gzip
import zlib
from importlib.util import find_spec
from pathlib import Path

from actbench.catalogue.arrays import Arrays
from actbench.lazy import numpy


def digits() -> Arrays:
    """Read from scikit-learn's file, because importing scikit-learn takes as long as a small experiment."""
    package = find_spec("sklearn")
    folder = Path(package.origin).parent if package and package.origin else Path()
    try:
        with gzip.open(folder / "datasets/data/digits.csv.gz", "rt", encoding="ascii") as file:
            rows = numpy.loadtxt(file, delimiter=",", dtype=numpy.int64)
    except (OSError, EOFError, ValueError, zlib.error):
        from sklearn.datasets import load_digits

        rows = numpy.column_stack(load_digits(return_X_y=True)).astype(numpy.int64)
    inputs, labels = rows[:, :-1].astype(numpy.uint8), rows[:, -1].copy()
    return Arrays(inputs[:1437], labels[:1437], inputs[1437:], labels[1437:])


def thermostat() -> Arrays:
    """Temperatures in degrees, class 1 above 130."""
    tenths = numpy.arange(2000)
    train, test = tenths / 10, (tenths + 0.5) / 10
    return Arrays(
        train.astype(numpy.float32)[:, None],
        (tenths > 1300).astype(numpy.int64),
        test.astype(numpy.float32)[:, None],
        (tenths + 0.5 > 1300).astype(numpy.int64),
    )


def cube() -> Arrays:
    """Points of the unit cube, class 1 where the coordinates sum to more than 1.5."""
    points = numpy.random.Generator(numpy.random.PCG64(0)).random((3000, 3), dtype=numpy.float32)
    labels = (points.sum(axis=1, dtype=numpy.float64) > 1.5).astype(numpy.int64)
    return Arrays(points[:2000], labels[:2000], points[2000:], labels[2000:])


def moons() -> Arrays:
    """As `sklearn.datasets.make_moons(3000, noise=0.2, random_state=0)`, without the time that its import takes.

    Rounded, since sine and cosine differ in their last bits between processors.
    """
    draws, angles = numpy.random.RandomState(0), numpy.linspace(0, numpy.pi, 1500)
    outer = numpy.column_stack([numpy.cos(angles), numpy.sin(angles)])
    order = numpy.arange(3000)
    draws.shuffle(order)
    points = numpy.concatenate([outer, [1, 0.5] - outer])[order]
    points = (points + draws.normal(scale=0.2, size=points.shape)).round(4).astype(numpy.float32)
    labels = (order >= 1500).astype(numpy.int64)
    return Arrays(points[:2000], labels[:2000], points[2000:], labels[2000:])
