"""Judged claims as people and programs read them: the section, its notes, and claims.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pandas
import pytest
from scipy import stats

from actbench.analysis.claims import JudgedClaim
from actbench.experiment.choices import parse_choice
from actbench.experiment.definition import Claim
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import SettingValues
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.report.claims import CLAIM_COLUMNS, claim_rows, claims_sections
from actbench.report.gate import gate_on_claims
from actbench.report.tables import write_tables
from actbench.statistics.intervals import Estimate, Verdict, exact_binomial_interval
from actbench.store.tables import Table
from planted import planted

RELU: SettingValues = (("model.activation", parse_choice("activation", "relu")),)
MISH: SettingValues = (("model.activation", parse_choice("activation", "mish")),)
MISH_SLOWLY: SettingValues = (*MISH, ("train.lr", 0.001))
NONE = Estimate(0, None, None, None)
CENSORED = "Epochs to a target: a trial that never reaches it counts with one epoch more than it was given."


def claims_section(claims: Sequence[JudgedClaim]) -> Section:
    (section,) = claims_sections(claims)
    return section


def claim(
    metric: str = "test_accuracy",
    arm: SettingValues = MISH,
    reference: SettingValues | None = None,
    found: Estimate = NONE,
    verdict: Verdict = "undecided",
    without_value: int = 0,
    reason: str = "",
    **bounds: Any,
) -> JudgedClaim:
    claim = Claim("A claim", metric, arm, reference, **bounds)
    return JudgedClaim(claim, parse_metric(metric), verdict, found, without_value, reason)


def cells(judged: JudgedClaim) -> dict[str, str]:
    section = claims_section([judged])
    (row,) = section.rows
    return dict(zip(section.header, row, strict=True))


def test_an_accuracy_is_in_percent() -> None:
    found = Estimate(10, 0.9795, 0.001, (0.9788, 0.9803))
    assert cells(claim(found=found, verdict="supported", lower=0.975)) == {
        "claim": "A claim",
        "verdict": "supported",
        "about": "test_accuracy of mish",
        "expected": "above 97.50 %",
        "estimate": "97.95 %",
        "95 % interval": "97.88 to 98.03",
        "n": "10",
    }


def test_a_difference_of_accuracies_is_in_points_with_its_sign() -> None:
    found = Estimate(5, -0.0031, 0.001, (-0.005, 0.001))
    row = cells(claim(reference=RELU, found=found, verdict="contradicted", is_better=True))
    assert row["about"] == "test_accuracy of mish minus relu"
    assert row["expected"] == "above 0.00 points"
    assert (row["estimate"], row["95 % interval"]) == ("-0.31 points", "-0.50 to +0.10")


def test_a_difference_of_two_metrics_is_in_points_with_its_sign_too() -> None:
    found = Estimate(5, 0.125, 0.001, (0.12, 0.13))
    row = cells(claim("train_accuracy - validation_accuracy", found=found, lower=0.1))
    assert row["about"] == "train_accuracy - validation_accuracy of mish"
    assert (row["expected"], row["estimate"]) == ("above 10.00 points", "+12.50 points")
    judged = claim("train_accuracy - validation_accuracy", found=found, lower=0.1, verdict="contradicted")
    assert "is +12.50 points after 5 seeds, expected above 10.00 points)" in gate_on_claims([judged], "exit").lines()[1]


def test_losses_and_other_numbers_are_plain() -> None:
    found = Estimate(5, 0.08123, 0.001, (0.08, 0.09))
    row = cells(claim("test_loss", reference=RELU, found=found, is_better=True))
    assert (row["expected"], row["estimate"], row["95 % interval"]) == ("below 0.0000", "+0.0812", "+0.0800 to +0.0900")
    boundary = Estimate(20, 129.98765, 0.1, (129.9, 130.125))
    row = cells(claim("boundary", arm=(), found=boundary, lower=129.0, upper=131.0))
    assert (row["about"], row["expected"]) == ("boundary of all trials", "129 to 131")
    assert (row["estimate"], row["95 % interval"]) == ("130", "129.9 to 130.1")


def test_shares_between_bounds_and_several_values_read_as_what_they_are() -> None:
    found = Estimate(40, 0.609375, 0.05, (0.5934, 0.6253))
    row = cells(claim("layer1.dead_share", arm=MISH_SLOWLY, found=found, lower=0.58, upper=0.64))
    assert row["about"] == "layer1.dead_share of mish, lr=0.001"
    assert (row["expected"], row["estimate"]) == ("58.00 to 64.00 %", "60.94 %")
    assert cells(claim(arm=MISH, reference=(), upper=0.0))["about"] == "test_accuracy of mish minus all trials"


def test_what_was_not_estimated_is_a_dash_and_the_reason_stands_with_the_verdict() -> None:
    row = cells(claim(without_value=3, reason="3 of 3 seeds have no value", lower=0.5))
    assert row["verdict"] == "undecided (3 of 3 seeds have no value)"
    assert (row["estimate"], row["95 % interval"], row["n"]) == ("-", "-", "0")


def test_the_first_note_counts_the_verdicts_and_says_what_they_mean() -> None:
    verdicts: tuple[Verdict, ...] = ("contradicted", "supported", "supported", "undecided", "supported")
    section = claims_section([claim(verdict=verdict, lower=0.5) for verdict in verdicts])
    assert [row[1] for row in section.rows] == list(verdicts)
    (note,) = section.notes
    assert note.startswith("3 supported, 1 contradicted, 1 undecided. Supported: the whole 95 % interval over seeds ")
    assert "about one in twenty intervals misses" in note


def test_with_looks_the_interval_has_the_level_of_the_look() -> None:
    found = Estimate(20, 0.9795, 0.001, (0.9788, 0.9803))
    first, second = (replace(claim(found=found, lower=0.5), confidence=level) for level in (0.975, 0.9875))
    alike, unlike = claims_section([first, first]), claims_section([first, second, claim(lower=0.5)])
    assert "97.5 % interval" in alike.header
    assert "the whole 97.5 % interval over seeds" in alike.notes[0]
    column = unlike.header.index("interval")
    assert [row[column] for row in unlike.rows] == ["97.88 to 98.03 (97.5 %)", "97.88 to 98.03 (98.75 %)", "-"]
    assert "at most one claim in twenty" in unlike.notes[0]
    assert [row["confidence"] for row in claim_rows([first, second])] == [0.975, 0.9875]


def test_no_column_of_the_section_may_be_left_out() -> None:
    section = claims_section([claim(lower=0.5)])
    assert section.title == "claims"
    assert section.is_complete
    assert section_to_markdown(section, heading="##").startswith("## claims\n\n| claim | verdict | about | expected |")


@pytest.mark.parametrize(("metric", "notes"), [
    ("epochs_to_0.9_validation_accuracy", [CENSORED]), ("epochs_to_0.1_train_loss", [CENSORED]),
    ("step_seconds / epochs_to_0.1_train_loss", [CENSORED]), ("validation_accuracy@3", []), ("test_accuracy", []),
])  # fmt: skip
def test_epochs_to_a_target_come_with_what_never_reaching_it_counts_as(metric: str, notes: list[str]) -> None:
    judged = claim(metric, found=Estimate(5, 3.0, 1.0, (2.0, 4.0)), lower=0.0)
    assert claims_section([judged, judged]).notes[1:] == notes


def of_first_64(**changes: Any) -> JudgedClaim:
    return claim("test_accuracy_of_first_64", found=Estimate(40, 39 / 64, 0.05, (0.59, 0.63)), lower=0.5, **changes)


def test_a_few_images_come_with_what_one_run_on_them_can_say() -> None:
    note = "One run on 64 images, 39 of them right, leaves an accuracy of 47.9 % to 72.9 % possible (mish)."
    assert claims_section([of_first_64(), of_first_64(upper=0.7)]).notes[1:] == [note]
    assert claims_section([of_first_64(), of_first_64(arm=RELU)]).notes[1:] == [note, note.replace("mish", "relu")]


def test_no_single_run_is_spoken_of_where_there_is_none() -> None:
    assert len(claims_section([of_first_64(reference=RELU)]).notes) == 1
    assert len(claims_section([replace(of_first_64(), estimate=NONE)]).notes) == 1
    for metric in ("test_accuracy_of_first_64 - test_accuracy", "test_accuracy - test_accuracy_of_first_64"):
        found = Estimate(5, 0.01, 0.1, (-0.1, 0.1))
        assert len(claims_section([claim(metric, found=found, lower=0.0)]).notes) == 1


@pytest.mark.parametrize(("hits", "images"), [(39, 64), (0, 64), (64, 64), (1, 10), (950, 1000)])
def test_the_interval_of_a_single_run_is_clopper_and_pearsons(hits: int, images: int) -> None:
    low = stats.beta.ppf(0.025, hits, images - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, images - hits) if hits < images else 1.0
    assert exact_binomial_interval(hits, images) == pytest.approx((low, high))


def test_39_of_64_leave_48_to_73_percent_possible() -> None:
    assert exact_binomial_interval(39, 64) == pytest.approx((0.479, 0.729), abs=5e-4)
    low, high = exact_binomial_interval(39, 64)
    assert stats.binomtest(39, 64, low, alternative="greater").pvalue == pytest.approx(0.025)
    assert stats.binomtest(39, 64, high, alternative="less").pvalue == pytest.approx(0.025)


def test_a_row_for_programs_holds_fractions_and_leaves_empty_what_is_not_there() -> None:
    found = Estimate(10, 0.9795, 0.001, (0.9788, 0.9803))
    judged, unjudged = claim_rows(
        [
            claim(reference=RELU, found=found, verdict="supported", is_better=True),
            claim("test_loss", without_value=3, reason="3 of 3 seeds have no value", lower=0.25, upper=inf),
        ]
    )
    assert judged == {
        "claim": "A claim", "verdict": "supported", "metric": "test_accuracy",
        "about": "test_accuracy of mish minus relu", "lower": 0.0, "upper": None, "n": 10, "without_value": 0,
        "estimate": 0.9795, "sd": 0.001, "ci_low": 0.9788, "ci_high": 0.9803,
        "confidence": 0.95, "reason": None, "exploratory": None,
    }  # fmt: skip
    assert (unjudged["lower"], unjudged["upper"], unjudged["reason"]) == (0.25, None, "3 of 3 seeds have no value")
    assert {unjudged[name] for name in ("estimate", "sd", "ci_low", "ci_high")} == {None}
    header, row, _ = Table(CLAIM_COLUMNS, [judged, unjudged]).to_csv().splitlines()
    assert header == ",".join(judged)
    numbers = "0.0,,10,0,0.9795,0.001,0.9788,0.9803,0.95"
    assert row == f"A claim,supported,test_accuracy,test_accuracy of mish minus relu,{numbers},,"


PLANTED = """
model: {hidden: [4]}
vary: {model.activation: [relu, tanh]}
seeds: 3
expect:
  - {claim: 'said, with "quotes"', better: {model.activation: tanh}, than: {model.activation: relu}}
  - {claim: über 50 %, arm: {model.activation: relu}, metric: test_accuracy, between: [0.1, 0.5]}
  - {claim: not probed, arm: {model.activation: relu}, metric: layer1.mean, below: 1}
