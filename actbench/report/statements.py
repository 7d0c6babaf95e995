"""What a comparison says, each fact once: in the answer, in a note below the table, and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison, Contrast
from actbench.analysis.verdicts import TOO_FEW_SEEDS, is_surprising, verdict_word
from actbench.experiment.definition import PRIMARY_METRIC
from actbench.experiment.metrics import CURVES, MEASURES
from actbench.report.answer import answer_statements
from actbench.report.caveats import comparison_caveats, folder_caveats
from actbench.report.claims import claims_statements
from actbench.report.looks import look_statements
from actbench.report.numbers import metric_in_words, probability, size
from actbench.report.statement import Statement, cannot_decide, few
from actbench.statistics.multiple import ALPHA
from actbench.statistics.sign_flip import smallest_p
from actbench.store.results import Results
from actbench.text import counted, listed


def statements(
    comparison: Comparison, results: Sequence[Results], claims: Sequence[JudgedClaim] = ()
) -> list[Statement]:
    """Everything that is to be said about a comparison of these folders: the answer, then the notes in their order."""
    found = [*answer_statements(comparison, results), *_numbers(comparison)]
    if comparison.seeds and len(comparison.rows) > 1 and any(row.own.mean is not None for row in comparison.rows):
        found += [*_adjusted(comparison), *_best(comparison), *_pairs(comparison)]
    for one in results:
        where = f"{one.folder}: " if len(results) > 1 else ""
        found += [replace(each, text=f"{where}{each.text}") for each in folder_caveats(comparison, one)]
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
    name, seeds = comparison.metric.name, len(comparison.seeds)
    scope = ", on this test set" if name.startswith("test") else ""
    when = " at the last epoch" if name in (*CURVES, *MEASURES) else ""
    shown = metric_in_words(comparison.metric)
    note = f"{shown}{when} over {counted(seeds, 'seed')}; sd and intervals are over seeds{scope}."
    yield Statement("numbers", "numbers", note)
    if any(row.predicted_sd is not None for row in comparison.rows):
        note = "predicted sd: what a test set of this size causes by itself, sqrt(error / (2 images))."
        yield Statement("predicted_sd", "numbers", note)
    if contrasts := comparison.contrasts():
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
        numbers = {"difference": comparison.detectable, "power": 0.8}
        yield Statement("detectable", "baseline", note, numbers=numbers)


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
            yield Statement("adjusted", "baseline", text, (row.sample.label,), numbers)


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
        text = f"{family} no pair is decided: {cannot_decide(len(comparison.seeds), len(comparison.pairs))}."
    else:
        text = f"{family} no two arms are found different."
    arms = tuple(dict.fromkeys(name for above, others in below.items() for name in (above, *others)))
    yield Statement("pairs", "all pairs", text, arms, {"different": sum(map(len, below.values()))})


def _best(comparison: Comparison) -> Iterator[Statement]:
    """The best mean and what cannot be distinguished from it, or why no best is named."""
    if len(comparison.losses) > 1:
        yield _not_ranked(comparison)
    if not comparison.best:
        return
    known = [row for row in comparison.rows if row.own.mean is not None]
    judged = [row for row in known if not row.sample.doubt]
    best, *others = comparison.best
    family = f"(at 5 %, Bonferroni over {counted(len(judged) - 1, 'comparison')} with the best)"
    which = "every other arm" if len(judged) == len(comparison.rows) else "every other arm that is judged"
    text = f"Best: {best}, distinguishable from {which} {family}."
    if others:
        names = ("; " if any("," in name for name in others) else ", ").join(others)
        text = f"Best: {best}. Not distinguishable from it: {names} {family}."
    sign = -1 if comparison.metric.larger_is_better is False else 1
    mean = sign * max(sign * (row.own.mean or 0.0) for row in known)
    place: Literal["notes", "both"] = "notes" if comparison.contrasts() else "both"
    yield Statement("best", "best set", text, comparison.best, {"best_mean": mean}, place)
    below = [row.sample.label for row in judged if row.sample.label not in comparison.best]
    if below and others and not any(row.is_baseline and row.sample.label == best for row in judged):
        text = f"{few(below, 'arms')} {'is' if len(below) == 1 else 'are'} worse than {best} {family}."
        yield Statement("below_best", "best set", text, tuple(below))


def _not_ranked(comparison: Comparison) -> Statement:
    """Why a loss ranks no arms that train on different ones."""
    note = (
        f"Not ranked: {metric_in_words(comparison.metric)} is in the unit of the loss that an arm trains on, and these "
        f"arms train on different losses ({listed(comparison.losses)}). Arms with different losses are not judged, and "
        f"no best is named. Compare them by a metric that depends on no loss, such as {PRIMARY_METRIC}."
    )
    return Statement("not_ranked", "best set", note, numbers={"losses": list(comparison.losses)}, place="both")
