"""Ctrl-C while workers start, as a terminal sends it: to the whole process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actbench.errors import EXIT_INTERRUPTED
from processes import processes_below

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

LONG = """
name: long
data: {dataset: digits, train: 1200, test: 60}
train: {epochs: 1000}
vary: {model.activation: [relu, tanh]}
seeds: 40
"""
START_SECONDS = 1.5
MAX_SECONDS = 60
MOMENTS = int(os.environ.get("ACTBENCH_SOAK_KILLS", "10"))


def interrupted_after(seconds: float, folder: Path) -> tuple[int, list[str]]:
    """The exit code and the last lines of a run that is interrupted so long after its first process starts."""
    (folder / "long.yaml").write_text(LONG, encoding="utf-8")
    command = [sys.executable, "-m", "actbench", "run", "long.yaml", "--jobs", "2", "--quiet"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        deadline = time.monotonic() + MAX_SECONDS
        while not processes_below(running.pid) and time.monotonic() < deadline:
            assert running.poll() is None, running.communicate()
        time.sleep(seconds)
        os.killpg(running.pid, signal.SIGINT)
        message = running.communicate(timeout=MAX_SECONDS)[1]
    return running.returncode, message.splitlines()


def check(tries: int, folder: Path) -> None:
    for number in range(tries):
        seconds = START_SECONDS * number / tries
        code, lines = interrupted_after(seconds, folder)
        assert (code, len(lines)) == (EXIT_INTERRUPTED, 1), (seconds, lines)
        assert lines[0].startswith("Interrupted")


def test_ctrl_c_while_workers_start_is_one_line(tmp_path: Path) -> None:
    check(2, tmp_path)


@pytest.mark.parametrize("name", ["temporary", "n" * 100], ids=["short", "too long for a socket"])
def test_a_program_that_ends_leaves_no_process_importing_for_workers_and_no_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import time\nfrom pathlib import Path\nPath('begun').touch()\ntime.sleep(100)\n", encoding="utf-8"
    )
    program = (
        "import time\nfrom pathlib import Path\nfrom multiprocessing.util import get_temp_dir\n"
        "from actbench.cli.guard import end_at_once\nfrom actbench.processes import start_server\n"
        "start_server('slow_to_import')\nPath('folder').write_text(get_temp_dir())\n"
        "while not Path('begun').exists():\n    time.sleep(0.01)\nend_at_once(130)\n"
    )
    folder = tmp_path / name
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(folder)}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, timeout=MAX_SECONDS,
        check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (EXIT_INTERRUPTED, b"")  # read to its end: no process keeps it open
    assert not Path((tmp_path / "folder").read_text(encoding="utf-8")).exists()


@pytest.mark.slow
def test_ctrl_c_at_many_moments_of_the_start_is_one_line(tmp_path: Path) -> None:
    check(MOMENTS, tmp_path)
