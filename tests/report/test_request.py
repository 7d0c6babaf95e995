"""What is compared: averages over factors, several folders, and what arms are called."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from actbench.errors import ConfigurationError
from actbench.experiment.naming import label_of
from actbench.report.comparison import arms_table, comparison_section, comparison_to_json
from actbench.report.files import pictures
from actbench.report.request import Request, load_folders, requested_comparison, short_names, with_short_names
from actbench.report.statements import answer_line, notes, statements
from actbench.store.names import JOURNAL
from actbench.store.results import load_results
from builders import experiment_from
from drawn import comparison_of, results_from
from planted import LITTLE, MUCH, NOTHING, RELU, TUNED, UNTUNED, above, asked, contrast_of, planted, verdicts
from program import actbench

COUNTS = {"relu": RELU, "tanh": above(RELU, MUCH)}
FACTORS = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], train.batch_size: [32, 64]}")
BY_ARM = {
    "activation=relu, batch_size=32": RELU,
    "activation=relu, batch_size=64": above(RELU, LITTLE),
    "activation=tanh, batch_size=32": above(RELU, MUCH),
    "activation=tanh, batch_size=64": above(RELU, above(MUCH, LITTLE)),
}
OTHER_DATA = UNTUNED.replace("mnist}", "mnist, train: 1000}")


@pytest.mark.parametrize("name", ["activation", "model.activation"])
def test_a_factor_is_named_by_its_last_or_its_whole_name(name: str, tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, BY_ARM, FACTORS), by=name, shared_lr=True)
    assert [row.sample.label for row in comparison.rows] == ["relu", "tanh"]
    found = contrast_of(comparison, "tanh")
    assert found.difference.mean == pytest.approx(sum(MUCH) / 10 / 10_000)
    assert found.difference.n == 10
    assert (found.p_holm, found.verdict) == (2 / 2**10, "better")


def test_the_baseline_of_a_factor_is_that_of_its_own_values(tmp_path: Path) -> None:
    results = planted(tmp_path, BY_ARM, FACTORS)
    assert verdicts(asked(results, by="batch_size", shared_lr=True)) == {}
    named = asked(results, by="batch_size", baseline="batch_size=32", shared_lr=True)
    assert [row.is_baseline for row in named.rows] == [True, False]
    assert verdicts(named) == {"batch_size=64": "better (small)"}
    both = asked(results, by="batch_size", baseline="tanh, batch_size=64", shared_lr=True)
    assert verdicts(both) == {"batch_size=32": "worse (small)"}


def test_only_seeds_that_all_arms_of_a_value_have_are_averaged(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {label: [*given] for label, given in BY_ARM.items()}
    counts["activation=tanh, batch_size=64"][7] = None
    comparison = asked(planted(tmp_path, counts, FACTORS), by="activation")
    assert [row.own.n for row in comparison.rows] == [10, 9]
    assert contrast_of(comparison, "tanh").difference.n == 9
    assert any("rest on only 9 of 10 seeds" in note for note in notes(statements(comparison, [])))


@pytest.mark.parametrize("by", ["lr", "model", "train.lr", "relu", ""])
def test_a_factor_that_is_not_varied_is_refused_with_those_that_are(by: str, tmp_path: Path) -> None:
    results = planted(tmp_path, BY_ARM, FACTORS)
    with pytest.raises(
        ConfigurationError, match=f"^--by {by}: expected a setting that is varied: model.activation, train.batch_size$"
    ):
        asked(results, by=by)


def test_a_factor_that_one_of_several_folders_does_not_vary_is_refused(tmp_path: Path) -> None:
    one, other = planted(tmp_path / "one", BY_ARM, FACTORS), planted(tmp_path / "other", COUNTS, UNTUNED)
    for results, reference in (([one, other], None), ([other, one], None), ([one], other)):
        with pytest.raises(ConfigurationError, match=r"^--by batch_size: .*: model\.activation$"):
            asked(results, reference, by="batch_size")
    assert [row.sample.label for row in asked([one, other], by="activation").rows] == [
        "one: relu", "one: tanh", "other: relu", "other: tanh",
    ]  # fmt: skip


def test_arms_of_several_folders_are_named_after_them_and_compared_with_the_firsts_baseline(tmp_path: Path) -> None:
    better = {label: above(counts, MUCH) for label, counts in COUNTS.items()}
    one, other = planted(tmp_path / "one", COUNTS), planted(tmp_path / "other", better)
    comparison = asked([one, other])
    assert [row.sample.label for row in comparison.rows] == ["one: relu", "one: tanh", "other: relu", "other: tanh"]
    assert [row.is_baseline for row in comparison.rows] == [True, False, False, False]
    assert {row.contrast.second.label for row in comparison.rows if row.contrast} == {"one: relu"}
    assert contrast_of(comparison, "other: tanh").difference.mean == pytest.approx(2 * sum(MUCH) / 10 / 10_000)
    assert verdicts(comparison) == dict.fromkeys(("one: tanh", "other: relu", "other: tanh"), "better")
    assert contrast_of(comparison, "one: tanh").p_holm == pytest.approx(3 * 2 / 2**10)
    assert comparison.best == ("other: tanh",)


def test_arms_of_another_folder_have_the_firsts_baseline_whatever_else_differs(tmp_path: Path) -> None:
    small, large = FACTORS.replace("[32, 64]", "[32]"), FACTORS.replace("[32, 64]", "[64]")
    one, other = planted(tmp_path / "small", BY_ARM, small), planted(tmp_path / "large", BY_ARM, large)
    baselines = {row.sample.label: row.contrast.second.label for row in asked([one, other]).rows if row.contrast}
    assert baselines == dict.fromkeys(
        (
            "small: activation=tanh, batch_size=32",
            "large: activation=relu, batch_size=64",
            "large: activation=tanh, batch_size=64",
        ),
        "small: activation=relu, batch_size=32",
    )


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    one, other = planted(tmp_path / "a" / "same", COUNTS), planted(tmp_path / "b" / "same", COUNTS)
    labels = [row.sample.label for row in asked([one, other]).rows]
    assert labels == [f"{results.folder}: {arm}" for results in (one, other) for arm in ("relu", "tanh")]


def test_a_folder_that_is_named_by_a_dot_has_its_name_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = planted(tmp_path / "here", COUNTS), planted(tmp_path / "other", COUNTS)
    monkeypatch.chdir(here.folder)
    labels = [row.sample.label for row in asked([replace(here, folder=Path()), other]).rows]
    assert labels[:2] == ["here: relu", "here: tanh"]


def test_seeds_of_other_data_are_not_paired_and_this_is_said(tmp_path: Path) -> None:
    one, other = planted(tmp_path / "one", COUNTS, UNTUNED), planted(tmp_path / "other", COUNTS, OTHER_DATA)
    comparison = asked([one, other], shared_lr=True)
    paired = {row.sample.label: row.contrast.is_paired for row in comparison.rows if row.contrast}
    assert paired == {"one: tanh": True, "other: relu": False, "other: tanh": False}
    told = notes(statements(comparison, []))
    (note,) = [note for note in told if note.startswith("Where the data differ, seeds cannot be paired")]
    assert "compared as independent (Welch's interval, p of regroupings)" in note
    assert any(note.startswith("Differences are paired by seed") for note in told)
    found = contrast_of(comparison, "other: tanh")
    assert found.probability_better_interval is None
    assert (found.difference.n, found.verdict) == (10, "better")


def test_a_mean_over_arms_counts_seeds_and_the_unusable_trials_of_all_arms(tmp_path: Path) -> None:
    """Ten seeds; of the twenty trials of tanh with two batch sizes one collapsed."""
    counts = {f"activation={name}, batch_size={size}": RELU for name in ("relu", "tanh") for size in (32, 64)}
    label, collapsed = "activation=tanh, batch_size=32", {"test_prediction_counts": (10_000, *[0] * 9)}
    results = planted(
        tmp_path, counts, FACTORS, change=lambda arm, seed: collapsed if (arm, seed) == (label, 3) else {}
    )
    comparison = asked(results, by="activation")
    told = notes(statements(comparison, [results]))
    section = comparison_section(comparison, told)
    column = section.header.index("n (failed)")
    assert {row[0]: row[column] for row in section.rows} == {"relu": "10 (0 of 20)", "tanh": "10 (1 of 20)"}
    assert "n counts seeds, (failed) the trials of all arms that have the value." in told


def test_the_question_names_every_dataset(tmp_path: Path) -> None:
    one, other = (
        planted(tmp_path / data, COUNTS, UNTUNED.replace("mnist", data), change=lambda *_: {"test_correct_count": 300})
        for data in ("mnist", "digits")
    )
    for results, where in (([one, other], "mnist and digits"), ([other, one], "digits and mnist"), ([other], "digits")):
        said = answer_line(statements(asked(results), results))
        assert f" gives the highest test accuracy on {where}? " in said


def test_a_baseline_folder_without_any_of_the_arms_is_refused(tmp_path: Path) -> None:
    here = planted(tmp_path / "here", COUNTS)
    other = planted(tmp_path / "other", {}, UNTUNED.replace("[relu, tanh]", "[gelu, elu]").replace(": relu", ": elu"))
    with pytest.raises(ConfigurationError, match=r"its arms \(gelu and elu\) are none of these \(relu and tanh\)"):
        asked(here, other)


def test_seeds_of_the_same_data_are_paired_and_nothing_is_said(tmp_path: Path) -> None:
    other_training = UNTUNED.replace("epochs: 1", "epochs: 2")
    one, other = planted(tmp_path / "one", COUNTS, UNTUNED), planted(tmp_path / "other", COUNTS, other_training)
    comparison = asked([one, other], shared_lr=True)
    assert all(row.contrast.is_paired for row in comparison.rows if row.contrast)
    assert not any("cannot be paired" in note for note in notes(statements(comparison, [])))


def test_folders_with_some_seeds_in_common_are_paired_on_those(tmp_path: Path) -> None:
    one = planted(tmp_path / "one", COUNTS)
    later = {label: counts[4:] for label, counts in COUNTS.items()}
    other = planted(tmp_path / "other", later, TUNED.replace("seeds: 10", "seeds: [4, 5, 6, 7, 8, 9]"))
    comparison = asked([one, other])
    assert comparison.seeds == tuple(range(10))
    found = contrast_of(comparison, "other: tanh")
    assert found.difference.n == 6
    assert found.difference.mean == pytest.approx(sum(MUCH[4:]) / 6 / 10_000)
    assert any("rest on only 6 of 10 seeds" in note for note in notes(statements(comparison, [])))


def test_several_folders_are_judged_only_where_all_are_tuned(tmp_path: Path) -> None:
    tuned, untuned = planted(tmp_path / "tuned", COUNTS), planted(tmp_path / "untuned", COUNTS, UNTUNED)
    assert set(verdicts(asked([tuned, untuned])).values()) == {"not judged"}
    assert "not judged" not in verdicts(asked([tuned, untuned], shared_lr=True)).values()


def test_against_a_folder_each_arm_is_compared_with_itself_and_judged_without_tuning(tmp_path: Path) -> None:
    before = planted(tmp_path / "before", COUNTS, UNTUNED)
    changed = {"relu": above(RELU, NOTHING), "tanh": above(COUNTS["tanh"], [-gain for gain in MUCH])}
    comparison = asked(planted(tmp_path / "now", changed, UNTUNED), before)
    assert verdicts(comparison) == {"relu": "equivalent within +-0.10 pp", "tanh": "worse"}
    assert [row.sample.label for row in comparison.rows if row.is_baseline] == [
        "baseline before: relu", "baseline before: tanh",
    ]  # fmt: skip
    assert contrast_of(comparison, "tanh").second.label == "baseline before: tanh"
    assert comparison.best == ()


def test_an_arm_that_the_reference_lacks_is_compared_with_nothing(tmp_path: Path) -> None:
    before = planted(tmp_path / "before", COUNTS, UNTUNED)
    text = UNTUNED.replace("[relu, tanh]", "[elu, tanh]").replace("activation: relu", "activation: elu")
    comparison = asked(planted(tmp_path / "now", {"elu": RELU, "tanh": RELU}, text), before)
    (elu,) = [row for row in comparison.rows if row.sample.label == "elu"]
    assert elu.contrast is None
    assert not elu.is_baseline
    assert verdicts(comparison) == {"tanh": "worse"}
    assert contrast_of(comparison, "tanh").p_holm == 2 / 2**10


def test_several_folders_can_be_held_against_one(tmp_path: Path) -> None:
    before, one, other = (planted(tmp_path / name, COUNTS, UNTUNED) for name in ("before", "one", "other"))
    comparison = asked([one, other], before)
    assert len(verdicts(comparison)) == 4
    assert {row.contrast.second.folder for row in comparison.rows if row.contrast} == {str(before.folder)}


def test_a_baseline_is_a_folder_where_there_is_one_and_else_an_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path / "results" / "now", COUNTS, UNTUNED)
    planted(tmp_path / "tanh", COUNTS, UNTUNED)
    monkeypatch.chdir(tmp_path)
    root = Path("results")
    found, reference = load_folders([], root, Request(baseline="tanh"))
    assert [one.folder for one in found] == [Path("results/now")]
    assert reference is not None
    assert reference.folder == Path("tanh")
    found, reference = load_folders([Path("tanh")], root, Request(baseline="relu"))
    assert [one.folder for one in found] == [Path("tanh")]
    assert reference is None
    with pytest.raises(ConfigurationError, match="'elsewhere' is not in this experiment"):
        requested_comparison(found, None, Request(baseline="elsewhere"), lambda _: None)


def test_programs_get_the_folder_of_every_arm_and_the_factors_of_all(tmp_path: Path) -> None:
    one, other = planted(tmp_path / "one", COUNTS, UNTUNED), planted(tmp_path / "other", BY_ARM, FACTORS)
    comparison = asked([one, other])
    table = pandas.read_csv(io.StringIO(arms_table(comparison).to_csv()))
    assert list(table.columns[:3]) == ["arm", "model.activation", "train.batch_size"]
    assert len(table) == 6
    assert table["train.batch_size"].isna().sum() == 2
    arms = comparison_to_json(comparison)["arms"]
    assert [arm["folder"] for arm in arms] == [str(one.folder)] * 2 + [str(other.folder)] * 4
    assert arms[2]["label"] == "other: activation=relu, batch_size=32"


def test_what_is_missing_or_damaged_is_said_aside_for_every_folder(tmp_path: Path) -> None:
    whole = planted(tmp_path / "whole", COUNTS, UNTUNED)
    part = replace(planted(tmp_path / "part", {"relu": RELU}, UNTUNED), damaged_lines=2)
    lines: list[str] = []
    requested_comparison([whole], part, Request(), lines.append)
    assert lines == [
        f"{part.folder}: 2 damaged lines of the journal are left out",
        f"{part.folder}: 10 of 20 trials are not trained yet",
    ]


def test_final_trials_that_wait_for_a_damaged_tuning_trial_are_not_passed_over(tmp_path: Path) -> None:
    folder = planted(tmp_path / "tuned", COUNTS, TUNED).folder
    lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True)
    (first, *_) = [number for number, line in enumerate(lines) if '"phase":"tune"' in line]
    lines[first] = lines[first].replace('"seed":', '"seed": ', 1)
    (folder / JOURNAL).write_text("".join(lines), encoding="utf-8")
    said: list[str] = []
    requested_comparison([load_results(folder, tmp_path)], None, Request(), said.append)
    assert said[0].endswith(": 1 damaged line of the journal is left out")
    assert said[-1].endswith(
        "20 final trials in the journal cannot be placed without the tuning trials that are missing; run restores them"
    )


TWO_FACTORS = UNTUNED.replace("model.activation: [relu, tanh]", "model.activation: [relu, tanh], train.lr: [0.1, 0.2]")


def named(vary: str, folder: Path) -> list[str]:
    """The short names of the arms of an experiment."""
    text = UNTUNED.replace("{model.activation: [relu, tanh]}", vary).replace("baseline: {model.activation: relu}\n", "")
    arms = experiment_from(text, folder).arms()
    return list(short_names({arm.label(): arm.values for arm in arms}).values())


@pytest.mark.parametrize(
    ("vary", "names"),
    [
        ("{model.activation: [relu, tanh]}", ["relu", "tanh"]),
        ("{train.lr: [0.1, 0.2]}", ["lr=0.1", "lr=0.2"]),
        ("{model.activation: [relu], train.lr: [0.1, 0.2]}", ["lr=0.1", "lr=0.2"]),
        ("{model.activation: [relu, tanh], model.init: [zeros]}", ["relu", "tanh"]),
        (
            "{model.activation: [relu, tanh], model.init: [zeros, ones]}",
            ["relu, zeros", "relu, ones", "tanh, zeros", "tanh, ones"],
        ),
        (
            "[{model.output: [softmax, sigmoid], train.loss: [bce, bce]}, {model.hidden: [[3], [4]]}]",
            ["softmax, hidden=3", "softmax, hidden=4", "sigmoid, hidden=3", "sigmoid, hidden=4"],
        ),
    ],
)
def test_arms_are_called_by_the_values_that_differ(vary: str, names: list[str], tmp_path: Path) -> None:
    assert named(vary, tmp_path) == names


def test_names_that_a_file_gives_stay(tmp_path: Path) -> None:
    vary = "[{model.activation: [relu, tanh]}, {model.init: [zeros, ones]}]"
    names = "names: {mine: {model.init: zeros, model.activation: relu}}"
    assert named(f"{vary}\n{names}", tmp_path) == ["mine", "relu, ones", "tanh, zeros", "tanh, ones"]


def test_nothing_is_shortened_where_two_arms_would_be_called_alike() -> None:
    firsts, seconds = ("a", "a, b"), ("b, c", "c")
    arms = [(("train.schedule", first), ("train.other", second)) for first in firsts for second in seconds]
    assert short_names({label_of(values): values for values in arms}) == {}


def test_everything_that_is_said_uses_short_names(tmp_path: Path) -> None:
    results = with_short_names(results_from(TWO_FACTORS, tmp_path))
    comparison = comparison_of(results)
    said = [one.text for one in statements(comparison, [results])]
    words = " ".join([*said, *(found.description for found in pictures(results, comparison))])
    assert "tanh, lr=0.1" in words
    assert "activation=" not in words


def test_a_terminal_gets_short_names_and_a_program_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(
        "name: two\ndata: {dataset: digits, train: 100, test: 100}\nmodel: {hidden: [4]}\ntrain: {epochs: 1}\n"
        "vary: {model.activation: [relu, tanh], model.init: [zeros, xavier_normal]}\nseeds: 3\n"
        "baseline: {model.activation: relu, model.init: zeros}\n"
    )
    ran = actbench("run", "two.yaml", "--allow-unusable", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for words in (
        ran.stdout,
        actbench("compare", folder=tmp_path).stdout,
        actbench("compare", "--explain", "--baseline", "tanh, zeros", folder=tmp_path).stdout,
        actbench("report", folder=tmp_path).stdout,
    ):
        assert "tanh, zeros" in words
        assert "activation=" not in words
    document = json.loads(actbench("compare", "--format", "json", folder=tmp_path).stdout)
    assert [arm["label"] for arm in document["arms"]][-1] == "activation=tanh, init=xavier_normal"
    assert "activation=tanh" in actbench("compare", "--format", "csv", folder=tmp_path).stdout
