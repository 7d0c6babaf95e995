"""Checks of catalogue entries, and measured costs of activations, as tables and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from statistics import median
from typing import TYPE_CHECKING, Any

from actbench.checks.cost import REFERENCE, SHAPE, THREADS, Cost, Measurement, median_interval
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice
from actbench.render.sections import Section
from actbench.report.functions import find_functions
from actbench.report.numbers import ABSENT

if TYPE_CHECKING:
    from actbench.checks.examination import Examination


def examination_section(examination: Examination) -> Section:
    """A table of an entry's checks, with the verdict below."""
    rows = [[check.name, check.outcome, check.reason] for check in examination.checks]
    refusals = [check.name for check in examination.refusals()]
    verdict = f"Refused: {', '.join(refusals)}." if refusals else "Passed: an experiment can use it."
    title = f"{examination.choice.kind} {examination.choice.name} ({examination.choice.entry.place()})"
    return Section(title, ["check", "result", "reason"], rows, [verdict], prose=(2,))


def examination_document(examinations: Sequence[Examination]) -> dict[str, Any]:
    """The same as plain data."""
    entries = [
        {
            "kind": one.choice.kind,
            "name": one.choice.name,
            "checksum": one.choice.recorded.checksum if one.choice.recorded else None,
            "passed": not one.refusals(),
            "checks": [{"check": each.name, "result": each.outcome, "reason": each.reason} for each in one.checks],
        }
        for one in examinations
    ]
    return {"passed": all(entry["passed"] for entry in entries), "entries": entries}


def find_activations(wanted: Sequence[str]) -> list[Choice]:
    """The activations of these names; raises `ConfigurationError` on all that are none."""
    choices = find_functions(wanted)
    outputs = [name for name, choice in zip(wanted, choices, strict=True) if choice.kind != "activation"]
    if outputs:
        lines = [f"{name} is an output function; --cost measures activations" for name in outputs]
        raise ConfigurationError("\n".join(lines))
    return choices


def cost_section(costs: Sequence[Cost], environment: Mapping[str, Any]) -> Section:
    """A row for each activation, and how it was measured."""
    rows = [
        [
            str(cost.choice),
            f"{median(cost.trained.ratios):.2f}",
            f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else ABSENT,
            f"{cost.trained.microseconds_per_million:.0f}",
            _bytes_text(cost.trained),
            f"{median(cost.plain.ratios):.2f}",
            _bytes_text(cost.plain),
        ]
        for cost in costs
        for bounds in [median_interval(cost.trained.ratios)]
    ]
    rounds = len(costs[0].trained.ratios)
    notes = [
        f"Time ratio: forward and backward as training computes them, on {list(SHAPE)} values ~ N(0, 1), over "
        f"{REFERENCE}'s time in the same round, median of {rounds} rounds; each round measures every function once, in "
        "its own order.",
        f"{REFERENCE} is measured twice in each round, so its row compares it with itself: what differs from 1 is "
        "noise. Another run on a shared machine may differ by more than these intervals.",
        "us/million: median microseconds for a million values.",
        "Peak B: the most bytes per value that both passes allocate at once, the output included, the input not. "
        "Training writes to memory that each layer has and works in place where a derivative in closed form is known.",
        "Plain: the same of the plain function (torch's if torch has it) with autograd, its time over that of "
        f"{REFERENCE} in training.",
        f"{environment['processor']}, {THREADS} thread, float32, torch {environment['torch']}.",
    ]
    header = ["name", "time ratio", "95 % interval", "us/million", "peak B", "plain time", "plain B"]
    return Section(f"cost relative to {REFERENCE}", header, rows, notes, importance=(0, 1, 2, 4, 5, 6, 3))


def _bytes_text(measured: Measurement) -> str:
    return ABSENT if measured.memory is None else f"{round(measured.memory.peak_bytes / prod(SHAPE), 1):g}"


def costs_to_json(costs: Sequence[Cost], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Everything measured, the ratio of every round included."""
    reference = next(cost.trained for cost in costs if str(cost.choice) == REFERENCE)
    return {
        "reference": REFERENCE,
        "shape": list(SHAPE),
        "rounds": len(reference.ratios),
        "threads": THREADS,
        "environment": dict(environment),
        "functions": [
            {
                "name": cost.choice.name,
                "settings": dict(cost.choice.parameters),
                **_measurement_document(cost.trained, reference),
                "plain": _measurement_document(cost.plain, reference),
            }
            for cost in costs
        ],
    }


def _measurement_document(measured: Measurement, reference: Measurement) -> dict[str, Any]:
    memory, count = measured.memory, prod(SHAPE)
    return {
        "time_ratio": median(measured.ratios),
        "time_ratio_ci": median_interval(measured.ratios),
        "microseconds_per_million": measured.microseconds_per_million,
        "peak_memory_ratio": memory.peak_bytes / reference.memory.peak_bytes if memory and reference.memory else None,
        "peak_bytes_per_value": memory.peak_bytes / count if memory else None,
        "kept_bytes_per_value": memory.kept_bytes / count if memory else None,
        "ratios": list(measured.ratios),
    }
