"""What a comparison says, each fact once: in a note below the table, in the page's paragraph, and in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison, Contrast
from actbench.analysis.verdicts import EQUIVALENT, NO_EVIDENCE, NOT_JUDGED, TOO_FEW_SEEDS, Verdict, verdict_word
from actbench.experiment.definition import SECTIONS, Experiment
from actbench.experiment.metrics import CURVES, Metric
from actbench.experiment.naming import label_of, value_to_text
from actbench.plan.plan import PRIMARY_METRIC
from actbench.plan.tuning import in_order
from actbench.report.numbers import interval, metric_in_words, size, value
from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import fewest_seeds
from actbench.statistics.sign_flip import smallest_p
from actbench.store.results import Results
from actbench.text import capitalised, counted, listed

Family = Literal["numbers", "baseline", "best set", "caveats", "claims"]

MAX_NAMES = 12
NEAR_CHANCE = 0.05  # of the way from chance to all images
ROUNDING = 1e-12
PLANNED = {
    "seeds": "seeds",
    "baseline": "the baseline",
    "margin": "the margin",
    "metric": "the metric",
    "tuning_seeds": "the tuning seeds",
    "arms": "the arms or what was chosen for them",
}
MATTERS = ("torch", "numpy", "machine", "processor", "device", "device_name", "training_code")
# The paragraph's order; the notes have the order of the list.
PARAGRAPH = (
    "question", "single", "no_result", "tuned", "not_tuned", "no_baseline", "better", "worse", "none_differs",
    "equivalent", "no_evidence", "too_few_seeds", "not_judged", "not_ranked", "best", "detectable", "failed", "missing",
    "claims", "scope",
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """One fact about a comparison.

    `family` names the tests that a statement about arms belongs to: against the baseline, or the best set. `note` goes
    below a table and `sentence` into the page's paragraph; either is empty where it would repeat what is beside it.
    """

    kind: str
    family: Family
    note: str = ""
    sentence: str = ""
    arms: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The statement as plain data, with its plainest wording as `text`."""
        numbers = {"numbers": dict(self.numbers)} if self.numbers else {}
        text = self.sentence or self.note
        return {"kind": self.kind, "family": self.family, "arms": list(self.arms), **numbers, "text": text}


def statements(
    comparison: Comparison, results: Sequence[Results], claims: Sequence[JudgedClaim] = ()
) -> list[Statement]:
    """Everything that is to be said about a comparison of these folders, in the order of the notes."""
    has_result = bool(comparison.seeds) and any(row.own.mean is not None for row in comparison.rows)
    found = [*_numbers(comparison, results, has_result=has_result)]
    if has_result and len(comparison.rows) > 1:
        found += [*_verdicts(comparison), *_best(comparison)]
    for one in results:
        where = f"{one.folder}: " if len(results) > 1 else ""
        said = (*_tuning(comparison, one), *_at_chance(one), *_history(one))
        found += [replace(each, note=f"{where}{each.note}" if each.note else "") for each in said]
    found += [*_differing_settings(results), *_differing_environments(results), *_doubts(comparison, results)]
    if comparison.metric.name != PRIMARY_METRIC:
        note = f"Descriptive: this experiment was planned to decide {PRIMARY_METRIC}; p (Holm) is adjusted within this "
        found.append(Statement("descriptive", "caveats", f"{note}table only."))
    return [*found, *_claims(claims)]


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
    when = " at the last epoch" if name in CURVES else ""
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


def _tests(comparison: Comparison, contrasts: Sequence[Contrast]) -> Iterator[Statement]:
    tested, seeds = [contrast.difference.n for contrast in contrasts if contrast.p is not None], len(comparison.seeds)
    if any(contrast.is_paired for contrast in contrasts) and tested:
        note = (
            f"Differences are paired by seed; p is the sign-flip test, Holm over {counted(len(tested), 'comparison')} "
            "with the baseline; P(better): the share of seeds won, ties counting half, with Wilson's 95 % interval."
        )
        yield Statement("paired", "baseline", note, numbers={"comparisons": len(tested)})
    fewest = min(contrast.difference.n for contrast in contrasts)
    if any(not contrast.is_paired for contrast in contrasts):
        note = (
            "Where the data differ, seeds cannot be paired: those samples are compared as independent (Welch's "
            "interval, p of regroupings)."
        )
        yield Statement("unpaired", "baseline", note)
    elif tested and (reachable := smallest_p(min(tested), len(tested))) > ALPHA:
        note = f"{min(tested)} seeds can never reach p (Holm) below {reachable:.3f} here: {TOO_FEW_SEEDS}."
        yield Statement("unreachable_p", "baseline", note, numbers={"seeds": min(tested), "smallest_p": reachable})
    if fewest < seeds:
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
        yield f"All {experiment.arm_count()} combinations of {' and '.join(sizes)} were compared; {seeds}."


