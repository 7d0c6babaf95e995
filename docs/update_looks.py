"""Simulate looks with actbench's own code: the table and the picture of docs/protocol.md.

`python docs/update_looks.py` writes both: a minute or two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from actbench.analysis.comparison import compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.statistics.looks import Schedule, Simulated, make_schedule, simulate
from actbench.statistics.sign_flip import sign_flip_p
from actbench.store.results import load_results

ROOT = Path(__file__).parent.parent
PAGE, PICTURE = ROOT / "docs" / "protocol.md", ROOT / "docs" / "looks.svg"
TABLE = re.compile(r"(?<=<!-- table of looks -->\n).*?(?=<!-- end of table of looks -->)", re.DOTALL)
ARMS, MARGIN, IMAGE, SD, EXPERIMENTS = 7, 0.001, 1e-4, 0.001, 600
DESIGNS = {"looks 11, 20, 40, 80": (11, 20, 40, 80), "fixed, 40 seeds": (40,), "fixed, 80 seeds": (80,)}
TRUTHS = {
    "all equal": [0.0] * 7,
    "one +0.10, one -0.30 points": [0.001, -0.003] + [0.0] * 5,
    "two +0.15 points": [0.0015] * 2 + [0.0] * 5,
    "all +0.10 points, the margin": [MARGIN] * 7,
}
PILOT = ROOT / "results" / "mnist-tuned"
MNIST_TUNED = "sd of results/mnist-tuned, all equal"
PEEKERS, PEEKED_SEEDS = 400, 80


def table() -> str:
    """The table of docs/protocol.md."""
    header = ["truth", "design", "trainings", "a false better or worse", "+0.10 found", "equal arms called equivalent"]
    lines = [header, ["---"] * 2 + ["---:"] * 4, *rows()]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rows() -> Iterator[list[str]]:
    """A row for every truth and design, those where all arms are equal first."""
    for truth, gaps in TRUTHS.items():
        for design, seeds in DESIGNS.items():
            yield [truth, design, *_cells(gaps, _simulated(make_schedule(seeds, (), ARMS), gaps, [SD] * 8))]
    spreads = _spreads_of_pilot()
    for design, seeds in DESIGNS.items():
        found = _simulated(make_schedule(seeds, (), ARMS), [0.0] * ARMS, spreads)
        yield [MNIST_TUNED, design, *_cells([0.0] * ARMS, found)]


def _spreads_of_pilot() -> list[float]:
    """The sd between seeds of the baseline, then of each other arm."""
    results = load_results(PILOT, ROOT)
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    comparison = compare(results.plan, results.records, question)
    rows = sorted(comparison.rows, key=lambda row: not row.is_baseline)
    return [row.own.sd for row in rows if row.own.sd is not None]


def _simulated(schedule: Schedule, gaps: Sequence[float], spreads: Sequence[float]) -> Simulated:
    noises = np.random.default_rng(0).normal(size=(EXPERIMENTS, len(spreads), schedule.seeds[-1]))
    return simulate(schedule, gaps, spreads, MARGIN, unit=IMAGE, noises=noises)


def _cells(gaps: Sequence[float], found: Simulated) -> list[str]:
    different, equivalent, are_equal = found.states == "different", found.states == "equivalent", np.array(gaps) == 0
    equal, power = equivalent.mean(axis=0)[are_equal], different.mean(axis=0)[np.array(gaps) == MARGIN]
    return [
        f"{found.trainings():.0f}",
        f"{different[:, are_equal].any(axis=1).mean():.3f}" if len(equal) else "-",
        f"{power.mean():.2f}" if len(power) else "-",
        f"{equal.min():.2f} to {equal.max():.2f}" if len(equal) else f"{equivalent.mean():.3f} (wrong)",
    ]


def peeking() -> tuple[list[int], list[float], list[float]]:
    """After how many seeds which share of experiments without any difference has found one, peeking or looking."""
    random, schedule = np.random.default_rng(0), make_schedule((11, 20, 40, 80), (), 1)
    counts = np.rint(random.normal(0, SD / IMAGE, (PEEKERS, 2, PEEKED_SEEDS))).astype(int)
    seeds = list(range(6, PEEKED_SEEDS + 1))
    alphas = dict(zip(schedule.seeds, schedule.alphas, strict=True))
    peeked, looked = np.zeros(len(seeds)), np.zeros(len(seeds))
    for first, second in counts.tolist():
        p_values = [sign_flip_p(first[:n], second[:n]) or 1.0 for n in seeds]
        peeked += np.maximum.accumulate([p < 0.05 for p in p_values])
        looked += np.maximum.accumulate([p < alphas.get(n, 0.0) for n, p in zip(seeds, p_values, strict=True)])
    return seeds, (peeked / PEEKERS).tolist(), (looked / PEEKERS).tolist()


def draw(path: Path) -> None:
    """Two arms that are equal: how often each way of stopping has found a difference by so many seeds."""
    import matplotlib.pyplot as plt
    from matplotlib import rcParams

    seeds, peeked, looked = peeking()
    rcParams.update({"svg.hashsalt": "looks", "svg.fonttype": "none", "font.size": 10})
    figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    axes.plot(seeds, [100 * share for share in peeked], color="#d55e00", label="peeking: after every seed, at 5 %")
    axes.step(
        seeds, [100 * share for share in looked], where="post", color="#0072b2", label="looks after 11, 20, 40, 80"
    )
    axes.axhline(5, color="#666666", linewidth=0.8, linestyle="--")
    axes.text(seeds[-1], 5.4, "5 %", ha="right", color="#666666")
    axes.set(xlabel="seeds so far", ylim=(0, None), xlim=(0, PEEKED_SEEDS + 1))
    axes.set_ylabel("experiments with a false difference, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(PICTURE)
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
