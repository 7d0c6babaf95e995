"""What a comparison says, each fact once: in a note below the table, in the page's paragraph, and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison, Contrast
from actbench.analysis.verdicts import (
    EQUIVALENT,
    NO_EVIDENCE,
    NOT_JUDGED,
    TOO_FEW_SEEDS,
    UNDECIDED,
    is_surprising,
    verdict_word,
)
from actbench.experiment.definition import PRIMARY_METRIC
from actbench.experiment.metrics import CURVES, MEASURES, Metric
from actbench.experiment.naming import value_to_text
from actbench.report.caveats import comparison_caveats, folder_caveats
from actbench.report.looks import look_statements
from actbench.report.numbers import interval, metric_in_words, probability, signed_size, size, with_unit
from actbench.report.statement import MAX_NAMES, Statement, few
from actbench.statistics.intervals import Verdict
from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import fewest_seeds
from actbench.statistics.sign_flip import smallest_p
from actbench.store.results import Results
from actbench.text import capitalised, counted, listed

ROUNDING = 1e-12
# The paragraph's order; the notes have the order of the list.
PARAGRAPH = (
    "question", "single", "no_result", "tuned", "not_tuned", "no_baseline", "better", "worse", "none_differs",
    "equivalent", "no_evidence", "adjusted", "too_few_seeds", "not_judged", "not_ranked", "best", "below_best", "pairs",
    "detectable", "failed", "missing", "claims", "claims_and_verdicts", "scope",
)  # fmt: skip


def statements(
    comparison: Comparison, results: Sequence[Results], claims: Sequence[JudgedClaim] = ()
) -> list[Statement]:
    """Everything that is to be said about a comparison of these folders, in the order of the notes."""
    has_result = bool(comparison.seeds) and any(row.own.mean is not None for row in comparison.rows)
    found = [*_numbers(comparison, results, has_result=has_result)]
    if has_result and len(comparison.rows) > 1:
        found += [*_verdicts(comparison), *_adjusted(comparison), *_best(comparison), *_pairs(comparison)]
    for one in results:
        where = f"{one.folder}: " if len(results) > 1 else ""
        said = folder_caveats(comparison, one)
        found += [replace(each, note=f"{where}{each.note}" if each.note else "") for each in said]
    found += comparison_caveats(comparison, results)
    primary = next((one.experiment.primary for one in results), PRIMARY_METRIC)
    if comparison.metric.name != primary:
        note = f"Descriptive: this experiment was planned to decide {primary}; p (Holm) is adjusted within this "
        found.append(Statement("descriptive", "caveats", f"{note}table only."))
    return [*found, *_claims(claims), *_claims_and_verdicts(claims, comparison)]


def notes(found: Iterable[Statement]) -> list[str]:
    """The lines below a table."""
    return [statement.note for statement in found if statement.note]


def caveats(found: Iterable[Statement]) -> list[str]:
    """What to bear in mind before a conclusion."""
    return [statement.note for statement in found if statement.family == "caveats" and statement.note]


def paragraph(found: Iterable[Statement]) -> str:
    """The question and its answer for readers who know no statistics."""
    said = [statement for statement in found if statement.sentence]
    if any(statement.kind == "no_result" for statement in said):
        said = [statement for statement in said if statement.kind in ("question", "no_result")]
    return " ".join(
        statement.sentence for statement in sorted(said, key=lambda statement: PARAGRAPH.index(statement.kind))
    )


def _numbers(comparison: Comparison, results: Sequence[Results], *, has_result: bool) -> Iterator[Statement]:
    """What the numbers of the table are, and what they can show."""
    name, seeds = comparison.metric.name, len(comparison.seeds)
    scope = ", on this test set" if name.startswith("test") else ""
    when = " at the last epoch" if name in (*CURVES, *MEASURES) else ""
    shown = metric_in_words(comparison.metric)
    note = f"{shown}{when} over {counted(seeds, 'seed')}; sd and intervals are over seeds{scope}."
    first = results[0] if len(results) == 1 else None
    is_single = has_result and len(comparison.rows) < 2
    asked = " ".join(_question(comparison, first)) if first and not is_single else ""
    yield Statement("question", "numbers", note, asked, numbers={"metric": name, "seeds": seeds})
    if not has_result:
        yield Statement("no_result", "numbers", sentence="No final trial has a result yet.")
    elif is_single and first:
        yield Statement("single", "numbers", sentence=_single(comparison, first))
    if any(row.predicted_sd is not None for row in comparison.rows):
        note = "predicted sd: what a test set of this size causes by itself, sqrt(error / (2 images))."
        yield Statement("predicted_sd", "numbers", note)
    if contrasts := [row.contrast for row in comparison.rows if row.contrast]:
        yield from _tests(comparison, contrasts)
        yield from look_statements(comparison)


def _tests(comparison: Comparison, contrasts: Sequence[Contrast]) -> Iterator[Statement]:
    tested, seeds = [contrast.difference.n for contrast in contrasts if contrast.p is not None], len(comparison.seeds)
    if any(contrast.is_paired for contrast in contrasts) and tested:
        note = (
            f"Differences are paired by seed; p is the sign-flip test, Holm over {counted(len(tested), 'comparison')} "
            "with the baseline; P(better): the share of seeds won, ties counting half, with Wilson's 95 % interval. "
            "The verdict uses the adjusted interval, whose confidence is that of the step in Holm's method."
        )
        yield Statement("paired", "baseline", note, numbers={"comparisons": len(tested)})
    measured = [one for one in contrasts if one.difference.n or not (one.first.doubt or one.second.doubt)]
    fewest = min((contrast.difference.n for contrast in measured), default=seeds)
    if any(not contrast.is_paired for contrast in contrasts):
        note = (
            "Where the data differ, seeds cannot be paired: those samples are compared as independent (Welch's "
            "interval, p of regroupings)."
        )
        yield Statement("unpaired", "baseline", note)
    elif tested and (reachable := smallest_p(min(tested), len(tested))) > ALPHA:
        note = f"{min(tested)} seeds can never reach p (Holm) below {reachable:.3f} here: {TOO_FEW_SEEDS}."
        yield Statement("unreachable_p", "baseline", note, numbers={"seeds": min(tested), "smallest_p": reachable})
    if fewest < seeds and not comparison.looks:
        note = f"Some differences rest on only {fewest} of {seeds} seeds: the others are missing or failed in an arm."
        yield Statement("missing_seeds", "baseline", note, numbers={"seeds": fewest})
    if comparison.detectable is not None:
        least = size(comparison.detectable, comparison.metric)
        count = f"{fewest} seeds show" if fewest == seeds else "So many seeds show"
        note = f"{count} a true difference of {least} 8 times in 10; a smaller one goes unnoticed more often."
        many = capitalised(counted(seeds, "seed", in_words=True))
        sentence = f"{many} show a true difference of {least} eight times in ten; a smaller one can go unnoticed."
        is_plain = comparison.is_judged and comparison.metric.larger_is_better is not None
        numbers = {"difference": comparison.detectable, "power": 0.8}
        yield Statement("detectable", "baseline", note, sentence if is_plain else "", numbers=numbers)


def _question(comparison: Comparison, results: Results) -> Iterator[str]:
    experiment = results.experiment
    factors = [factor for factor in experiment.factors if len(factor.values) > 1]
    if not factors:
        return
    best = {True: "the highest", False: "the lowest", None: "which"}[comparison.metric.larger_is_better]
    names = " with which ".join(factor.path for factor in factors)
    yield f"Which {names} gives {best} {metric_in_words(comparison.metric)} on {experiment.settings.data.dataset}?"
    count = len(comparison.seeds)
    times = {1: "once", 2: "twice"}.get(count, counted(count, "time", in_words=True))
    seeds = (
        f"each was trained {times}, with other random numbers each time (the seeds), to see how much is chance"
    )  # fmt: skip
    if len(factors) == 1:
        values = [value_to_text(one) for one in factors[0].values]
        names = f": {listed(values)}" if len(values) <= MAX_NAMES else ""
        counts = capitalised(counted(len(values), "value", in_words=True))
        yield f"{counts} of {factors[0].path} were compared{names}; {seeds}."
    else:
        sizes = [f"{counted(len(factor.values), 'value', in_words=True)} of {factor.path}" for factor in factors]
        every = "All " if experiment.is_full_grid() else ""
        yield f"{every}{experiment.arm_count()} combinations of {' and '.join(sizes)} were compared; {seeds}."


def _single(comparison: Comparison, results: Results) -> str:
    (row,) = comparison.rows
    data, metric = results.experiment.settings.data.dataset, comparison.metric
    seeds = counted(len(comparison.seeds), "seed", in_words=True)
    bounds = f" (95 % interval {interval(row.own.interval, metric)})" if row.own.interval else ""
    return (
        f"One network was trained on {data} with {seeds}; nothing is compared here. "
        f"Its mean {metric_in_words(metric)} is {with_unit(row.own.mean, metric)}{bounds}."
    )


def _verdicts(comparison: Comparison) -> Iterator[Statement]:
    """One statement for all arms with the same verdict against the baseline; the table's cells are the notes."""
    contrasts = [row.contrast for row in comparison.rows if row.contrast]
    if not contrasts:
        sentence = "The experiment names no baseline, so no arm has a verdict against one."
        yield Statement("no_baseline", "baseline", sentence=sentence)
    if not comparison.is_judged or not any(contrast.verdict for contrast in contrasts):
        return
    by_word: dict[str, list[Contrast]] = {}
    for contrast in contrasts:
        by_word.setdefault(verdict_word(contrast.verdict), []).append(contrast)
    if set(by_word) == {NOT_JUDGED}:
        yield _verdict("not_judged", contrasts, _not_judged(contrasts))
        return
    base, metric = _baseline(comparison), comparison.metric
    margin = size(comparison.margin or 0.0, metric)
    small = f", but by less than the {margin} that count as small here"
    for kind in ("better", "worse"):
        for word, end in ((kind, ""), (f"{kind} (small)", small)):
            if group := by_word.get(word):
                which = f"{_with_differences(group, comparison)} {'is' if len(group) == 1 else 'are'}"
                yield _verdict(kind, group, f"There is evidence that {which} {kind} than {base}{end}.")
    if not any(word.startswith(("better", "worse")) for word in by_word):
        yield Statement("none_differs", "baseline", sentence=f"No arm is found better or worse than {base}.")
    if group := by_word.get(EQUIVALENT):
        sentence = f"Equivalent to {base}, since any difference is below {margin}: {_names(group)}."
        yield _verdict("equivalent", group, sentence)
    if group := [*by_word.get(NO_EVIDENCE, []), *by_word.get(UNDECIDED, [])]:
        yield _verdict("no_evidence", group, _no_evidence(group, base, metric))
    if group := by_word.get(TOO_FEW_SEEDS):
        sentence = (
            f"For {_names(group)} there are {TOO_FEW_SEEDS}: even the clearest outcome could be chance; it takes at "
            f"least {fewest_seeds(len(contrasts))} seeds."
        )
        yield _verdict("too_few_seeds", group, sentence)
    if group := by_word.get(NOT_JUDGED):
        yield _verdict("not_judged", group, _not_judged(group))


