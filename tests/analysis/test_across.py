"""One verdict over several experiments."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from actbench.analysis.across import Across, compare_across
from actbench.analysis.contrasts import Contrast
from actbench.analysis.samples import Sample
from actbench.experiment.metrics import parse_metric
from actbench.report.across import across_answer, across_document, across_sections
from actbench.statistics.across import sd_between

ACCURACY = parse_metric("test_accuracy")
BASELINE = (("model.activation", "relu"),)


def folder(number: int, gaps: dict[str, float], seeds: int = 5, **changes: Any) -> tuple[str, list[Sample]]:
    """A folder whose arms are so far above relu, with noise of its own."""
    noise = random.Random(number)
    samples = [
        Sample(
            label,
            (("model.activation", label),),
            {seed: round(0.9 + gap + noise.gauss(0, 0.001), 4) for seed in range(seeds)},
            seeds,
            **changes,
        )
        for label, gap in {"relu": 0.0, **gaps}.items()
    ]
    return f"folder-{number}", samples


def across(count: int, gaps: dict[str, float], margin: float = 0.005, **changes: Any) -> Across:
    folders = [folder(number, gaps, **changes) for number in range(count)]
    return compare_across(folders, ACCURACY, BASELINE, margin)


def verdicts(found: Across) -> dict[str, str]:
    return {arm.label: (arm.contrast and arm.contrast.verdict) or "" for arm in found.arms}


def contrast_of(found: Across, label: str) -> Contrast:
    (one,) = [one for one in found.contrasts() if one.first.label == label]
    return one


def test_an_arm_that_is_ahead_in_every_folder_is_better_over_all_of_them() -> None:
    found = across(8, {"tanh": -0.02, "gelu": 0.0})
    assert verdicts(found) == {"relu": "", "gelu": "equivalent within +-0.50 pp", "tanh": "worse"}
    against_relu, tanh = contrast_of(found, "tanh"), found.arms[-1]
    assert against_relu.p == 2 / 2**8
    assert against_relu.p_holm == pytest.approx(2 * 2 / 2**8)
    assert (tanh.label, tanh.mean_rank) == ("tanh", 3)
    assert tanh.profile[0] == 0


def test_equal_sums_of_images_are_ties_of_the_exact_test() -> None:
    """Sums of images over five seeds of 360: 14 of 256 sign patterns reach as far, where split ties would give 12."""
    sums = (-4, 6, 4, 16, 17, 9, -3, 17)
    folders = []
    for number, total in enumerate(sums):
        gains = [total // 5 + (seed < total % 5) for seed in range(5)]
        counts = {"relu": [300] * 5, "tanh": [300 + gain for gain in gains]}
        samples = [
            Sample(label, (("model.activation", label),), {seed: one / 360 for seed, one in enumerate(right)}, 5)
            for label, right in counts.items()
        ]
        folders.append((f"folder-{number}", samples))
    tanh = contrast_of(compare_across(folders, ACCURACY, BASELINE, None), "tanh")
    reached = [
        abs(sum(a * b for a, b in zip(sums, signs, strict=True))) >= sum(sums) for signs in product((1, -1), repeat=8)
    ]
    assert tanh.p == sum(reached) / 2**8 == 14 / 256
    assert (tanh.verdict or "").startswith("no evidence")


def test_a_folder_whose_arms_share_no_seed_has_no_difference_and_leaves_the_arm_unjudged() -> None:
    folders = [folder(number, {"tanh": -0.02}) for number in range(8)]
    name, (relu, tanh) = folders[3]
    folders[3] = name, [relu, replace(tanh, by_seed={seed + 100: one for seed, one in tanh.by_seed.items()})]
    found = contrast_of(compare_across(folders, ACCURACY, BASELINE, None), "tanh")
    assert (found.difference.n, found.verdict) == (7, "not judged")
    assert found.reason == "tanh and relu have no seed in common in one folder"


def test_below_what_the_exact_test_needs_there_are_too_few_folders() -> None:
    assert set(verdicts(across(6, {"tanh": -0.02, "gelu": 0.0})).values()) == {"", "too few folders"}
    assert verdicts(across(6, {"tanh": -0.02}))["tanh"] == "worse"


def test_folders_that_contradict_each_other_are_no_evidence_however_many_seeds_they_have() -> None:
    folders = [folder(number, {"tanh": 0.02 if number % 2 else -0.02}, seeds=50) for number in range(8)]
    found = compare_across(folders, ACCURACY, BASELINE, 0.001)
    assert verdicts(found)["tanh"].startswith("no evidence of a difference (could still be up to")
    between = found.between["tanh", "relu"]
    assert between is not None
    assert between == pytest.approx(0.021, abs=0.002)


def test_of_several_arms_that_cannot_be_told_the_answer_says_the_widest_reach() -> None:
    signs = [(-1) ** number for number in range(8)]
    folders = [folder(number, {"tanh": 0.02 * sign, "elu": 0.04 * sign}) for number, sign in enumerate(signs)]
    answer = across_answer(compare_across(folders, ACCURACY, BASELINE, 0.001))
    assert "Cannot tell tanh and elu from relu: the mean difference can still be up to 4." in answer


def test_of_ties_in_every_folder_the_answer_says_so() -> None:
    folders = [folder(number, {"tanh": 0.02 * (-1) ** number, "elu": 0.0}) for number in range(8)]
    ties = [(name, [relu, tanh, replace(elu, by_seed=relu.by_seed)]) for name, (relu, tanh, elu) in folders]
    answer = across_answer(compare_across(ties, ACCURACY, BASELINE, None))
    assert "Cannot tell elu from relu: all differences are zero. Cannot tell tanh from relu: the mean diff" in answer
    assert "0.00" not in answer


def test_the_sd_between_folders_is_what_their_standard_errors_leave() -> None:
    folders = [folder(number, {"tanh": 0.001 * number}) for number in range(8)]
    gaps = np.array([[tanh.by_seed[seed] - relu.by_seed[seed] for seed in range(5)] for _, (relu, tanh) in folders])
    found = compare_across(folders, ACCURACY, BASELINE, None)
    between = found.between["tanh", "relu"]
    expected = sd_between(gaps.mean(axis=1).tolist(), (gaps.std(axis=1, ddof=1) / 5**0.5).tolist())
    assert between is not None
    assert between == pytest.approx(expected)


def test_all_pairs_are_a_family_of_their_own_the_better_rank_first() -> None:
    folders = [folder(number, {"tanh": -0.02, "elu": 0.02}) for number in range(8)]
    found = compare_across(folders, ACCURACY, BASELINE, 0.005, all_pairs=True)
    assert [(pair.first.label, pair.second.label, pair.verdict) for pair in found.pairs] == [
        ("elu", "relu", "better"), ("elu", "tanh", "better"), ("relu", "tanh", "better"),
    ]  # fmt: skip
    assert {pair.p_holm for pair in found.pairs} == {3 * 2 / 2**8}
    assert across(8, {"tanh": -0.02}).pairs == ()


def test_only_arms_that_all_folders_have_are_compared_and_doubts_withhold_the_verdict() -> None:
    folders = [folder(0, {"tanh": -0.02, "elu": 0.0}), *(folder(number, {"tanh": -0.02}) for number in range(1, 8))]
    found = compare_across(folders, ACCURACY, BASELINE, 0.001)
    assert set(verdicts(found)) == {"relu", "tanh"}
    lacking = tuple(f"folder-{number}" for number in range(1, 8))
    assert found.left_out == {"elu": lacking}
    assert across_document(found)["left_out"] == {"elu": list(lacking)}
    (notes,) = [section.notes for section in across_sections(found) if section.notes and "n = 8" in section.notes[0]]
    assert f"Left out: elu (none in {', '.join(lacking[:-1])} and folder-7)." in notes
    assert across(8, {"tanh": -0.02}).left_out == {}
    doubted = across(8, {"tanh": -0.02}, doubt="train.lr is at the edge of what was tried")
    assert verdicts(doubted)["tanh"] == "not judged"
    with pytest.raises(ValueError, match="have relu and tanh in common; the baseline swish is missing"):
        compare_across(folders, ACCURACY, (("model.activation", "swish"),), 0.001)
