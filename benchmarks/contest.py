"""The contestants: name, module, and description in one sentence."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.job import Job
from benchmarks.measurement import Measurement


@dataclass(frozen=True)
class Contestant:
    """`module` has `measure(job, name, **options)` and describes the contestant."""

    name: str
    module: str
    sentence: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def measure(self, job: Job) -> Measurement:
        """Do the job in this process; raises `LeftOutError` if the contestant cannot run here."""
        module = importlib.import_module(f"benchmarks.contestants.{self.module}")
        measurement: Measurement = module.measure(job, self.name, **self.options)
        return measurement


_ALL = (
    Contestant("floor", "floor", "the matrix products alone, in one-thread processes, nothing learnt"),
    Contestant("floor-sparse", "floor", "the same products, the first layer without black pixels", {"is_sparse": True}),
    Contestant("floor-bf16", "floor", "the same products in bf16", {"precision": "bf16"}),
    Contestant("actbench", "actbench_run", "actbench run, everything included: 8 activations x 5 seeds"),
    Contestant("actbench-relu", "actbench_run", "the same with relu only: 40 seeds", {"variant": "relu"}),
    Contestant("actbench-10-epochs", "actbench_run", "8 activations x 3 seeds for 10 epochs", {"variant": "long"}),
    Contestant("actbench-bf16", "actbench_run", "the 8 activations with train.precision=bf16", {"variant": "bf16"}),
    Contestant("torch-func", "torch_func", "torch.func: 8 stacked models in each one-thread process"),
    Contestant("jax", "jax_scan", "JAX: jit, scan and vmap over 8 models, one process with XLA's threads"),
    Contestant("jax-cores", "jax_scan", "the same in one process for each core", {"processes": "cores"}),
    Contestant(
        "careful-loop", "careful_loop", "torch, data in memory, fused Adam: one model in each one-thread process"
    ),
    Contestant("sklearn", "sklearn_mlp", "scikit-learn's MLPClassifier, one model"),
    Contestant("tutorial", "tutorial", "the PyTorch tutorial's loop over a DataLoader, one model"),
    Contestant("lightning", "lightning_trainer", "Lightning's Trainer over a DataLoader, one model"),
)
CONTESTANTS = {contestant.name: contestant for contestant in _ALL}
FLOOR, FLOOR_WITH_EVALUATION, OURS = "floor", "floor+evaluation", "actbench"