def _verdict(kind: str, group: Sequence[Contrast], sentence: str) -> Statement:
    return Statement(kind, "baseline", sentence=sentence, arms=tuple(contrast.first.label for contrast in group))


def _baseline(comparison: Comparison) -> str:
    baselines = [row.sample.label for row in comparison.rows if row.is_baseline]
    if len(baselines) == 1:
        return f"the baseline {baselines[0]}"
    return f"{comparison.baseline_label()} in an arm that is otherwise the same"


def _no_evidence(group: Sequence[Contrast], base: str, metric: Metric) -> str:
    furthest = max(group, key=Contrast.reach)
    which = f" ({furthest.first.label})" if len(group) > 1 else ""
    return (
        f"For {_names(group)} there is {NO_EVIDENCE} to {base}. That does not mean they are the same: the difference "
        f"could still be up to {size(furthest.reach(), metric)}{which}."
    )


def _not_judged(group: Sequence[Contrast]) -> str:
    reasons: dict[str, list[Contrast]] = {}
    for contrast in group:
        reasons.setdefault(contrast.reason, []).append(contrast)
    return f"Not judged: {'; '.join(f'{_names(contrasts)} ({reason})' for reason, contrasts in reasons.items())}."


def _names(contrasts: Sequence[Contrast]) -> str:
    return few([contrast.first.label for contrast in contrasts], "arms")


