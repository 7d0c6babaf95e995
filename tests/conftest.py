"""What all tests share."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from actbench.catalogue.datasets import SMALL_DATASETS
from actbench.processes import TRAINING_MODULE
from actbench.runs import doctor
from custom_files import EXPERIMENT, custom_file
from in_process import NO_COMPILER
from program import TINY, actbench

OFTEN_IMPORTED = (
    "actbench.checks.activations", "actbench.checks.initialisers", "actbench.checks.outputs_and_losses",
    "torch.fx.experimental.symbolic_shapes",  # by autograd
)  # fmt: skip
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each of hundreds of processes would compile the program anew
os.environ.pop("COLUMNS", None)  # the width of the terminal of whoever runs the tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the golden files anew."""
    parser.addoption("--rewrite-golden", action="store_true", help="write the files under tests/golden anew")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from visiting thousands of tests again and again: a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """All workers and checks of a session are forked from one process with torch; libraries are probed once.

    The command line, which typer takes 28 ms to build, and the digits, which take 100 ms to read, are kept for
    hundreds of invocations. Torch is imported here, where tests run, and not by the process that only hands them out
    to others. Its comparisons import what they need for tensors on many machines, of which there are none.
    """
    import torch

    torch.set_num_threads(1)
    preload, built = multiprocessing.set_forkserver_preload, functools.cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", built)
        patch.setattr("typer.testing._get_command", built)
        patch.setattr(
            multiprocessing, "set_forkserver_preload", lambda modules: preload([TRAINING_MODULE, *OFTEN_IMPORTED])
        )
        patch.setattr(doctor, "probe_imports", functools.cache(doctor.probe_imports))
        patch.setitem(SMALL_DATASETS, "digits", functools.cache(SMALL_DATASETS["digits"]))
        patch.setattr("torch.testing._comparison._HAS_DTENSOR", False, raising=False)
        yield


@pytest.fixture(scope="module")
def _uncompiled() -> Iterator[None]:
    """Without torch's compiler, for tests that call torch's own optimizers or torchvision."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in NO_COMPILER.items():
            patch.setitem(sys.modules, name, module)
        yield


@pytest.fixture(scope="session")
def is_golden_rewritten(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are written instead of compared."""
    return bool(request.config.getoption("--rewrite-golden"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny experiment has been run."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    finished = actbench("run", "tiny.yaml", folder=folder)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("Which ")
    assert "12/12 trials" in finished.stderr
    return folder


@pytest.fixture
def with_custom_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an experiment and the custom function that it needs."""
    monkeypatch.chdir(tmp_path)
    custom_file(tmp_path)
    custom_file(tmp_path, EXPERIMENT, "own.yaml")
    return tmp_path
