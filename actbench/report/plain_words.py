"""The question and its answer in one paragraph, for a reader who knows no statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import NOT_JUDGED, Comparison, Contrast
from actbench.analysis.verdicts import TOO_FEW_SEEDS, Verdict
from actbench.experiment.definition import label_of, value_to_text
from actbench.experiment.metrics import Metric
from actbench.report.numbers import interval, metric_in_words, value
from actbench.statistics.power import fewest_seeds
from actbench.store.results import Results
from actbench.text import listed

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MAX_NAMES = 12
ROUNDING = 1e-12


def plain_words(comparison: Comparison, results: Results, claims: Sequence[JudgedClaim] = ()) -> str:
    """What was compared, on what and how fairly, what may be concluded and what not."""
    if not comparison.seeds or all(row.own.mean is None for row in comparison.rows):
        sentences = [*_question(comparison, results), "No final training has given a result yet."]
    elif len(comparison.rows) < 2:
        sentences = [*_single(comparison, results), *_trouble(comparison, results), *_claims(claims)]
    else:
        sentences = [
            *_question(comparison, results),
            *_fairness(comparison, results),
            *_verdicts(comparison),
            *_best(comparison),
            *_trouble(comparison, results),
            *_claims(claims),
            *_scope(comparison),
        ]
    return " ".join(sentences)


def counted(number: int, noun: str) -> str:
    """`one arm`, `eight arms`, `13 arms`."""
    return f"{NUMBERS[number] if number < len(NUMBERS) else f'{number:,}'} {noun}{'s' * (number != 1)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _question(comparison: Comparison, results: Results) -> Iterator[str]:
    experiment = results.experiment
    factors = [factor for factor in experiment.factors if len(factor.values) > 1]
    if not factors:
        return
    best = {True: "the highest", False: "the lowest", None: "which"}[comparison.metric.larger_is_better]
    names = " with which ".join(factor.path for factor in factors)
    yield f"Which {names} gives {best} {metric_in_words(comparison.metric)} on {experiment.settings.data.dataset}?"
    seeds = (
        f"each was trained {_times(len(comparison.seeds))}, with other random numbers each time (the seeds), to see "
        "how much is luck"
    )
    if len(factors) == 1:
        values = [value_to_text(one) for one in factors[0].values]
        names = f": {listed(values)}" if len(values) <= MAX_NAMES else ""
        yield _sentence(f"{counted(len(values), 'value')} of {factors[0].path} were compared{names};" + f" {seeds}.")
    else:
        sizes = " and ".join(f"{counted(len(factor.values), 'value')} of {factor.path}" for factor in factors)
        yield f"All {experiment.arm_count()} combinations of {sizes} were compared; {seeds}."


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, counted(number, "time"))


def _single(comparison: Comparison, results: Results) -> Iterator[str]:
    (row,) = comparison.rows
    data, metric = results.experiment.settings.data.dataset, comparison.metric
    unit = " %" if metric.unit == "share" else ""
    yield f"One network was trained on {data} with {counted(len(comparison.seeds), 'seed')}; nothing is compared here."
    bounds = f" (95 % interval {interval(row.own.interval, metric)})" if row.own.interval else ""
    yield f"Its mean {metric_in_words(metric)} is {value(row.own.mean, metric)}{unit}{bounds}."


def _fairness(comparison: Comparison, results: Results) -> Iterator[str]:
    paths = listed([factor.path for factor in results.experiment.tune])
    rates = {arm.settings.train.lr for arm, _ in results.plan.arms}
    shared = f" (train.lr {rates.pop():g})" if len(rates) == 1 else ""
    if results.plan.tunings:
        yield (
            f"Each was given the {paths} that suited it best on validation images, so that none wins only because the "
            "setting happens to suit it."
        )
    elif comparison.is_judged:
        yield (
            f"Nothing was tuned for each of them by itself{shared}, and verdicts were asked for all the same: they "
            "hold for these settings, and others may reverse them."
        )
    else:
        yield (
            f"Nothing was tuned for each of them by itself: all share their settings{shared}, which may suit one "
            "better than another. So nothing is judged here; the numbers describe these trainings and do not say which "
            "is better."
        )


def _verdicts(comparison: Comparison) -> Iterator[str]:
    contrasts = [row.contrast for row in comparison.rows if row.contrast]
    if not contrasts:
        yield "No baseline is named, so none is compared with a certain other one."
    if not comparison.is_judged or comparison.metric.larger_is_better is None or not contrasts:
        return
    by_verdict: dict[str, list[Contrast]] = {}
    for one in contrasts:
        by_verdict.setdefault((one.verdict or "").split(" within ")[0].split(" (could ")[0], []).append(one)
    base = _baseline(comparison)
    margin = _size(comparison.margin or 0.0, comparison.metric)
    for word in ("better", "worse"):
        if found := by_verdict.get(word):
            yield f"There is evidence that {_with_differences(found, comparison)} {_is(found)} {word} than {base}."
        if found := by_verdict.get(f"{word} (small)"):
            yield (
                f"There is evidence that {_with_differences(found, comparison)} {_is(found)} {word} than {base}, but "
                f"by less than the {margin} that count as small here."
            )
    if not any(verdict.startswith(("better", "worse")) for verdict in by_verdict):
        yield f"None is found better or worse than {base}."
    if found := by_verdict.get("equivalent"):
        yield f"Equivalent to {base}, since any difference is below {margin}: {_names(found)}."
    if found := by_verdict.get("no evidence of a difference"):
        yield from _no_evidence(found, base, comparison.metric)
    if found := by_verdict.get(TOO_FEW_SEEDS):
        yield (
            f"For {_names(found)} there are too few seeds to tell: even the clearest outcome could be luck; it takes "
            f"at least {fewest_seeds(len(contrasts))} seeds."
        )
    if found := by_verdict.get(NOT_JUDGED):
        yield from _not_judged(found)


def _baseline(comparison: Comparison) -> str:
    baselines = [row.sample.label for row in comparison.rows if row.is_baseline]
    if len(baselines) == 1:
        return baselines[0]
    return f"{label_of(comparison.baseline)} in an arm that is otherwise the same"


def _no_evidence(found: Sequence[Contrast], base: str, metric: Metric) -> Iterator[str]:
    furthest = max(found, key=_furthest)
    which = f" ({furthest.first.label})" if len(found) > 1 else ""
    yield (
        f"For {_names(found)} there is no evidence of a difference to {base}. That does not mean they are the same: "
        f"the difference could still be up to {_size(_furthest(furthest), metric)}{which}."
    )


def _furthest(contrast: Contrast) -> float:
    """How far from 0 the interval of the difference reaches."""
    low, high = contrast.difference.interval or (0.0, 0.0)
    return max(-low, high)


def _not_judged(found: Sequence[Contrast]) -> Iterator[str]:
    reference = next((one.second for one in found if one.second.doubt), None)
    if reference is not None:
        yield f"Nothing is judged against {reference.label}: {reference.doubt}."
        return
    reasons = [f"{one.first.label} ({one.first.doubt or 'no seed in common with the baseline'})" for one in found]
    yield f"Not judged: {listed(reasons)}."


def _names(contrasts: Sequence[Contrast]) -> str:
    names = [one.first.label for one in contrasts]
    return listed(names) if len(names) <= MAX_NAMES else f"{len(names)} arms"


def _is(contrasts: Sequence[Contrast]) -> str:
    return "is" if len(contrasts) == 1 else "are"


def _with_differences(found: Sequence[Contrast], comparison: Comparison) -> str:
    """`mish (+0.31 points of test accuracy, 95 % interval +0.20 to +0.42)`."""
    metric = comparison.metric
    unit = " points" if metric.unit == "share" else ""
    ordered = sorted(found, key=lambda one: -abs(one.difference.mean or 0.0))
    named = [
        f"{one.first.label} ({value(one.difference.mean, metric, signed=True)}{unit}"
        f"{'' if number else f' of {metric_in_words(metric)}'}, "
        f"95 % interval {interval(one.difference.interval, metric, signed=True)})"
        for number, one in enumerate(ordered[:MAX_NAMES])
    ]
    rest = len(ordered) - len(named)
    return listed([*named, f"{rest} more"] if rest else named)


def _size(number: float, metric: Metric) -> str:
    return value(number, metric) + (" points" if metric.unit == "share" else "")


def _best(comparison: Comparison) -> Iterator[str]:
    metric, sign = comparison.metric, -1 if comparison.metric.larger_is_better is False else 1
    known = {row.sample.label: row.own.mean for row in comparison.rows if row.own.mean is not None}
    if metric.larger_is_better is None or len(known) < 2:
        return
    mean = sign * max(sign * own for own in known.values())
    leaders = [name for name, own in known.items() if abs(own - mean) < ROUNDING]
    word = "highest" if sign > 0 else "lowest"
    shown = f"{value(mean, metric)}{' %' if metric.unit == 'share' else ''}"
    first = f"The {word} mean ({shown}) {'is shared by' if len(leaders) > 1 else 'belongs to'} {listed(leaders)}"
    if comparison.best and comparison.best[0] not in leaders:
        yield f"{first}."
        leaders = [comparison.best[0]]
        first = f"Of those that are judged, the {word} mean belongs to {comparison.best[0]}"
    yield f"{first}{_told_apart(comparison, leaders)}."
    if comparison.is_judged and comparison.detectable is not None:
        seeds = _sentence(counted(len(comparison.seeds), "seed"))
        difference = _size(comparison.detectable, metric)
        yield f"{seeds} show a true difference of {difference} eight times in ten; a smaller one can go unnoticed."


def _told_apart(comparison: Comparison, leaders: Sequence[str]) -> str:
    """Which others may be as good as those with the best mean."""
    others = [name for name in comparison.best if name not in leaders]
    if not comparison.best:
        return "; that alone does not make it the best" if len(leaders) == 1 else ""
    if others:
        names = listed(others) if len(others) <= MAX_NAMES else f"{len(others)} others"
        return f", but {names} cannot be told from it"
    if len(leaders) > 1:
        return ""
    judged = " that is judged" if any(row.sample.doubt for row in comparison.rows) else ""
    return f", and every other one{judged} can be told from it"


def _trouble(comparison: Comparison, results: Results) -> Iterator[str]:
    failed = sum(row.sample.failed for row in comparison.rows)
    trials = sum(row.sample.trials for row in comparison.rows)
    if failed:
        yield (
            f"{failed} of {trials} trainings went wrong (diverged, raised an error, or predict one class for every "
            "image); they are counted and listed below."
        )
    if missing := results.missing():
        yield f"{missing} of {results.planned()} trainings are still missing, so all this is provisional."


def _claims(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    counts = {word: sum(claim.verdict == word for claim in claims) for word in get_args(Verdict)}
    if not claims:
        return
    if len(claims) == 1:
        yield f"The one claim that the file makes is {claims[0].verdict}."
    elif len(claims) in counts.values():
        yield f"All {len(claims)} claims that the file makes are {claims[0].verdict}."
    else:
        (first, count), *others = ((word, count) for word, count in counts.items() if count)
        words = [f"{count} {'is' if count == 1 else 'are'} {first}", *(f"{count} {word}" for word, count in others)]
        yield f"Of the {len(claims)} claims that the file makes, {listed(words)}."


def _scope(comparison: Comparison) -> Iterator[str]:
    if comparison.is_judged:
        yield "All this holds for this network, these images and this much training, and for no other."
