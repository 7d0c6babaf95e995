"""What is said of looks: which arms are settled and how, at which look, and how many trainings that spared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from actbench.analysis.comparison import NOTHING_TUNED, Comparison
from actbench.analysis.verdicts import UNDECIDED, verdict_at_look
from actbench.experiment.definition import Experiment
from actbench.experiment.metrics import parse_metric
from actbench.plan.looks import LookProgress, schedule_of
from actbench.plan.plan import Plan
from actbench.report.statement import Statement, cannot_decide, listed_or_counted
from actbench.statistics.looks import Decision
from actbench.statistics.power import fewest_seeds
from actbench.text import capitalised, counted, listed

WORDS = ("better", "better (small)", "worse", "worse (small)", "equivalent", "not judged", "open", UNDECIDED)


def moved_look(experiment: Experiment) -> str:
    """A sentence about looks that could decide nothing, which are not taken; empty without any."""
    schedule = schedule_of(experiment)
    if experiment.looks is None or schedule is None or schedule.seeds == experiment.looks.after:
        return ""
    planned, taken, compared = experiment.looks.after, schedule.seeds, max(1, schedule.comparisons)
    count = counted(compared, "comparison")
    if taken[0] < fewest_seeds(compared, alpha := schedule.alphas[0]):
        why = cannot_decide(taken[0], compared, alpha=alpha)
        return f"First look after {taken[0]} seeds, not {planned[0]}: {why}."
    return f"First look after {taken[0]} seeds, not {planned[0]}, which could decide nothing of {count}."


def look_lines(plan: Plan, *, is_whole: bool = False) -> list[str]:
    """`look 2 of 4, 20 seeds: better gelu; equivalent elu; open tanh`; none before the first look."""
    looks = plan.looks
    if looks is None or not looks.look:
        return []
    by_word: dict[str, list[str]] = {}
    for (arm, _), made in zip(plan.arms, looks.decisions, strict=True):
        if made and (is_whole or made[-1].look == looks.look):
            by_word.setdefault(_word(made[-1], looks), []).append(arm.label())
    parts = [f"{word} {listed_or_counted(by_word[word], 'arms')}" for word in WORDS if word in by_word]
    parts = parts or ["every arm is settled"]
    if looks.open_claims:
        word = UNDECIDED if looks.look == len(looks.schedule.seeds) else "open"
        parts.append(
            f"{word} claim{'s' * (len(looks.open_claims) > 1)}: {listed_or_counted(looks.open_claims, 'claims')}"
        )
    doubt = "" if plan.tunings else f"; not judged, since {NOTHING_TUNED}"
    return [
        f"look {looks.look} of {len(looks.schedule.seeds)}, {looks.passed_seeds()} seeds: {'; '.join(parts)}{doubt}"
    ]


def settled_texts(plan: Plan) -> list[str]:
    """For each arm `worse at look 1, 11 seeds` or `open after look 2, 20 seeds`; empty without a decision on it."""
    if plan.looks is None:
        return [""] * len(plan.arms)
    texts = []
    for made in plan.looks.decisions:
        last = made[-1] if made else None
        when = "after" if last and last.state == "open" else "at"
        texts.append(f"{_word(last, plan.looks)} {when} look {last.look}, {last.seeds} seeds" if last else "")
    return texts


def _word(decision: Decision, looks: LookProgress) -> str:
    """The verdict without its numbers; an arm is open until the last look, and undecided after it."""
    if decision.state == "open":
        return UNDECIDED if looks.schedule.is_last(decision.look - 1) else "open"
    return verdict_at_look(decision, parse_metric(looks.metric), looks.margin).without_numbers()


def preregistration_line(name: str, frozen: Mapping[str, Any]) -> str:
    """What to paste into a preregistration: what is compared, on which seeds, and the checksum of the plan."""
    seeds, looks = frozen["seeds"], frozen.get("looks")
    baseline = listed([f"{path}={setting}" for path, setting in frozen["baseline"].items()]) or "no baseline"
    after = f", looks after {listed(list(map(str, looks['after'])))}" if looks else ""
    claims = f", {counted(len(frozen['claims']), 'claim')}" if frozen["claims"] else ""
    return (
        f"To preregister, paste: {name}, {counted(len(frozen['arms']), 'arm')} against {baseline}, {frozen['metric']}, "
        f"margin {frozen['margin']:g}, seeds {seeds[0]} to {seeds[-1]}{after}{claims}, plan {frozen['checksum']}"
    )


def look_statements(comparison: Comparison) -> Iterator[Statement]:
    """How the arms were settled, what the intervals are, and what it spared."""
    looks = comparison.looks
    if looks is None:
        return
    seeds = looks.schedule.seeds
    own = " A mean is over the arm's own seeds, a difference over those of both arms."
    note = f"{_planned(looks)} {_settled(looks)}{own * (len(set(looks.seeds) - {0}) > 1)}"
    numbers = {"after": list(seeds), "alpha": list(looks.schedule.alphas), "look": looks.look}
    yield Statement("looks", "baseline", note, numbers=numbers | {"comparisons": looks.schedule.comparisons})
    if comparison.is_judged and looks.look:
        note = (
            "The interval of a difference has the level that decides equivalence, the adjusted one that of the arm's "
            "step in Holm's method; over all looks each holds for its arm. p (Holm) is scaled so that 0.05 is the "
            "bound at every look. An arm that was settled early looks further away than it is, on average."
        )
        yield Statement("look_intervals", "baseline", note)
        if unusable := [row.sample.label for row in comparison.rows if row.sample.failed]:
            note = (
                f"Not called equivalent with an unusable trial, which {listed_or_counted(unusable, 'arms')} had: none "
                "in n trials still allows 3 in n."
            )
            yield Statement("unusable_at_look", "baseline", note)
    if len(seeds) > 1 and looks.look:
        spent, fixed = sum(looks.seeds), len(looks.seeds) * seeds[-1]
        note = f"{counted(spent, 'training')}; {fixed} would be {seeds[-1]} seeds of every arm, {fixed - spent} more."
        yield Statement("spared", "numbers", note, numbers={"trainings": spent, "fixed_design": fixed})


def _planned(looks: LookProgress) -> str:
    schedule = looks.schedule
    levels = [f"{100 * alpha:.3g} %" for alpha in schedule.alphas]
    each = f"each at the level {levels[0]}" if len(set(levels)) == 1 else f"at the levels {listed(levels)}"
    after = listed(list(map(str, schedule.seeds)))
    if len(levels) == 1:
        return f"One look was planned, after {after} seeds, at the level {levels[0]}."
    but = ", unless a claim about it is open" if looks.claims else ""
    in_all = f"{100 * sum(schedule.alphas):.3g} % in all"
    return f"Looks planned after {after} seeds, {each}, {in_all}: an arm that is settled gets no more seeds{but}."


def _settled(looks: LookProgress) -> str:
    last = [made[-1] for made in looks.decisions if made]
    if not looks.look:
        return f"{capitalised(looks.lacks())}."
    at = Counter(one.look for one in last if one.state in ("different", "equivalent"))
    settled = listed([f"{count} at look {look}" for look, count in sorted(at.items())])
    word = UNDECIDED if looks.look == len(looks.schedule.seeds) else "open"
    others = {word: "open", "not judged": "not judged"}
    left = {word: sum(one.state == state for one in last) for word, state in others.items()}
    rest = "".join(f"; {word}: {count}" for word, count in left.items() if count)
    return f"{f'Settled: {settled}' if settled else 'None is settled'}{rest}."
