"""Custom functions that misbehave stop no run, lose no cause, and reach neither our output nor our exit code."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actbench.catalogue.custom_files import custom_files_in_use
from actbench.checks.examination import Check, examine_apart, read_answers
from actbench.experiment.choices import choices_from
from actbench.store.results import load_results
from custom_files import EXPERIMENT, TENT, custom_file, function_text
from program import actbench, actbench_alone, actbench_in_turn

LINE = "activation(formula='max(0, 1 - abs(x))', bounds=(0, 1), reference='a test')"
GOOD = "return torch.relu(1 - x.abs())"
BROKEN_TEXT = "raise type('Broken', (Exception,), {'__str__': lambda self: 1 / 0})()"
SURROGATE = "raise ValueError('\\udc80')"
BASE = "raise type('Foundation', (BaseException,), {})('deep')"


def checks_of(text: str, folder: Path, *, check_seconds: float = 60.0) -> dict[str, Check]:
    with custom_files_in_use([custom_file(folder, text)]) as (file,):
        (examination, *_) = examine_apart(choices_from(file.origin()), measures_cost=False, check_seconds=check_seconds)
    return {check.name: check for check in examination.checks}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BROKEN_TEXT, "raises Broken: (its message cannot be read)"),
        (SURROGATE, r"raises ValueError: \udc80"),
        (BASE, "raises Foundation: deep"),
        ("raise KeyboardInterrupt('mine')", "raises KeyboardInterrupt: mine"),
        ("__import__('os')._exit(0)", "ends the process that checks it, with exit code 0"),
        ("__import__('os').abort()", "ends the process that checks it, with exit code -6"),
    ],
    ids=["broken text", "surrogate", "BaseException", "KeyboardInterrupt", "os._exit", "abort"],
)
def test_whatever_a_function_does_instead_of_returning_is_the_reason_of_a_refusal(
    body: str, reason: str, tmp_path: Path
) -> None:
    assert checks_of(function_text(LINE, "own(x)", body), tmp_path)["shape and dtype"] == Check(
        "shape and dtype", "refused", reason
    )


@pytest.mark.slow
def test_a_check_that_takes_too_long_is_refused_and_the_others_of_the_file_are_made(tmp_path: Path) -> None:
    sleepy = function_text(LINE, "own(x)", "__import__('time').sleep(600)")
    both = sleepy + "\n\n" + function_text(LINE, "other(x)", GOOD)
    with custom_files_in_use([custom_file(tmp_path, both)]) as (file,):
        choices = choices_from(file.origin())
        first, second = examine_apart(choices, measures_cost=False, check_seconds=4)
    assert first.checks == (Check("shape and dtype", "refused", "takes longer than 4 s"),)
    assert second.refusals() == []
    assert len(second.checks) > 10


WRITES = (
    "import os, sys; print('noise'); sys.stdout.write('noise'); sys.__stdout__.write('noise'); os.write(1, b'noise')"
)


@pytest.mark.slow
def test_nothing_that_custom_code_writes_anywhere_is_in_the_json_of_any_command(tmp_path: Path) -> None:
    hook = f"if y.requires_grad: y.register_hook(lambda slope: exec({WRITES!r}))"
    with_hook = function_text(LINE, "own(x)", WRITES, "y = torch.relu(1 - x.abs())", hook, "return y")
    custom_file(tmp_path, f"{WRITES}\n{with_hook}", "hook.py")
    custom_file(tmp_path, f"{WRITES}\n{function_text(LINE, 'own(x)', WRITES, GOOD)}")
    custom_file(tmp_path, EXPERIMENT.replace("tent", "own"), "own.yaml")
    lines = [
        *(f"{verb} --use tent.py" for verb in ("validate own.yaml", "show own", "summary own.yaml --preflight")),
        "plan own.yaml --use tent.py", "check hook.py", "run own.yaml --use hook.py --jobs 1",
    ]  # fmt: skip
    answers = actbench_in_turn([[*line.split(), "--format", "json"] for line in lines], tmp_path, os.environ)
    for line, answer in zip(lines, answers, strict=True):
        assert answer.returncode == 0, (line, answer.stderr)
        assert json.loads(answer.stdout)["schema"] == 1, line
        assert "noise" in answer.stderr, line


@pytest.mark.slow
def test_a_thread_that_never_ends_keeps_no_command_from_ending(tmp_path: Path) -> None:
    thread = "__import__('threading').Thread(target=__import__('time').sleep, args=(10**6,)).start()\n"
    custom_file(tmp_path, f"{thread}{TENT}".replace("    return", f"    {thread}    return"))
    custom_file(tmp_path, EXPERIMENT, "own.yaml")
    finished = actbench_alone("run", "own.yaml", "--use", "tent.py", "--jobs", "1", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout
    missing = actbench_alone("show", "no_such_name", "--use", "tent.py", folder=tmp_path)
    assert missing.returncode == 2


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (SURROGATE, r"ValueError: \udc80"),
        (BROKEN_TEXT, "Broken: (its message cannot be read)"),
        (BASE, "Foundation: deep"),
    ],
    ids=["surrogate", "broken text", "BaseException"],
)
def test_a_function_that_fails_in_training_is_a_failed_trial_with_its_cause(
    body: str, cause: str, tmp_path: Path
) -> None:
    only_in_the_last_batch = "if x.dim() == 3 and x.shape[-2] == 18: "
    custom_file(tmp_path, function_text(LINE, "own(x)", only_in_the_last_batch + body, GOOD))
    custom_file(tmp_path, EXPERIMENT.replace("tent", "own"), "own.yaml")
    finished = actbench("run", "own.yaml", "--use", "tent.py", "--jobs", "1", folder=tmp_path)
    assert finished.returncode == 3, finished.stderr
    records = load_results(tmp_path / "results" / "own", tmp_path / "results").records
    assert {record.cause for record in records.values() if record.outcome == "failed"} == {cause}


def test_os_exit_in_a_check_is_no_success_and_nothing_is_trained(tmp_path: Path) -> None:
    custom_file(tmp_path, function_text(LINE, "own(x)", "__import__('os')._exit(0)"))
    custom_file(tmp_path, EXPERIMENT.replace("tent", "own"), "own.yaml")
    finished = actbench("run", "own.yaml", "--use", "tent.py", folder=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "ends the process that checks it, with exit code 0" in finished.stderr
    assert not (tmp_path / "results").exists()
    assert actbench("check", "tent.py", folder=tmp_path).returncode == 1


@pytest.mark.parametrize("body", [BROKEN_TEXT, SURROGATE, BASE], ids=["broken text", "surrogate", "BaseException"])
def test_what_a_file_raises_when_it_is_loaded_is_one_message(body: str, tmp_path: Path) -> None:
    custom_file(tmp_path, f"x = 1\n{body}\n")
    finished = actbench("check", "tent.py", folder=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "tent.py:2: " in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_text_that_no_file_can_hold_is_refused_when_the_file_is_loaded(tmp_path: Path) -> None:
    custom_file(tmp_path, TENT.replace("this file", r"\udc80"))
    finished = actbench("check", "tent.py", folder=tmp_path)
    assert finished.returncode == 2
    assert "has a text with a character that no file can hold" in finished.stderr


def test_checks_do_not_import_torch_in_this_process(tmp_path: Path) -> None:
    program = "import sys, actbench.checks.examination; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


@pytest.mark.parametrize("command", ["run own.yaml --use tent.py", "check tent.py"])
def test_a_file_that_ends_the_process_when_it_is_loaded_is_a_mistake_in_it(command: str, tmp_path: Path) -> None:
    custom_file(tmp_path, "x = 1\nfrom os import _exit\n_exit(0)\n")
    custom_file(tmp_path, EXPERIMENT.replace("tent", "own"), "own.yaml")
    finished = actbench(*command.split(), folder=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "tent.py:3: SystemExit: the file ends the process with exit code 0" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "results").exists()


def test_os_exit_in_training_is_a_failed_trial_and_no_exit_code_of_ours(tmp_path: Path) -> None:
    only_in_the_last_batch = "if x.dim() == 3 and x.shape[-2] == 18: __import__('os')._exit(0)"
    custom_file(tmp_path, function_text(LINE, "own(x)", only_in_the_last_batch, GOOD))
    custom_file(tmp_path, EXPERIMENT.replace("tent", "own"), "own.yaml")
    finished = actbench("run", "own.yaml", "--use", "tent.py", "--jobs", "1", folder=tmp_path)
    assert finished.returncode == 3, finished.stderr
    records = load_results(tmp_path / "results" / "own", tmp_path / "results").records
    causes = {record.cause for record in records.values() if record.outcome == "failed"}
    assert causes == {"worker process ended with code 0"}


@pytest.mark.parametrize(("is_note", "outcome"), [(True, "note"), (False, "refused")])
def test_what_takes_too_long_is_refused_unless_it_is_a_note(is_note: bool, outcome: str) -> None:
    parent, child = multiprocessing.Pipe()
    for message in (["entry"], ["ask", "cost", is_note]):
        child.send_bytes(json.dumps(message).encode())
    ((check,),) = read_answers(multiprocessing.Process(), parent, check_seconds=0.01)
    assert check == Check("cost", outcome, "takes longer than 0.01 s")  # type: ignore[arg-type]
