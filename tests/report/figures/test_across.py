"""The pictures of several folders: what they draw, on every paper, for two arms and for many."""

from __future__ import annotations

import random

import pytest

from actbench.analysis.across import Across, compare_across
from actbench.analysis.samples import Sample
from actbench.experiment.metrics import parse_metric
from actbench.report.across import across_pictures
from actbench.report.figures.layout import COLUMN, FULL, PAGE, PHONE, Paper, Picture
from actbench.report.figures.marks import Dot, Group, Line
from drawn import drawn_texts, misplaced_texts

NAMES = ("relu", "tanh", "leaky_relu", "elu", "gelu", "sigmoid", "swish", "hardswish")


def found(arms: int, folders: int = 8) -> Across:
    noise = random.Random(arms)
    samples = [
        Sample(name, (("model.activation", name),), {seed: round(0.9 - 0.01 * place + noise.gauss(0, 0.003), 4)
               for seed in range(3)}, 3)
        for _ in range(folders) for place, name in enumerate(NAMES[:arms])
    ]  # fmt: skip
    by_folder = [(f"folder-{number}", samples[number * arms : (number + 1) * arms]) for number in range(folders)]
    return compare_across(by_folder, parse_metric("test_accuracy"), (("model.activation", "relu"),), 0.002)


def drawn(across: Across) -> dict[str, Picture]:
    return {picture.name: picture for picture in across_pictures(across)}


@pytest.mark.parametrize("paper", [PAGE, PHONE, FULL, COLUMN])
@pytest.mark.parametrize("arms", [2, 3, 8])
def test_no_text_is_cut_or_runs_into_another(arms: int, paper: Paper) -> None:
    for picture in across_pictures(found(arms)):
        assert misplaced_texts(picture.draw(paper)) == []


def test_arms_within_the_critical_difference_are_joined_by_a_bar() -> None:
    across = found(8)
    scene = drawn(across)["ranks"].draw(PAGE)
    bars = [mark for mark in scene.marks if isinstance(mark, Line) and mark.width > 0.2 * PAGE.size]
    assert len(bars) == sum(start < end for start, end in across.groups) > 1
    assert {mark.arm for mark in scene.walk() if isinstance(mark, Group)} == set(NAMES)
    assert f"critical difference {across.critical_difference:.2f}" in drawn_texts(drawn(across)["ranks"])


def test_a_critical_difference_that_is_longer_than_the_axis_is_an_arrow_that_says_so() -> None:
    across = found(3, folders=2)
    assert across.critical_difference > 2
    picture = drawn(across)["ranks"]
    assert f"critical difference {across.critical_difference:.2f}, longer than the axis" in drawn_texts(picture)
    arrows = [mark for mark in picture.draw(PAGE).marks if isinstance(mark, Dot) and mark.marker == ">"]
    assert len(arrows) == 1


def test_every_folder_is_a_dot_and_a_verdict_stands_beside_each_arm() -> None:
    picture = drawn(found(2))["folders"]
    dots = [mark for mark in picture.draw(PAGE).walk() if isinstance(mark, Dot)]
    assert len([dot for dot in dots if ", folder folder-" in dot.tip]) == 8
    assert "worse" in drawn_texts(picture)
    assert picture.description == "tanh worse."


def test_the_profile_says_in_what_share_of_the_folders_an_arm_is_the_best() -> None:
    assert drawn(found(2))["profile"].description == "Share of folders in which it is best: relu 100%; tanh 0%."
