"""The findings: every claim of the documents, each with a verdict that follows from what is committed."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from actbench.config.reader import load_experiment
from actbench.experiment.layers import count_parameters, resolve_layers
from actbench.experiment.metrics import parse_metric
from actbench.statistics.intervals import exact_binomial_interval
from places import ROOT
from program import actbench
from update_findings import (
    CLAIM_ID,
    CONFIGS,
    FORMULA,
    NOT_RUN,
    WORDS,
    Evidence,
    System,
    combined,
    findings,
    system_of,
    trained_evidence,
    words_in_use,
)

DOCUMENT_FILES = sorted(CONFIGS.glob("*.yaml"))
COUNTS = (7, 5, 19, 10, 5)
CLAIMS = [f"D{article}.{number}" for article, count in enumerate(COUNTS, 1) for number in range(1, count + 1)]
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_committed_results_give() -> None:
    assert findings() == PAGE


def test_all_46_statements_have_a_verdict_and_a_sentence() -> None:
    assert len(CLAIMS) == 46
    headings = re.findall(rf"^### (D\d\.\d+) ({'|'.join(WORDS)})$", PAGE, re.MULTILINE)
    assert [claim for claim, _ in headings] == CLAIMS
    counts = Counter(verdict for _, verdict in headings)
    for word, count in counts.items():
        assert f"{count} {word}" in PAGE.split("Of 46 statements")[1].split("\n")[0]
    assert "{" not in PAGE.replace("{learn", "")


def test_a_statements_verdict_is_what_its_evidence_combines_to() -> None:
    for section in PAGE.split("\n### ")[1:]:
        if (heading := re.match(r"(D\d\.\d+) ([\w ]+)\n", section)) is None:
            continue
        verdicts = re.findall(rf"^\| \d+ \| .*? \| ({'|'.join(WORDS)}) \|", section, re.MULTILINE)
        assert verdicts
        assert combined(verdicts) == heading[2]


def test_a_part_that_is_not_run_leaves_open_what_no_other_part_contradicts() -> None:
    assert combined(["supported", NOT_RUN]) == combined([NOT_RUN]) == combined(["undecided", NOT_RUN]) == NOT_RUN
    assert combined(["contradicted", NOT_RUN]) == "contradicted"
    assert combined(["supported", "undecided"]) == "undecided"
    assert combined(["supported", "supported"]) == "supported"


def evidence_of(system: System) -> list[Evidence]:
    return list(trained_evidence(system))


def test_a_claim_that_the_results_did_not_plan_is_exploratory_and_one_without_results_is_not_run_yet() -> None:
    system = system_of(CONFIGS / "d1-output-functions.yaml")
    assert system.results is not None
    (first, *others) = evidence_of(system)
    assert "exploratory" not in first.text
    unplanned = replace(system.results, experiment=replace(system.results.experiment, claims=()))
    later = evidence_of(replace(system, results=unplanned))
    assert all("*exploratory*" in part.text for part in later)
    assert [part.verdict for part in later] == [first.verdict, *(part.verdict for part in others)]
    missing = evidence_of(replace(system, results=None))
    assert {part.verdict for part in missing} == {NOT_RUN}
    meanings = yaml.safe_load((ROOT / "docs" / "findings.yaml").read_text(encoding="utf-8"))["only_if_used"]
    used = [words_in_use(meanings, parts) for parts in ([first, *others], later, missing)]
    assert used == [[], [meanings["exploratory"]], [meanings[NOT_RUN]]]


@pytest.mark.parametrize("path", DOCUMENT_FILES, ids=lambda path: path.stem)
def test_every_config_is_named_after_its_article(path: Path) -> None:
    assert load_experiment(path).experiment.name == path.stem
    assert path.read_text(encoding="utf-8").partition("\n")[2].startswith(f"# {path.stem[:2].upper()}: ")


def test_every_committed_folder_has_a_config() -> None:
    folders = {path.parent.name for path in (ROOT / "results" / "documents").glob("*/trials.jsonl")}
    assert folders <= {path.stem for path in DOCUMENT_FILES}


def test_every_document_has_files_and_every_claim_in_them_exists() -> None:
    assert {path.stem[:2] for path in DOCUMENT_FILES} == {"d1", "d2", "d3", "d4", "d5"}
    named = {
        match[1]
        for path in DOCUMENT_FILES
        for claim in load_experiment(path).experiment.claims
        if (match := CLAIM_ID.fullmatch(claim.text))
    }
    assert named <= set(CLAIMS)
    says = yaml.safe_load((ROOT / "docs" / "findings.yaml").read_text(encoding="utf-8"))["claims"]
    assert list(says) == CLAIMS


def test_the_thermostat_finds_130_degrees() -> None:
    results = system_of(CONFIGS / "d5-thermostat.yaml").results
    assert results is not None
    boundary = parse_metric("boundary")
    boundaries = [boundary.value(record) for record in results.records.values()]
    errors = sorted(abs(degrees - 130) for degrees in boundaries if degrees is not None)
    assert len(errors) == 10
    assert errors[-2] < 1
    assert errors[-1] < 1.15


def test_the_documents_network_has_26_parameters() -> None:
    experiment = load_experiment(ROOT / "configs" / "documents" / "d4-network.yaml").experiment
    assert [count_parameters(layer) for layer in resolve_layers(experiment.settings)] == [12, 8, 6]


def test_64_images_could_not_have_told_the_two_output_functions_apart() -> None:
    low, high = exact_binomial_interval(39, 64)
    assert low < 46 / 64 < high
    assert "39/64 = 60.94 % | 47.9 to 72.9 %" in PAGE


@pytest.mark.slow
def test_gelu_in_the_articles_operations_is_gelu() -> None:
    assert actbench("check", FORMULA, folder=ROOT).returncode == 0
    words = ("show", "gelu", "gelu_by_formula", "--use", FORMULA, "--at=-3,-0.5,0,2", "--format", "json")
    points = json.loads(actbench(*words, folder=ROOT).stdout)["values"]
    names = [point.pop("function") for point in points]
    assert names == ["gelu"] * 4 + ["gelu_by_formula"] * 4
    for point, own in zip(points[:4], points[4:], strict=True):
        assert own == pytest.approx(point, abs=1e-7)
