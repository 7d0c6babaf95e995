"""Processes that others have started, and where they listen."""

from __future__ import annotations

from pathlib import Path


def processes_below(parent: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        below.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = list(below.get(parent, ()))
    for pid in found:
        found += below.get(pid, ())
    return found


def listening(pids: list[int]) -> list[str]:
    """The addresses on which processes wait for connections, as Linux writes them."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:
                continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return [line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]
