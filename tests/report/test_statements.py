"""Statements: the answer in one line, notes and JSON that say the same, and seeds, looks and ties in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.contrasts import Contrast
from actbench.analysis.samples import Sample
from actbench.report.contents import answer_sections, comparison_document, report_chapters
from actbench.report.statements import answer_line, caveats, notes, statements, why_not_different
from actbench.statistics.intervals import estimate
from actbench.store.results import Results
from planted import (
    DIVERGED,
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
    contrast_of,
    five_arms,
    planted,
    said,
)

OVER_TWO = "at 5 %, Bonferroni over 2 comparisons with the best"
FOLLOWS = "between an arm and its baseline, the verdict counts"
QUESTION = "Which activation gives the highest test accuracy on mnist? "


def two(folder: Path, gains: list[int], text: str = TUNED, **more: Any) -> Results:
    return planted(folder, {"relu": RELU, "tanh": above(RELU, gains)}, text, **more)


def test_several_factors_are_asked_for_together(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], model.init: [zeros, ones]}")
    counts = {f"activation={name}, init={init}": RELU for name in ("relu", "tanh") for init in ("zeros", "ones")}
    words = said(planted(tmp_path, counts, text), shared_lr=True)
    assert words.startswith("Which activation and init give the highest test accuracy on mnist?")
    assert "activation=tanh, init=zeros; and activation=tanh, init=ones" in words
    text = text.replace("ones]}", "ones], model.dropout: [0, 0.1]}")
    counts = {f"{label}, dropout={share}": RELU for label in counts for share in (0.0, 0.1)}
    words = said(planted(tmp_path / "three", counts, text), shared_lr=True)
    assert words.startswith("Which activation, init and dropout give the highest")


def test_of_one_factor_the_question_is_about_that_factor_and_its_own_baseline(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], model.init: [zeros, ones]}")
    counts = {f"activation={name}, init={init}": RELU for name in ("relu", "tanh") for init in ("zeros", "ones")}
    results = planted(tmp_path, counts, text)
    assert said(results, by="activation").startswith(f"{QUESTION}Not judged:")
    assert said(results, by="init").startswith(
        "Which init gives the highest test accuracy on mnist? The baseline relu is not one of these: name one with "
        "--baseline. The highest mean, 97.86 %, is that of "
    )
    assert "--baseline" not in said(results, by="init", baseline="init=zeros")


def test_a_winner_is_named_with_its_difference_and_how_sure_that_is(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH))
    assert words == f"{QUESTION}tanh (+0.21 points) is better than relu (p = 0.002 after 1 comparison, 10 seeds)."


def test_a_loser_is_worse_and_not_called_a_winner(tmp_path: Path) -> None:
    words = said(two(tmp_path, [-gain for gain in MUCH]))
    assert words.startswith(f"{QUESTION}None is shown to be better than relu. tanh (-0.21 points) is worse than relu")


def test_a_small_difference_is_among_the_others(tmp_path: Path) -> None:
    assert "tanh (+0.05 points) is better than relu" in said(two(tmp_path, LITTLE))


def test_of_a_loss_the_lowest_is_the_best(tmp_path: Path) -> None:
    results = two(
        tmp_path, MUCH, change=lambda label, seed: {"test_loss": (0.4 if label == "tanh" else 0.5) + seed / 1e3}
    )
    words = said(results, metric="test_loss")
    assert words.startswith("Which activation gives the lowest test loss on mnist? tanh (-0.1000) is better than relu")


def test_no_evidence_says_how_much_may_have_gone_unnoticed_and_what_would_show_it(tmp_path: Path) -> None:
    words = said(two(tmp_path, NOISE))
    assert re.search(
        r"Cannot tell tanh from relu: after 10 seeds the difference can still be up to 0\.\d\d points\. "
        r"To find a true difference of 0\.10 points with 80 % probability takes \d+ new seeds\.",
        words,
    )
    assert "better than" not in words
    half = said(two(tmp_path / "half", NOISE, TUNED + "margin: 0.00001\n"))
    assert re.search(
        r"of 0\.\d\d points \(half of what these show\) with 80 % probability takes \d+ new seeds\.$", half
    )
    results = two(tmp_path / "note", NOISE)
    (note,) = [one for one in statements(asked(results), [results]) if one.kind == "fresh_seeds"]
    assert f"actbench run FILE --set 'seeds={{looks: [{note.numbers['seeds']}], first: 1000}}'" in note.text


def test_every_verdict_has_its_sentence(tmp_path: Path) -> None:
    words = said(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS))
    assert "tanh (+0.21 points) and elu (+0.05 points) are better than relu" in words
    assert "Equivalent to relu within 0.10 points: gelu." in words
    assert "Cannot tell mish from relu: after 10 seeds" in words


THREE = TUNED.replace("[relu, tanh]", "[relu, tanh, elu]")


def three(folder: Path, tanh: list[int], elu: list[int]) -> Results:
    return planted(folder, {"relu": RELU, "tanh": above(RELU, tanh), "elu": above(RELU, elu)}, THREE)


def test_of_several_arms_the_largest_p_is_said(tmp_path: Path) -> None:
    words = said(three(tmp_path, MUCH, [*MUCH[:8], -1, -2]))
    assert "tanh (+0.21 points) and elu (+0.16 points) are better than relu (p <= 0.008 after 2 comparisons" in words


def test_of_several_arms_that_cannot_be_told_the_widest_reach_is_said(tmp_path: Path) -> None:
    results = three(tmp_path, NOISE, [2 * gain for gain in NOISE])
    near, far = (contrast_of(asked(results), label).reach() for label in ("tanh", "elu"))
    assert near < far
    assert f"the difference can still be up to {100 * far:.2f} points." in said(results)


def test_of_several_arms_with_too_few_seeds_the_fewest_are_said(tmp_path: Path) -> None:
    counts = {"relu": RELU[:5], "tanh": above(RELU, MUCH)[:5], "elu": above(RELU, MUCH)[:4]}
    words = said(planted(tmp_path, counts, THREE.replace("seeds: 10", "seeds: 5")))
    assert "Cannot tell tanh and elu from relu: 4 seeds cannot decide 2 comparisons, 7 can." in words


def test_fewer_fresh_seeds_than_are_there_are_never_advised(tmp_path: Path) -> None:
    results = two(tmp_path, [gain // 2 + 6 for gain in NOISE], TUNED + "margin: 0.0011\n")
    (note,) = [one for one in statements(asked(results), [results]) if one.kind == "fresh_seeds"]
    assert note.numbers["seeds"] > 10


def test_among_all_pairs_the_better_is_said_to_be_better_in_whatever_order_they_are(tmp_path: Path) -> None:
    for name, gains, words in (
        ("up", MUCH, "tanh is better than relu"),
        ("down", [-gain for gain in MUCH], "relu is better than tanh"),
    ):
        results = two(tmp_path / name, gains)
        (pairs,) = [one.text for one in statements(asked(results, all_pairs=True), [results]) if one.kind == "pairs"]
        assert pairs == f"Of 1 pair (Holm over these): {words}."


def test_equivalence_is_said_with_its_margin(tmp_path: Path) -> None:
    assert said(two(tmp_path, NOTHING)) == f"{QUESTION}Equivalent to relu within 0.10 points: tanh."


def test_too_few_seeds_say_how_many_it_takes(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, TUNED.replace("seeds: 10", "seeds: 3")))
    assert words == f"{QUESTION}Cannot tell tanh from relu: 3 seeds cannot decide 1 comparison, 6 can."


def test_untuned_arms_are_not_judged_and_the_highest_mean_is_no_winner(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, UNTUNED))
    assert words == (
        f"{QUESTION}Not judged: nothing was tuned for each arm. The highest mean, 98.07 %, is that of tanh. "
        "List learning rates under `tune` to have it judged."
    )
    assert "is better than relu" in said(two(tmp_path, MUCH, UNTUNED), shared_lr=True)


def test_an_arm_at_the_edge_of_its_grid_is_not_judged_and_the_reason_is_given(tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, best_rates={"tanh": RATE_OUT_OF_REACH}))
    assert "Not judged: train.lr is at the edge of what was tried. The highest mean, 98.07 %, is that of tanh." in words
    words = said(two(tmp_path / "baseline", MUCH, best_rates={"relu": RATE_OUT_OF_REACH}))
    assert "Not judged: relu: train.lr is at the edge of what was tried." in words
    five = planted(tmp_path / "five", five_arms(), FIVE_ACTIVATIONS, best_rates={"mish": RATE_OUT_OF_REACH})
    assert said(five).endswith("Not judged: mish (train.lr is at the edge of what was tried).")


def test_an_arm_that_is_not_judged_and_got_no_trials_lacks_no_seeds(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU}, best_rates={"tanh": RATE_OUT_OF_REACH})
    assert "missing_seeds" not in {one.kind for one in statements(asked(results), [results])}


def test_arms_with_the_same_mean_share_it(tmp_path: Path) -> None:
    assert "The highest mean, 97.86 %, is that of relu and tanh." in said(two(tmp_path, [0] * 10, UNTUNED))


def test_the_highest_mean_is_never_that_of_an_arm_whose_trials_are_unusable(tmp_path: Path) -> None:
    text = UNTUNED.replace("baseline: {model.activation: relu}\n", "")
    some = two(tmp_path / "some", MUCH, text, change=lambda label, _: DIVERGED if label == "tanh" else {})
    assert said(some).endswith("The highest mean, 97.86 %, is that of relu.")
    every = two(tmp_path / "every", MUCH, text, change=lambda *_: DIVERGED)
    assert said(every).endswith("No mean is named: too many trials of every arm are unusable.")


def test_without_a_finite_value_the_answer_counts_what_diverged(tmp_path: Path) -> None:
    diverged = two(tmp_path, MUCH, change=lambda *_: DIVERGED)
    assert said(diverged, metric="test_loss").endswith("No final trial has a finite test loss: 20 diverged.")


def test_where_nothing_was_measured_the_answer_says_why_and_what_to_do(tmp_path: Path) -> None:
    shared = two(tmp_path, MUCH, UNTUNED, change=lambda *_: {"stack_trials": 20})
    words = said(shared, metric="step_seconds")
    assert words.endswith(
        "No final trial has a step_seconds, since trials of one stack share their time: a claim about step_seconds "
        "under `expect` has each trained alone; then `actbench run FILE --fresh`."
    )
    assert "missing_seeds" not in {one.kind for one in statements(asked(shared, metric="step_seconds"), [shared])}
    assert said(shared, metric="test_nll").endswith("No final trial has a finite test NLL: 20 done.")


def test_where_the_rate_is_varied_no_tuning_of_it_is_advised(tmp_path: Path) -> None:
    text = UNTUNED.replace("model.activation: [relu, tanh]", "train.lr: [0.1, 0.2]")
    text = text.replace("baseline: {model.activation: relu}", "baseline: {train.lr: 0.1}")
    words = said(planted(tmp_path, {"lr=0.1": RELU, "lr=0.2": above(RELU, MUCH)}, text))
    assert words.endswith("--shared-lr judges these arms.")
    assert "`tune`" not in words


def test_exact_ties_are_called_so(tmp_path: Path) -> None:
    results = two(tmp_path / "two", [0] * 10, change=lambda _, seed: {"test_loss": 0.5 + seed / 1e3})
    words, (_, table) = said(results, metric="test_loss"), answer_sections(asked(results), [results])
    assert "Cannot tell tanh from relu: all 10 differences from relu are zero." in words
    assert "up to" not in words
    assert [row[table.header.index("won")] for row in table.rows] == ["-", "10 ties"]
    counts = dict.fromkeys(["relu", "tanh", "elu"], RELU) | {"gelu": above(RELU, [-gain for gain in MUCH])}
    tied = planted(tmp_path / "tied", counts, FIVE_ACTIVATIONS.replace(", mish", ""))
    (best,) = [one.text for one in statements(asked(tied), [tied]) if one.kind == "best"]
    assert best.startswith("Best: relu, tanh and elu (equal means), distinguishable from every other arm")


def test_one_arm_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    text = UNTUNED.split("vary:")[0] + "seeds: 10\n"
    words = said(planted(tmp_path, {"all trials": RELU}, text))
    assert words.startswith("What test accuracy does this network reach on mnist? 97.86 % (95 % interval")
    assert words.endswith("over 10 seeds.")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (
            TUNED,
            "Best: tanh, distinguishable from every other arm (at 5 %, Bonferroni over 1 comparison with the best).",
        ),
        (UNTUNED, "The highest mean, 98.07 %, is that of tanh."),
    ],
)
def test_without_a_baseline_the_best_is_named_where_one_is_known(text: str, end: str, tmp_path: Path) -> None:
    words = said(two(tmp_path, MUCH, text.replace("baseline: {model.activation: relu}\n", "")))
    assert words == f"{QUESTION}No baseline is named. {end}"


def test_without_any_result_nothing_is_said_of_any_arm(tmp_path: Path) -> None:
    assert said(planted(tmp_path, {}, UNTUNED)) == f"{QUESTION}No final trial has a result yet."


def test_many_arms_are_counted_instead_of_named(tmp_path: Path) -> None:
    rates = [round(1e-4 * number, 6) for number in range(1, 21)]
    text = UNTUNED.replace("model.activation: [relu, tanh]", f"train.lr: {rates}").replace(
        "baseline: {model.activation: relu}", "baseline: {train.lr: 0.0001}"
    )
    words = said(planted(tmp_path, {f"lr={rate}": RELU for rate in rates}, text), shared_lr=True)
    assert "Cannot tell 19 arms from" in words or "0.10 points: 19 arms." in words
    assert len(words) < 500


TUNED_SHORT = TUNED.replace("seeds: 10", "seeds: 5")
TWO = {"relu": RELU, "tanh": above(RELU, MUCH)}


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("text", [TUNED, UNTUNED, TUNED.replace("seeds: 10", "seeds: 3")])
@pytest.mark.parametrize("rates", [{}, {"tanh": RATE_OUT_OF_REACH}])
def test_every_arm_has_the_verdict_of_its_statement(
    text: str, rates: dict[str, float], is_shared: bool, tmp_path: Path
) -> None:
    results = planted(tmp_path, TWO, text, best_rates=rates)
    comparison = asked(results, shared_lr=is_shared)
    of_arms = [one for one in statements(comparison, [results]) if one.family == "baseline" and one.kind != "adjusted"]
    said = {arm: one.kind for one in of_arms for arm in one.arms}
    verdicts = {row.sample.label: row.contrast.verdict for row in comparison.rows if row.contrast}
    assert {label: (verdict or "").split(" (")[0].replace(" ", "_") for label, verdict in verdicts.items()} == (
        {arm: {"too_few_seeds": "too_few_seeds_to_tell"}.get(kind, kind) for arm, kind in said.items()}
        or dict.fromkeys(verdicts, "not_judged")
    )


def test_the_best_set_is_the_same_in_note_and_json(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    comparison = asked(results)
    found = statements(comparison, [results])
    (best,) = [one for one in found if one.kind == "best"]
    assert best.arms == comparison.best == tuple(comparison_document(comparison, [results])["best_set"])
    assert best.text in notes(found)


def test_an_interval_that_excludes_0_beside_no_verdict_has_its_reason(tmp_path: Path) -> None:
    """Five wins are too few; ten that are significant alone may not be among four comparisons."""
    short = planted(tmp_path / "five", {"relu": RELU[:5], "tanh": above(RELU[:5], MUCH[:5])}, TUNED_SHORT)
    (one,) = [one for one in statements(asked(short), [short]) if one.kind == "adjusted"]
    assert one.arms == ("tanh",)
    assert one.text.startswith("The interval alone excludes 0, but after 1 comparison p is not below 0.05: ")
    assert one.text.endswith(", p 0.062).")
    close = [27, -9, 24, 15, -6, 36, 21, 3, 30, -3]
    many = planted(tmp_path / "many", five_arms() | {"mish": above(RELU, close)}, FIVE_ACTIVATIONS)
    comparison = asked(many)
    (one,) = [one for one in statements(comparison, [many]) if one.kind == "adjusted"]
    (arm,) = [arm for arm in comparison_document(comparison, [many])["arms"] if arm["label"] == "mish"]
    assert "mish" in one.arms
    assert arm["p"] < 0.05 <= arm["p_holm"]
    assert arm["difference_ci"][0] > 0 > arm["difference_ci_adjusted"][0]
    assert arm["confidence_adjusted"] > 0.95
    assert arm["verdict"].startswith("no evidence")
    assert "the interval holds 0 and p is not below 0.05" in one.text


def test_a_note_on_several_arms_says_what_each_of_them_misses() -> None:
    half, whole = ((-0.01, 0.02), 0.03), ((0.01, 0.02), 0.06)
    for bounds_and_p, why in (
        ([half], "the interval holds 0"),
        ([whole], "p is not below 0.05"),
        ([half, whole], "the interval holds 0 or p is not below 0.05"),
        ([((-0.01, 0.02), 0.06)], "the interval holds 0 and p is not below 0.05"),
    ):
        made = [
            Contrast(Sample("a", (), {}, 0), Sample("b", (), {}, 0), True, estimate([]), p, p, adjusted_interval=bounds)
            for bounds, p in bounds_and_p
        ]
        assert why_not_different(made) == why


@pytest.mark.parametrize(
    ("tanh", "elu", "best", "below"),
    [
        ([-9, 1] * 5, [-90] * 10, "relu. Not distinguishable from it: tanh (as the verdicts say).", ""),
        ([9, -1] * 5, [-90] * 10, f"tanh. Not distinguishable from it: relu ({OVER_TWO}; {FOLLOWS}).", "elu is worse"),
        ([9, -1] * 5, [-1, 1] * 5, f"tanh. Not distinguishable from it: relu, elu ({OVER_TWO}; {FOLLOWS}).", ""),
        ([90] * 10, [-90] * 10, f"tanh, distinguishable from every other arm ({OVER_TWO}; {FOLLOWS}).", ""),
    ],
)
def test_the_best_set_says_by_which_rule_each_was_told_from_it(
    tanh: list[int], elu: list[int], best: str, below: str, tmp_path: Path
) -> None:
    """Of an arm and its baseline the verdict holds, which is Holm's; other pairs follow Bonferroni's method."""
    results = three(tmp_path, tanh, elu)
    found = {one.kind: one.text for one in statements(asked(results), [results])}
    assert found["best"] == f"Best: {best}"
    assert found.get("below_best", "") == (f"{below} than tanh ({OVER_TWO})." if below else "")


def test_what_another_family_finds_is_said(tmp_path: Path) -> None:
    """No arm differs from relu, but elu is below the best mean, and below it among all pairs."""
    up = [40, -18, 24, 28, -15, 42, 30, 5, 32, -12]
    down = [gain - 22 - seed for seed, gain in enumerate(up)]
    results = three(tmp_path, up, down)
    comparison = asked(results, all_pairs=True)
    assert {arm["verdict"].split(" (")[0] for arm in comparison_document(comparison, [results])["arms"][1:]} == {
        "no evidence of a difference"
    }
    found = {one.kind: one for one in statements(comparison, [results])}
    assert found["below_best"].arms == ("elu",)
    assert found["pairs"].text == "Of 3 pairs (Holm over these): tanh is better than elu."


def test_a_baseline_other_than_the_planned_one_is_noted(tmp_path: Path) -> None:
    results = planted(tmp_path, TWO)
    assert "other_baseline" not in {one.kind for one in statements(asked(results), [results])}
    found = {one.kind: one.text for one in statements(asked(results, baseline="tanh"), [results])}
    assert found["other_baseline"].startswith("Planned was the baseline relu: comparisons with tanh are exploratory")


def test_claims_that_are_decided_beside_arms_that_are_not_judged_are_explained(tmp_path: Path) -> None:
    claim = "expect: [{claim: tanh wins, better: {model.activation: tanh}, than: {model.activation: relu}}]\n"
    for name, text, is_explained in [("untuned", UNTUNED, True), ("tuned", TUNED, False)]:
        results = planted(tmp_path / name, TWO, text + claim)
        chapters = report_chapters(asked(results), results, [])
        assert any("where an arm is not judged" in note for note in chapters["claims"][0].notes) == (is_explained)


def test_json_holds_every_statement_and_the_caveats_among_them(tmp_path: Path) -> None:
    results = planted(tmp_path, TWO, UNTUNED)
    document = comparison_document(asked(results), [results])
    found = statements(asked(results), [results])
    assert document["statements"] == [one.to_json() for one in found]
    assert all(one["text"] for one in document["statements"])
    assert document["caveats"] == caveats(found)
    assert set(caveats(found)) <= set(notes(found))
    assert document["answer"] == answer_line(found)


def test_a_fact_is_in_the_answer_or_below_the_table(tmp_path: Path) -> None:
    diverged = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
    results = planted(tmp_path, TWO, change=lambda label, seed: diverged if (label, seed) == ("tanh", 0) else {})
    found = statements(asked(results), [results])
    assert len({one.text for one in found}) == len(found)
    assert all((one.text in answer_line(found)) != (one.text in notes(found)) for one in found)
