"""The answer in plain words, on results whose every number is planted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.claims import judge_claims
from actbench.report.statements import paragraph, statements
from actbench.store.results import Results
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
    above,
    asked,
    five_arms,
    planted,
)

CLAIMS = """
expect:
  - {claim: tanh wins, better: {model.activation: tanh}, than: {model.activation: relu}}
  - {claim: relu is perfect, arm: {model.activation: relu}, above: 0.999}
  - {claim: relu is near 0.978, arm: {model.activation: relu}, between: [0.9784, 0.99]}
"""


def said(results: Results, **request: Any) -> str:
    claims = judge_claims(results.experiment.expectations, results.plan, results.records)
    return paragraph(statements(asked(results, **request), [results], claims))


def two(folder: Path, gains: list[int], text: str = TUNED, **more: Any) -> Results:
    return planted(folder, {"relu": RELU, "tanh": above(RELU, gains)}, text, **more)


def test_the_question_says_what_was_compared_on_what_and_how_often(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH))
    assert words.startswith(
        "Which model.activation gives the highest test accuracy on mnist? Two values of model.activation were "
        "compared: relu and tanh; each was trained ten times, with other random numbers each time (the seeds)"
    )
    assert "Each arm uses the train.lr that suited it best on validation images" in words
    assert words.endswith("All this holds for this network, these images and this much training, and for no other.")


def test_several_factors_are_asked_for_together(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], model.init: [zeros, ones]}")
    counts = {f"activation={name}, init={init}": RELU for name in ("relu", "tanh") for init in ("zeros", "ones")}
    results = planted(tmp_path, counts, text)
    words = said(results, shared_lr=True)
    assert words.startswith("Which model.activation with which model.init gives the highest test accuracy on mnist?")
    assert "All 4 combinations of two values of model.activation and two values of model.init were compared" in words
    assert "relu in an arm that is otherwise the same" in words
    assert "activation=tanh, init=zeros; and activation=tanh, init=ones" in words


def test_a_winner_is_named_with_its_difference_and_interval(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH))
    assert re.search(
        r"There is evidence that tanh \(\+0\.21 points of test accuracy, interval \+0\.17 to \+0\.24\) is better "
        r"than the baseline relu\.",
        words,
    )
    assert "The highest mean (98.07 %) belongs to tanh, and every other arm can be distinguished from it." in words
    assert "no evidence" not in words
    assert "No arm is found" not in words


def test_a_loser_is_worse_and_not_called_a_winner(tmp_path: Path) -> None:
    words = said(two(tmp_path, [-gain for gain in MUCH]))
    assert "There is evidence that tanh (-0.21 points of test accuracy" in words
    assert "is worse than the baseline relu." in words
    assert "better than" not in words
    assert "belongs to relu" in words


def test_a_small_difference_is_called_small(tmp_path: Path) -> None:
    words = said(two(tmp_path, LITTLE))
    assert "is better than the baseline relu, but by less than the 0.10 points that count as small here." in words


def test_of_a_loss_the_lowest_is_the_best(tmp_path: Path) -> None:
    results = two(
        tmp_path, MUCH, change=lambda label, seed: {"test_loss": (0.4 if label == "tanh" else 0.5) + seed / 1e3}
    )
    words = said(results, metric="test_loss")
    assert words.startswith("Which model.activation gives the lowest test loss on mnist?")
    assert "tanh (-0.1000 of test loss, interval -0.1000 to -0.1000) is better than the baseline relu." in words
    assert "The lowest mean (0.4045) belongs to tanh" in words


def test_no_evidence_is_not_equality_and_says_how_much_may_have_gone_unnoticed(tmp_path: Path) -> None:
    words = said(two(tmp_path, NOISE))
    assert "No arm is found better or worse than the baseline relu." in words
    assert re.search(
        r"For tanh there is no evidence of a difference to the baseline relu\. That does not mean they are the same: "
        r"the difference could still be up to 0\.\d\d points\.",
        words,
    )
    assert "but relu cannot be distinguished from it" in words or "but tanh cannot be distinguished from it" in words
    assert re.search(r"Ten seeds show a true difference of 0\.\d\d points eight times in ten", words)


def test_of_several_without_evidence_the_widest_interval_is_named(tmp_path: Path) -> None:
    words = said(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS))
    assert "There is evidence that tanh (+0.21 points of test accuracy" in words
    assert "There is evidence that elu (+0.05 points of test accuracy" in words
    assert "Equivalent to the baseline relu, since any difference is below 0.10 points: gelu." in words
    assert "For mish there is no evidence of a difference to the baseline relu." in words


def test_equivalence_is_said_with_its_margin(tmp_path: Path) -> None:
    words = said(two(tmp_path, NOTHING))
    assert "Equivalent to the baseline relu, since any difference is below 0.10 points: tanh." in words
    assert "No arm is found better or worse than the baseline relu." in words


def test_too_few_seeds_say_how_many_it_takes(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, TUNED.replace("seeds: 10", "seeds: 3")))
    assert "each was trained three times" in words
    assert (
        "For tanh there are too few seeds to tell: even the clearest outcome could be chance; it takes at least 6"
        in words
    )
    assert "is better than" not in words


def test_untuned_arms_are_not_judged_and_the_best_mean_is_no_winner(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, UNTUNED))
    assert "Nothing was tuned for the arms: all share their settings (train.lr 0.001)" in words
    assert "So nothing is judged here" in words
    assert "The highest mean (98.07 %) belongs to tanh; that alone does not make it the best." in words
    assert "evidence" not in words
    assert "All this holds" not in words


def test_a_shared_rate_that_was_accepted_is_said(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, UNTUNED), shared_lr=True)
    assert "the verdicts, requested all the same, hold for these settings, and others may reverse them." in words
    assert "is better than the baseline relu." in words


def test_an_arm_at_the_edge_of_its_grid_is_not_judged_and_the_reason_is_given(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, best_rates={"tanh": RATE_OUT_OF_REACH}))
    assert "Not judged: tanh (train.lr is at the edge of what was tried)." in words
    assert "The highest mean (98.07 %) belongs to tanh; that alone does not make it the best." in words
    words = said(two(tmp_path / "baseline", MUCH, best_rates={"relu": RATE_OUT_OF_REACH}))
    assert "Not judged: tanh (relu: train.lr is at the edge of what was tried)." in words


def test_arms_with_the_same_mean_share_it(tmp_path: Path) -> None:
    words = said(two(tmp_path, [0] * 10))
    assert "The highest mean (97.86 %) is shared by relu and tanh." in words


def test_one_arm_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    text = UNTUNED.split("vary:")[0] + "seeds: 10\n"
    words = said(planted(tmp_path, {"all trials": RELU}, text))
    assert words.startswith("One network was trained on mnist with ten seeds; nothing is compared here.")
    assert "Its mean test accuracy is 97.86 % (95 % interval" in words


def test_without_a_baseline_no_arm_is_compared_with_a_certain_other(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, TUNED.replace("baseline: {model.activation: relu}\n", "")))
    assert "The experiment names no baseline, so no arm has a verdict against one." in words
    assert "belongs to tanh, and every other arm can be distinguished from it." in words


def test_without_any_result_nothing_is_said_of_any_arm(tmp_path: Path) -> None:
    words = said(planted(tmp_path, {}, UNTUNED))
    assert words.endswith("No final trial has a result yet.")
    assert "mean" not in words


def test_failed_and_missing_trainings_are_counted(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {"relu": [*RELU], "tanh": [*above(RELU, MUCH)]}
    counts["tanh"][9] = None
    diverged = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
    results = planted(tmp_path, counts, change=lambda label, seed: diverged if (label, seed) == ("tanh", 0) else {})
    words = said(results)
    assert "1 of 20 trainings are unusable" in words
    assert re.search(r"1 of \d+ trainings are still missing, so all this is provisional\.", words)


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (3, "Of the 3 claims that the file makes, 1 is supported, 1 contradicted and 1 undecided."),
        (1, "The one claim that the file makes is supported."),
    ],
)
def test_claims_are_counted_by_their_verdict(kept: int, sentence: str, tmp_path: Path) -> None:
    text = UNTUNED + "\n".join(CLAIMS.splitlines()[: 2 + kept]) + "\n"
    assert sentence in said(two(tmp_path, MUCH, text))


def test_many_arms_are_counted_instead_of_named(tmp_path: Path) -> None:
    rates = [round(1e-4 * number, 6) for number in range(1, 21)]
    text = UNTUNED.replace("model.activation: [relu, tanh]", f"train.lr: {rates}").replace(
        "baseline: {model.activation: relu}", "baseline: {train.lr: 0.0001}"
    )
    words = said(planted(tmp_path, {f"lr={rate}": RELU for rate in rates}, text), shared_lr=True)
    assert "20 values of train.lr were compared; each" in words
    assert "For 19 arms there" in words or "0.10 points: 19 arms." in words
    assert len(words) < 1500
