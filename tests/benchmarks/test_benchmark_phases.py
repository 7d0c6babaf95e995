"""The profile of a step names every phase, and what it costs beside its floor."""

from __future__ import annotations

import pytest
import torch

from actbench.catalogue.datasets import DATASETS, Arrays
from actbench.render.terminal import print_sections
from benchmarks import phases


@pytest.fixture
def images() -> Arrays:
    """As many images as MNIST has, all alike, with about as many black pixels."""
    facts = DATASETS["mnist"]
    labels = (torch.arange(facts.train_count) % 10).numpy()
    pixels = torch.zeros(facts.train_count, facts.features, dtype=torch.uint8).numpy()
    pixels[:, ::5] = 255
    return Arrays(pixels, labels, pixels[: facts.test_count], labels[: facts.test_count])


def test_every_phase_has_its_share_and_the_shares_are_a_whole_step(
    images: Arrays, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(phases, "STEPS", 2)
    monkeypatch.setattr(phases, "ROUNDS", 1)
    found = phases.measure("relu", images)
    print_sections([phases.section("relu", found)])
    said = capsys.readouterr().out
    names = ("gather", "forward", "loss", "loss, backward", "backward, step")
    assert all(found[name] > 0 and name in said for name in names)
    assert f"{sum(found[name] for name in names):.0f}" in said
    assert 0 < found["measures"] < found["evaluation"]
    assert "of an epoch of 391 steps" in " ".join(said.split())
    assert all(found[f"{name} floor"] > 0 for name in ("gather", "forward", "backward, step"))
