"""Write every claim of the documents with its verdict to findings.md: `python docs/update_findings.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from actbench.analysis.verdicts import Verdict, combine, decide
from actbench.checks.claims import FUNCTION_CLAIMS
from actbench.report.claims import about, claim_cells
from actbench.report.request import judge_results
from actbench.statistics.intervals import estimate, exact_binomial_interval
from actbench.store.results import Results, load_results

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "documents"
CLAIM_ID = re.compile(r"(D\d\.\d+) (.+)")
INF = float("inf")


@dataclass(frozen=True)
class Evidence:
    """One test of a claim: what was expected of what, what was found, and where it can be looked up."""

    claim_id: str
    text: str
    verdict: Verdict
    found: str
    interval: str
    n: str
    source: str


def folders() -> list[Results]:
    """The committed result folders of the documents' experiments."""
    return [load_results(path.parent, ROOT) for path in sorted(RESULTS.glob("*/trials.jsonl"))]


def trained_evidence(results: Results) -> Iterator[Evidence]:
    """The claims of one experiment that carry a claim's id."""
    for claim in judge_results(results):
        if found := CLAIM_ID.fullmatch(claim.expectation.claim):
            cells = claim_cells(claim)
            source = f"[{results.folder.name}](../results/documents/{results.folder.name}/claims.csv)"
            text = f"{found[2]} (`{about(claim)}`, expected {cells['expected']})"
            yield Evidence(
                found[1], text, claim.verdict, cells["estimate"], cells["95 % interval"], cells["n"] + " seeds", source
            )


def function_evidence() -> Iterator[Evidence]:
    """The claims that are decided on the functions themselves."""
    for claim in FUNCTION_CLAIMS:
        finding = claim.check()
        source = f"`actbench show {claim.functions[0]}`"
        yield Evidence(claim.id, claim.sentence, finding.verdict, finding.evidence, "-", "-", source)


