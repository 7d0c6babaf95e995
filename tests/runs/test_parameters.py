"""`summary --parameters`: every parameter by name, as a seed draws it and after training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actbench.store import weights
from actbench.store.results import load_results
from program import actbench

TEXT = """name: kept
data: {dataset: digits, train: 260}
model: {hidden: [8]}
train: {epochs: 2, batch_size: 50}
vary: {model.activation: [relu, prelu, tanh]}
tune: {train.lr: [1e-3, 1e-2]}
tuning_seeds: 1
seeds: 1
keep: weights
"""


def shown(folder: Path, *options: str) -> dict[str, Any]:
    finished = actbench("summary", "kept.yaml", "--parameters", "--format", "json", *options, folder=folder)
    assert finished.returncode == 0, finished.stderr
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kept.yaml").write_text(TEXT)
    return tmp_path


def test_arms_that_begin_with_the_same_numbers_share_a_table(place: Path) -> None:
    document = shown(place, "--seed", "7")
    same, prelu = document["parameters"]["networks"]
    assert [document["parameters"]["seed"], same["arms"], prelu["arms"]] == [7, ["relu", "tanh"], ["prelu"]]
    assert sum(one["count"] for one in same["parameters"]) == document["networks"][0]["parameters"]
    assert prelu["parameters"][2] == {
        "name": "layer1.negative_slope", "shape": [1], "count": 1, "start": {"mean": 0.25, "sd": 0.0}, "trained": None,
    }  # fmt: skip
    first = same["parameters"][0]
    assert (first["name"], first["shape"], first["count"]) == ("layer1.weight", [64, 8], 512)
    assert first["start"]["sd"] == pytest.approx((2 / 64) ** 0.5, rel=0.1)
    assert first != shown(place, "--seed", "8")["parameters"]["networks"][0]["parameters"][0]


def test_after_training_the_kept_weights_are_beside_them(place: Path) -> None:
    assert actbench("run", "kept.yaml", "--jobs", "1", "--device", "cpu", folder=place).returncode in (0, 3)
    folder = place / "results" / "kept"
    networks = {one["arms"][0]: one["parameters"] for one in shown(place)["parameters"]["networks"]}
    for arm, (trial,) in load_results(folder, place).plan.arms:
        with np.load(path := weights.weights_file(folder, trial.id)) as kept:
            for one in networks[arm.label()]:
                assert one["trained"]["mean"] == pytest.approx(kept[one["name"]].mean(), abs=1e-5)
                assert one["trained"]["sd"] == pytest.approx(kept[one["name"]].std(), abs=1e-5)
    text = actbench("summary", "kept.yaml", "--parameters", folder=place).stdout
    assert "trained mean" in text
    assert "611 trainable parameters, as seed 0 draws them." in text
    assert "trained mean" not in actbench("summary", "kept.yaml", "--parameters", "--seed", "3", folder=place).stdout
    path.write_bytes(b"")
    refused = actbench("summary", "kept.yaml", "--parameters", folder=place)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert f"results/kept/weights/{path.name}: damaged" in refused.stderr
