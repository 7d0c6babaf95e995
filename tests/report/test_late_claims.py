"""Claims added after final trials had begun, and warnings about an experiment, in everything that is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from actbench.report.claims import claims_sections, claims_table, judge_results
from actbench.report.contents import report_document
from actbench.report.files import page
from actbench.report.statements import notes, statements
from actbench.report.tables import primary_comparison
from actbench.store.folder import read_plan
from actbench.store.names import PLAN
from actbench.store.results import Results, load_results
from builders import experiment_from
from planted import RELU, asked, planted
from tuned_runs import TUNED, run

EARLY = "expect:\n  - {claim: tanh wins, better: {model.activation: tanh}, than: {model.activation: relu}}\n"
LATE = "expect:\n  - {claim: tanh loses, better: {model.activation: relu}, than: {model.activation: tanh}}\n"


def trained(folder: Path, *texts: str) -> Results:
    """The result folder after one run for each text of the experiment file."""
    for text in texts:
        result = run(experiment_from(text, folder), folder)
    return load_results(result.folder, folder)


def test_a_claim_made_before_the_trials_is_not_exploratory_even_if_it_is_reworded(tmp_path: Path) -> None:
    results = trained(tmp_path, TUNED + EARLY, TUNED + EARLY.replace("tanh wins", "tanh is better"))
    (claim,) = judge_results(results)
    assert claim.is_exploratory is False
    assert [row["exploratory"] for row in claims_table(results).rows] == [False]
    assert "xploratory" not in page(results, primary_comparison(results), {})


def test_a_claim_added_after_the_trials_is_marked_everywhere(tmp_path: Path) -> None:
    results = trained(tmp_path, TUNED, TUNED + LATE)
    header, row = (results.folder / "claims.csv").read_text().splitlines()
    assert (header.split(",")[-1], row.split(",")[-1]) == ("exploratory", "True")
    (section,) = claims_sections(judge_results(results))
    assert section.rows[0][1].startswith("exploratory: ")
    assert any(note.startswith("Exploratory: ") for note in section.notes)
    document = report_document(primary_comparison(results), results)
    assert [claim["exploratory"] for claim in document["claims"]] == [True]
    shown = page(results, primary_comparison(results), {})
    assert shown.count("exploratory: ") == 1
    assert "Exploratory: added after final trials had begun" in shown


def test_a_claim_added_to_others_leaves_those_planned(tmp_path: Path) -> None:
    late = LATE.removeprefix("expect:\n")
    results = trained(tmp_path, TUNED + EARLY, TUNED + EARLY + late, TUNED + EARLY + late)
    assert [claim.is_exploratory for claim in judge_results(results)] == [False, True]
    assert len(results.frozen_plan["earlier"]) == 1


def test_where_the_plan_records_no_claims_none_is_called_planned_or_exploratory(tmp_path: Path) -> None:
    results = trained(tmp_path, TUNED)
    plan = read_plan(results.folder)
    del plan["claims"], plan["warnings"]
    (results.folder / PLAN).write_text(json.dumps(plan, indent=2) + "\n")
    results = trained(tmp_path, TUNED + LATE)
    assert read_plan(results.folder) == plan
    assert [claim.is_exploratory for claim in judge_results(results)] == [None]
    assert (results.folder / "claims.csv").read_text().splitlines()[0].endswith(",reason")


def test_warnings_about_the_experiment_stay_in_the_folder_and_below_the_table(tmp_path: Path) -> None:
    text = TUNED.replace("model: {", "model: {output: softmax, ").replace("train: {", "train: {loss: nll, ")
    results = trained(tmp_path, text)
    (warning,) = read_plan(results.folder)["warnings"]
    assert "nll is meant for" in warning
    found = statements(primary_comparison(results), [results])
    assert f"Warning: {warning}." in notes(found)
    assert f"Warning: {warning}." in report_document(primary_comparison(results), results)["comparison"]["caveats"]


def test_many_warnings_are_shortened(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": RELU})
    results.frozen_plan.update(seeds=[0], warnings=[f"number {index}" for index in range(40)])
    told = [note for note in notes(statements(asked(results), [results])) if "arning" in note]
    assert len(told) == 13
    assert told[-1] == "28 more warnings: plan.json has all."


def test_a_plan_with_claims_that_are_none_is_not_read(tmp_path: Path) -> None:
    for content in ({"claims": 3}, {"claims": ["text"]}, {"warnings": [1]}):
        plan: dict[str, Any] = {"seeds": [0], **content}
        (tmp_path / PLAN).write_text(json.dumps(plan))
        assert read_plan(tmp_path) == {}
