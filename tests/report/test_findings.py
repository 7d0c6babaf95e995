"""The findings: every claim of the documents, each with a verdict that follows from what is committed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from actbench.analysis.verdicts import combine
from actbench.config.reader import load_experiment
from actbench.experiment.layers import count_parameters, resolve_layers
from actbench.experiment.metrics import parse_metric
from actbench.statistics.intervals import exact_binomial_interval
from actbench.store.results import load_results
from places import ROOT
from update_findings import CLAIM_ID, findings, folders

DOCUMENT_FILES = sorted((ROOT / "configs" / "documents").glob("*.yaml"))
CLAIMS = [
    f"D{document}.{number}" for document, count in enumerate((5, 4, 14, 8, 4), 1) for number in range(1, count + 1)
]
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_committed_results_give() -> None:
    assert findings() == PAGE


def test_all_35_claims_have_a_verdict_and_a_sentence() -> None:
    assert len(CLAIMS) == 35
    headings = re.findall(r"^### (D\d\.\d+) (supported|contradicted|undecided)$", PAGE, re.MULTILINE)
    assert [claim for claim, _ in headings] == CLAIMS
    counted = Counter(verdict for _, verdict in headings)
    assert (
        f"Of 35 claims, {counted['supported']} supported, {counted['contradicted']} contradicted and "
        f"{counted['undecided']} undecided." in PAGE
    )
    assert "{" not in PAGE.replace("{learn", "")


def test_a_claims_verdict_is_what_its_evidence_combines_to() -> None:
    for section in PAGE.split("\n### ")[1:]:
        if (heading := re.match(r"(D\d\.\d+) (\w+)\n", section)) is None:
            continue
        verdicts = re.findall(r"^\| \d+ \| .*? \| (supported|contradicted|undecided) \|", section, re.MULTILINE)
        assert verdicts
        assert combine(verdicts) == heading[2]


@pytest.mark.parametrize("path", DOCUMENT_FILES, ids=lambda path: path.stem)
def test_every_system_of_the_documents_has_complete_results_of_its_committed_file(path: Path) -> None:
    results = load_results(ROOT / "results" / "documents" / path.stem, ROOT)
    assert results.experiment == load_experiment(path).experiment
    assert results.missing() == 0
    assert path.read_text(encoding="utf-8").partition("\n")[2].startswith(f"# {path.stem[:2].upper()}: ")


def test_every_document_has_files_and_every_claim_in_them_exists() -> None:
    assert {path.stem[:2] for path in DOCUMENT_FILES} == {"d1", "d2", "d3", "d4", "d5"}
    named = {
        found[1]
        for path in DOCUMENT_FILES
        for one in load_experiment(path).experiment.expectations
        if (found := CLAIM_ID.fullmatch(one.claim))
    }
    assert named <= set(CLAIMS)
    says = yaml.safe_load((ROOT / "docs" / "findings.yaml").read_text(encoding="utf-8"))["claims"]
    assert list(says) == CLAIMS


def test_the_thermostat_finds_130_degrees() -> None:
    (results,) = (one for one in folders() if one.experiment.name == "d5-thermostat")
    boundary = parse_metric("boundary")
    found = [boundary.value(record) for record in results.records.values()]
    errors = sorted(abs(one - 130) for one in found if one is not None)
    assert len(errors) == 10
    assert errors[-2] < 1
    assert errors[-1] < 1.05


def test_the_documents_network_has_26_parameters() -> None:
    experiment = load_experiment(ROOT / "configs" / "documents" / "d4-network.yaml").experiment
    assert [count_parameters(layer) for layer in resolve_layers(experiment.settings)] == [12, 8, 6]


def test_64_images_could_not_have_told_the_two_output_functions_apart() -> None:
    low, high = exact_binomial_interval(39, 64)
    assert low < 46 / 64 < high
    assert "39/64 = 60.94 % | 47.9 to 72.9 %" in PAGE
