"""What is said where Ray is asked for and cannot be had."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from actbench.catalogue.datasets import DATASETS, load
from actbench.errors import EXIT_ENVIRONMENT, EXIT_USAGE, UnusableEnvironmentError
from actbench.plan.plan import make_plan
from actbench.runs.executors.ray import stream_training
from builders import experiment_from, fake_train
from in_process import invoke
from program import TINY


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")


def test_without_the_extra_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = invoke("run", "tiny.yaml", "--executor", "ray")
    assert answer.exit_code == EXIT_ENVIRONMENT
    assert "pip install 'actbench[ray]'" in answer.stderr
    assert not Path("results/tiny/trials.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--ray-address", "auto"], "needs --executor ray"),
        (["--executor", "ray", "--ray-address", "ray://host:10001"], "expected auto or HOST:PORT"),
        (["--executor", "ray", "--ray-address", "host:65536"], "expected auto or HOST:PORT"),
    ],
)
def test_an_address_that_can_be_none_is_refused_before_anything_starts(options: list[str], what: str) -> None:
    answer = invoke("run", "tiny.yaml", *options)
    assert answer.exit_code == EXIT_USAGE
    assert what in answer.stderr


def test_an_address_where_nobody_listens_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        answer = invoke("run", "tiny.yaml", "--executor", "ray", "--ray-address", address)
    assert answer.exit_code == EXIT_ENVIRONMENT
    assert f"Ray cannot be reached at {address}" in answer.stderr


def test_a_task_in_bf16_asks_its_own_node_whether_it_can(tmp_path: Path) -> None:
    experiment = experiment_from(TINY.replace("epochs: 2", "precision: bf16, epochs: 2"), tmp_path)
    trial = next(iter(make_plan(experiment).trials().values()))
    messages = stream_training(fake_train, "mps", (trial,), load(DATASETS["digits"], tmp_path))
    with pytest.raises(UnusableEnvironmentError, match=r"train.precision bf16: for the CPU only, not for mps"):
        next(messages)
