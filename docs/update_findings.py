"""Write every statement of the articles with its verdict to findings.md: `python docs/update_findings.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from actbench.analysis.claims import JudgedClaim, judge_claims
from actbench.analysis.verdicts import combine
from actbench.checks.claims import FUNCTION_CLAIMS
from actbench.config.reader import load_experiment
from actbench.experiment.definition import Claim, Experiment
from actbench.report.claims import about, claim_cells
from actbench.statistics.intervals import Verdict, decide, estimate, exact_binomial_interval
from actbench.store.results import Results, load_results
from function_claims import check

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs" / "documents"
FORMULA = "configs/documents/gelu_by_formula.py"
RESULTS = ROOT / "results" / "documents"
CLAIM_ID = re.compile(r"(D\d\.\d+) (.+)")
INF = float("inf")
State = Verdict | Literal["not run yet"]

NOT_RUN: Literal["not run yet"] = "not run yet"
WORDS: tuple[State, ...] = ("supported", "contradicted", "undecided", NOT_RUN)


@dataclass(frozen=True)
class System:
    """An experiment of the articles, and its committed results where these are of the same trials."""

    experiment: Experiment
    results: Results | None


@dataclass(frozen=True)
class Evidence:
    """One test of a statement: what was expected of what, what was found, and where it can be looked up."""

    statement: str
    text: str
    verdict: State
    found: str
    interval: str
    n: str
    source: str


def systems() -> list[System]:
    """The experiments of the articles in the order of their files."""
    return [system_of(path) for path in sorted(CONFIGS.glob("*.yaml"))]


def system_of(path: Path) -> System:
    """One experiment of the articles."""
    experiment, folder = load_experiment(path).experiment, RESULTS / path.stem
    results = load_results(folder, ROOT) if (folder / "trials.jsonl").is_file() else None
    is_of_these_trials = results is not None and _without_claims(results.experiment) == _without_claims(experiment)
    return System(experiment, results if results and is_of_these_trials and not results.missing() else None)


def _without_claims(experiment: Experiment) -> Experiment:
    return replace(experiment, claims=())


def _without_words(claim: Claim) -> Claim:
    return replace(claim, text="")


def judged(system: System) -> list[JudgedClaim]:
    """The claims of the experiment's file, judged by the committed trials; none where there are none."""
    results = system.results
    return judge_claims(system.experiment.claims, results.plan, results.records) if results else []


def trained_evidence(system: System) -> Iterator[Evidence]:
    """The claims of one experiment that begin with a statement's id."""
    name = system.experiment.name
    if system.results is None:
        for stated in system.experiment.claims:
            if match := CLAIM_ID.fullmatch(stated.text):
                source = f"[{name}](../configs/documents/{name}.yaml)"
                yield Evidence(match[1], match[2], NOT_RUN, "-", "-", "-", source)
        return
    planned = {_without_words(claim) for claim in system.results.experiment.claims}
    for claim in judged(system):
        if match := CLAIM_ID.fullmatch(claim.stated.text):
            cells = claim_cells(claim)
            is_planned = _without_words(claim.stated) in planned
            text = (
                f"{match[2]} (`{about(claim)}`, expected {cells['expected']}{'' if is_planned else ', *exploratory*'})"
            )
            source = f"[{name}](../results/documents/{name}/{'claims.csv' if is_planned else 'trials.jsonl'})"
            yield Evidence(
                match[1], text, claim.verdict, cells["estimate"], cells["interval"], cells["n"] + " seeds", source
            )


def function_evidence() -> Iterator[Evidence]:
    """The claims that are decided on the functions themselves."""
    for claim in FUNCTION_CLAIMS:
        finding = check(claim)
        source = f"`actbench show {claim.functions[0]}`"
        yield Evidence(claim.id, claim.sentence, finding.verdict, finding.evidence, "-", "-", source)


