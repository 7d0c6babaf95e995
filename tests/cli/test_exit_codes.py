"""Every exit code of the table; 130 and 143 are in test_interruption."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench import errors
from actbench.runs import runner as actbench_runner
from program import actbench

CONTRADICTED = "expect=[{claim: the loss is huge, metric: test_loss, above: 100}]"


@pytest.fixture
def tiny(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the folder that all tests share, in which a test may run other experiments."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["validate", "tiny.yaml"], 0),
        (["run", "tiny.yaml", "--gate", "--set", CONTRADICTED], errors.EXIT_CHECK_FAILED),
        (["compare", "results/tiny", "--baseline", "sine"], errors.EXIT_USAGE),
        (["run", "tiny.yaml", "--no-such-option"], errors.EXIT_USAGE),
        (["run"], errors.EXIT_USAGE),
        (["run", "tiny.yaml", "--device", "gpu"], errors.EXIT_USAGE),
        (["init", "missing/a.yaml"], errors.EXIT_ENVIRONMENT),
    ],
)
def test_what_becomes_of_a_command_is_its_exit_code(arguments: list[str], code: int, tiny: Path) -> None:
    finished = actbench(*arguments, folder=tiny)
    assert finished.returncode == code, finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run tiny.yaml --gate --gate-report gate.txt", "--gate-report gate.txt: expected a name that ends in .xml"),
        ("run tiny.yaml --gate-report gate.xml", "--gate-report goes with --gate"),
        ("run tiny.yaml --at-most 9", "--at-most goes with --until-settled"),
        ("compare results/tiny --gate-report gate.xml", "--gate-report goes with --gate"),
        ("compare results/tiny --gate-undecided pass", "--gate-undecided goes with --gate"),
        ("compare results/tiny --figure-format png", "--figure-format goes with --figures"),
        ("report results/tiny --labels labels.yaml", "--labels goes with --paper"),
        ("report results/tiny --font-size 9", "--font-size goes with --paper"),
        ("summary tiny.yaml --seed 1", "--seed goes with --parameters"),
        ("summary tiny.yaml --code --preflight", "--code and --preflight: give one of them"),
        ("summary tiny.yaml --code --format json", "--code and --format: give one of them"),
        ("show tanh --seed 3", "--seed goes with --shape"),
        ("predictions results/tiny --all --hardest 3", "--all and --hardest: give one of them"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_before_anything_starts(
    arguments: str, message: str, tiny: Path
) -> None:
    finished = actbench(*arguments.split(), folder=tiny)
    assert (finished.returncode, finished.stdout) == (errors.EXIT_USAGE, "")
    assert message in finished.stderr


def test_failed_trials_are_exit_3_after_the_table(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = actbench_runner.run_experiment

    def run_with_two_failures(*arguments: Any, **options: Any) -> actbench_runner.RunResult:
        return replace(real(*arguments, **options), endings=Counter({"failed": 2}))

    monkeypatch.setattr(actbench_runner, "run_experiment", run_with_two_failures)
    finished = actbench("run", "tiny.yaml", folder=tiny)
    assert finished.returncode == errors.EXIT_TRIALS_FAILED, finished.stderr
    assert finished.stdout.startswith("Which ")
    assert "2 failed" in finished.stderr
    assert "the same command tries the failed trials again" in finished.stderr


ALLOWED = "--allow-unusable"
COLLAPSING = ["--set", "vary.model.init=[zeros, he_normal]", "--set", "model.hidden=[32]"]


@pytest.mark.parametrize(("options", "code"), [([], errors.EXIT_TRIALS_FAILED), ([ALLOWED], 0), (["--smoke"], 0)])
def test_an_arm_with_more_unusable_than_usable_trials_is_exit_3_unless_allowed(
    options: list[str], code: int, tiny: Path
) -> None:
    named = ["--set", "name=collapsing", "--set", "train.epochs=8", *COLLAPSING, *options]
    finished = actbench("run", "tiny.yaml", *named, folder=tiny)
    assert finished.returncode == code, finished.stderr
    if not options:
        assert "6 collapsed" in finished.stderr
        assert "More unusable than usable trials: activation=relu, init=zeros and activation=tanh, init=zeros" in (
            finished.stderr
        ).replace("; and", " and").replace("; ", ", ")


def test_unusable_trials_are_more_urgent_than_a_contradicted_claim(tiny: Path) -> None:
    claim = "expect=[{claim: c, arm: {model.activation: relu, model.init: he_normal}, metric: test_loss, above: 100}]"
    words = ["--gate", "--set", claim, "--set", "name=urgent", *COLLAPSING]
    codes = [actbench("run", "tiny.yaml", *words, *allowed, folder=tiny).returncode for allowed in ([], [ALLOWED])]
    assert codes == [errors.EXIT_TRIALS_FAILED, errors.EXIT_CHECK_FAILED]
