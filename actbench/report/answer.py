"""The answer in one line: the question, what was found, how sure it is, and what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from actbench.analysis.comparison import Comparison, Contrast
from actbench.analysis.verdicts import EQUIVALENT, NO_EVIDENCE, NOT_JUDGED, TOO_FEW_SEEDS, UNDECIDED, verdict_word
from actbench.report.numbers import interval, metric_in_words, probability, seeds_text, size, with_unit
from actbench.report.statement import Family, Statement, cannot_decide, few
from actbench.statistics.power import detectable_difference, seeds_needed
from actbench.store.results import Results
from actbench.text import counted

MAX_NAMED = 4
MAX_SEEDS = 500


def question_and_answer(said: Iterable[Statement]) -> tuple[str, str]:
    """The question, and the sentences that answer it."""
    question, *answer = (one.text for one in said if one.place in ("answer", "both"))
    return question, " ".join(answer)


def answer_line(said: Iterable[Statement]) -> str:
    """`Which activation gives the highest test accuracy on mnist? mish is better than relu by 0.31 points ...`."""
    return " ".join(question_and_answer(said))


def answer_statements(comparison: Comparison, results: Sequence[Results]) -> Iterator[Statement]:
    """The question, then what is found of the arms."""
    metric, known = comparison.metric, [row for row in comparison.rows if row.own.mean is not None]
    contrasts = comparison.contrasts()
    numbers = {"metric": metric.name, "seeds": len(comparison.seeds)}
    yield Statement("question", "numbers", _question(comparison, results), numbers=numbers, place="answer")
    if not known:
        yield _said("no_result", "No final trial has a result yet.")
    elif len(comparison.rows) < 2:
        bounds = f" (95 % interval {interval(known[0].own.interval, metric)})" if known[0].own.interval else ""
        mean = f"{with_unit(known[0].own.mean, metric)}{bounds}"
        yield _said("single", f"{mean}, over {counted(known[0].own.n, 'seed')}.")
    elif len(comparison.losses) > 1:
        return  # which a note says at length
    elif metric.larger_is_better is None:
        yield _said("no_direction", "Not judged: neither direction of this metric is better.")
    elif not contrasts:
        yield _said("no_baseline", "No baseline is named.", "baseline")
        if not comparison.best:
            yield _highest(comparison)
    elif all(contrast.verdict == NOT_JUDGED for contrast in contrasts):
        yield _said("not_judged", f"Not judged: {_reasons(contrasts)}.", "baseline", contrasts)
        yield _highest(comparison)
        if not comparison.is_judged and not comparison.doubt:
            yield _said("to_judge", "List learning rates under `tune` to have it judged.")
    else:
        yield from _judged(comparison, by_verdict(contrasts))


def _said(kind: str, text: str, family: Family = "numbers", group: Sequence[Contrast] = ()) -> Statement:
    return Statement(kind, family, text, tuple(one.first.label for one in group), place="answer")


def _question(comparison: Comparison, results: Sequence[Results]) -> str:
    metric = metric_in_words(comparison.metric)
    experiment = results[0].experiment if results else None
    data = f" on {experiment.settings.data.dataset}" if experiment else ""
    folders = {contrast.second.folder for contrast in comparison.contrasts()}
    if len(folders) == 1 and not comparison.baseline and (earlier := folders.pop()):
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


def by_verdict(contrasts: Iterable[Contrast]) -> dict[str, list[Contrast]]:
    """The contrasts by their verdicts without numbers; small differences are among the others."""
    groups: dict[str, list[Contrast]] = {}
    for contrast in contrasts:
        groups.setdefault(verdict_word(contrast.verdict).removesuffix(" (small)"), []).append(contrast)
    return groups


def _judged(comparison: Comparison, groups: dict[str, list[Contrast]]) -> Iterator[Statement]:
    base = _baseline(comparison)
    if "worse" in groups and "better" not in groups:
        yield _said("none_better", f"None is shown to be better than {base}.", "baseline")
    for word in ("better", "worse"):
        if group := groups.get(word):
            text = f"{_found(group, comparison)} {'is' if len(group) == 1 else 'are'} {word} than {base}"
            yield _said(word, f"{text}{_how_sure(group)}.", "baseline", group)
    if group := groups.get(EQUIVALENT):
        margin = size(comparison.margin or 0.0, comparison.metric)
        yield _said("equivalent", f"Equivalent to {base} within {margin}: {_names(group)}.", "baseline", group)
    if group := [*groups.get(NO_EVIDENCE, []), *groups.get(UNDECIDED, [])]:
        furthest = max(group, key=Contrast.reach)
        text = (
            f"Cannot tell {_names(group)} from {base}: after {counted(furthest.difference.n, 'seed')} the difference "
            f"can still be up to {size(furthest.reach(), comparison.metric)}."
        )
        yield _said("no_evidence", text, "baseline", group)
        if not comparison.looks and (text := seeds_to_decide(comparison, group)):
            yield _said("seeds_to_decide", text, "baseline")
    if group := groups.get(TOO_FEW_SEEDS):
        yield _said("too_few_seeds", f"Cannot tell {_names(group)} from {base}: {too_few(group)}.", "baseline", group)
    if group := groups.get(NOT_JUDGED):
        yield _said("not_judged", f"Not judged: {_names(group)} ({_reasons(group)}).", "baseline", group)


def too_few(group: Sequence[Contrast]) -> str:
    """That the seeds of these contrasts cannot decide so many, and how many can."""
    return cannot_decide(min(one.difference.n for one in group), max(1, max(one.comparisons for one in group)))


def seeds_to_decide(comparison: Comparison, group: Sequence[Contrast]) -> str:
    """How many seeds show the margin at 80 % power, or else half of what these show; empty if too many."""
    spreads = [one.difference.sd for one in group if one.is_paired and one.difference.sd]
    count, known = max(one.comparisons for one in group), max(one.difference.n for one in group)
    spread = median(spreads) if spreads else 0.0
    shown = comparison.detectable or detectable_difference(known, spread, comparisons=max(1, count)) or 0.0
    for target in (comparison.margin or 0.0, shown / 2):
        seeds = seeds_needed(target, spread, comparisons=count) if spread and target else 0
        if known < seeds <= MAX_SEEDS:
            return f"It takes {seeds} seeds to show {size(target, comparison.metric)} (8 times in 10)."
    return ""


def _found(group: Sequence[Contrast], comparison: Comparison) -> str:
    """`mish (+0.31 points) and gelu (+0.20 points)`, the largest first."""
    ordered = sorted(group, key=lambda one: -abs(one.difference.mean or 0.0))
    metric = comparison.metric
    named = [f"{one.first.label} ({size(one.difference.mean, metric, signed=True)})" for one in ordered[:MAX_NAMED]]
    rest = len(ordered) - len(named)
    return few([*named, f"{rest} more"] if rest else named, "arms")


def _how_sure(group: Sequence[Contrast]) -> str:
    worst = max(group, key=lambda one: one.p_holm or 0.0)
    p = probability(worst.p_holm)
    sign = "" if p.startswith("<") else "= " if len(group) == 1 else "<= "
    seeds = seeds_text(one.difference.n for one in group)
    return f" (p {sign}{p} after {counted(worst.comparisons, 'comparison')}, {seeds})"


def _names(group: Sequence[Contrast]) -> str:
    labels = [one.first.label for one in group]
    return few(labels, "arms") if len(labels) <= 2 * MAX_NAMED else f"{len(labels)} arms"


def _reasons(group: Sequence[Contrast]) -> str:
    return few(list(dict.fromkeys(one.reason for one in group)), "reasons")


def _baseline(comparison: Comparison) -> str:
    is_named = comparison.baseline or sum(row.is_baseline for row in comparison.rows) == 1
    return comparison.baseline_label() if is_named else "the same arm there"


def _highest(comparison: Comparison) -> Statement:
    metric, sign = comparison.metric, 1 if comparison.metric.larger_is_better else -1
    known = {row.sample.label: row.own.mean for row in comparison.rows if row.own.mean is not None}
    best = max(known.values(), key=lambda mean: sign * mean)
    leaders = [label for label, mean in known.items() if mean == best]
    text = f"The {'highest' if sign > 0 else 'lowest'} mean, {with_unit(best, metric)}, is that of"
    return Statement("highest_mean", "numbers", f"{text} {few(leaders, 'arms')}.", tuple(leaders), place="answer")