def _single(comparison: Comparison, results: Results) -> str:
    (row,) = comparison.rows
    data, metric = results.experiment.settings.data.dataset, comparison.metric
    unit = " %" if metric.unit == "share" else ""
    seeds = counted(len(comparison.seeds), "seed", in_words=True)
    bounds = f" (95 % interval {interval(row.own.interval, metric)})" if row.own.interval else ""
    return (
        f"One network was trained on {data} with {seeds}; nothing is compared here. "
        f"Its mean {metric_in_words(metric)} is {value(row.own.mean, metric)}{unit}{bounds}."
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
    if group := by_word.get(NO_EVIDENCE):
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
    return f"{label_of(comparison.baseline)} in an arm that is otherwise the same"


def _no_evidence(group: Sequence[Contrast], base: str, metric: Metric) -> str:
    furthest = max(group, key=_furthest)
    which = f" ({furthest.first.label})" if len(group) > 1 else ""
    return (
        f"For {_names(group)} there is {NO_EVIDENCE} to {base}. That does not mean they are the same: the difference "
        f"could still be up to {size(_furthest(furthest), metric)}{which}."
    )


def _furthest(contrast: Contrast) -> float:
    """How far from 0 the interval of the difference reaches."""
    low, high = contrast.difference.interval or (0.0, 0.0)
    return max(-low, high)


def _not_judged(group: Sequence[Contrast]) -> str:
    reasons: dict[str, list[Contrast]] = {}
    for contrast in group:
        reasons.setdefault(contrast.reason, []).append(contrast)
    return f"Not judged: {'; '.join(f'{_names(contrasts)} ({reason})' for reason, contrasts in reasons.items())}."


def _names(contrasts: Sequence[Contrast]) -> str:
    return _few([contrast.first.label for contrast in contrasts], "arms")


def _few(names: Sequence[str], noun: str) -> str:
    return listed(names) if len(names) <= MAX_NAMES else f"{len(names)} {noun}"


def _with_differences(group: Sequence[Contrast], comparison: Comparison) -> str:
    """`mish (+0.31 points of test accuracy, 95 % interval +0.20 to +0.42)`."""
    metric = comparison.metric
    unit = " points" if metric.unit == "share" else ""
    ordered = sorted(group, key=lambda contrast: -abs(contrast.difference.mean or 0.0))
    named = [
        f"{contrast.first.label} ({value(contrast.difference.mean, metric, signed=True)}{unit}"
        f"{'' if number else f' of {metric_in_words(metric)}'}, "
        f"95 % interval {interval(contrast.difference.interval, metric, signed=True)})"
        for number, contrast in enumerate(ordered[:MAX_NAMES])
    ]
    rest = len(ordered) - len(named)
    return listed([*named, f"{rest} more"] if rest else named)


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
    shown = f"{value(mean, metric)}{' %' if metric.unit == 'share' else ''}"
    first = f"The {word} mean ({shown}) {'is shared by' if len(leaders) > 1 else 'belongs to'} {listed(leaders)}"
    if comparison.best and comparison.best[0] not in leaders:
        leaders = [comparison.best[0]]
        first = f"{first}. Of those that are judged, the {word} mean belongs to {comparison.best[0]}"
    sentence = f"{first}{_indistinguishable(comparison, leaders)}."
    yield Statement("best", "best set", note, sentence, comparison.best, {"best_mean": mean})


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
    family = f"(at 5 %, Bonferroni over {counted(len(judged) - 1, 'comparison')} with the best)"
    if others:
        return f"Best: {best}. Not distinguishable from it: {', '.join(others)} {family}."
    which = "every other arm" if len(judged) == len(comparison.rows) else "every other arm that is judged"
    return f"Best: {best}, distinguishable from {which} {family}."


def _indistinguishable(comparison: Comparison, leaders: Sequence[str]) -> str:
    """Which others may be as good as those with the best mean."""
    others = [name for name in comparison.best if name not in leaders]
    if not comparison.best:
        return "; that alone does not make it the best" if len(leaders) == 1 else ""
    if others:
        return f", but {_few(others, 'others')} cannot be distinguished from it"
    if len(leaders) > 1:
        return ""
    judged = " that is judged" if any(row.sample.doubt for row in comparison.rows) else ""
    return f", and every other arm{judged} can be distinguished from it"


def _tuning(comparison: Comparison, results: Results) -> Iterator[Statement]:
    """What was chosen for each arm, and whether arms share a learning rate that suits some better than others."""
    experiment, tunings = results.experiment, results.plan.tunings
    if len(comparison.rows) < 2:
        return
    rates = {arm.settings.train.lr for arm, _ in results.plan.arms}
    shared = f" (train.lr {rates.pop():g})" if len(rates) == 1 else ""
    if tunings:
        paths = listed([factor.path for factor in experiment.tune])
        sentence = (
            f"Each arm uses the {paths} that suited it best on validation images, so that none wins only because a "
            "shared setting happens to suit it."
        )
        yield Statement("tuned", "caveats", _tuned_note(results), sentence)
    elif not comparison.is_judged:
        note = (
            "Not judged: nothing was tuned for each arm by itself, so this ranks how well the settings suit an arm as "
            "much as the arm."
        )
        sentence = (
            f"Nothing was tuned for the arms: all share their settings{shared}, which may suit one more than another. "
            "So nothing is judged here; the numbers describe these trainings and do not say which arm is better."
        )
        yield Statement("not_tuned", "caveats", note, sentence)
    else:
        sentence = (
            f"Nothing was tuned for the arms{shared}; the verdicts, requested all the same, hold for these settings, "
            "and others may reverse them."
        )
        yield Statement("not_tuned", "caveats", sentence=sentence)
    contrasts = [row.contrast for row in comparison.rows if row.contrast]
    are_other_arms = any(one.first.values != one.second.values for one in contrasts) or not contrasts
    if comparison.is_judged and are_other_arms and not _has_own_rate(experiment):
        note = "Same learning rate for all arms: ranks confound an arm with how well this rate happens to suit it."
        yield Statement("shared_rate", "caveats", note)


def _tuned_note(results: Results) -> str:
    tunings, count = results.plan.tunings, results.experiment.tuning_seeds
    seeds = "1 tuning seed that is" if count == 1 else f"{count} tuning seeds that are"
    tried: dict[str, list[Any]] = {path: [] for path, _ in tunings[0].candidates[0].values}
    for values in dict.fromkeys(candidate.values for tuning in tunings for candidate in tuning.candidates):
        for path, setting in values:
            tried[path] += [] if setting in tried[path] else [setting]
    grids = "; ".join(f"{path} from {', '.join(map(value_to_text, in_order(grid)))}" for path, grid in tried.items())
    return (
        f"Tuned for each arm: {grids}, by validation accuracy over {seeds} not among these; tuning.csv has all that "
        "was tried."
    )


def _has_own_rate(experiment: Experiment) -> bool:
    """Whether the learning rate is tuned for each arm, or is itself what is compared."""
    return any(factor.path == "train.lr" for factor in (*experiment.tune, *experiment.factors))


def _at_chance(results: Results) -> Iterator[Statement]:
    """Arms that learned next to nothing although no network of theirs that counts gives all images the same class."""
    chance = 1 / results.experiment.settings.data.facts().classes
    accuracies: dict[str, float] = {}
    for arm, trials in results.plan.arms:
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        usable = [record for record in records if record.ending() == "done" and record.test_prediction_counts]
        if images := sum(record.test_count for record in usable):
            correct = sum(record.test_correct_count or 0 for record in usable) / images
            if correct <= chance + NEAR_CHANCE * (1 - chance):
                accuracies[arm.label()] = correct
    if accuracies:
        named = [f"{label} ({100 * accuracy:.1f} %)" for label, accuracy in accuracies.items()]
        note = (
            f"Near chance ({100 * chance:.0f} % of the test images) although several classes are predicted: "
            f"{_few(named, 'arms')}. Try other learning rates, or a loss that belongs to the output."
        )
        yield Statement("at_chance", "caveats", note, arms=tuple(accuracies), numbers={"chance": chance})


def _history(results: Results) -> Iterator[Statement]:
    """What was changed after the first final trial, and how often the test images were scored."""
    plans = [*results.frozen.get("earlier", []), results.frozen]
    counts = [len(plan.get("seeds", ())) for plan in plans]
    changed = [key for key in PLANNED if len({json.dumps(plan.get(key)) for plan in plans}) > 1]
    if len(set(counts)) > 1:
        steps = " to ".join(map(str, counts))
        how = "extended" if counts[-1] == max(counts) else "changed"
        note = f"n was {how} after looking, from {steps} seeds: p-values no longer mean what they say."
        yield Statement("changed_seeds", "caveats", note)
    elif "seeds" in changed:
        note = "Other seeds were drawn after looking: p-values no longer mean what they say."
        yield Statement("changed_seeds", "caveats", note)
    warnings = results.frozen.get("warnings", [])
    for warning in warnings[:MAX_NAMES]:
        yield Statement("warning", "caveats", f"Warning: {warning}.")
    if more := len(warnings[MAX_NAMES:]):
        yield Statement("warning", "caveats", f"{counted(more, 'more warning')}: plan.json has all.")
    if others := [PLANNED[key] for key in changed if key != "seeds"]:
        note = f"Changed after looking: {', '.join(others)} (plan.json has the earlier plans)."
        yield Statement("changed_plan", "caveats", note)
    if reads := results.test_reads:
        note = f"In this folder the test images have been scored {counted(reads, 'time')}, once per final trial."
        yield Statement("test_reads", "caveats", note, numbers={"test_reads": reads})


def _differing_settings(results: Sequence[Results]) -> Iterator[Statement]:
    """Settings, apart from what is varied and tuned, in which the experiments of several folders differ."""
    for folder in results[1:]:
        first, other = results[0].experiment, folder.experiment
        free = {factor.path for each in (first, other) for factor in (*each.factors, *each.tune)}
        differing = [
            f"{section}.{name}"
            for section in SECTIONS
            for name, setting in getattr(first.settings, section)
            if setting != getattr(getattr(other.settings, section), name) and f"{section}.{name}" not in free
        ]
        if differing:
            note = f"{results[0].folder} and {folder.folder} differ in {', '.join(differing)}."
            yield Statement("differing_settings", "caveats", note)


def _differing_environments(results: Sequence[Results]) -> Iterator[Statement]:
    """Whether processors, devices or versions differ, so that the same seed may have given other numbers."""
    different = set()
    for folder in results:
        final = [trial.id for _, trials in folder.plan.arms for trial in trials if trial.id in folder.records]
        used = {folder.records[trial].environment for trial in final}
        different |= {tuple(folder.environments.get(name, {"id": name}).get(key) for key in MATTERS) for name in used}
    if len(different) > 1:
        note = f"Mixed environments: these trials come from {len(different)} of them, which environment.json lists."
        yield Statement("differing_environments", "caveats", note, numbers={"environments": len(different)})


def _doubts(comparison: Comparison, results: Sequence[Results]) -> Iterator[Statement]:
    """Trials that failed or are missing, and arms that are not judged."""
    numbers = {
        name: sum(getattr(row.sample, name) for row in comparison.rows)
        for name in ("failed", "diverged", "collapsed", "crashed", "trials")
    }
    if failed := numbers["failed"]:
        kept = "those that predict anything stay in the mean"
        if comparison.metric.name != PRIMARY_METRIC:
            kept = "those without a finite value are left out, which flatters their arm"
        note = (
            f"{counted(failed, 'trial')} unusable, counted as (failed): {numbers['diverged']} diverged, "
            f"{numbers['collapsed']} collapsed, {numbers['crashed']} failed; {kept}."
        )
        sentence = (
            f"{failed} of {numbers['trials']} trainings are unusable (diverged, collapsed to one class, or failed with "
            "an error); they are counted and listed below."
        )
        yield Statement("failed", "caveats", note, sentence, numbers=numbers)
    missing, planned = sum(one.missing() for one in results), sum(one.planned() for one in results)
    if missing:
        sentence = f"{missing} of {planned} trainings are still missing, so all this is provisional."
        yield Statement("missing", "caveats", sentence=sentence, numbers={"missing": missing, "planned": planned})
    for row in comparison.rows:
        if row.sample.doubt:
            note = f"Not judged: for {row.sample.label}, {row.sample.doubt}."
            yield Statement("not_judged", "caveats", note, arms=(row.sample.label,))
    if comparison.is_judged and len(comparison.rows) > 1:
        sentence = "All this holds for this network, these images and this much training, and for no other."
        yield Statement("scope", "caveats", sentence=sentence)


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
        sentence += f" Exploratory, because added after final trials had begun: {_few(added, 'claims')}."
    yield Statement("claims", "claims", sentence=sentence, numbers=counts | {"exploratory": len(added)})
