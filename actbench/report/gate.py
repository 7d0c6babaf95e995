"""A gate for CI: better, worse and undecided told apart by exit code, with summaries for GitHub and GitLab."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from actbench.analysis.claims import JudgedClaim
from actbench.analysis.comparison import Comparison
from actbench.analysis.contrasts import Contrast
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import TOO_FEW_SEEDS
from actbench.errors import EXIT_CHECK_FAILED, EXIT_UNDECIDED, ConfigurationError
from actbench.experiment.metrics import Metric
from actbench.plan.looks import MAX_FAILED
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.report.claims import claim_cells
from actbench.report.numbers import probability, size, value, with_unit
from actbench.report.statements import seeds_to_decide, too_few
from actbench.statistics.intervals import estimate
from actbench.text import counted, visible

DECIDED = ("better", "worse", "equivalent")
SUMMARY_VARIABLE, GITHUB_VARIABLE = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"
FAILING = ("worse", "contradicted", "broken")

Undecided = Literal["exit", "pass", "fail"]


@dataclass(frozen=True)
class Case:
    """One arm or claim in the gate: its name, what it is found to be, and the numbers in words."""

    name: str
    word: str
    text: str


@dataclass(frozen=True)
class Gate:
    """What a gate found, and what it makes of cases that are undecided: exit code 5, none, or that of a failure."""

    cases: tuple[Case, ...]
    undecided: Undecided = "exit"
    notes: tuple[str, ...] = field(default=())

    def named(self, *words: str) -> list[Case]:
        """The cases that were found to be one of these."""
        return [case for case in self.cases if case.word in words]

    def exit_code(self) -> int:
        """1 where a case fails, 5 where none does and one is undecided, else 0."""
        if self.named(*FAILING) or (self.undecided == "fail" and self.named("undecided")):
            return EXIT_CHECK_FAILED
        return EXIT_UNDECIDED if self.undecided == "exit" and self.named("undecided") else 0

    def line(self) -> str:
        """`gate: failed; 1 worse (tanh); 0 undecided`."""
        word = {0: "passed", EXIT_CHECK_FAILED: "failed"}.get(self.exit_code(), "undecided")
        always = "contradicted" if self.named("supported", "contradicted") else "worse"
        shown = [kind for kind in FAILING if kind == always or self.named(kind)]
        parts = [f"gate: {word}"]
        for kind in (*shown, "undecided"):
            names = ", ".join(case.name for case in self.named(kind))
            parts.append(f"{len(self.named(kind))} {kind}{f' ({names})' if names else ''}")
        return "; ".join(parts)

    def lines(self) -> list[str]:
        """The word with its cause, then what failed or is undecided with its numbers."""
        causes = [f"  {case.word}: {case.text}" for case in self.named(*FAILING, "undecided")]
        return [self.line(), *causes, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """The gate as plain data."""
        return {"line": self.line(), "exit_code": self.exit_code(), "cases": [*map(asdict, self.cases)]}


def gate_on_arms(comparison: Comparison, undecided: Undecided) -> Gate:
    """Every arm against its baseline; one whose trials fail too often to be judged, and more than before, is broken.

    Raises `ConfigurationError` where nothing is compared with a baseline.
    """
    contrasts = comparison.contrasts()
    if not contrasts:
        is_alone = len(comparison.rows) == 1
        ways = "it is the only arm: name --baseline FOLDER" if is_alone else "name one with --baseline ARM or FOLDER"
        raise ConfigurationError(f"--gate: no arm is compared with a baseline; {ways}")
    cases = [_arm_case(row.contrast, row.sample, comparison) for row in comparison.rows if row.contrast]
    compared = {id(contrast.second) for contrast in contrasts}
    cases += [
        Case(row.sample.label, "undecided", f"{row.sample.label}: no such arm to compare it with, or not trained")
        for row in comparison.rows
        if row.is_baseline and id(row.sample) not in compared
    ]
    notes: tuple[str, ...] = ()
    if len(comparison.losses) > 1 and any(case.word == "undecided" for case in cases):
        notes = (f"gate: {comparison.metric.name} cannot compare arms that train on different losses",)
    return Gate(tuple(cases), undecided, notes)


def gate_on_claims(claims: Sequence[JudgedClaim], undecided: Undecided) -> Gate:
    """Every claim of the experiment file."""
    cases = []
    for claim in claims:
        name, seeds, cells = claim.stated.text, claim.estimate.n, claim_cells(claim)
        found = f"is {cells['estimate']} after {counted(seeds, 'seed')}" if seeds else "has no value yet"
        why = f"; {claim.reason}" if claim.reason else ""
        text = f"{name} ({cells['about']} {found}, expected {cells['expected']}{why})"
        cases.append(Case(name, claim.verdict, text))
    return Gate(tuple(cases), undecided)


def _arm_case(contrast: Contrast, sample: Sample, comparison: Comparison) -> Case:
    word, label = contrast.word, contrast.first.label
    if sample is contrast.second:  # of a challenge, whose rows are the opponents
        label = f"{label} against {sample.label}"
    text = f"{label}: {_change(contrast, comparison.metric)}"
    now, before = contrast.first, contrast.second
    fails_more = now.failed * before.trials > before.failed * now.trials
    if now.failed > MAX_FAILED * now.trials and fails_more and word != "worse":
        return Case(label, "broken", f"{text}; {now.failed} of {counted(now.trials, 'trial')} unusable")
    if word in DECIDED:
        return Case(label, word, f"{text}; {_evidence_of_arm(contrast)}")
    if contrast.reason:
        return Case(label, "undecided", f"{text}; not judged: {contrast.reason}")
    if word == TOO_FEW_SEEDS:
        return Case(label, "undecided", f"{text}; {too_few([contrast])}")
    evidence = f"{text}; {_evidence_of_arm(contrast)}. {_what_decides(contrast, comparison)}"
    return Case(label, "undecided", evidence.rstrip())


def _what_decides(contrast: Contrast, comparison: Comparison) -> str:
    """When the arm is looked at again, or how many fresh seeds would show the margin."""
    look, planned = contrast.look, comparison.looks
    if planned and look and not planned.schedule.is_last(look.look - 1):
        return f"Open: the next look is after {planned.schedule.seeds[look.look]} seeds."
    return seeds_to_decide(comparison, [contrast])[1]


def _change(contrast: Contrast, metric: Metric) -> str:
    """`97.86 -> 97.65 % (-0.21 points)`, of the seeds that the difference is of, named where an arm has others."""
    old, new, common = contrast.second.by_seed, contrast.first.by_seed, ""
    if contrast.is_paired:
        seeds = [seed for seed in new if seed in old][: contrast.difference.n]
        common = f" over {counted(len(seeds), 'common seed')}" if len(seeds) < max(len(old), len(new)) else ""
        old, new = ({seed: values[seed] for seed in seeds} for values in (old, new))
    before, now = (estimate([*by_seed.values()]).mean for by_seed in (old, new))
    difference = size(contrast.difference.mean, metric, signed=True)
    return f"{value(before, metric)} -> {with_unit(now, metric)}{common} ({difference})"


def _evidence_of_arm(contrast: Contrast) -> str:
    if contrast.is_tied():
        return f"{counted(contrast.difference.n, 'difference')}, all zero"
    return f"p {probability(contrast.p_holm)} after {counted(contrast.comparisons, 'comparison')}"


def publish(gate: Gate, sections: Sequence[Section], files: Sequence[Path], say: Callable[[str], None]) -> None:
    """Say the gate's lines, and write them for GitHub and to the files for other systems.

    Raises `OSError` where one of the files cannot be written.
    """
    for line in gate.lines():
        say(line)
    if os.environ.get(GITHUB_VARIABLE) == "true":
        for line in github_annotations(gate):
            say(line)
    if path := os.environ.get(SUMMARY_VARIABLE):
        tables = "\n".join(section_to_markdown(section, heading="##") for section in sections)
        causes = "".join(f"- {line.strip()}\n" for line in gate.lines()[1:])
        try:
            with Path(path).open("a", encoding="utf-8") as summary:
                summary.write(f"**{gate.line()}**\n\n{causes}\n{tables}\n")
        except OSError as problem:
            say(f"warning: {SUMMARY_VARIABLE}={path}: cannot be written ({problem.strerror}); there is no summary")
    for file in files:
        file.write_text(junit_text(gate) if file.suffix == ".xml" else code_quality_text(gate), encoding="utf-8")


def github_annotations(gate: Gate) -> list[str]:
    """Commands of GitHub Actions: an error for each failure, a warning or an error for each undecided case."""
    level = {"exit": "error", "fail": "error", "pass": "warning"}[gate.undecided]
    return [
        f"::{level if case.word == 'undecided' else 'error'} title=actbench gate: {case.word}::{_escaped(case.text)}"
        for case in gate.named(*FAILING, "undecided")
    ]


def _escaped(text: str) -> str:
    """A message as GitHub reads it; percent signs and line ends would begin something else."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def junit_text(gate: Gate) -> str:
    """JUnit XML, one test case for each arm or claim; undecided ones are skipped where they pass."""
    failed = [*gate.named(*FAILING), *(gate.named("undecided") if gate.undecided != "pass" else [])]
    skipped = gate.named("undecided") if gate.undecided == "pass" else []
    suite = ElementTree.Element(
        "testsuite", name="actbench gate", tests=str(len(gate.cases)), failures=str(len(failed)),
        skipped=str(len(skipped)), errors="0",
    )  # fmt: skip
    for case in gate.cases:
        element = ElementTree.SubElement(suite, "testcase", classname="actbench.gate", name=visible(case.name))
        if case in failed:
            ElementTree.SubElement(element, "failure", type=case.word, message=visible(case.text))
        elif case in skipped:
            ElementTree.SubElement(element, "skipped", message=visible(case.text))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def code_quality_text(gate: Gate) -> str:
    """GitLab's report of code quality: one finding for each failure and each undecided case."""
    found = [
        {
            "description": f"{case.word}: {visible(case.text)}",
            "check_name": "actbench-gate",
            "fingerprint": hashlib.sha256(f"{case.word} {case.name}".encode()).hexdigest(),
            "severity": "minor" if case.word == "undecided" else "major",
            "location": {"path": "actbench", "lines": {"begin": 1}},
        }
        for case in gate.named(*FAILING, "undecided")
    ]
    return json.dumps(found, indent=2) + "\n"
