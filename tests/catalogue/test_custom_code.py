"""A custom file in this process: it cannot hang a command, end it, or change what the trials of others are made of."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from actbench.catalogue import custom_code, custom_files
from actbench.catalogue.custom_code import changed_for_trials, contained, shared_by_trials
from actbench.catalogue.custom_files import custom_files_in_use
from actbench.errors import ConfigurationError
from actbench.store.journal import read_journal
from custom_files import EXPERIMENT, TENT, custom_file, function_text
from program import actbench, assert_one_message

LINE = "activation(formula='max(0, 1 - abs(x))', bounds=(0, 1), reference='a test')"
GOOD = "return torch.relu(1 - x.abs())"
needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of a POSIX system")
CHANGES = {
    "torch.set_default_dtype(torch.float64)": "the default dtype",
    "torch.set_flush_denormal(True)": "denormal numbers",
    "torch.set_grad_enabled(False)": "gradients",
    "torch.set_float32_matmul_precision('medium')": "the precision of float32 products",
    "torch.relu = torch.tanh": "torch.relu",
    "torch.nn.functional.gelu = torch.tanh": "torch.nn.functional.gelu",
    "torch.Tensor.matmul = torch.Tensor.mul": "torch.Tensor.matmul",
}


@pytest.fixture(autouse=True)
def _torch_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for place, name in ((torch, "relu"), (torch.nn.functional, "gelu"), (torch.Tensor, "matmul")):
        monkeypatch.setattr(place, name, getattr(place, name))
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_flush_denormal(False)
    torch.set_grad_enabled(True)
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(("change", "what"), CHANGES.items())
def test_a_file_that_changes_what_every_trial_uses_is_refused(change: str, what: str, tmp_path: Path) -> None:
    path = custom_file(tmp_path, TENT.replace("import torch\n", f"import torch\n{change}\n"))
    with (
        pytest.raises(ConfigurationError, match=rf"tent\.py: changes what every trial uses: {what}$"),
        custom_files_in_use([path]),
    ):
        pass


@pytest.mark.parametrize(("change", "what"), list(CHANGES.items())[:1])
@pytest.mark.slow
def test_a_function_that_changes_what_every_trial_uses_is_refused(change: str, what: str, tmp_path: Path) -> None:
    custom_file(tmp_path, function_text(LINE, "own(x)", change, GOOD))
    answer = actbench("check", "tent.py", folder=tmp_path)
    assert answer.returncode == 1
    assert f"changes what every trial uses: {what}" in answer.stdout


def test_what_torch_imports_later_is_no_change_of_a_file() -> None:
    before = shared_by_trials()

    assert changed_for_trials(before) == ""


def test_the_process_is_as_it_was_after_a_file_has_changed_it(tmp_path: Path) -> None:
    text = (
        "import os, signal, sys\nos.chdir('/')\nos.umask(0o777)\nsys.stdout = sys.stderr = None\n"
        "sys.setrecursionlimit(500)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    )
    umask = os.umask(0o022)
    try:
        before = Path.cwd(), sys.stdout, sys.stderr, signal.getsignal(signal.SIGINT), sys.getrecursionlimit()
        with custom_files_in_use([custom_file(tmp_path, text + TENT)]):
            after = Path.cwd(), sys.stdout, sys.stderr, signal.getsignal(signal.SIGINT), sys.getrecursionlimit()
        assert after == before
    finally:
        assert os.umask(umask) == 0o022


@needs_timers
@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(600)"], ids=["loop", "sleep"])
def test_a_file_that_is_never_loaded_is_a_mistake_in_it(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_files, "LOAD_SECONDS", 0.3)
    monkeypatch.setattr(custom_files, "SLOW_SECONDS", 0.1)
    custom_file(tmp_path, f"{body}\n{TENT}")
    answer = actbench("show", "tent", "--use", "tent.py", folder=tmp_path)
    assert_one_message(answer, 2, "actbench: tent.py:1: TooSlowError: takes longer than 0.3 s")
    assert "tent.py: is still being loaded; Ctrl-C ends this." in answer.stderr
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@needs_timers
def test_a_function_that_never_returns_keeps_no_command_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_code, "CALL_SECONDS", 0.3)
    never = ("while True:", "    try:", "        __import__('time').sleep(9)", "    except Exception:", "        pass")
    custom_file(tmp_path, function_text(LINE, "tent(x)", *never))
    answer = actbench("show", "tent", "--use", "tent.py", folder=tmp_path)
    assert_one_message(answer, 2, "tent.py:14: TooSlowError: takes longer than 0.3 s")


def test_a_function_that_ends_the_process_is_no_success_of_a_command_that_calls_it(tmp_path: Path) -> None:
    custom_file(tmp_path, function_text(LINE, "tent(x)", "__import__('os')._exit(0)"))
    answer = actbench("show", "tent", "--use", "tent.py", folder=tmp_path)
    assert_one_message(answer, 2, "tent.py:12: SystemExit: the file ends the process with exit code 0")


def test_nothing_of_the_process_is_changed_after_custom_code() -> None:
    before = os._exit
    with pytest.raises(SystemExit), contained():
        os._exit(0)
    assert os._exit is before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")
def test_a_function_that_forks_its_worker_trains_every_trial_once(tmp_path: Path) -> None:
    only_in_the_last_batch = "if x.dim() == 3 and x.shape[-2] == 18: __import__('os').fork()"
    custom_file(tmp_path, f"import os\nos.fork()\n{function_text(LINE, 'tent(x)', only_in_the_last_batch, GOOD)}")
    custom_file(tmp_path, EXPERIMENT, "own.yaml")
    answer = actbench("run", "own.yaml", "--use", "tent.py", "--jobs", "1", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    folder = tmp_path / "results" / "own"
    assert len((folder / "trials.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert {record.outcome for record in read_journal(folder).records.values()} == {"done"}
