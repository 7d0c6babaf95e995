"""Large journals are read by several processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from builders import TWO_ACTIVATIONS, experiment_from
from journals import folder_with, line_of, records_of

READ = """
import json, os, signal, sys
from pathlib import Path
from actbench.store import reading
from actbench.store.journal import read_journal

folder, own, processes = Path(sys.argv[1]), os.getpid(), set()
whole = read_journal(folder, has_probes=False)
reading.MANY_BYTES, reading.BLOCK_BYTES = 0, 1000
reading.available_cores = lambda: 3

def read(start, end):
    if start == 2 and os.getpid() != own:
        os.kill(os.getpid(), signal.SIGKILL)
    return start, os.getpid() == own

def send_a_part(connection, _read, spans):
    os.write(connection.fileno(), bytes([0, 0, 16, 0]) + b"the beginning of 4096 bytes")

def parts():
    reading._send_blocks = send_a_part
    return list(reading.read_blocks(read, range(2)))

def journals():
    lines = reading.read_placed_lines(folder, has_probes=False, keeps_probes=False)
    yield next(lines)
    (folder / "trials.jsonl").rename(folder / "aside")
    (folder / "trials.jsonl").write_bytes(b"another file\\n")
    yield from lines

print(json.dumps({
    "can_fork": reading.can_fork(),
    "same": read_journal(folder, has_probes=False) == whole and len(whole.records) == 6,
    "is_checked": read_journal(folder, keeps_probes=False).records == whole.records,
    "after_a_kill": list(reading.read_blocks(read, range(5))),
    "replaced": [one.content.trial for one in journals()] == list(whole.records),
    "after_parts": parts(),
}))
"""


def test_several_processes_read_what_one_does_if_one_is_killed_or_the_file_replaced(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ACTIVATIONS, tmp_path)
    folder = folder_with(tmp_path / "two", experiment, [line_of(record) for record in records_of(experiment)])
    ended = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = json.loads(ended.stdout)
    assert found["can_fork"] == (sys.platform == "linux")
    assert found["same"]
    assert found["is_checked"]
    assert found["replaced"]
    assert found["after_parts"] == [[0, True], [1, True]]
    assert found["after_a_kill"] == [[0, False], [1, False], [2, True], [3, False], [4, False]]