def _with_differences(group: Sequence[Contrast], comparison: Comparison) -> str:
    """`mish (+0.31 points of test accuracy, interval +0.20 to +0.42)`, the adjusted one."""
    metric = comparison.metric
    ordered = sorted(group, key=lambda contrast: -abs(contrast.difference.mean or 0.0))
    named = [
        f"{contrast.first.label} ({signed_size(contrast.difference.mean, metric)}"
        f"{'' if number else f' of {metric_in_words(metric)}'}, "
        f"interval {interval(contrast.adjusted_interval, metric, signed=True)})"
        for number, contrast in enumerate(ordered[:MAX_NAMES])
    ]
    rest = len(ordered) - len(named)
    return listed([*named, f"{rest} more"] if rest else named)


def _adjusted(comparison: Comparison) -> Iterator[Statement]:
    """The arms whose interval by itself excludes 0 although the verdict says no difference, each with its reason."""
    for row in comparison.rows:
        if row.contrast and is_surprising(row.contrast.difference.interval, row.contrast.verdict):
            count = counted(row.contrast.comparisons, "comparison")
            reason = f"p {probability(row.contrast.p)}, {probability(row.contrast.p_holm)} after {count}"
            text = (
                f"By itself the difference of {row.sample.label} excludes 0, but not in this family: {reason} with the "
                "baseline."
            )
            numbers = {"p": row.contrast.p, "p_holm": row.contrast.p_holm, "comparisons": row.contrast.comparisons}
            yield Statement("adjusted", "baseline", text, text, (row.sample.label,), numbers)


