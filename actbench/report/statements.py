"""What a comparison says, each fact once: in the answer in one line, in a note below the table, and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isclose
from statistics import median
from typing import Literal

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison, ranked
from actbench.analysis.contrasts import Contrast
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import (
    EQUIVALENT,
    NO_EVIDENCE,
    NOT_JUDGED,
    TOO_FEW_SEEDS,
    UNDECIDED,
    is_different,
)
from actbench.experiment.definition import PRIMARY_METRIC
from actbench.experiment.metrics import CURVES, MEASURES, Metric
from actbench.experiment.records import sum_endings
from actbench.plan.looks import MAX_FAILED
from actbench.report.caveats import comparison_caveats, folder_caveats
from actbench.report.claims import claims_statements
from actbench.report.comparison import own_seeds
from actbench.report.looks import look_statements
from actbench.report.numbers import interval, metric_in_words, probability, seeds_text, size, with_unit
from actbench.report.statement import Family, Statement, cannot_decide, fresh_seeds, listed_or_counted
from actbench.statistics.intervals import ROUNDING
from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import detectable_difference, seeds_needed
from actbench.statistics.sign_flip import smallest_p
from actbench.store.results import Results
from actbench.text import counted, first_few, listed

MAX_NAMED, MAX_SURPRISES = 4, 3
MAX_SEEDS = 500


def statements(
    comparison: Comparison, results: Sequence[Results], claims: Sequence[JudgedClaim] = ()
) -> list[Statement]:
    """Everything that is to be said about a comparison of these folders: the answer, then the notes in their order."""
    found = [*answer_statements(comparison, results), *_numbers(comparison)]
    if comparison.seeds and len(comparison.rows) > 1 and any(row.own.mean is not None for row in comparison.rows):
        against = [row.contrast for row in ranked(comparison) if row.contrast]
        found += [*adjusted_statements(against, comparison.metric), *_best(comparison), *_pairs(comparison)]
    of_folders = [list(folder_caveats(comparison, one)) for one in results]
    for one, said in zip(results, of_folders, strict=True):
        for each in said:
            if len(results) == 1 or (each.kind == "tuned" and all(each in others for others in of_folders)):
                found += [each] if each not in found else []
            else:
                found.append(replace(each, text=f"{one.folder}: {each.text}"))
    found += comparison_caveats(comparison, results)
    primary = next((one.experiment.primary for one in results), PRIMARY_METRIC)
    if comparison.metric.name != primary:
        note = f"Descriptive: this experiment was planned to decide {primary}; p (Holm) is adjusted within this "
        found.append(Statement("descriptive", "caveats", f"{note}table only."))
    return [*found, *claims_statements(claims, comparison)]


def notes(found: Iterable[Statement]) -> list[str]:
    """The lines below a table."""
    return [statement.text for statement in found if statement.place in ("notes", "both")]


def caveats(found: Iterable[Statement]) -> list[str]:
    """What to bear in mind before a conclusion."""
    return [statement.text for statement in found if statement.family == "caveats"]


def _numbers(comparison: Comparison) -> Iterator[Statement]:
    """What the numbers of the table are, and what they can show."""
    name = comparison.metric.name
    scope = ", on this test set" if name.startswith("test") else ""
    when = " at the last epoch" if name in (*CURVES, *MEASURES) else ""
    shown = metric_in_words(comparison.metric)
    note = f"{shown}{when} over {own_seeds(comparison)}; sd and intervals are over seeds{scope}."
    yield Statement("numbers", "numbers", note)
    if any(row.predicted_sd is not None for row in comparison.rows):
        note = "predicted sd: what a test set of this size causes by itself, sqrt(error / (2 images))."
        yield Statement("predicted_sd", "numbers", note)
    if any(row.sample.arms > 1 for row in comparison.rows):
        yield Statement("marginal", "numbers", "n counts seeds, (failed) the trials of all arms that have the value.")
    if contrasts := comparison.contrasts():
        yield from _tests(comparison, contrasts)
        yield from look_statements(comparison)


def _tests(comparison: Comparison, contrasts: Sequence[Contrast]) -> Iterator[Statement]:
    tested, seeds = [contrast.difference.n for contrast in contrasts if contrast.p is not None], len(comparison.seeds)
    family, share = max(one.comparisons for one in contrasts), max(one.alpha() for one in contrasts) / ALPHA
    if any(contrast.is_paired or contrast.look for contrast in contrasts) and tested:
        note = (
            f"Differences are paired by seed; p is the sign-flip test, Holm over {counted(family, 'comparison')} "
            "with the baseline; P(better): the share of seeds won, ties counting half, with Wilson's 95 % interval. "
            "The verdict uses the adjusted interval, whose confidence is that of the step in Holm's method."
        )
        yield Statement("paired", "baseline", note, numbers={"comparisons": family})
    measured = [one for one in contrasts if one.difference.n or not (one.first.doubt or one.second.doubt)]
    fewest = min((contrast.difference.n for contrast in measured), default=seeds)
    if any(not contrast.is_paired for contrast in contrasts):
        how = (
            "seeds share nothing. Looks pair them all the same, which is valid but removes no noise"
            if comparison.looks
            else "seeds cannot be paired: the samples are compared as independent (Welch's interval, p of regroupings)"
        )
        note = f"Where the data differ, {how}; no images are compared one by one."
        yield Statement("unpaired", "baseline", note)
    elif tested and (reachable := min(1.0, smallest_p(min(tested), family) / share)) > ALPHA:
        note = f"{counted(min(tested), 'seed')} can never reach p (Holm) below {reachable:.3f} here: {TOO_FEW_SEEDS}."
        yield Statement("unreachable_p", "baseline", note, numbers={"seeds": min(tested), "smallest_p": reachable})
    if tested and fewest < seeds and not comparison.looks:
        rest = f"{fewest} of {counted(seeds, 'seed')}"
        note = f"Some differences rest on only {rest}: the others are not in both arms, or failed."
        yield Statement("missing_seeds", "baseline", note, numbers={"seeds": fewest})
    if comparison.detectable is not None:
        least = size(comparison.detectable, comparison.metric)
        count = f"{fewest} seeds show" if fewest == seeds else "So many seeds show"
        note = f"{count} a true difference of {least} 8 times in 10; a smaller one goes unnoticed more often."
        numbers = {"difference": comparison.detectable, "power": 0.8}
        yield Statement("detectable", "baseline", note, numbers=numbers)


def adjusted_statements(contrasts: Sequence[Contrast], metric: Metric) -> Iterator[Statement]:
    """The arms whose interval by itself excludes 0, and why the verdict names no difference all the same."""
    if found := [one for one in contrasts if one.excludes_zero_only_unadjusted()]:
        named = [
            f"{one.first.label} ({interval(one.adjusted_interval, metric, signed=True)}, p {probability(one.p_holm)})"
            for one in found
        ]
        comparisons = max(one.comparisons for one in contrasts)
        text = (
            f"The interval alone excludes 0, but after {counted(comparisons, 'comparison')} "
            f"{why_not_different(found)}: {', '.join(first_few(named, MAX_SURPRISES))}."
        )
        arms = tuple(one.first.label for one in found)
        yield Statement("adjusted", "baseline", text, arms, {"comparisons": comparisons})


def why_not_different(found: Sequence[Contrast]) -> str:
    """Which condition for a difference these contrasts miss: one, both, or some the one and some the other."""
    missed = {
        "the interval holds 0": [is_different(one.adjusted_interval, 0.0) for one in found],
        f"p is not below {ALPHA}": [one.p_holm is not None and one.p_holm < ALPHA for one in found],
    }
    reasons = [reason for reason, met in missed.items() if not all(met)]
    return (" or " if any(map(any, missed.values())) else " and ").join(reasons)


def _pairs(comparison: Comparison) -> Iterator[Statement]:
    """Which pairs of all are different."""
    if not comparison.pairs:
        return
    below: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        if pair.word in ("better", "worse"):
            names = [pair.first.label, pair.second.label]
            above, under = names if pair.word == "better" else reversed(names)
            below.setdefault(above, []).append(under)
    family = f"Of {counted(len(comparison.pairs), 'pair')} (Holm over these)"
    if below:
        named = {above: listed_or_counted(others, "arms") for above, others in below.items()}
        text = f"{family}: {'; '.join(f'{above} is better than {others}' for above, others in named.items())}."
    elif all(pair.word == TOO_FEW_SEEDS for pair in comparison.pairs):
        count, alpha = len(comparison.seeds), max(pair.alpha() for pair in comparison.pairs)
        is_paired = any(pair.is_paired for pair in comparison.pairs)
        why = cannot_decide(count, len(comparison.pairs), alpha=alpha, is_paired=is_paired)
        text = f"{family} no pair is decided: {why}."
    else:
        text = f"{family} no two arms are found different."
    arms = tuple(dict.fromkeys(name for above, others in below.items() for name in (above, *others)))
    yield Statement("pairs", "all pairs", text, arms, {"different": sum(map(len, below.values()))})


def _best(comparison: Comparison) -> Iterator[Statement]:
    """The best mean and what cannot be distinguished from it, or why no best is named."""
    if len(comparison.losses) > 1:
        note = (
            f"Not ranked: {metric_in_words(comparison.metric)} is in the unit of the loss that an arm trains on, and "
            f"these arms train on different losses ({listed(comparison.losses)}). Arms with different losses are not "
            "judged, and no best is named. Compare them by a metric that depends on no loss, such as "
            f"{PRIMARY_METRIC}."
        )
        yield Statement("not_ranked", "best set", note, numbers={"losses": list(comparison.losses)}, place="both")
    if not comparison.best:
        return
    known = [row for row in comparison.rows if row.own.mean is not None]
    judged = [row for row in known if not row.sample.doubt]
    sign = -1 if comparison.metric.larger_is_better is False else 1
    mean = sign * max(sign * (row.own.mean or 0.0) for row in known)
    equal = {row.sample.label for row in known if isclose(row.own.mean or 0.0, mean, rel_tol=ROUNDING)}
    tied = [label for label in comparison.best if label in equal]
    best, others = comparison.best[0], [label for label in comparison.best if label not in tied]
    named, them = (best, "it") if len(tied) < 2 else (f"{listed_or_counted(tied, 'arms')} (equal means)", "them")
    which = "every other arm" if len(judged) == len(comparison.rows) else "every other arm that is judged"
    below = [row.sample.label for row in judged if row.sample.label not in comparison.best]
    rule = _rule(comparison, [row.sample.label for row in judged if row.sample.label != best], len(judged) - 1)
    text = f"Best: {named}, distinguishable from {which} {rule}."
    if others:
        names = ("; " if any("," in name for name in others) else ", ").join(others)
        text = f"Best: {named}. Not distinguishable from {them}: {names} {rule}."
    elif len(tied) == len(judged):
        text = f"Best: {named}."
    place: Literal["notes", "both"] = "notes" if comparison.contrasts() else "both"
    yield Statement("best", "best set", text, comparison.best, {"best_mean": mean}, place)
    if below and len(comparison.best) > 1 and not any(row.is_baseline and row.sample.label == best for row in judged):
        rule = _rule(comparison, below, len(judged) - 1)
        text = f"{listed_or_counted(below, 'arms')} {'is' if len(below) == 1 else 'are'} worse than {best} {rule}."
        yield Statement("below_best", "best set", text, tuple(below))


def _rule(comparison: Comparison, named: Sequence[str], others: int) -> str:
    """The rule by which these arms were compared with the best, in brackets; arm and baseline keep their verdict."""
    pairs = [{one.first.label, one.second.label} for one in comparison.contrasts()]
    decided = {name for pair in pairs if comparison.best[0] in pair for name in pair}
    if decided.issuperset(named):
        return "(as the verdicts say)"
    level = "at the level of the later look" if comparison.looks else "at 5 %"
    rest = "; between an arm and its baseline, the verdict counts" * bool(decided.intersection(named))
    return f"({level}, Bonferroni over {counted(others, 'comparison')} with the best{rest})"


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
        yield _said("no_result", why_none((row.sample for row in comparison.rows), metric))
    elif len(comparison.rows) < 2:
        bounds = f" (95 % interval {interval(known[0].own.interval, metric)})" if known[0].own.interval else ""
        mean = f"{with_unit(known[0].own.mean, metric)}{bounds}"
        yield _said("single", f"{mean}, over {counted(known[0].own.n, 'seed')}.")
    elif len(comparison.losses) > 1:
        return  # which a note says at length
    elif metric.larger_is_better is None:
        yield _said("no_direction", "Not judged: neither direction of this metric is better.")
    elif not contrasts:
        named = f"The baseline {comparison.baseline_label()} is not one of these: name one with --baseline."
        yield _said("no_baseline", named if comparison.baseline else "No baseline is named.", "baseline")
        if not comparison.best:
            yield _highest(comparison)
    elif all(contrast.word == NOT_JUDGED for contrast in contrasts):
        reasons = {contrast.reason for contrast in contrasts}
        why = reasons.pop() if len(reasons) == 1 else _reasons(contrasts)
        yield _said("not_judged", f"Not judged: {why}.", "baseline", contrasts)
        yield _highest(comparison)
        if not comparison.is_judged and not comparison.doubt:
            is_varied = any(factor.path == "train.lr" for one in results for factor in one.experiment.factors)
            hint = (
                "The learning rate itself is varied: --shared-lr judges these arms."
                if is_varied
                else "List learning rates under `tune` to have it judged."
            )
            yield _said("to_judge", hint)
    else:
        yield from _verdict_statements(comparison, by_verdict(contrasts))


def _said(kind: str, text: str, family: Family = "numbers", group: Sequence[Contrast] = ()) -> Statement:
    return Statement(kind, family, text, tuple(one.first.label for one in group), place="answer")


def _question(comparison: Comparison, results: Sequence[Results]) -> str:
    metric = metric_in_words(comparison.metric)
    experiment = results[0].experiment if results else None
    datasets = listed(list(dict.fromkeys(str(one.experiment.settings.data.dataset) for one in results)))
    data = f" on {datasets}" if datasets else ""
    folders = {contrast.second.folder for contrast in comparison.contrasts()}
    if len(folders) == 1 and not comparison.baseline and (earlier := folders.pop()):
        return f"Is any arm better or worse than in {earlier}, by {metric}{data}?"
    if len(comparison.rows) < 2:
        return f"What {metric} does this network reach{data}?"
    factors = experiment.factors if experiment and len(results) == 1 else ()
    shown = {path for row in comparison.rows for path, _ in row.sample.values}
    asked = [one.path for one in factors if len(one.values) > 1 and one.path in shown]
    which = listed([path.split(".")[-1] for path in asked]) or "arm"
    if comparison.metric.larger_is_better is None:
        return f"How does {metric} depend on {which}{data}?"
    best = "highest" if comparison.metric.larger_is_better else "lowest"
    return f"Which {which} {'give' if ' and ' in which else 'gives'} the {best} {metric}{data}?"


def by_verdict(judged: Iterable[Contrast]) -> dict[str, list[Contrast]]:
    """Contrasts by their verdicts without numbers; small differences are among the others."""
    groups: dict[str, list[Contrast]] = {}
    for one in judged:
        groups.setdefault(one.word, []).append(one)
    return groups


def _verdict_statements(comparison: Comparison, groups: dict[str, list[Contrast]]) -> Iterator[Statement]:
    is_named = comparison.baseline or sum(row.is_baseline for row in comparison.rows) == 1
    base = comparison.baseline_label() if is_named else "the same arm there"
    if "worse" in groups and "better" not in groups:
        yield _said("none_better", f"None is shown to be better than {base}.", "baseline")
    for word in ("better", "worse"):
        if group := groups.get(word):
            text = f"{_found(group, comparison)} {'is' if len(group) == 1 else 'are'} {word} than {base}"
            yield _said(word, f"{text}{_evidence_of_group(group)}.", "baseline", group)
    if group := groups.get(EQUIVALENT):
        margin = size(comparison.margin or 0.0, comparison.metric)
        yield _said("equivalent", f"Equivalent to {base} within {margin}: {_names(group)}.", "baseline", group)
    unsure = [*groups.get(NO_EVIDENCE, []), *groups.get(UNDECIDED, [])]
    if group := [one for one in unsure if one.is_tied()]:
        differences = f"all {counted(group[0].difference.n, 'difference')} from {base} are zero"
        yield _said("tied", f"Cannot tell {_names(group)} from {base}: {differences}.", "baseline", group)
    if group := [one for one in unsure if not one.is_tied()]:
        furthest = max(group, key=Contrast.reach)
        text = (
            f"Cannot tell {_names(group)} from {base}: after {counted(furthest.difference.n, 'seed')} the difference "
            f"can still be up to {size(furthest.reach(), comparison.metric)}."
        )
        yield _said("no_evidence", text, "baseline", group)
        seeds, text = (0, "") if comparison.looks else seeds_to_decide(comparison, group)
        if seeds:
            yield _said("seeds_to_decide", text, "baseline")
            option = fresh_seeds(seeds, len(comparison.contrasts()), comparison.seeds)
            note = f"For fresh seeds: actbench run FILE {option}."
            yield Statement("fresh_seeds", "baseline", note, numbers={"seeds": seeds})
    if group := groups.get(TOO_FEW_SEEDS):
        yield _said("too_few_seeds", f"Cannot tell {_names(group)} from {base}: {too_few(group)}.", "baseline", group)
    if group := groups.get(NOT_JUDGED):
        yield _said("not_judged", f"Not judged: {_reasons(group)}.", "baseline", group)


def too_few(group: Sequence[Contrast]) -> str:
    """That the seeds of these contrasts cannot decide so many, and how many can."""
    count, comparisons = min(one.difference.n for one in group), max(1, max(one.comparisons for one in group))
    alpha, is_paired = max(one.alpha() for one in group), any(one.is_paired for one in group)
    return cannot_decide(count, comparisons, alpha=alpha, is_paired=is_paired)


def usual_spread(group: Sequence[Contrast]) -> float:
    """The median sd of paired differences; 0 without any."""
    return median([one.difference.sd for one in group if one.is_paired and one.difference.sd] or [0.0])


def seeds_to_decide(comparison: Comparison, group: Sequence[Contrast]) -> tuple[int, str]:
    """How many seeds show the margin at 80 % power, or else half of what these show, also in words; 0 if too many."""
    spread = usual_spread(group)
    count, known = max(one.comparisons for one in group), max(one.difference.n for one in group)
    shown = comparison.detectable or detectable_difference(known, spread, comparisons=max(1, count)) or 0.0
    for target, why in ((comparison.margin or 0.0, ""), (shown / 2, " (half of what these show)")):
        seeds = seeds_needed(target, spread, comparisons=count) if spread and target else 0
        if known < seeds <= MAX_SEEDS:
            target_text = f"{size(target, comparison.metric)}{why}"
            return seeds, f"To find a true difference of {target_text} with 80 % probability takes {seeds} new seeds."
    return 0, ""


def _found(group: Sequence[Contrast], comparison: Comparison) -> str:
    """`mish (+0.31 points) and gelu (+0.20 points)`, the largest first."""
    ordered = sorted(group, key=lambda one: -abs(one.difference.mean or 0.0))
    named = [f"{one.first.label} ({size(one.difference.mean, comparison.metric, signed=True)})" for one in ordered]
    return listed(first_few(named, MAX_NAMED))


def _evidence_of_group(group: Sequence[Contrast]) -> str:
    worst = max(group, key=lambda one: one.p_holm or 0.0)
    p = probability(worst.p_holm)
    sign = "" if p.startswith("<") else "= " if len(group) == 1 else "<= "
    seeds = seeds_text(one.difference.n for one in group)
    return f" (p {sign}{p} after {counted(worst.comparisons, 'comparison')}, {seeds})"


def _names(group: Sequence[Contrast]) -> str:
    labels = [one.first.label for one in group]
    return listed_or_counted(labels, "arms") if len(labels) <= 2 * MAX_NAMED else f"{len(labels)} arms"


def _reasons(group: Sequence[Contrast]) -> str:
    """`relu and tanh (3 of 10 trials unusable); mish (train.lr is at the edge of what was tried)`."""
    by_reason: dict[str, list[Contrast]] = {}
    for one in group:
        by_reason.setdefault(one.reason, []).append(one)
    return "; ".join(f"{_names(found)} ({reason})" for reason, found in by_reason.items())


def why_none(samples: Iterable[Sample], metric: Metric) -> str:
    """That no final trial has ended, or why those that have ended have no number."""
    endings, name = sum_endings(sample.endings for sample in samples), metric_in_words(metric)
    if endings["done"] and metric.is_timed:
        alone = f"a claim about {name} under `expect` has each trained alone; then `actbench run FILE --fresh`"
        return f"No final trial has a {name}, since trials of one stack share their time: {alone}."
    how = listed([f"{count} {ending}" for ending, count in endings.items() if count])
    return f"No final trial has a finite {name}: {how}." if how else "No final trial has a result yet."


def _highest(comparison: Comparison) -> Statement:
    metric, sign = comparison.metric, 1 if comparison.metric.larger_is_better else -1
    sound = [row for row in comparison.rows if row.sample.failed <= MAX_FAILED * row.sample.trials]
    known = {row.sample.label: row.own.mean for row in sound if row.own.mean is not None}
    if not known:
        return _said("highest_mean", "No mean is named: too many trials of every arm are unusable.")
    best = max(known.values(), key=lambda mean: sign * mean)
    leaders = [label for label, mean in known.items() if mean == best]
    text = f"The {'highest' if sign > 0 else 'lowest'} mean, {with_unit(best, metric)}, is that of"
    return Statement(
        "highest_mean", "numbers", f"{text} {listed_or_counted(leaders, 'arms')}.", tuple(leaders), place="answer"
    )
