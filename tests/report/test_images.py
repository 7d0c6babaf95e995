"""Which images arms get wrong, on records whose every mistake is planted."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actbench.catalogue.datasets import DATASETS, load
from actbench.errors import ConfigurationError
from actbench.report.images import images_document, images_sections, other_images_document, predictions_table
from actbench.report.request import Request, requested_comparison
from actbench.statistics.intervals import t_interval
from actbench.store.results import Results
from planted import planted
from program import actbench

LABELS = load(DATASETS["digits"], Path()).test_labels[:360]
TEXT = """
name: planted
data: {dataset: digits}
model: {hidden: [4]}
train: {epochs: 1}
vary: {model.activation: [relu, tanh]}
seeds: 3
baseline: {model.activation: relu}
"""
# Which images are wrong, by arm and seed; every image is taken for the class after its own.
WRONG = {
    "relu": ([0, 1, 2], [0, 1, 3], [0, 4]),
    "tanh": ([0, 1, 2, *range(10, 20)], [0, 10, 11], [0, 4, 10]),
}


def measured(label: str, seed: int) -> dict[str, Any]:
    wrong = WRONG[label][seed]
    is_right = np.ones(360, bool)
    is_right[wrong] = False
    codes = [int(LABELS[image]) * 10 + (int(LABELS[image]) + 1) % 10 for image in sorted(wrong)]
    predicted = np.where(is_right, LABELS, (LABELS + 1) % 10)
    return {
        "test_correct_count": 360 - len(wrong),
        "test_is_correct": base64.b64encode(np.packbits(is_right).tobytes()).decode(),
        "test_mistakes": base64.b64encode(bytes(codes)).decode(),
        "test_prediction_counts": np.bincount(predicted, minlength=10).tolist(),
    }


@pytest.fixture
def results(tmp_path: Path) -> Results:
    counts = {label: [360 - len(wrong) for wrong in seeds] for label, seeds in WRONG.items()}
    return planted(tmp_path / "planted", counts, TEXT, change=measured)


def document(results: Results) -> dict[str, Any]:
    return images_document(requested_comparison([results], None, Request(), lambda said: None), results)


def test_flips_are_counted_for_each_seed_and_for_the_majority_of_networks(results: Results) -> None:
    (tanh,) = document(results)["arms"]
    assert (tanh["arm"], tanh["baseline"]) == ("tanh", "relu")
    assert [(one["seed"], one["lost"], one["won"]) for one in tanh["seeds"]] == [(0, 10, 0), (1, 2, 2), (2, 1, 0)]
    assert tanh["seeds"][0]["p"] == pytest.approx(2 / 2**10)
    assert (tanh["majority"]["lost"], tanh["majority"]["won"]) == (2, 1)  # images 10 and 11; image 1


def test_what_half_of_the_networks_get_right_is_no_majority(tmp_path: Path) -> None:
    results = planted(
        tmp_path, {label: [360, 360] for label in WRONG}, TEXT.replace("seeds: 3", "seeds: 2"), change=measured
    )
    (tanh,) = document(results)["arms"]
    assert (tanh["majority"]["lost"], tanh["majority"]["won"]) == (10, 1)  # images 10 to 19; image 3


def test_classes_differ_by_what_the_confusion_matrices_say(results: Results) -> None:
    (tanh,) = document(results)["arms"]
    images = np.bincount(LABELS, minlength=10)
    for label, found in enumerate(tanh["classes"]):
        by_seed = [
            sum(LABELS[image] == label for image in WRONG["relu"][seed])
            - sum(LABELS[image] == label for image in WRONG["tanh"][seed])
            for seed in range(3)
        ]
        assert found["difference"] == pytest.approx(np.mean(by_seed) / images[label])


def test_classes_and_mistakes_are_those_of_the_records_where_a_class_takes_two_bytes(tmp_path: Path) -> None:
    labels, random = np.arange(260) % 26, np.random.default_rng(0)
    predicted = {
        label: [np.where(random.random(260) < 0.2, random.integers(0, 3, 260), labels) for _ in range(3)]
        for label in WRONG
    }

    def recorded(label: str, seed: int) -> dict[str, Any]:
        given = predicted[label][seed]
        wrong = np.flatnonzero(given != labels)
        return {
            "test_correct_count": 260 - len(wrong),
            "test_is_correct": base64.b64encode(np.packbits(given == labels).tobytes()).decode(),
            "test_mistakes": base64.b64encode((labels * 26 + given)[wrong].astype(">u2").tobytes()).decode(),
            "test_prediction_counts": np.bincount(given, minlength=26).tolist(),
        }

    counts = {label: [int((one == labels).sum()) for one in of_arm] for label, of_arm in predicted.items()}
    text = TEXT.replace("{dataset: digits}", "{dataset: emnist_letters, test: 260}")
    found = document(planted(tmp_path / "letters", counts, text, change=recorded))
    right = {
        label: np.array([[(one == labels)[labels == of].mean() for of in range(26)] for one in of_arm])
        for label, of_arm in predicted.items()
    }
    assert [one["difference"] for one in found["arms"][0]["classes"]] == pytest.approx(
        list((right["tanh"] - right["relu"]).mean(axis=0))
    )
    everything = np.array([*predicted["relu"], *predicted["tanh"]])
    for hard in found["hardest"]:
        given = everything[:, hard["image"]]
        mistakes = given[given != labels[hard["image"]]].tolist()
        assert (hard["class"], hard["wrong"]) == (labels[hard["image"]], len(mistakes))
        assert mistakes.count(hard["taken_for"]) == max(map(mistakes.count, mistakes))


def test_the_hardest_image_is_the_one_that_every_network_gets_wrong(results: Results) -> None:
    first, second, *_ = document(results)["hardest"]
    label = int(LABELS[0])
    assert first == {"image": 0, "class": label, "taken_for": (label + 1) % 10, "wrong": 6, "networks": 6}
    assert (second["image"], second["wrong"]) == (1, 3)


def test_the_errors_for_other_images_are_in_every_comparison_document(results: Results) -> None:
    (found,) = other_images_document(requested_comparison([results], None, Request(), lambda said: None), results)
    assert found["difference"] == pytest.approx((8 - 19) / 3 / 360)
    assert found["n"] == 3
    low, high = found["ci_seeds_and_images"]
    assert low < found["difference"] < high
    folder = results.folder
    printed = json.loads(actbench("compare", folder, "--format", "json", "--images", folder=folder).stdout)
    assert printed["other_images"][0]["se_seeds"] == found["se_seeds"]
    assert printed["images"]["hardest"][0]["image"] == 0


def test_the_interval_for_other_images_has_the_t_of_the_seeds_and_two_seeds_have_none(
    results: Results, tmp_path: Path
) -> None:
    text, counts = TEXT.replace("seeds: 3", "seeds: 2"), {label: [360, 360] for label in WRONG}
    of_two = planted(tmp_path / "two", counts, text, change=measured)
    three, two = (
        other_images_document(requested_comparison([one], None, Request(), lambda said: None), one)[0]
        for one in (results, of_two)
    )
    expected = t_interval(three["difference"], three["se_seeds_and_images"], 2, 0.95)
    assert three["ci_seeds_and_images"] == pytest.approx(expected)
    assert two["se_seeds_and_images"] > 0
    assert two["ci_seeds_and_images"] is None


def test_the_tables_say_what_the_document_says(results: Results) -> None:
    flips, classes, hardest = images_sections(
        requested_comparison([results], None, Request(), lambda said: None), results
    )
    assert flips.rows[0][:7] == ["tanh", "4.3", "0.7", "1 of 3", "2", "1", "1.000"]
    assert len(classes.header) == 11
    assert hardest.rows[0][3] == "6 of 6"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predictions_are_a_row_for_each_wrong_image_or_with_the_data_for_every_image(results: Results) -> None:
    wrong = rows_of(actbench("predictions", results.folder, folder=results.folder).stdout)
    assert len(wrong) == sum(len(images) for seeds in WRONG.values() for images in seeds)
    assert {row["correct"] for row in wrong} == {"False"}
    whole = rows_of(actbench("predictions", results.folder, "--all", folder=results.folder).stdout)
    assert len(whole) == 6 * 360
    assert [int(row["label"]) for row in whole[:360]] == LABELS.tolist()
    assert all((row["label"] == row["predicted"]) == (row["correct"] == "True") for row in whole)
    assert [row for row in whole if row["correct"] == "False"] == wrong


def test_records_without_predicted_classes_are_refused_with_what_to_do(tmp_path: Path) -> None:
    old = planted(tmp_path / "old", {"relu": [300] * 3, "tanh": [300] * 3}, TEXT)
    with pytest.raises(ConfigurationError, match=r"schema 1.*train them again"):
        predictions_table(old)
    assert images_sections(requested_comparison([old], None, Request(), lambda said: None), old) == []


def test_images_of_several_folders_are_refused(results: Results) -> None:
    again = shutil.copytree(results.folder, results.folder.with_name("again"))
    result = actbench("compare", results.folder, again, "--images", folder=results.folder)
    assert result.returncode == 2
    assert "--images: the images of one result folder at a time" in result.stderr


def test_the_hardest_images_are_drawn_where_the_data_are_at_hand(results: Results) -> None:
    drawn = actbench("predictions", results.folder, "--hardest", "2", folder=results.folder).stdout.splitlines()
    label = int(LABELS[0])
    assert drawn[0] == f"image 0, class {label}, most often taken for {(label + 1) % 10}; wrong in 6 of 6 networks"
    assert drawn[5].startswith("image 1, class ")
    assert len(drawn) == 2 * (1 + 8 // 2)
    image = load(DATASETS["digits"], Path()).test_inputs[0].reshape(4, 2, 8).mean(axis=1)
    shown = np.array([[" .:-=+*#%@".index(letter) for letter in row.ljust(8)] for row in drawn[1:5]])
    assert np.abs(shown / 9 - image / 16).max() <= 0.5 / 9 + 1e-9


def test_the_hardest_images_need_images_and_their_data(results: Results, tmp_path: Path) -> None:
    both = actbench("predictions", results.folder, "--hardest", "2", "--all", folder=results.folder)
    assert (both.returncode, both.stdout) == (2, "")
    moons = planted(tmp_path / "moons", {"relu": [990] * 3, "tanh": [990] * 3}, TEXT.replace("digits", "moons"))
    refused = actbench("predictions", moons.folder, "--hardest", "2", folder=moons.folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "moons has 2 inputs, which are no square image" in refused.stderr
    mnist = planted(tmp_path / "mnist", {"relu": [9900] * 3, "tanh": [9900] * 3}, TEXT.replace("digits", "mnist"))
    absent = actbench("predictions", mnist.folder, "--hardest", "2", "--data-dir", "here", folder=mnist.folder)
    assert absent.returncode == 4
    assert "`actbench data fetch`" in absent.stderr
