"""A local worker process: its start and its work; large arrays are in memory once for all workers."""

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from actbench.catalogue.custom_files import CustomFile, files_in_use, load_custom_file
from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError, unusable_library
from actbench.experiment.records import Report, TrialRecord
from actbench.plan.stacks import Stack
from actbench.processes import TRAINING_MODULE, by_this_process, follow_parent, start_process
from actbench.store.checkpoints import Checkpoints
from actbench.text import describe_exception

TrainStack = Callable[[Stack, Arrays, str, Report], list[TrialRecord]]
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


@dataclass
class Worker:
    """A process, the parent's end of its pipe, its GPU if there are several, and whether it has the images."""

    process: BaseProcess
    connection: Connection
    gpu: str = ""
    has_arrays: bool = False


def train_with_torch(
    stack: Stack,
    arrays: Arrays,
    device: str,
    report: Report,
    checkpoints: Checkpoints | None = None,
    *,
    keeps_weights: bool = False,
) -> list[TrialRecord]:
    """Train one stack on one thread, importing torch at the first call; continue from its checkpoint, if it has one.

    Raises `UnusableEnvironmentError` where torch cannot be imported.
    """
    try:
        import torch

        from actbench.training.loop import train_stack
        from actbench.training.snapshots import Snapshots
    except Exception as error:  # a broken torch may raise anything
        raise unusable_library("torch", error) from None

    torch.set_num_threads(1)
    snapshots = None
    if checkpoints:
        load, save = partial(checkpoints.load, stack), partial(checkpoints.save, stack)
        snapshots = Snapshots(load, save, checkpoints.seconds)
    return train_stack(stack, arrays, device, report, snapshots, keeps_weights=keeps_weights)


def train_and_report(
    train: TrainStack,
    stack: Stack,
    arrays: Arrays,
    device: str,
    custom_files: Sequence[CustomFile],
    send: Callable[[Any], None],
) -> None:
    """Train a stack in a worker; send its reports, and last its records, an error's line or what stops every stack."""
    try:
        for file in custom_files:
            load_custom_file(file)
        send(train(stack, arrays, device, send))
    except UnusableEnvironmentError as obstacle:
        send(obstacle)
    except BaseException as error:  # an exception of a trial is its result
        send(describe_exception(error))


def is_with_torch(train: TrainStack) -> bool:
    """Whether stacks are trained by torch, with or without checkpoints; tests have other functions."""
    return getattr(train, "func", train) is train_with_torch


def module_of(train: TrainStack) -> str:
    """The module that the server process imports for all workers."""
    return TRAINING_MODULE if is_with_torch(train) else __name__


def start_worker(train: TrainStack, device: str, gpu: str = "") -> Worker:
    """Start a process that trains the stacks sent to it, on this GPU alone if one is named."""
    return Worker(*start_process(_train_stacks, train, device, files_in_use(), gpu, module=module_of(train)), gpu)


def send_stack(worker: Worker, stack: Stack, arrays: Arrays | Shared) -> None:
    """Send a stack to a worker, before the first one the images; raises `OSError` if the worker is gone."""
    if worker.has_arrays:
        worker.connection.send((stack, False, None))
    elif isinstance(arrays, Shared):
        worker.connection.send((stack, True, None))
        send_shared(worker.connection, arrays, worker.process.pid or 0)
    else:
        worker.connection.send((stack, False, arrays))


def _train_stacks(
    connection: Connection, train: TrainStack, device: str, custom_files: tuple[CustomFile, ...], gpu: str
) -> None:
    """Train stacks from the connection until it closes, with the parent's custom functions."""
    follow_parent()
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    if is_with_torch(train):
        with contextlib.suppress(Exception):  # which the first stack raises again and reports
            importlib.import_module(TRAINING_MODULE)  # now, while the parent reads the data
    arrays: Any = None
    send = by_this_process(connection.send)
    try:
        while True:
            stack, is_shared, arrays_once = connection.recv()
            arrays = receive_shared(connection) if is_shared else arrays_once or arrays
            send(None)  # the stack starts now
            train_and_report(train, stack, arrays, device, custom_files, send)
    except (EOFError, OSError):
        return