def cost_evidence(claims: Mapping[str, Mapping[str, Any]]) -> Iterator[Evidence]:
    """Which of two activations takes more time or memory, over separate runs of `actbench show --cost`."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("costs/*.json"))]
    by_name = [{one["name"]: one for one in run["functions"]} for run in runs]
    everything = [name for name in by_name[0] if name != "identity"]
    for claim_id, entry in claims.items():
        for dearer, cheaper, measure in _comparisons(entry.get("costs"), everything):
            ratios = [run[dearer][measure] / run[cheaper][measure] for run in by_name]
            found = estimate(ratios)
            assert found.interval is not None
            name = "time" if measure == "time_ratio" else "peak memory"
            yield Evidence(
                claim_id,
                f"{dearer} takes more {name} than {cheaper} (ratio, expected above 1)",
                decide(found.interval, 1.0, INF) if name == "time" else _decide_counted(ratios),
                f"{found.mean:.2f}",
                f"{found.interval[0]:.2f} to {found.interval[1]:.2f}" if name == "time" else "counted",
                f"{len(runs)} runs",
                "[costs](../results/documents/costs)",
            )


def _comparisons(costs: Mapping[str, Any] | None, everything: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    if costs is None:
        return
    dearer, cheaper = (everything if costs[side] == "all" else costs[side] for side in ("dearer", "than"))
    for measure in ("time_ratio", "peak_memory_ratio")[: 1 + costs.get("memory", False)]:
        yield from ((one, other, measure) for one in dearer for other in cheaper if one != other)


def _decide_counted(ratios: Sequence[float]) -> Verdict:
    """Bytes are counted and the same in every run."""
    assert len(set(ratios)) == 1
    return "supported" if ratios[0] > 1 else "contradicted"


def findings() -> str:
    """The whole page."""
    data = yaml.safe_load((ROOT / "docs" / "findings.yaml").read_text(encoding="utf-8"))
    claims: dict[str, Any] = data["claims"]
    results = folders()
    evidence: dict[str, list[Evidence]] = {claim_id: [] for claim_id in claims}
    trained = (one for folder in results for one in trained_evidence(folder))
    for one in (*trained, *function_evidence(), *cost_evidence(claims)):
        evidence[one.claim_id].append(one)
    verdicts = {claim_id: combine(one.verdict for one in parts) for claim_id, parts in evidence.items()}
    lines = [*_opening(data, verdicts)]
    for document, title in data["documents"].items():
        lines += ["", f"## {document}: {title}"]
        for claim_id, entry in claims.items():
            if claim_id.startswith(f"{document}."):
                lines += _claim_lines(claim_id, entry, verdicts[claim_id], evidence[claim_id])
        if document == "D1":
            lines += _batch_lines(results)
    return "\n".join(lines) + "\n"


def _opening(data: Mapping[str, Any], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield "# Findings"
    yield ""
    yield from data["opening"].strip().splitlines()
    yield ""
    counts = [f"{sum(found == word for found in verdicts.values())} {word}" for word in ("supported", "contradicted")]
    undecided = sum(found == "undecided" for found in verdicts.values())
    yield f"Of {len(verdicts)} claims, {', '.join(counts)} and {undecided} undecided."
    yield ""
    machine = json.loads(next(iter(sorted(RESULTS.glob("costs/*.json")))).read_text(encoding="utf-8"))["environment"]
    yield f"Times were taken on one thread of {machine['processor']}, with torch {machine['torch']}."
    yield ""
    yield "| claim | the document says | verdict |"
    yield "| --- | --- | --- |"
    for claim_id, entry in data["claims"].items():
        anchor = f"{claim_id.lower().replace('.', '')}-{verdicts[claim_id]}"
        yield f"| [{claim_id}](#{anchor}) | {entry['says']} | **{verdicts[claim_id]}** |"


def _claim_lines(
    claim_id: str, entry: Mapping[str, Any], verdict: Verdict, evidence: Sequence[Evidence]
) -> Iterator[str]:
    numbers = {str(index): one.found for index, one in enumerate(evidence, start=1)}
    sentence = re.sub(
        r"\{(-?)(\d+)\}",
        lambda match: numbers[match[2]].lstrip("+-" if match[1] else "+"),
        entry[verdict],
    )
    yield ""
    yield f"### {claim_id} {verdict}"
    yield ""
    yield f"*{entry['says']}.* {sentence}"
    yield ""
    yield "| | evidence | verdict | found | 95 % interval | n | source |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for index, one in enumerate(evidence, start=1):
        cells = (one.text, one.verdict, one.found, one.interval, one.n, one.source)
        yield f"| {index} | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _batch_lines(results: Sequence[Results]) -> Iterator[str]:
    """What one batch of 64 images can say, beside what 10,000 images and many seeds say."""
    (first,) = (one for one in results if one.experiment.name.startswith("d1"))
    judged = {claim.expectation.claim: claim for claim in judge_results(first)}
    yield ""
    yield "### One batch of 64 images"
    yield ""
    yield "The document's two numbers rest on one run and 64 images each; this is what such a batch can say."
    yield ""
    yield "| output | document | 95 % interval of that | first 64 test images, mean over seeds | 10,000 test images |"
    yield "| --- | --- | --- | --- | --- |"
    for name, hits in (("sigmoid", 39), ("tanh", 46)):
        low, high = exact_binomial_interval(hits, 64)
        batch = next(claim for text, claim in judged.items() if text.startswith(f"One batch of 64: {name}"))
        whole = next(claim for text, claim in judged.items() if re.match(rf"D1\.\d {name} reaches", text))
        cells = [claim_cells(claim) for claim in (batch, whole)]
        means = " | ".join(f"{cell['estimate']} ({cell['95 % interval']})" for cell in cells)
        yield f"| {name} | {hits}/64 = {100 * hits / 64:.2f} % | {100 * low:.1f} to {100 * high:.1f} % | {means} |"


if __name__ == "__main__":
    (ROOT / "docs" / "findings.md").write_text(findings(), encoding="utf-8")