def _pairs(comparison: Comparison) -> Iterator[Statement]:
    """Which pairs of all are different."""
    if not comparison.pairs:
        return
    below: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        word, names = verdict_word(pair.verdict), [pair.first.label, pair.second.label]
        if word.startswith(("better", "worse")):
            above, under = names if word.startswith("better") else reversed(names)
            below.setdefault(above, []).append(under)
    family = f"Of all {counted(len(comparison.pairs), 'pair')} (Holm over these)"
    if below:
        found = "; ".join(f"{above} is better than {few(others, 'arms')}" for above, others in below.items())
        text = f"{family}: {found}."
    elif all(pair.verdict == TOO_FEW_SEEDS for pair in comparison.pairs):
        count, n = len(comparison.pairs), len(comparison.seeds)
        text = f"{family} no pair is decided: {n} seeds are too few for so many, {fewest_seeds(count)} can be enough."
    else:
        text = f"{family} no two arms are found different."
    arms = tuple(dict.fromkeys(name for above, others in below.items() for name in (above, *others)))
    yield Statement("pairs", "all pairs", text, text, arms, {"different": sum(map(len, below.values()))})


def _best(comparison: Comparison) -> Iterator[Statement]:
    """The best mean, and what cannot be distinguished from it."""
    note = _best_note(comparison) if comparison.best else ""
    metric, sign = comparison.metric, -1 if comparison.metric.larger_is_better is False else 1
    known = {row.sample.label: row.own.mean for row in comparison.rows if row.own.mean is not None}
    if len(comparison.losses) > 1:
        yield Statement("not_ranked", "best set", *_not_ranked(comparison), numbers={"losses": list(comparison.losses)})
    if metric.larger_is_better is None or len(known) < 2:
        return
    mean = sign * max(sign * own for own in known.values())
    leaders = [name for name, own in known.items() if abs(own - mean) < ROUNDING]
    word = "highest" if sign > 0 else "lowest"
    verb = "is shared by" if len(leaders) > 1 else "belongs to"
    first = f"The {word} mean ({with_unit(mean, metric)}) {verb} {listed(leaders)}"
    if comparison.best and comparison.best[0] not in leaders:
        leaders = [comparison.best[0]]
        first = f"{first}. Of those that are judged, the {word} mean belongs to {comparison.best[0]}"
    sentence = f"{first}{_indistinguishable(comparison, leaders)}."
    yield Statement("best", "best set", note, sentence, comparison.best, {"best_mean": mean})
    if below := below_best(comparison):
        are = "is" if len(below) == 1 else "are"
        text = f"{few(below, 'arms')} {are} worse than {comparison.best[0]} {_best_family(comparison)}."
        yield Statement("below_best", "best set", text, text, tuple(below))


