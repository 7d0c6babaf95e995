"""What stands between the numbers of a result folder and a conclusion: said where it holds, and only there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench.experiment.records import TRAINING_CODE_VERSION
from actbench.plan.plan import plan_to_json
from actbench.report.short import short_notes
from actbench.report.statements import caveats, statements
from actbench.store.folder import freeze_plan, write_environment
from actbench.store.journal import append_records
from actbench.store.names import ENVIRONMENT
from actbench.store.results import Results, load_results
from planted import DIVERGED, FIVE_ACTIVATIONS, MUCH, RATE_OUT_OF_REACH, RELU, TUNED, UNTUNED, above, asked, planted

COUNTS = {"relu": RELU, "tanh": above(RELU, MUCH)}
COLLAPSED = {"test_prediction_counts": (10_000, *[0] * 9)}
SHARED = "Same learning rate for all arms: "
NOT_JUDGED = "Not judged: nothing was tuned per arm, so the ranking"
MACHINE = {
    "torch": "2.6.0", "processor": "Abacus", "device": "cpu", "workers": 2, "commit": "abc",
    "training_code": TRAINING_CODE_VERSION,
}  # fmt: skip


def said(results: Results | Sequence[Results], reference: Results | None = None, **request: Any) -> list[str]:
    found = [results] if isinstance(results, Results) else list(results)
    return caveats(statements(asked(found, reference, **request), [*found, *([reference] if reference else [])]))


def beginning(sentences: Sequence[str], start: str) -> list[str]:
    return [sentence for sentence in sentences if sentence.startswith(start)]


def test_a_tuned_experiment_says_what_was_tried_and_how_often_the_test_images_were_scored(tmp_path: Path) -> None:
    text = TUNED.replace("tuning_seeds: 1", "tuning_seeds: 2")
    assert said(planted(tmp_path, COUNTS, text)) == [
        "Tuned for each arm: train.lr from 0.001, 0.003, 0.01, by validation accuracy over 2 tuning seeds that are not "
        "among these; tuning.csv has all that was tried.",
        "In this folder the test images have been scored 20 times, once per final trial.",
    ]


def test_one_tuning_seed_is_one_and_chooses_by_the_twin_of_the_primary_metric(tmp_path: Path) -> None:
    (sentence,) = beginning(said(planted(tmp_path, COUNTS, TUNED + "primary: test_nll\nmargin: 0.01\n")), "Tuned")
    assert "by validation NLL over 1 tuning seed that is not among these" in sentence


def test_an_untuned_experiment_is_not_judged_or_says_that_all_arms_share_a_rate(tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS, UNTUNED)
    assert beginning(said(results), NOT_JUDGED)
    assert not beginning(said(results), SHARED)
    assert beginning(said(results, shared_lr=True), SHARED)
    assert not beginning(said(results, shared_lr=True), NOT_JUDGED)


def test_an_accepted_shared_rate_is_no_matter_where_rates_were_tuned(tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS)
    assert said(results, shared_lr=True) == said(results)


def test_a_single_arm_needs_no_tuning(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]", "[relu]")
    assert len(said(planted(tmp_path, {"relu": RELU}, text))) == 1


def test_an_arm_that_is_not_judged_is_named_once_with_every_reason(tmp_path: Path) -> None:
    edge = planted(tmp_path / "edge", COUNTS, best_rates={"tanh": RATE_OUT_OF_REACH})
    assert beginning(said(edge), "Not judged") == ["Not judged: tanh (train.lr is at the edge of what was tried)."]
    both = planted(
        tmp_path / "both",
        COUNTS,
        best_rates={"tanh": RATE_OUT_OF_REACH},
        change=lambda label, seed: DIVERGED if label == "tanh" and seed < 3 else {},
    )
    reasons = "train.lr is at the edge of what was tried; 3 of 10 trials unusable"
    assert beginning(said(both), "Not judged") == [f"Not judged: tanh ({reasons})."]
    counts = dict.fromkeys(("relu", "tanh", "elu", "gelu"), RELU)
    results = planted(tmp_path / "several", counts, FIVE_ACTIVATIONS.replace(", mish", ""), best_rates={"gelu": 1e-9},
                      change=lambda label, seed: DIVERGED if label in ("tanh", "elu") and seed < 3 else {})  # fmt: skip
    sentence = "tanh and elu (3 of 10 trials unusable); gelu (train.lr is at the edge of what was tried)."
    assert f"Not judged: {sentence}" in short_notes(statements(asked(results), [results]))


def test_an_arm_that_is_not_judged_is_named_once_among_several_folders(tmp_path: Path) -> None:
    edge = planted(tmp_path / "edge", COUNTS, best_rates={"tanh": RATE_OUT_OF_REACH})
    sentences = said([edge, planted(tmp_path / "fine", COUNTS)])
    assert [one for one in sentences if "at the edge" in one] == [
        "Not judged: edge: tanh (train.lr is at the edge of what was tried)."
    ]


@pytest.mark.parametrize(
    ("failed", "start"),
    [(1, "1 trial unusable, "), (2, "2 trials unusable, ")],
)
def test_failed_trials_are_counted_and_stay_in_the_mean(failed: int, start: str, tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return (DIVERGED, COLLAPSED)[seed % 2] if label == "tanh" and seed < failed else {}

    (sentence,) = beginning(said(planted(tmp_path, COUNTS, change=change)), start)
    assert f"{(failed + 1) // 2} diverged, {failed // 2} collapsed, 0 failed" in sentence
    assert sentence.endswith("those that predict anything stay in the mean.")


def test_trials_without_a_loss_flatter_their_arm(tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS, change=lambda label, seed: DIVERGED if (label, seed) == ("tanh", 3) else {})
    (sentence,) = beginning(said(results, metric="test_loss"), "1 trial unusable")
    assert sentence.endswith("those without a finite value are left out, which flatters their arm.")


@pytest.mark.parametrize(("metric", "is_descriptive"), [
    ("test_accuracy", False), ("test_loss", True), ("validation_accuracy", True), ("layer1.mean", True),
])  # fmt: skip
def test_any_other_metric_than_test_accuracy_is_descriptive(metric: str, is_descriptive: bool, tmp_path: Path) -> None:
    found = beginning(said(planted(tmp_path, COUNTS), metric=metric), "Descriptive: ")
    assert bool(found) == is_descriptive


@pytest.mark.parametrize(("metric", "is_descriptive"), [("test_accuracy", True), ("test_loss", False)])
def test_where_a_loss_decides_the_accuracy_is_descriptive(metric: str, is_descriptive: bool, tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS, f"{TUNED}primary: test_loss\nmargin: 0.01\n")
    assert bool(beginning(said(results, metric=metric), "Descriptive: ")) == is_descriptive


def test_every_line_of_the_journal_that_scored_the_test_images_counts(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        return {"outcome": "failed", "test_correct_count": None} if (label, seed) == ("relu", 0) else {}

    results = planted(tmp_path, COUNTS, change=change)
    assert results.test_reads == 19
    again = [record for record in results.records.values() if record.phase == "final"][:5]
    append_records(results.folder, again)
    reread = load_results(results.folder, tmp_path)
    assert reread.records.keys() == results.records.keys()
    read = 19 + sum(record.test_correct_count is not None for record in again)
    (sentence,) = beginning(said(reread), "In this folder")
    assert f"scored {read} times" in sentence


def test_a_folder_without_final_trials_has_not_scored_the_test_images(tmp_path: Path) -> None:
    assert not beginning(said(planted(tmp_path, {})), "In this folder")


def frozen_with(results: Results, *seeds: int) -> Results:
    """The folder as if its plan had had so many seeds, one after the other."""
    plan = plan_to_json(results.experiment, results.plan)
    for count in seeds:
        freeze_plan(results.folder, {**plan, "seeds": list(range(count))}, has_begun=True)
    return load_results(results.folder, results.folder.parent)


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        ([10], None),
        ([10, 10], None),
        ([5, 10], "n was extended after looking, from 5 to 10 seeds"),
        ([5, 8, 10], "n was extended after looking, from 5 to 8 to 10 seeds"),
        ([5, 12, 10], "n was changed after looking, from 5 to 12 to 10 seeds"),
        ([7, 2, 7], "n was changed after looking, from 7 to 2 to 7 seeds"),
        ([20, 10], "n was changed after looking, from 20 to 10 seeds"),
    ],
)
def test_another_number_of_seeds_after_looking_is_said(seeds: list[int], sentence: str | None, tmp_path: Path) -> None:
    found = beginning(said(frozen_with(planted(tmp_path, COUNTS), *seeds)), "n was")
    way = f"A new plan with fresh seeds can decide: --set 'seeds={{looks: [{seeds[-1]}], first: 1000}}'."
    assert found == ([f"{sentence}: nothing is judged. {way}"] if sentence else [])


def test_a_plan_that_no_final_trial_had_followed_is_none(tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS)
    plan = plan_to_json(results.experiment, results.plan)
    for count in (5, 10):
        freeze_plan(results.folder, {**plan, "seeds": list(range(count))}, has_begun=False)
    assert not beginning(said(load_results(results.folder, tmp_path)), "n was")


def replanned(results: Results, **changes: Any) -> list[str]:
    """What is said where the plan said otherwise in these points when final trials had begun."""
    plan = plan_to_json(results.experiment, results.plan)
    freeze_plan(results.folder, {**plan, **changes}, has_begun=True)
    freeze_plan(results.folder, plan, has_begun=True)
    sentences = said(load_results(results.folder, results.folder.parent))
    return [sentence for sentence in sentences if "after looking" in sentence]


def test_other_seeds_after_looking_are_said(tmp_path: Path) -> None:
    found = replanned(planted(tmp_path, COUNTS), seeds=list(range(10, 20)))
    assert found == ["Other seeds were drawn after looking: those of the earlier plan do not count."]


def test_whatever_else_was_planned_otherwise_is_named(tmp_path: Path) -> None:
    found = replanned(planted(tmp_path / "two", COUNTS), margin=0.01, baseline={"model.activation": "tanh"})
    assert found == ["Changed after looking: the baseline, the margin (plan.json has the earlier plans)."]
    assert replanned(planted(tmp_path / "none", COUNTS)) == []


def test_folders_say_in_which_settings_they_differ(tmp_path: Path) -> None:
    one = planted(tmp_path / "one", COUNTS)
    other = planted(tmp_path / "other", COUNTS, TUNED.replace("epochs: 1", "epochs: 2, batch_size: 32, lr: 0.5"))
    sentence = f"{one.folder} and {other.folder} differ in train.batch_size, train.epochs."
    assert [found for found in said([one, other]) if "differ in" in found] == [sentence]
    assert [found for found in said(one, other) if "differ in" in found] == [sentence]
    same = planted(tmp_path / "same", COUNTS, TUNED.replace("relu, tanh", "tanh, relu"))
    assert not [found for found in said([one, same]) if "differ in" in found]


def test_what_was_tried_is_said_with_the_steps_beyond_the_grid(tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS, best_rates={"tanh": 0.03})
    (sentence,) = beginning(said(results), "Tuned for each arm: ")
    assert "train.lr from 0.001, 0.003, 0.01, 0.0333, 0.111 (not all by every arm), by" in sentence


def test_tuning_anything_but_the_rate_leaves_it_shared(tmp_path: Path) -> None:
    text = TUNED.replace("train.lr: [0.001, 0.003, 0.01]", "train.weight_decay: [0.0, 0.1]")
    sentences = said(planted(tmp_path, COUNTS, text))
    assert beginning(sentences, "Tuned for each arm: train.weight_decay from 0.0, 0.1")
    assert beginning(sentences, SHARED)


def test_rates_that_are_compared_are_not_shared(tmp_path: Path) -> None:
    text = UNTUNED.replace("model.activation: [relu, tanh]", "train.lr: [0.1, 0.2]")
    text = text.replace("model.activation: relu", "train.lr: 0.1")
    assert not beginning(said(planted(tmp_path, {"lr=0.1": RELU, "lr=0.2": RELU}, text), shared_lr=True), SHARED)


def in_environments(results: Results, *environments: dict[str, Any]) -> Results:
    """The folder as if its trials had been trained in these environments, in turn."""
    named = {f"id{number}": MACHINE | one for number, one in enumerate(environments)}
    records = {
        key: record.model_copy(update={"environment": f"id{number % len(named)}"})
        for number, (key, record) in enumerate(results.records.items())
    }
    return replace(results, records=records, environments=named)


@pytest.mark.parametrize(
    ("other", "is_mixed"),
    [
        ({}, False),
        ({"workers": 8}, False),
        ({"commit": "def", "cores": 64, "python": "3.13"}, False),
        ({"torch": "2.7.0"}, True),
        ({"processor": "Slide Rule"}, True),
        ({"device": "cuda"}, True),
        ({"training_code": TRAINING_CODE_VERSION + 1}, True),
    ],
)
def test_environments_are_mixed_where_numbers_could_differ(
    other: dict[str, Any], is_mixed: bool, tmp_path: Path
) -> None:
    found = beginning(said(in_environments(planted(tmp_path, COUNTS), {}, other)), "Mixed environments")
    assert bool(found) == is_mixed


def test_only_the_environments_of_the_trials_that_are_compared_count(tmp_path: Path) -> None:
    results = in_environments(planted(tmp_path, COUNTS), {}, {"torch": "2.7.0"})
    records = {
        key: record.model_copy(update={"environment": "id0" if record.phase == "final" else "id1"})
        for key, record in results.records.items()
    }
    assert not beginning(said(replace(results, records=records)), "Mixed")


def test_environments_are_mixed_across_folders_too(tmp_path: Path) -> None:
    one = in_environments(planted(tmp_path / "one", COUNTS), {})
    same = in_environments(planted(tmp_path / "same", COUNTS), {"workers": 3})
    other = in_environments(planted(tmp_path / "other", COUNTS), {"processor": "Slide Rule"})
    assert not beginning(said([one, same]), "Mixed")
    assert beginning(said([one, other]), "Mixed")
    assert beginning(said(one, other), "Mixed")


def test_environments_are_read_back_with_those_of_earlier_runs(tmp_path: Path) -> None:
    results = planted(tmp_path, COUNTS, change=lambda _, seed: {"environment": "a" if seed < 5 else "b"})
    for name, torch in (("a", "2.6.0"), ("b", "2.7.0")):
        known = MACHINE | {"training_code": TRAINING_CODE_VERSION}
        write_environment(results.folder, known | {"id": name, "torch": torch})
    assert json.loads((results.folder / ENVIRONMENT).read_text())["id"] == "b"
    assert beginning(said(load_results(results.folder, tmp_path)), "Mixed environments: these trials come from 2 of")


def test_among_several_folders_a_sentence_says_which_it_is_about(tmp_path: Path) -> None:
    tuned, untuned = planted(tmp_path / "tuned", COUNTS), planted(tmp_path / "untuned", COUNTS, UNTUNED)
    sentences = said([tuned, untuned], shared_lr=True)
    assert beginning(sentences, f"{tuned.folder}: Tuned for each arm: ")
    assert beginning(sentences, f"{untuned.folder}: {SHARED}")
    assert len([one for one in sentences if "scored 20 times" in one]) == 2


def test_against_the_same_arms_elsewhere_a_shared_rate_confounds_nothing(tmp_path: Path) -> None:
    now, before = planted(tmp_path / "now", COUNTS, UNTUNED), planted(tmp_path / "before", COUNTS, UNTUNED)
    assert [one for one in said(now, before) if SHARED in one or NOT_JUDGED in one] == []
    assert len([one for one in said([now, before], shared_lr=True) if SHARED in one]) == 2


@pytest.mark.parametrize(("share", "is_near"), [(0.14, True), (0.09, True), (0.15, False), (0.9, False)])
def test_an_arm_near_chance_that_did_not_collapse_gets_a_hint(share: float, is_near: bool, tmp_path: Path) -> None:
    predicted = {"test_prediction_counts": (5_000, 5_000, *[0] * 8)}
    counts = COUNTS | {"tanh": [round(share * 10_000)] * 10}
    results = planted(tmp_path, counts, UNTUNED, change=lambda label, seed: predicted)
    hints = [one for one in statements(asked(results), [results]) if one.kind == "at_chance"]
    assert [one.arms for one in hints] == ([("tanh",)] if is_near else [])
    assert all(f"tanh ({100 * share:.1f} %)" in one.text and "(10 % of" in one.text for one in hints)


@pytest.mark.parametrize(("images", "classes", "is_near"), [(1, 1, False), (4, 2, False), (40, 2, True)])
def test_chance_is_not_told_from_a_few_images(images: int, classes: int, is_near: bool, tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        seen = (images - classes + 1, *[1] * (classes - 1), *[0] * (10 - classes))
        return {"test_count": images, "test_prediction_counts": seen, "test_correct_count": images // 10}

    text = UNTUNED.replace("dataset: mnist", f"dataset: mnist, test: {images}")
    results = planted(tmp_path, COUNTS, text, change=change)
    assert ("at_chance" in {one.kind for one in statements(asked(results), [results])}) == is_near


def test_an_arm_that_collapsed_is_not_called_near_chance(tmp_path: Path) -> None:
    counts = COUNTS | {"tanh": [1_000] * 10}
    results = planted(tmp_path, counts, UNTUNED, change=lambda label, seed: COLLAPSED if label == "tanh" else {})
    assert "at_chance" not in {one.kind for one in statements(asked(results), [results])}


def test_other_widths_have_other_draws(tmp_path: Path) -> None:
    text = UNTUNED.replace("model.activation: [relu, tanh]", "model.hidden: [[4], [8]]").split("baseline")[0]
    assert len(beginning(said(planted(tmp_path, {}, text)), "Networks of other widths have other draws")) == 1
    assert not beginning(said(planted(tmp_path / "same", COUNTS)), "Networks of other widths")


def test_missing_trainings_are_counted(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {"relu": [*RELU], "tanh": [*RELU[:9], None]}
    assert beginning(said(planted(tmp_path, counts, UNTUNED)), "Still missing: 1 of 20 trainings, so all this is")
