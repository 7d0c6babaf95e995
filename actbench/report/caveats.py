"""What stands between the numbers of a result folder and a conclusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actbench.analysis.comparison import Comparison
from actbench.experiment import value_to_text
from actbench.plan import PRIMARY_METRIC
from actbench.results import Results

MATTERS = ("torch", "numpy", "machine", "processor", "device", "device_name", "training_code")


def caveats(comparison: Comparison, results: Sequence[Results]) -> Iterator[str]:
    """One sentence for each thing to bear in mind, with its folder where there are several."""
    for one in results:
        where = f"{one.folder}: " if len(results) > 1 else ""
        yield from (f"{where}{sentence}" for sentence in (*_tuning(comparison, one), *_history(one)))
    yield from _environments(results)
    yield from _failures(comparison)
    if comparison.metric.name != PRIMARY_METRIC:
        yield f"Descriptive: this experiment was planned to decide {PRIMARY_METRIC}, and only that is corrected for."


def _tuning(comparison: Comparison, results: Results) -> Iterator[str]:
    experiment = results.experiment
    if len(comparison.rows) < 2:
        return
    if not results.plan.tunings:
        if comparison.is_judged:
            yield "Same learning rate for all arms: ranks confound an arm with how well this rate happens to suit it."
        else:
            yield (
                "Not judged: no learning rate was tuned for each arm by itself, so this ranks how well the settings "
                "suit an arm as much as the arm."
            )
        return
    grids = "; ".join(
        f"{factor.path} from {', '.join(map(value_to_text, factor.values))}" for factor in experiment.tune
    )
    yield (
        f"Tuned for each arm: {grids}, by validation accuracy over {experiment.tuning_seeds} tuning seeds that are not "
        "among these; `actbench report` shows what was tried."
    )
    doubted = [row.sample for row in comparison.rows if "edge" in row.sample.doubt]
    for sample in doubted:
        yield f"Not judged: for {sample.label}, {sample.doubt}."


def _failures(comparison: Comparison) -> Iterator[str]:
    failed = sum(row.sample.failed for row in comparison.rows)
    collapsed = sum(row.sample.collapsed for row in comparison.rows)
    if failed:
        kinds = (
            f"{failed} trials failed: they diverged, raised an error, or ({collapsed} of them) predict a single class"
        )
        kept = "those that predict anything stay in the mean"
        if comparison.metric.name != PRIMARY_METRIC:
            kept = "those without a finite value are left out, which flatters their arm"
        yield f"{kinds}; {kept}."
    for row in comparison.rows:
        if "failed" in row.sample.doubt:
            yield f"Not judged: for {row.sample.label}, {row.sample.doubt}."


def _history(results: Results) -> Iterator[str]:
    frozen = results.frozen
    counts = [len(plan.get("seeds", ())) for plan in (*frozen.get("earlier", ()), frozen) if plan]
    if len(set(counts)) > 1:
        steps = " to ".join(map(str, counts))
        yield f"n was extended after looking, from {steps} seeds: p-values no longer mean what they say."
    if results.test_reads:
        yield f"In this folder the test images have been scored {results.test_reads} times, once per final trial."


def _environments(results: Sequence[Results]) -> Iterator[str]:
    """Whether processors, devices or versions differ, so that the same seed may have given other numbers."""
    different = set()
    for one in results:
        final = [trial.id for _, trials in one.plan.arms for trial in trials if trial.id in one.records]
        used = {one.records[trial].environment for trial in final}
        different |= {tuple(one.environments.get(name, {"id": name}).get(key) for key in MATTERS) for name in used}
    if len(different) > 1:
        yield f"Mixed environments: these trials come from {len(different)} of them, which environment.json lists."
