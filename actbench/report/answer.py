"""The answer in one line: the question, what was found, how sure it is, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from actbench.analysis.comparison import Comparison, Contrast
from actbench.analysis.verdicts import EQUIVALENT, NO_EVIDENCE, NOT_JUDGED, TOO_FEW_SEEDS, UNDECIDED, verdict_word
from actbench.report.numbers import interval, metric_in_words, probability, signed_size, size, with_unit
from actbench.report.statement import few
from actbench.statistics.power import detectable_difference, fewest_seeds, seeds_needed
from actbench.store.results import Results
from actbench.text import counted

MAX_NAMED = 4
MAX_SEEDS = 500


def answer_line(comparison: Comparison, results: Sequence[Results]) -> str:
    """`Which activation gives the highest test accuracy on mnist? mish is better than relu by 0.31 points ...`."""
    return " ".join(question_and_answer(comparison, results))


def question_and_answer(comparison: Comparison, results: Sequence[Results]) -> tuple[str, str]:
    """The two parts of the line."""
    return _question(comparison, results), " ".join(_answer(comparison))


def _question(comparison: Comparison, results: Sequence[Results]) -> str:
    metric = metric_in_words(comparison.metric)
    experiment = results[0].experiment if results else None
    data = f" on {experiment.settings.data.dataset}" if experiment else ""
    if earlier := _baseline_folder(comparison):
        return f"Is any arm better or worse than in {earlier}, by {metric}{data}?"
    if len(comparison.rows) < 2:
        return f"What {metric} does this network reach{data}?"
    factors = (
        [factor.path.split(".")[-1] for factor in experiment.factors if len(factor.values) > 1] if experiment else []
    )
    which = " and ".join(factors) if len(results) == 1 and factors else "arm"
    if comparison.metric.larger_is_better is None:
        return f"How does {metric} depend on {which}{data}?"
    best = "highest" if comparison.metric.larger_is_better else "lowest"
    return f"Which {which} {'give' if ' and ' in which else 'gives'} the {best} {metric}{data}?"


def _answer(comparison: Comparison) -> Iterator[str]:
    metric, known = comparison.metric, [row for row in comparison.rows if row.own.mean is not None]
    contrasts = [row.contrast for row in comparison.rows if row.contrast]
    if not known:
        yield "No final trial has a result yet."
    elif len(comparison.rows) < 2:
        bounds = f" (95 % interval {interval(known[0].own.interval, metric)})" if known[0].own.interval else ""
        yield f"{with_unit(known[0].own.mean, metric)}{bounds}, over {counted(known[0].own.n, 'seed')}."
    elif len(comparison.losses) > 1:
        yield f"Not judged: the arms train on different losses ({few(comparison.losses, 'losses')})."
    elif metric.larger_is_better is None:
        yield "Not judged: neither direction of this metric is better."
    elif not contrasts:
        yield _best_without_baseline(comparison)
    elif all(contrast.verdict == NOT_JUDGED for contrast in contrasts):
        reasons = few(list(dict.fromkeys(contrast.reason for contrast in contrasts)), "reasons")
        yield f"Not judged: {reasons}. {_highest(comparison)}"
        if not comparison.is_judged and not comparison.doubt:
            yield "List learning rates under `tune` to have it judged."
    else:
        yield from _judged(comparison, contrasts)


def _judged(comparison: Comparison, contrasts: Sequence[Contrast]) -> Iterator[str]:
    by_word: dict[str, list[Contrast]] = {}
    for contrast in contrasts:
        by_word.setdefault(verdict_word(contrast.verdict).removesuffix(" (small)"), []).append(contrast)
    base = _baseline(comparison)
    if "worse" in by_word and "better" not in by_word:
        yield f"None is shown to be better than {base}."
    for word in ("better", "worse"):
        if group := by_word.get(word):
            verb = "is" if len(group) == 1 else "are"
            yield f"{_found(group, comparison)} {verb} {word} than {base}{_how_sure(group)}."
    if group := by_word.get(EQUIVALENT):
        margin = size(comparison.margin or 0.0, comparison.metric)
        yield f"Equivalent to {base} within {margin}: {_names(group)}."
    if group := [*by_word.get(NO_EVIDENCE, []), *by_word.get(UNDECIDED, [])]:
        furthest = max(group, key=Contrast.reach)
        yield (
            f"Cannot tell {_names(group)} from {base}: after {counted(furthest.difference.n, 'seed')} the difference "
            f"can still be up to {size(furthest.reach(), comparison.metric)}."
        )
        if not comparison.looks:
            yield from seeds_to_decide(comparison, group)
    if group := by_word.get(TOO_FEW_SEEDS):
        yield f"Cannot tell {_names(group)} from {base}: {too_few(group)}."
    if group := by_word.get(NOT_JUDGED):
        yield f"Not judged: {_names(group)} ({few(list(dict.fromkeys(one.reason for one in group)), 'reasons')})."


def too_few(group: Sequence[Contrast]) -> str:
    """`5 seeds cannot decide 7 comparisons, 9 can`."""
    count, seeds = max(1, max(one.comparisons for one in group)), min(one.difference.n for one in group)
    return f"{counted(seeds, 'seed')} cannot decide {counted(count, 'comparison')}, {fewest_seeds(count)} can"


def seeds_to_decide(comparison: Comparison, group: Sequence[Contrast]) -> Iterator[str]:
    """How many seeds show the margin at 80 % power, or else half of what these show."""
    spreads = [one.difference.sd for one in group if one.is_paired and one.difference.sd]
    count, known = max(one.comparisons for one in group), max(one.difference.n for one in group)
    spread = median(spreads) if spreads else 0.0
    shown = comparison.detectable or detectable_difference(known, spread, comparisons=max(1, count)) or 0.0
    for target in (comparison.margin or 0.0, shown / 2):
        seeds = seeds_needed(target, spread, comparisons=count) if spread and target else 0
        if known < seeds <= MAX_SEEDS:
            yield f"It takes {seeds} seeds to show {size(target, comparison.metric)} (8 times in 10)."
            return


def _found(group: Sequence[Contrast], comparison: Comparison) -> str:
    """`mish (+0.31 points) and gelu (+0.20 points)`, the largest first."""
    ordered = sorted(group, key=lambda one: -abs(one.difference.mean or 0.0))
    metric = comparison.metric
    named = [f"{one.first.label} ({signed_size(one.difference.mean, metric)})" for one in ordered[:MAX_NAMED]]
    rest = len(ordered) - len(named)
    return few([*named, f"{rest} more"] if rest else named, "arms")


def _how_sure(group: Sequence[Contrast]) -> str:
    worst = max(group, key=lambda one: one.p_holm or 0.0)
    p = probability(worst.p_holm)
    sign = "" if p.startswith("<") else "= " if len(group) == 1 else "<= "
    fewest, most = (choose(one.difference.n for one in group) for choose in (min, max))
    seeds = counted(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
    return f" (p {sign}{p} after {counted(worst.comparisons, 'comparison')}, {seeds})"


def _names(group: Sequence[Contrast]) -> str:
    labels = [one.first.label for one in group]
    return few(labels, "arms") if len(labels) <= 2 * MAX_NAMED else f"{len(labels)} arms"


def _baseline_folder(comparison: Comparison) -> str:
    """The folder whose arms all others are compared with; empty if the baseline is an arm."""
    folders = {row.contrast.second.folder for row in comparison.rows if row.contrast}
    return folders.pop() if len(folders) == 1 and not comparison.baseline else ""


def _baseline(comparison: Comparison) -> str:
    baselines = [row.sample.label for row in comparison.rows if row.is_baseline]
    if len(baselines) == 1:
        return baselines[0]
    return comparison.baseline_label() if comparison.baseline else "the same arm there"


def _highest(comparison: Comparison) -> str:
    metric, sign = comparison.metric, 1 if comparison.metric.larger_is_better else -1
    known = {row.sample.label: row.own.mean for row in comparison.rows if row.own.mean is not None}
    best = max(known.values(), key=lambda mean: sign * mean)
    leaders = [label for label, mean in known.items() if mean == best]
    word = "highest" if sign > 0 else "lowest"
    return f"The {word} mean, {with_unit(best, metric)}, is that of {few(leaders, 'arms')}."


def _best_without_baseline(comparison: Comparison) -> str:
    if not comparison.best:
        return f"Not judged: no baseline is named. {_highest(comparison)}"
    best, *beside = comparison.best
    if beside:
        return f"{best} has the best mean; not distinguishable from it: {few(beside, 'others')} (no baseline is named)."
    return f"{best}: every other arm that is judged is worse (no baseline is named)."
