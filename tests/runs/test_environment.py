"""What a machine cannot do is refused before anything is trained, in one sentence."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch

from actbench.errors import UnusableEnvironmentError
from actbench.runs import environment
from actbench.runs.environment import describe_machine, require_cpu_for_bf16
from actbench.runs.options import RunOptions
from actbench.runs.runner import run_experiment
from actbench.training.compiled import Compiled
from builders import experiment_from, fake_train

IN_BF16 = "data: {train: 60, test: 20}\nmodel: {hidden: [4]}\ntrain: {epochs: 1, precision: bf16}\nseeds: 2\n"


@pytest.mark.parametrize("is_supported", [False, True])
def test_a_run_in_bf16_says_where_it_is_slower(
    is_supported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: is_supported)
    options, told = RunOptions(tmp_path / "results", tmp_path, device="cpu", jobs=1), list[str]()
    result = run_experiment(experiment_from(IN_BF16, tmp_path), options, lambda state: None, told.append, fake_train)
    assert result.trained == 2
    assert ("slower than float32" in "\n".join(told)) is not is_supported


def test_bf16_is_for_the_cpu_only() -> None:
    with pytest.raises(UnusableEnvironmentError, match="not for cuda; use --device cpu"):
        require_cpu_for_bf16("cuda")


@pytest.mark.parametrize(
    ("compiled", "recorded"),
    [
        (Compiled(ctypes.CDLL(None)), "yes"),
        (Compiled(ctypes.CDLL(None), has_tiles=True), "yes, with AMX"),
        (Compiled(None, "no C compiler"), None),
    ],
    ids=["compiled", "AMX", "none"],
)
def test_the_environment_says_which_compiled_functions_a_machine_has(
    compiled: Compiled, recorded: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actbench.runs.environment.compiled_functions", lambda: compiled)
    assert describe_machine()["compiled_functions"] == recorded


def test_there_is_a_worker_for_each_gpu_and_at_most_as_many_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (environment.visible_gpus("cuda"), environment.count_workers("cuda", None)) == ((), 1)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert environment.visible_gpus("cuda") == ("0", "1")
    assert [environment.count_workers("cuda", jobs) for jobs in (None, 1, 8)] == [2, 1, 2]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-7, 2,3")
    assert environment.visible_gpus("cuda") == ("GPU-7", "2", "3")
    assert environment.visible_gpus("cpu") == environment.visible_gpus("mps") == ()
    assert environment.count_workers("mps", 4) == 1
