"""Large arrays for workers: one copy in memory for all of them, instead of one through every pipe."""

from __future__ import annotations

import mmap
import os
import pickle
from dataclasses import dataclass
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

CAN_SHARE = hasattr(os, "memfd_create")
ALIGNMENT = 4096


@dataclass(frozen=True)
class Shared:
    """A pickled object whose arrays are in a file in memory, each at its `(offset, size)`; `file` is a descriptor."""

    pickled: bytes
    places: tuple[tuple[int, int], ...]
    file: int


def share(value: Any) -> Shared:
    """Put an object's arrays into a file in memory, which lasts as long as a process has it open; Linux only."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    file, places, end = os.memfd_create("actbench"), [], 0
    for buffer in buffers:
        rest = buffer.raw()
        places.append((end, len(rest)))
        offset = end
        while rest:
            written = os.pwrite(file, rest, offset)
            offset, rest = offset + written, rest[written:]
        end += -(-places[-1][1] // ALIGNMENT) * ALIGNMENT
    os.ftruncate(file, max(end, ALIGNMENT))
    return Shared(pickled, tuple(places), file)


def send_shared(connection: Connection, shared: Shared, receiver: int) -> None:
    """Send a shared object to the process with this id, which calls `receive_shared`."""
    connection.send((shared.pickled, shared.places))
    reduction.send_handle(connection, shared.file, receiver)


def receive_shared(connection: Connection) -> Any:
    """The object with its arrays in the sender's memory; only this process sees what it writes to them."""
    pickled, places = connection.recv()
    file = reduction.recv_handle(connection)
    try:
        memory = memoryview(mmap.mmap(file, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE))
    finally:
        os.close(file)
    return pickle.loads(pickled, buffers=[memory[start : start + size] for start, size in places])
