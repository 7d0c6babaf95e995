"""A loss ranks no arms that train on different losses, or on different scales of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.claims import judge_claims
from actbench.analysis.comparison import Comparison, ranked, separable
from actbench.analysis.effects import effects
from actbench.analysis.samples import loss_unit
from actbench.catalogue.datasets import DATASETS
from actbench.experiment.metrics import parse_metric
from actbench.experiment.settings import TrialSettings
from actbench.experiment.validation import validated_setting
from actbench.report.comparison import comparison_section, comparison_to_json
from actbench.report.contents import answer_sections
from actbench.report.figures.differences import differences_picture
from actbench.report.gate import gate_on_arms
from actbench.report.statements import statements
from actbench.store.results import Results
from planted import RELU, TUNED, Change, asked, planted, verdicts

UNLIKE = TUNED.replace("hidden: [4]", "hidden: [4], output: identity").replace(
    "model.activation: [relu, tanh]", "train.loss: [mse, cross_entropy]"
).replace("model.activation: relu", "train.loss: cross_entropy")  # fmt: skip
FACTORS = UNLIKE.replace("cross_entropy]}", "cross_entropy], model.activation: [relu, tanh]}").replace(
    "baseline: {train.loss: cross_entropy}", "baseline: {model.activation: relu}"
)
LOSS = {"cross_entropy": 1.4, "mse": 0.9}
RIGHT = {"cross_entropy": [4900 + seed for seed in range(10)], "mse": [2100 + seed for seed in range(10)]}


def losses(label: str, seed: int) -> dict[str, Any]:
    value = next(value for name, value in LOSS.items() if name in label)
    return {"test_loss": value - 0.1 * ("tanh" in label) + seed / 1e3}


def of_one(loss: str) -> Change:
    """The losses of a folder whose arms all train on this one."""
    return lambda _label, seed: losses(loss, seed)


@pytest.fixture
def unlike(tmp_path: Path) -> Results:
    """Mse is right for 21 % of the images and has the smaller loss; cross_entropy is right for 49 %."""
    return planted(tmp_path / "unlike", RIGHT, UNLIKE, change=losses)


@pytest.fixture
def factors(tmp_path: Path) -> Results:
    """Two losses by two activations, each compared with relu at the same loss; tanh has the smaller one."""
    counts = {f"loss={loss}, activation={name}": RELU for loss in LOSS for name in ("relu", "tanh")}
    return planted(tmp_path / "factors", counts, FACTORS, change=losses)


def said(comparison: Comparison, results: Results) -> str:
    return "\n".join(one.text for one in statements(comparison, [results]))


def test_a_loss_judges_no_arms_that_train_on_different_losses(unlike: Results) -> None:
    comparison = asked(unlike, metric="test_loss", all_pairs=True)
    assert verdicts(comparison) == {"mse": "not judged"}
    assert [one.verdict for one in comparison.pairs] == ["not judged"]
    assert comparison.pairs[0].reason == (
        "trained on different losses: cross_entropy over 10 output units and mse over 10 output units"
    )
    assert (comparison.best, separable(comparison)) == ((), ())
    assert [row.sample.label for row in ranked(comparison)] == ["mse", "cross_entropy"]
    assert verdicts(asked(unlike)) == {"mse": "worse"}


def test_nothing_that_is_said_ranks_them(unlike: Results) -> None:
    comparison = asked(unlike, metric="test_loss")
    words = said(comparison, unlike)
    assert "train on different losses (mse over 10 output units and cross_entropy over 10 output units)" in words
    assert "are not judged, and no best is named" in words
    assert "such as test_accuracy" in words
    for word in ("better than", "worse than", "highest mean", "Best:", "8 times in 10"):
        assert word not in words
    row = comparison_section(comparison, []).rows[0]
    assert row[0] == "mse"
    assert row[-5:] == ["-", "-", "-", "-", "not judged"]
    answer, short = answer_sections(comparison, [unlike])
    assert "Not ranked: test loss is in the unit of the loss that an arm trains on" in answer.title
    assert not any("●" in cell for row in short.rows for cell in row)
    picture = differences_picture(unlike, comparison)
    assert picture is not None
    assert "best" not in picture.caption + picture.description


def test_json_holds_no_difference_between_them(unlike: Results) -> None:
    comparison = asked(unlike, metric="test_loss")
    document = comparison_to_json(comparison)
    arm = next(one for one in document["arms"] if one["label"] == "mse")
    absent = ("difference", "difference_ci", "p", "p_holm", "probability_better", "probability_better_ci")
    assert [arm[key] for key in absent] == [None] * 6
    assert (arm["verdict"], arm["n"], document["best_set"]) == ("not judged", 10, [])
    assert arm["mean"] == pytest.approx(0.9045)
    assert "Not ranked: test loss is in the unit of the loss" in said(comparison, unlike)


@pytest.mark.parametrize("fails_undecided", [False, True])
def test_the_gate_is_undecided_and_says_why(fails_undecided: bool, unlike: Results) -> None:
    comparison = asked(unlike, metric="test_loss")
    gate = gate_on_arms(comparison, "fail" if fails_undecided else "pass")
    assert gate.exit_code() == fails_undecided
    assert gate.line().endswith("; 0 worse; 1 undecided (mse)")
    assert gate.lines()[-1] == "gate: test_loss cannot compare arms that train on different losses"


def test_arms_that_train_on_the_same_loss_are_judged_beside_others(factors: Results) -> None:
    comparison = asked(factors, metric="test_loss")
    assert verdicts(comparison) == {f"loss={loss}, activation=tanh": "better" for loss in LOSS}
    assert comparison.best == ()
    assert set(separable(comparison)) == set(verdicts(comparison))
    assert "no best is named" in said(comparison, factors)
    pairs = {
        (one.first.label, one.second.label): one for one in asked(factors, metric="test_loss", all_pairs=True).pairs
    }
    assert sum(one.verdict == "not judged" for one in pairs.values()) == 4
    assert {one.p_holm for one in pairs.values()} == {None, 2 * 2 / 2**10}


def test_a_mean_over_different_losses_is_judged_neither(factors: Results) -> None:
    assert verdicts(asked(factors, metric="test_loss", by="activation")) == {"tanh": "not judged"}
    assert verdicts(asked(factors, by="activation")) != {"tanh": "not judged"}


def test_no_share_of_the_variance_of_different_losses_is_explained(factors: Results) -> None:
    assert effects(factors.plan, factors.records, parse_metric("test_loss")) is None
    assert effects(factors.plan, factors.records, parse_metric("test_accuracy")) is not None


@pytest.mark.parametrize("as_baseline", [False, True])
def test_folders_are_compared_by_the_losses_that_they_trained_on(as_baseline: bool, tmp_path: Path) -> None:
    base = TUNED.replace("hidden: [4]", "hidden: [4], output: identity")
    now, before = (
        planted(
            tmp_path / loss, {"relu": RELU, "tanh": RELU}, base.replace("epochs: 1", f"epochs: 1, loss: {loss}"),
            change=of_one(loss),
        )
        for loss in ("mse", "cross_entropy")
    )  # fmt: skip
    comparison = asked(now, before, metric="test_loss") if as_baseline else asked([before, now], metric="test_loss")
    found = verdicts(comparison)
    assert {found[name if as_baseline else f"mse: {name}"] for name in ("relu", "tanh")} == {"not judged"}
    assert comparison.best == ()


@pytest.mark.parametrize("metric", [
    "test_loss", "validation_loss", "train_loss@1", "epochs_to_0.5_train_loss", "test_loss - train_loss",
    "train_accuracy / train_loss", "train_loss - train_accuracy",
])  # fmt: skip
def test_every_metric_in_the_unit_of_a_loss_is_one(metric: str, unlike: Results) -> None:
    assert parse_metric(metric).is_loss
    assert set(verdicts(asked(unlike, metric=metric)).values()) <= {"not judged", None}


@pytest.mark.parametrize("metric", ["test_accuracy", "epochs_to_0.5_train_accuracy", "layer1.dead_share", "boundary"])
def test_other_metrics_depend_on_no_loss(metric: str) -> None:
    assert not parse_metric(metric).is_loss


def settings(output: str, loss: Any, dataset: str = "mnist") -> TrialSettings:
    start = TrialSettings()
    data = start.data.model_copy(update={"dataset": DATASETS[dataset]})
    choices = [validated_setting(path, value)[0] for path, value in (("model.output", output), ("train.loss", loss))]
    return start.model_copy(
        update={
            "data": data,
            "model": start.model.model_copy(update={"output": choices[0]}),
            "train": start.train.model_copy(update={"loss": choices[1]}),
        }
    )


def test_losses_have_one_unit_if_they_compute_the_same_numbers() -> None:
    likelihoods = (("identity", "cross_entropy"), ("log_softmax", "nll"), ("log_softmax", "cross_entropy"))
    assert {loss_unit(settings(*pair)) for pair in likelihoods} == {"cross_entropy over 10 output units"}
    assert loss_unit(settings("sigmoid", "bce")) == loss_unit(settings("softmax", "bce")) == "bce over 10 output units"
    assert loss_unit(settings("sigmoid", "bce", "thermostat")) == "bce over 1 output unit"


@pytest.mark.parametrize(
    ("output", "loss"), [("softmax", "nll"), ("identity", "mse"), ("identity", "nll"), ("softmax", "cross_entropy")]
)
def test_an_output_that_a_loss_is_not_meant_for_makes_another_unit(output: str, loss: str) -> None:
    likelihood = loss_unit(settings("log_softmax", "nll"))
    assert loss_unit(settings(output, loss)) != likelihood


CLAIM = "expect: [{{claim: c, {}, metric: test_loss{}}}]\n"


@pytest.mark.parametrize(
    ("about", "more"),
    [
        ("better: {train.loss: mse}, than: {train.loss: cross_entropy}", ""),
        ("arm: {train.loss: mse}, minus: {train.loss: cross_entropy}", ", between: [-1, 1]"),
    ],
)
def test_a_claim_that_compares_them_by_a_loss_is_undecided(about: str, more: str, tmp_path: Path) -> None:
    results = planted(tmp_path, RIGHT, UNLIKE + CLAIM.format(about, more), change=losses)
    (claim,) = judge_claims(results.experiment.claims, results.plan, results.records)
    assert claim.verdict == "undecided"
    assert claim.reason.startswith("the arms train on different losses: cross_entropy over 10")
    assert (claim.estimate.n, claim.estimate.mean, claim.estimate.interval) == (10, None, None)


def test_a_claim_on_the_loss_of_one_arm_or_of_arms_with_one_loss_is_decided(tmp_path: Path) -> None:
    own = CLAIM.format("arm: {train.loss: mse}", ", between: [0.8, 1.0]")
    results = planted(tmp_path / "own", RIGHT, UNLIKE + own, change=losses)
    assert [one.verdict for one in judge_claims(results.experiment.claims, results.plan, results.records)] == [
        "supported"
    ]
    one_loss = "{{train.loss: mse, model.activation: {}}}"
    claim = CLAIM.format(f"better: {one_loss.format('tanh')}, than: {one_loss.format('relu')}", "")
    counts = {f"loss={loss}, activation={name}": RELU for loss in LOSS for name in ("relu", "tanh")}
    results = planted(tmp_path / "factors", counts, FACTORS + claim, change=losses)
    assert [one.verdict for one in judge_claims(results.experiment.claims, results.plan, results.records)] == [
        "supported"
    ]
    mixed = CLAIM.format("better: {model.activation: tanh}, than: {model.activation: relu}", "")
    results = planted(tmp_path / "mixed", counts, FACTORS + mixed, change=losses)
    assert [one.verdict for one in judge_claims(results.experiment.claims, results.plan, results.records)] == [
        "undecided"
    ]
