"""What the benchmark writes: the head with machine and versions, the table, the raw figures."""

from __future__ import annotations

import json
import platform
import socket
from pathlib import Path
from typing import Any

from benchmarks.job import FULL, QUICK
from benchmarks.machine import describe, head
from benchmarks.measurement import Measurement
from benchmarks.rounds import ROOT, Course, Entry
from benchmarks.tables import HEADER, table, write_files

MACHINE: dict[str, Any] = {
    "processor": "Made-up 3000",
    "cores": 2,
    "machine": "x86_64",
    "features": ["avx2", "amx_bf16"],
    "system": "Some Linux 12, Linux 6.1",
    "python": "3.11.7",
    "torch": "2.15.0",
    "jax": None,
    "actbench": "0.1.0",
    "commit": "abcdef012345",
    "training_code": 2,
    "load": 0.125,
    "date": "2026-01-02T03:04+00:00",
}


def entry(number: int, contestant: str, seconds: dict[str, float], accuracy: float | None = None) -> Entry:
    return Entry(number, contestant, Measurement(seconds, 8, 3, 10.0, accuracy), total_seconds=12.5)


COURSE = Course(
    [
        entry(1, "actbench", {"actbench": 0.3}, 0.9412),
        entry(1, "floor", {"floor": 0.2, "floor+evaluation": 0.25}),
        entry(1, "jax", {"jax": 0.6}, 0.97),
        entry(2, "floor", {"floor": 0.1, "floor+evaluation": 0.125}),
        entry(2, "jax", {"jax": 0.9}, 0.96),
        entry(2, "actbench", {"actbench": 0.3}, 0.9500),
    ],
    {"lightning": "lightning is not installed"},
)


def test_the_page_begins_with_machine_system_versions_commit_and_date(tmp_path: Path) -> None:
    write_files(tmp_path, COURSE, FULL, MACHINE)
    lines = (tmp_path / "results.md").read_text(encoding="utf-8").splitlines()
    assert lines[:7] == [
        "# actbench beside its peers",
        "",
        "- Processor: Made-up 3000, 2 cores, avx2 amx_bf16",
        "- System: Some Linux 12, Linux 6.1",
        "- Versions: python 3.11.7, torch 2.15.0",
        "- actbench 0.1.0, commit abcdef012345, training code 2",
        "- Date: 2026-01-02T03:04+00:00, load average before the start 0.12",
    ]


def test_the_table_has_a_row_for_each_figure_with_the_fastest_first() -> None:
    found = table(COURSE, FULL)
    assert [row[0] for row in found.rows] == ["floor", "floor+evaluation", "actbench", "jax"]
    jax = dict(zip(HEADER, found.rows[3], strict=True))
    assert jax == {
        "contestant": "jax",
        "s per model and epoch": "0.750 (0.600 to 0.900)",
        "x floor": "6.00 (3.00 to 9.00)",
        "x floor with evaluation": "4.80 (2.40 to 7.20)",
        "x actbench": "2.50 (2.00 to 3.00)",
        "lowest accuracy": "0.9600",
        "models x epochs": "8 x 3",
        "start-up s": "2.5",
    }
    assert "lightning is left out: lightning is not installed." in found.notes
    assert "784-256-128-10, relu, adam with lr 0.001, 50,000 images in batches of 128, float32" in found.title


def test_actbench_is_charged_for_its_start_up_and_the_floor_has_no_accuracy() -> None:
    rows = {row[0]: dict(zip(HEADER, row, strict=True)) for row in table(COURSE, FULL).rows}
    assert rows["actbench"]["start-up s"] == "counted"
    assert rows["actbench"]["lowest accuracy"] == "0.9412"
    assert rows["floor"]["lowest accuracy"] == "-"


def test_without_the_floor_and_actbench_there_are_no_ratios() -> None:
    (row,) = table(Course([entry(1, "jax", {"jax": 0.6}, 0.97)]), FULL).rows
    assert row[2:5] == ["-", "-", "-"]


def test_the_raw_figures_of_every_round_are_kept(tmp_path: Path) -> None:
    write_files(tmp_path / "new" / "folder", COURSE, FULL, MACHINE)
    content = json.loads((tmp_path / "new" / "folder" / "results.json").read_text(encoding="utf-8"))
    assert content["machine"] == MACHINE
    assert content["job"]["train_count"] == 50_000
    assert content["left_out"] == COURSE.left_out
    assert [(one["round"], one["contestant"]) for one in content["measurements"]] == [
        (one.round, one.contestant) for one in COURSE.entries
    ]
    assert content["measurements"][1]["measurement"]["seconds"] == {"floor": 0.2, "floor+evaluation": 0.25}


def test_this_machine_is_described_without_its_name_or_its_folders() -> None:
    machine = describe(QUICK)
    lines = head(machine)
    assert f"python {platform.python_version()}, torch " in lines[2]
    assert lines[0].startswith(f"Processor: {machine['processor']}, {machine['cores']} cores")
    text = json.dumps(machine) + "\n".join(lines)
    for private in (str(ROOT), str(Path.home()), platform.release()):
        assert private not in text
    assert f"{socket.gethostname()}" not in [word.strip('",') for word in text.split()]
