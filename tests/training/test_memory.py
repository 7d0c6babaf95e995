"""A worker that has trained many stacks holds no more memory than one that has trained a few."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from pathlib import Path
import torch
from actbench.catalogue.datasets import DATASETS, load
from actbench.experiment.settings import TrialSettings
from actbench.training.loop import train_stack
from actbench.plan.trials import make_trial
torch.set_num_threads(1)
arrays = load(DATASETS["digits"], Path())
settings = TrialSettings.model_validate({"model": {"hidden": (256, 128)}, "train": {"epochs": 1}})
peaks = []
for number in range(40):
    train_stack([make_trial(settings, seed) for seed in range(4)], arrays, "cpu", lambda epoch: None)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(peaks[9], peaks[-1])
"""


@pytest.mark.slow
def test_forty_stacks_take_no_more_memory_than_ten() -> None:
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    after_ten, after_forty = map(int, finished.stdout.split())
    assert after_forty < 1500
    assert after_forty - after_ten < 20