def cost_evidence(statements: Mapping[str, Mapping[str, Any]]) -> Iterator[Evidence]:
    """Which of two activations takes more time or memory, over separate runs of `actbench show --cost`."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("costs/*.json"))]
    by_name = [{function["name"]: function for function in run["functions"]} for run in runs]
    for statement, entry in statements.items():
        costs = entry.get("costs", {"dearer": ()})
        for dearer in costs["dearer"]:
            for cheaper in costs["than"]:
                for measure in ("time", "peak memory")[: 1 + costs.get("memory", False)]:
                    yield _cost(statement, dearer, cheaper, measure, costs.get("factor", 1), by_name)


def _cost(
    statement: str, dearer: str, cheaper: str, measure: str, factor: float, by_name: Sequence[Mapping[str, Any]]
) -> Evidence:
    times = f"{factor:g} times " if factor != 1 else ""
    text = f"{dearer} takes more {measure} than {times}{cheaper} (ratio, expected above {factor:g})"
    source = "[costs](../results/documents/costs)"
    if any(dearer not in run for run in by_name):
        return Evidence(statement, text, NOT_RUN, "-", "-", "-", source)
    key = f"{measure.replace(' ', '_')}_ratio"
    ratios = [run[dearer][key] / run[cheaper][key] for run in by_name]
    ratio = estimate(ratios)
    assert ratio.interval is not None
    if measure == "time":
        verdict, interval = decide(ratio.interval, factor, INF), f"{ratio.interval[0]:.2f} to {ratio.interval[1]:.2f}"
    else:
        verdict, interval = _decide_counted(ratios, factor), "counted"
    return Evidence(statement, text, verdict, f"{ratio.mean:.2f}", interval, f"{len(by_name)} runs", source)


def _decide_counted(ratios: Sequence[float], factor: float) -> Verdict:
    """Bytes are counted and the same in every run."""
    assert len(set(ratios)) == 1
    return "supported" if ratios[0] > factor else "contradicted"


def combined(verdicts: Sequence[State]) -> State:
    """One contradicted part contradicts the whole; otherwise every part has to be there for a verdict."""
    if "contradicted" in verdicts:
        return "contradicted"
    known: list[Verdict] = [verdict for verdict in verdicts if verdict != "not run yet"]
    return combine(known) if known and len(known) == len(verdicts) else NOT_RUN


def findings() -> str:
    """The whole page."""
    data = yaml.safe_load((ROOT / "docs" / "findings.yaml").read_text(encoding="utf-8"))
    statements: dict[str, Any] = data["claims"]
    everything = systems()
    evidence: dict[str, list[Evidence]] = {statement: [] for statement in statements}
    trained = (part for system in everything for part in trained_evidence(system))
    for part in (*trained, *function_evidence(), *cost_evidence(statements)):
        evidence[part.statement].append(part)
    verdicts = {statement: combined([part.verdict for part in parts]) for statement, parts in evidence.items()}
    lines = [*_opening(data, verdicts, [part for parts in evidence.values() for part in parts])]
    for article, title in data["documents"].items():
        lines += ["", f"## {article}: {title}"]
        for statement, entry in statements.items():
            if statement.startswith(f"{article}."):
                lines += _statement_lines(statement, entry, verdicts[statement], evidence[statement])
        if article == "D1":
            lines += _batch_lines(everything)
    return "\n".join(lines) + "\n"


def _opening(data: Mapping[str, Any], verdicts: Mapping[str, State], evidence: Sequence[Evidence]) -> Iterator[str]:
    yield "# Findings"
    yield ""
    yield from data["opening"].strip().splitlines()
    yield from words_in_use(data["only_if_used"], evidence)
    yield ""
    added = sum("whose" in entry for entry in data["claims"].values())
    counts = [f"{count} {word}" for word in WORDS if (count := [*verdicts.values()].count(word))]
    yield (
        f"Of {len(verdicts)} statements ({len(verdicts) - added} of the articles, {added} added here), "
        f"{', '.join(counts[:-1])} and {counts[-1]}."
    )
    yield ""
    costs = json.loads(next(iter(sorted(RESULTS.glob("costs/*.json")))).read_text(encoding="utf-8"))
    machine, names = costs["environment"], [function["name"] for function in costs["functions"]]
    yield f"Times were taken on one thread of {machine['processor']}, with torch {machine['torch']}, by ten runs of"
    yield ""
    yield "```sh"
    yield f"actbench show {' '.join(names)} --use {FORMULA} --cost --format json"
    yield "```"
    yield ""
    yield "| statement | whose | what it says | verdict |"
    yield "| --- | --- | --- | --- |"
    for statement, entry in data["claims"].items():
        anchor = f"{statement} {verdicts[statement]}".lower().replace(".", "").replace(" ", "-")
        whose = entry.get("whose", f"article {statement[1]}")
        yield f"| [{statement}](#{anchor}) | {whose} | {entry['says']} | **{verdicts[statement]}** |"
    yield ""
    yield "## Errata of the articles"
    yield ""
    yield from (f"- {erratum}" for erratum in data["errata"])


def words_in_use(meanings: Mapping[str, str], evidence: Sequence[Evidence]) -> list[str]:
    """What those words mean that a piece of evidence has as its verdict or, with stars around them, in its text."""
    return [
        meaning
        for word, meaning in meanings.items()
        if any(word == part.verdict or f"*{word}*" in part.text for part in evidence)
    ]


def _statement_lines(
    statement: str, entry: Mapping[str, Any], verdict: State, evidence: Sequence[Evidence]
) -> Iterator[str]:
    yield ""
    yield f"### {statement} {verdict}"
    yield ""
    yield f"*{entry['says']}.* {_sentence(entry, verdict, evidence)}"
    yield ""
    yield "| | evidence | verdict | found | 95 % interval | n | source |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for index, part in enumerate(evidence, start=1):
        cells = (part.text, part.verdict, part.found, part.interval, part.n, part.source)
        yield f"| {index} | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _sentence(entry: Mapping[str, Any], verdict: State, evidence: Sequence[Evidence]) -> str:
    """The sentence for this verdict with its numbers; only what is missing, where a number in it is."""
    numbers = {str(index): part.found for index, part in enumerate(evidence, start=1) if part.verdict != NOT_RUN}
    places = re.findall(r"\{-?(\d+)\}", entry.get(verdict, ""))
    if verdict == NOT_RUN or not numbers.keys() >= set(places):
        missing = len(evidence) - len(numbers)
        return f"{missing} of {len(evidence)} pieces of evidence {'is' if missing == 1 else 'are'} not run yet."
    return re.sub(
        r"\{(-?)(\d+)\}",
        lambda match: numbers[match[2]].lstrip("+-" if match[1] else "+"),
        entry[verdict],
    )


def _batch_lines(everything: Sequence[System]) -> Iterator[str]:
    """What one batch of 64 images can show, beside 10,000 images and many seeds."""
    (first,) = (system for system in everything if system.experiment.name == "d1-output-functions")
    claims = {claim.stated.text: claim for claim in judged(first)}
    if not claims:
        return
    yield ""
    yield "### One batch of 64 images"
    yield ""
    yield "The article's two numbers rest on one run and 64 images each; this is what such a batch can show."
    yield ""
    yield "| output | article | 95 % interval of that | first 64 test images, mean over seeds | 10,000 test images |"
    yield "| --- | --- | --- | --- | --- |"
    for name, hits in (("sigmoid", 39), ("tanh", 46)):
        low, high = exact_binomial_interval(hits, 64)
        batch = next(claim for text, claim in claims.items() if text.startswith(f"One batch of 64: {name}"))
        whole = next(claim for text, claim in claims.items() if re.match(rf"D1\.\d {name} reaches", text))
        cells = [claim_cells(claim) for claim in (batch, whole)]
        means = " | ".join(f"{cell['estimate']} ({cell['interval']})" for cell in cells)
        yield f"| {name} | {hits}/64 = {100 * hits / 64:.2f} % | {100 * low:.1f} to {100 * high:.1f} % | {means} |"


if __name__ == "__main__":
    (ROOT / "docs" / "findings.md").write_text(findings(), encoding="utf-8")