"""


def test_pandas_reads_the_table_of_claims_in_one_call(tmp_path: Path) -> None:
    counts = {label: [300 + seed + 9 * number for seed in range(3)] for number, label in enumerate(("relu", "tanh"))}
    results = planted(tmp_path, counts, PLANTED)
    write_tables(results)
    table = pandas.read_csv(tmp_path / "claims.csv")
    assert list(table.columns) == list(CLAIM_COLUMNS[:-1])
    assert list(table["claim"]) == ['said, with "quotes"', "über 50 %", "not probed"]
    assert list(table["verdict"]) == ["supported", "contradicted", "undecided"]
    assert list(table["n"]) == [3, 3, 0]
    assert list(table["without_value"]) == [0, 0, 3]
    assert list(table["estimate"][:2]) == pytest.approx([9 / 360, 301 / 360])
    assert table["lower"].dropna().to_dict() == {0: 0.0, 1: 0.1}
    assert table["upper"].dropna().to_dict() == {1: 0.5, 2: 1.0}
    assert table["reason"].dropna().to_dict() == {2: "3 of 3 seeds have no value"}
    assert all(table["ci_low"][:2] <= table["estimate"][:2])
    before = (tmp_path / "claims.csv").read_bytes()
    write_tables(replace(results, records=dict(reversed(results.records.items()))))
    assert (tmp_path / "claims.csv").read_bytes() == before


def test_without_claims_there_is_no_table_of_them(tmp_path: Path) -> None:
    results = planted(tmp_path, {}, PLANTED)
    write_tables(results)
    assert (tmp_path / "claims.csv").exists()
    write_tables(replace(results, experiment=replace(results.experiment, claims=())))
    assert (tmp_path / "table.csv").exists()
    assert not (tmp_path / "claims.csv").exists()