def below_best(comparison: Comparison) -> list[str]:
    """The arms that are found worse than the best mean, unless all are, or their own verdicts say so."""
    best = comparison.best
    known = [row for row in comparison.rows if row.own.mean is not None and not row.sample.doubt]
    if len(best) < 2 or any(row.is_baseline and row.sample.label == best[0] for row in known):
        return []
    return [row.sample.label for row in known if row.sample.label not in best]


def _best_family(comparison: Comparison) -> str:
    judged = sum(row.own.mean is not None and not row.sample.doubt for row in comparison.rows)
    return f"(at 5 %, Bonferroni over {counted(judged - 1, 'comparison')} with the best)"


def _not_ranked(comparison: Comparison) -> tuple[str, str]:
    """The note and the sentence on a loss of arms that train on different ones."""
    name = metric_in_words(comparison.metric)
    reason = (
        f"{name} is in the unit of the loss that an arm trains on, and these arms train on different losses "
        f"({listed(comparison.losses)})"
    )
    note = (
        f"Not ranked: {reason}. Arms with different losses are not judged, and no best is named. Compare them by a "
        f"metric that depends on no loss, such as {PRIMARY_METRIC}."
    )
    return note, f"{capitalised(reason)}, so the means are not ranked and no best is named."


def _best_note(comparison: Comparison) -> str:
    best, *others = comparison.best
    judged = [row for row in comparison.rows if row.own.mean is not None and not row.sample.doubt]
    family = _best_family(comparison)
    if others:
        return f"Best: {best}. Not distinguishable from it: {_in_a_row(others)} {family}."
    which = "every other arm" if len(judged) == len(comparison.rows) else "every other arm that is judged"
    return f"Best: {best}, distinguishable from {which} {family}."


def _in_a_row(names: Sequence[str]) -> str:
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _indistinguishable(comparison: Comparison, leaders: Sequence[str]) -> str:
    """Which others may be as good as those with the best mean."""
    others = [name for name in comparison.best if name not in leaders]
    if not comparison.best:
        return "; that alone does not make it the best" if len(leaders) == 1 else ""
    if others:
        return f", but {few(others, 'others')} cannot be distinguished from it"
    if len(leaders) > 1:
        return ""
    judged = " that is judged" if any(row.sample.doubt for row in comparison.rows) else ""
    return f", and every other arm{judged} can be distinguished from it"


def _claims(claims: Sequence[JudgedClaim]) -> Iterator[Statement]:
    if not claims:
        return
    counts = {word: sum(claim.verdict == word for claim in claims) for word in get_args(Verdict)}
    if len(claims) == 1:
        sentence = f"The one claim that the file makes is {claims[0].verdict}."
    elif len(claims) in counts.values():
        sentence = f"All {len(claims)} claims that the file makes are {claims[0].verdict}."
    else:
        (first, count), *others = ((word, count) for word, count in counts.items() if count)
        words = [f"{count} {'is' if count == 1 else 'are'} {first}", *(f"{count} {word}" for word, count in others)]
        sentence = f"Of the {len(claims)} claims that the file makes, {listed(words)}."
    added = [claim.expectation.claim for claim in claims if claim.is_exploratory]
    if added:
        sentence += f" Exploratory, because added after final trials had begun: {few(added, 'claims')}."
    yield Statement("claims", "claims", sentence=sentence, numbers=counts | {"exploratory": len(added)})


def _claims_and_verdicts(claims: Sequence[JudgedClaim], comparison: Comparison) -> Iterator[Statement]:
    """Why claims have a verdict where arms are not judged."""
    words = [row.contrast.verdict for row in comparison.rows if row.contrast]
    decided = any(claim.verdict != "undecided" for claim in claims)
    if decided and (NOT_JUDGED in words or any(row.sample.doubt for row in comparison.rows)):
        sentence = (
            "A claim can be decided where an arm is not judged: it is about these trainings as they were set, by its "
            "own interval; a verdict says which arm is better, and needs suitable settings and usable trials for each."
        )
        yield Statement("claims_and_verdicts", "claims", sentence=sentence)
