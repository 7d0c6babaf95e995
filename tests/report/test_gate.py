"""The gate for CI: when it closes, what it says, and the summary that it leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from actbench.errors import ConfigurationError
from actbench.experiment.records import Trial, TrialRecord
from actbench.report.contents import comparison_sections
from actbench.report.gate import (
    GITHUB_VARIABLE,
    SUMMARY_VARIABLE,
    Gate,
    Undecided,
    code_quality_text,
    gate_on_arms,
    junit_text,
    publish,
)
from actbench.statistics.intervals import wilson_interval
from actbench.store.results import Results
from builders import record_of
from drawn import results_from
from planted import (
    FIVE_ACTIVATIONS,
    LITTLE,
    MUCH,
    NOISE,
    NOTHING,
    RATE_OUT_OF_REACH,
    RELU,
    TUNED,
    UNTUNED,
    Change,
    above,
    asked,
    contrast_of,
    planted,
)

SHORT = TUNED.replace("seeds: 10", "seeds: 5")


@pytest.fixture(autouse=True)
def no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SUMMARY_VARIABLE, raising=False)
    monkeypatch.delenv(GITHUB_VARIABLE, raising=False)


def with_gains(folder: Path, gains: list[int], text: str = TUNED, **options: Any) -> Results:
    seeds = len(gains)
    return planted(folder, {"relu": RELU[:seeds], "tanh": above(RELU[:seeds], gains)}, text, **options)


def gate(
    results: Results, reference: Results | None = None, *, fails_undecided: bool = False, **request: Any
) -> tuple[bool, str]:
    """Whether the gate fails, and what it says in its first line."""
    found, lines = published(results, reference, undecided="fail" if fails_undecided else "pass", **request)
    assert lines[0] == found.line()
    assert len(lines) >= 1 + len(found.named("worse", "broken", "undecided"))
    return found.exit_code() == 1, lines[0]


def published(
    results: Results,
    reference: Results | None = None,
    *,
    undecided: Undecided = "exit",
    files: Sequence[Path] = (),
    **request: Any,
) -> tuple[Gate, list[str]]:
    """The gate on arms, and everything it says."""
    lines: list[str] = []
    everything = [results, reference] if reference else [results]
    comparison = asked(results, reference, **request)
    found = gate_on_arms(comparison, undecided)
    publish(found, comparison_sections(comparison, everything), files, lines.append)
    return found, lines


def failing(count: int) -> Change:
    """The first trials of every arm diverge."""
    return lambda label, seed: {"outcome": "diverged", "diverged_epoch": 1} if seed < count else {}


@pytest.mark.parametrize("fails_undecided", [False, True])
@pytest.mark.parametrize(
    ("gains", "closes"),
    [(MUCH, False), (LITTLE, False), (NOTHING, False), ([-g for g in MUCH], True), ([-g for g in LITTLE], True)],
    ids=["better", "better (small)", "equivalent", "worse", "worse (small)"],
)
def test_a_decided_gate_closes_only_on_worse(
    gains: list[int], closes: bool, fails_undecided: bool, tmp_path: Path
) -> None:
    closed, line = gate(with_gains(tmp_path, gains), fails_undecided=fails_undecided)
    assert closed == closes
    assert line == ("gate: failed; 1 worse (tanh); 0 undecided" if closes else "gate: passed; 0 worse; 0 undecided")


@pytest.mark.parametrize(
    ("gains", "text", "request_"),
    [
        (NOISE, TUNED, {}),
        ([-gain for gain in MUCH], UNTUNED, {}),
        (MUCH, TUNED, {"metric": "train_loss - test_loss"}),
    ],
    ids=["no evidence", "not judged", "neither way is better"],
)
def test_an_undecided_gate_closes_only_where_it_is_told_to(
    gains: list[int], text: str, request_: dict[str, Any], tmp_path: Path
) -> None:
    results = with_gains(tmp_path, gains, text)
    assert gate(results, **request_) == (False, "gate: passed; 0 worse; 1 undecided (tanh)")
    assert gate(results, fails_undecided=True, **request_) == (True, "gate: failed; 0 worse; 1 undecided (tanh)")


def test_an_arm_at_the_edge_of_its_grid_is_undecided(tmp_path: Path) -> None:
    results = with_gains(tmp_path, [-gain for gain in MUCH], best_rates={"tanh": RATE_OUT_OF_REACH})
    assert gate(results) == (False, "gate: passed; 0 worse; 1 undecided (tanh)")


def test_all_worse_and_all_undecided_arms_are_named(tmp_path: Path) -> None:
    gains = {"tanh": [-gain for gain in MUCH], "elu": NOISE, "gelu": [-2 * gain for gain in MUCH], "mish": MUCH}
    counts = {"relu": RELU, **{label: above(RELU, gain) for label, gain in gains.items()}}
    results = planted(tmp_path, counts, TUNED.replace("relu, tanh", "relu, tanh, elu, gelu, mish"))
    assert gate(results) == (True, "gate: failed; 2 worse (tanh, gelu); 1 undecided (elu)")


def test_a_loss_is_worse_when_it_is_larger(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return {"test_loss": 0.1 + 0.001 * seed + (0.02 if label == "tanh" else 0)}

    assert gate(with_gains(tmp_path, MUCH, change=change), metric="test_loss")[0]


def test_a_gate_without_a_baseline_is_a_mistake_and_leaves_no_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SUMMARY_VARIABLE, str(tmp_path / "summary.md"))
    text = TUNED.replace("baseline: {model.activation: relu}\n", "")
    with pytest.raises(ConfigurationError, match=r"^--gate: no arm is compared with a baseline"):
        gate(with_gains(tmp_path, MUCH, text))
    assert not (tmp_path / "summary.md").exists()


@pytest.mark.parametrize(
    ("gains", "undecided", "code", "word"),
    [
        (MUCH, "exit", 0, "passed"),
        ([-gain for gain in MUCH], "exit", 1, "failed"),
        (NOISE, "exit", 5, "undecided"),
        (NOISE, "pass", 0, "passed"),
        (NOISE, "fail", 1, "failed"),
    ],
)
def test_better_worse_and_undecided_have_their_exit_codes(
    gains: list[int], undecided: Undecided, code: int, word: str, tmp_path: Path
) -> None:
    found, lines = published(with_gains(tmp_path, gains), undecided=undecided)
    assert found.exit_code() == code
    assert lines[0].startswith(f"gate: {word}; ")


def test_the_cause_comes_with_the_old_and_the_new_number(tmp_path: Path) -> None:
    _, lines = published(with_gains(tmp_path, [-gain for gain in MUCH]))
    assert lines[1] == "  worse: tanh: 97.86 -> 97.65 % (-0.21 points); p 0.002 after 1 comparison"


def test_the_gate_says_how_many_fresh_seeds_would_decide(tmp_path: Path) -> None:
    _, (_, cause) = published(with_gains(tmp_path / "ten", NOISE))
    assert re.fullmatch(
        r"  undecided: tanh: .*; p \d.* To find a true difference of 0\.10 points .* takes \d+ new seeds\.", cause
    )
    found, (_, cause) = published(with_gains(tmp_path / "five", [-gain for gain in MUCH[:5]], SHORT))
    assert found.exit_code() == 5
    assert cause.endswith("; 5 seeds cannot decide 1 comparison, 6 can")


def test_github_gets_annotations_and_only_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = with_gains(tmp_path, [-gain for gain in MUCH])
    assert not any(line.startswith("::") for line in published(results)[1])
    monkeypatch.setenv(GITHUB_VARIABLE, "true")
    (line,) = [line for line in published(results)[1] if line.startswith("::")]
    assert line == (
        "::error title=actbench gate: worse::tanh: 97.86 -> 97.65 %25 (-0.21 points); p 0.002 after 1 comparison"
    )
    undecided = with_gains(tmp_path / "noise", NOISE)
    assert published(undecided)[1][-1].startswith("::error title=actbench gate: undecided::")
    assert published(undecided, undecided="pass")[1][-1].startswith("::warning title=actbench gate: undecided::")


def test_junit_and_gitlab_reports_name_every_arm(tmp_path: Path) -> None:
    gains = {"tanh": [-gain for gain in MUCH], "elu": NOISE, "gelu": LITTLE, "mish": MUCH}
    counts = {"relu": RELU, **{label: above(RELU, gain) for label, gain in gains.items()}}
    results = planted(tmp_path / "results", counts, FIVE_ACTIVATIONS)
    found, _ = published(results, files=[tmp_path / "gate.xml", tmp_path / "gate.json"])
    suite = ElementTree.fromstring((tmp_path / "gate.xml").read_text(encoding="utf-8"))
    assert suite.attrib | {"name": ""} == {"name": "", "tests": "4", "failures": "2", "skipped": "0", "errors": "0"}
    assert [case.get("name") for case in suite.iter("testcase")] == ["tanh", "elu", "gelu", "mish"]
    assert [case.get("type") for case in suite.iter("failure")] == ["worse", "undecided"]
    findings = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert [(one["severity"], one["description"].split(":")[0]) for one in findings] == [
        ("major", "worse"), ("minor", "undecided"),
    ]  # fmt: skip
    assert len({one["fingerprint"] for one in findings}) == 2
    assert junit_text(replace(found, undecided="pass")).count("<skipped") == 1
    assert code_quality_text(found) == (tmp_path / "gate.json").read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        published(results, files=[tmp_path / "absent" / "gate.xml"])


def test_independent_seeds_are_not_called_too_few_where_four_of_them_can_make_it_fail(tmp_path: Path) -> None:
    one, other = SHORT.replace("seeds: 5", "seeds: 4"), UNTUNED.replace("mnist}", "mnist, train: 1000}")
    before = planted(tmp_path / "before", {"relu": RELU[:4]}, one.replace("[relu, tanh]", "[relu]"))
    worse = [count - 100 for count in RELU[:4]]
    text = other.replace("[relu, tanh]", "[relu]").replace("seeds: 10", "seeds: 4")
    assert gate(planted(tmp_path / "now", {"relu": worse}, text), before) == (
        True, "gate: failed; 1 worse (relu); 0 undecided",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failed_before", "failed_now", "closes"), [(0, 2, False), (0, 3, True), (3, 3, False), (3, 4, True), (4, 3, False)]
)
def test_more_failures_than_can_be_judged_and_than_before_close_the_gate(
    failed_before: int, failed_now: int, closes: bool, tmp_path: Path
) -> None:
    text = UNTUNED.replace("[relu, tanh]", "[relu]")
    before = planted(tmp_path / "before", {"relu": RELU}, text, change=failing(failed_before))
    now = planted(tmp_path / "now", {"relu": RELU}, text, change=failing(failed_now))
    closed, said = gate(now, before)
    assert closed == closes
    assert ("0 worse; 1 broken (relu)" in said) == closes


@pytest.mark.parametrize(("failed_now", "closes"), [(1, False), (2, False), (3, True)])
def test_failures_are_compared_as_shares_where_the_baseline_has_more_seeds(
    failed_now: int, closes: bool, tmp_path: Path
) -> None:
    text = UNTUNED.replace("[relu, tanh]", "[relu]")
    before = planted(tmp_path / "before", {"relu": RELU}, text, change=failing(4))
    short = text.replace("seeds: 10", "seeds: 5")
    now = planted(tmp_path / "now", {"relu": RELU[:5]}, short, change=failing(failed_now))
    assert gate(now, before)[0] is closes


def test_an_arm_that_the_reference_lacks_does_not_close_the_gate(tmp_path: Path) -> None:
    before = planted(tmp_path / "before", {"relu": RELU}, UNTUNED.replace("[relu, tanh]", "[relu]"))
    now = planted(tmp_path / "now", {"relu": RELU, "tanh": RELU}, UNTUNED)
    assert gate(now, before, fails_undecided=True) == (False, "gate: passed; 0 worse; 0 undecided")


def test_an_arm_that_is_gone_is_undecided(tmp_path: Path) -> None:
    before = planted(tmp_path / "before", {"relu": RELU, "tanh": RELU}, UNTUNED)
    now = planted(tmp_path / "now", {"relu": RELU}, UNTUNED.replace("[relu, tanh]", "[relu]"))
    undecided = "0 worse; 1 undecided (baseline before: tanh)"
    assert gate(now, before) == (False, f"gate: passed; {undecided}")
    assert gate(now, before, fails_undecided=True) == (True, f"gate: failed; {undecided}")


def test_the_summary_is_appended_as_markdown_with_the_verdict_of_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("what another step said\n", encoding="utf-8")
    monkeypatch.setenv(SUMMARY_VARIABLE, str(summary))
    results = with_gains(tmp_path, [-gain for gain in MUCH])
    for _ in range(2):
        assert gate(results, all_pairs=True)[0]
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("what another step said\n")
    lines = text.splitlines()
    for line in ("## test accuracy by arm", "## test accuracy, all pairs"):
        assert [one.replace("\\", "") for one in lines].count(line) == 2
    assert lines.count("**gate: failed; 1 worse (tanh); 0 undecided**") == 2
    assert len([line for line in lines if line.startswith("- worse: tanh: 97.86 -> 97.65 %")]) == 2
    assert len([line for line in lines if line.startswith("| tanh |")]) == 2


def test_without_the_variable_nothing_is_written(tmp_path: Path) -> None:
    results = with_gains(tmp_path / "results", MUCH)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    gate(results)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("sign", [1, -1])
def test_a_summary_that_cannot_be_written_is_said_and_changes_no_verdict(
    sign: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SUMMARY_VARIABLE, str(tmp_path / "absent" / "summary.md"))
    found, lines = published(with_gains(tmp_path, [sign * gain for gain in MUCH]))
    assert found.exit_code() == (sign < 0)
    warning = lines[-1]
    assert warning.startswith("warning: GITHUB_STEP_SUMMARY=")
    assert warning.endswith("summary.md: cannot be written (No such file or directory); there is no summary")


def test_the_numbers_are_of_the_seeds_of_the_look_that_settled_the_arm(tmp_path: Path) -> None:
    """A claim that stays open gives both arms more seeds after the one is found worse."""
    claim = "{claim: c, arm: {model.activation: tanh}, minus: {model.activation: relu}, above: -0.0021}"
    text = f"{UNTUNED.replace('seeds: 10', 'seeds: {looks: [8, 16]}')}expect: [{claim}]"

    def train(trial: Trial) -> TrialRecord:
        behind = 20 + trial.seed % 3 if trial.settings.model.activation.name == "tanh" else 0
        return record_of(trial, (9780 if trial.seed < 8 else 9000) + 5 * (-1) ** trial.seed - behind)

    results = results_from(text, tmp_path, train)
    assert [len(trials) for _, trials in results.plan.arms] == [16, 16]
    _, lines = published(results, shared_lr=True)
    assert lines[1].startswith("  worse: tanh: 97.80 -> 97.59 % over 8 common seeds (-0.21 points)")
    decided = contrast_of(asked(results, shared_lr=True), "tanh")
    assert decided.probability_better_interval == wilson_interval(0, 8)
