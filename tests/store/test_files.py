"""Lines that are appended and files that are replaced: whole or not at all, and with the user's permissions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actbench.store.files import append_lines, replace_file


@pytest.mark.parametrize("before", [b"", b"one\n", b"one"])
def test_lines_that_the_disk_takes_only_in_part_leave_no_trace(
    before: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(before)
    taken: list[bytes] = []

    def full(descriptor: int, payload: bytes) -> int:
        if len(taken) == 2:
            raise OSError(28, "No space left on device")
        taken.append(bytes(payload[:3]))
        return real(descriptor, payload[:3])

    real = os.write
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        append_lines(path, [b"two three four\n", b"five\n"])
    monkeypatch.undo()
    assert path.read_bytes() == before
    append_lines(path, [b"two three four\n", b"five\n"])
    assert path.read_bytes().splitlines() == [*before.splitlines(), b"two three four", b"five"]


def test_a_file_is_replaced_whole_though_the_disk_takes_it_in_small_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, payload: real(descriptor, payload[:7]))
    replace_file(tmp_path / "file", [b"0123456789" * 10, b"", b"end\n"])
    assert (tmp_path / "file").read_bytes() == b"0123456789" * 10 + b"end\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_follow_the_umask(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "replaced", [b"1"])
        append_lines(tmp_path / "appended", [b"1\n"])
    finally:
        assert os.umask(before) == umask
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}
