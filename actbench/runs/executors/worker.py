"""A local worker process: its start, its work, and its end with its parent."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from actbench.catalogue.custom_files import CustomFile, files_in_use, load_custom_file
from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError, unusable_library
from actbench.experiment.records import TrialRecord
from actbench.plan.stacks import Stack
from actbench.runs.executors.shared import Shared, receive_shared, send_shared
from actbench.store.checkpoints import Checkpoints
from actbench.text import describe_exception

TrainStack = Callable[[Stack, Arrays, str, Callable[[float], None]], list[TrialRecord]]

TRAINING_MODULE = "actbench.training.loop"
IS_FORKED = sys.platform == "linux"


@dataclass
class Worker:
    """A process, the parent's end of its pipe, its GPU if there are several, and whether the images have been sent."""

    process: BaseProcess
    connection: Connection
    gpu: str = ""
    has_arrays: bool = False


def train_with_torch(
    stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[float], None], checkpoints: Checkpoints | None = None
) -> list[TrialRecord]:
    """Train one stack on one thread, importing torch at the first call; continue from its checkpoint, if there is one.

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
    return train_stack(stack, arrays, device, on_epoch, snapshots)


def is_with_torch(train: TrainStack) -> bool:
    """Whether stacks are trained by torch, with or without checkpoints; tests have other functions."""
    return getattr(train, "func", train) is train_with_torch


def prepare_to_start(train: TrainStack) -> None:
    """On Linux, start the process from which workers are forked, which imports torch once; do not wait for it."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # its start unblocks SIGINT, so that it must not happen while that is held
    if IS_FORKED:
        multiprocessing.set_forkserver_preload([TRAINING_MODULE if is_with_torch(train) else __name__])
        with interrupts_held():
            forkserver.ensure_running()


def start_worker(train: TrainStack, device: str, gpu: str = "") -> Worker:
    """Start a process that trains the stacks sent to it, on this GPU alone if one is named."""
    prepare_to_start(train)
    context: Any = multiprocessing.get_context("forkserver" if IS_FORKED else "spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_train_stacks, args=(theirs, train, device, files_in_use(), gpu), daemon=True)
    with contextlib.nullcontext() if IS_FORKED else interrupts_held(), _main_module_hidden():
        process.start()
    theirs.close()
    return Worker(process, ours, gpu)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C; processes started meanwhile never receive it, since only the parent handles it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep new processes from running the main module again, which may be a user's whole script."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


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
    """Train stacks from the connection until it closes, with the parent's custom functions; ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)  # standard output is for results, whatever custom functions write
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    if is_with_torch(train):
        with contextlib.suppress(Exception):  # which the first stack raises again and reports
            importlib.import_module(TRAINING_MODULE)  # now, while the parent reads the data
    arrays: Any = None
    try:
        while True:
            stack, is_shared, arrays_once = connection.recv()
            arrays = receive_shared(connection) if is_shared else arrays_once or arrays
            connection.send(None)  # the stack starts now
            try:
                for file in custom_files:
                    load_custom_file(file)
                connection.send(train(stack, arrays, device, connection.send))
            except UnusableEnvironmentError as obstacle:
                connection.send(obstacle)
            except BaseException as error:  # an exception of a trial is its result
                connection.send(describe_exception(error))
    except (EOFError, OSError):
        return


def _end_with_parent() -> None:
    """End this process as soon as the parent has ended, in the middle of any work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
