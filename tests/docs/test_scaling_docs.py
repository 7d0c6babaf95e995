"""The examples of docs/scaling.md, run as they stand there: by a shell, with the program in the tests' own process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from actbench import errors
from in_process import Answer, invoke
from places import ROOT
from program import TINY

TEXT = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
RECORD = 'actbench() { printf "%s\\n" "$@" > arguments; return "$EXIT_CODE"; }\n'
SWEEP = TINY.replace("name: tiny", "name: sweep").replace(", model.init: [he_normal, xavier_normal]", "")
TUNED = SWEEP + "tune: {train.lr: [0.01, 0.03]}\ntuning_seeds: 1\n"
CLAIM = "expect: [{claim: some are right, above: 0.02}]\n"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(script: str, exit_code: int, variables: Mapping[str, str] | None = None) -> int:
    """What a script ends with where actbench ends so; what it was given stands in the file `arguments`."""
    environment = os.environ | {"EXIT_CODE": str(exit_code)} | dict(variables or {})
    return subprocess.run(["bash", "-c", RECORD + script], env=environment, check=False).returncode


def typed(script: str, variables: Mapping[str, str] | None = None) -> Answer:
    """The script's one command of actbench, its words made by the shell."""
    shell(script, 0, variables)
    arguments = Path("arguments").read_text(encoding="utf-8").splitlines()
    answer = invoke(*arguments, *(["--jobs", "1"] if arguments[0] == "run" else []))
    assert shell(script, answer.exit_code, variables) == 0, answer.stderr
    return answer


def test_the_slurm_script_run_twice_as_an_array_with_merges_between_ends_with_every_trial() -> None:
    Path("sweep.yaml").write_text(TUNED, encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    (count,) = re.findall(r"--array=1-(\d+)", script)
    rounds = re.findall(r'--wrap "(.*?)"', TEXT)
    assert len(rounds) == 2
    for merge in rounds:
        for task in range(1, int(count) + 1):
            variables = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": count, "SLURM_CPUS_PER_TASK": "1"}
            assert typed(script, variables).exit_code == 0
        printed = typed(merge).stdout
    ((done, planned),) = re.findall(r"results/sweep holds (\d+) of (\d+) trials", printed)
    assert done == planned
    assert shell(script, errors.EXIT_TRIALS_FAILED, variables) != 0


def test_the_steps_of_the_ci_matrix_end_with_the_table_of_all_shards() -> None:
    Path("sweep.yaml").write_text(SWEEP + CLAIM, encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    jobs = yaml.safe_load(text)["jobs"]
    shard, merge = (
        [step["run"] for step in jobs[name]["steps"] if "run" in step and "pip" not in step["run"]]
        for name in ("shard", "merge")
    )
    for number in jobs["shard"]["strategy"]["matrix"]["shard"]:
        for command in shard:
            typed(command.replace("${{ matrix.shard }}", str(number)))
    *_, last = [typed(command) for command in merge]
    assert last.stdout.startswith("Which ")
    assert "supported" in last.stdout
    assert "0 trained now" in last.stderr
