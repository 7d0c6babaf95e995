"""Where stacks train: as tasks of a Ray cluster, or of a Ray that starts on this machine for one run."""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import actbench
from actbench.catalogue.custom_files import CustomFile, files_in_use, load_custom_file
from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError
from actbench.experiment import records
from actbench.plan.stacks import Stack
from actbench.runs.environment import available_cores, describe_machine, require_bf16
from actbench.runs.executors.local import (
    NO_LIMITS,
    SILENCE_SECONDS,
    Emit,
    EpochsDone,
    Limits,
    StackDone,
    StackStarted,
    Task,
    retry_or_fail,
    timeout_reason,
)
from actbench.runs.executors.ray_connection import joined_ray, started_ray
from actbench.runs.executors.worker import TrainStack, describe_cause

POLL_SECONDS = 0.01
PROGRAM = ("actbench", "training_code")
SAME_EVERYWHERE = (*PROGRAM, "torch", "numpy")


def describe_node() -> dict[str, Any]:
    """What trains here: versions of actbench and what it trains with, system and processor."""
    return {"actbench": actbench.__version__, "training_code": records.TRAINING_CODE_VERSION, **describe_machine()}


_node_of_this_worker = functools.cache(describe_node)


def tell_training(
    train: TrainStack, device: str, stack: Stack, arrays: Arrays, custom_files: tuple[CustomFile, ...] = ()
) -> Iterator[Any]:
    """What a task tells: its node, then epochs behind it, and last the records, or in one line what was raised.

    The training has a thread of its own, since a task tells by yielding and a training by calling. Raises
    `UnusableEnvironmentError` at once where the trials need what the node's processor has not, and where `train` does.
    """
    if any(trial.settings.train.precision == "bf16" for trial in stack):
        require_bf16(device)
    yield _node_of_this_worker()
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            for file in custom_files:
                load_custom_file(file)
            told.put(train(stack, arrays, device, told.put))
        except UnusableEnvironmentError as obstacle:
            told.put(obstacle)
        except BaseException as error:  # whatever a trial raises is that trial's result
            told.put(describe_cause(error))

    threading.Thread(target=work, daemon=True).start()
    while True:
        message = told.get()
        while isinstance(message, int) and not told.empty():
            message = told.get()
        if isinstance(message, UnusableEnvironmentError):
            raise message
        yield message
        if not isinstance(message, int):
            return


@dataclass
class _Work:
    """What a task of Ray is at, when it was last heard of, and since when and on what node it runs, once it does."""

    task: Task
    heard: float
    begun: float = inf
    node: Mapping[str, Any] | None = None


@dataclass
class RayWorkers:
    """A connection to Ray, and how many stacks may train at once."""

    ray: Any
    train: TrainStack
    device: str
    most: int
    own: Mapping[str, Any]
    silence_seconds: float = SILENCE_SECONDS
    start_seconds: float = SILENCE_SECONDS
    limits: Limits = NO_LIMITS
    stored: tuple[Arrays, Any] | None = None

    def run(self, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
        """Train the stacks; one that fails, hangs or loses its worker or node is tried again as local ones are.

        Raises `UnusableEnvironmentError` where a node has other versions, or Ray is gone or starts nothing.
        """
        start = self.ray.remote(tell_training).options(
            num_cpus=1, num_gpus=int(self.device == "cuda"), num_returns="streaming", max_retries=0
        )
        waiting, busy = deque(map(Task, stacks)), dict[Any, _Work]()
        try:
            images = self._put_once(arrays)
            while busy or (waiting and not self.limits.is_over()):
                while waiting and len(busy) < self.most and not self.limits.is_over():
                    task = waiting.popleft()
                    busy[start.remote(self.train, self.device, task.stack, images, files_in_use())] = _Work(
                        task, time.monotonic()
                    )
                ready, _ = self.ray.wait(list(busy), num_returns=len(busy), timeout=0)
                for told in ready:
                    self._handle_message(told, waiting, busy, emit)
                self._stop_late(waiting, busy, emit)
                if not ready:
                    time.sleep(POLL_SECONDS)  # where Ray itself waits, it makes a Ctrl-C of every signal
        except self.ray.exceptions.RayError as error:
            raise UnusableEnvironmentError(
                f"Ray does not answer any more ({type(error).__name__}); every finished stack is kept, "
                "and the same command continues"
            ) from None

    def _put_once(self, arrays: Arrays) -> Any:
        if self.stored is None or self.stored[0] is not arrays:
            self.stored = arrays, self.ray.put(arrays)
        return self.stored[1]

    def _handle_message(self, told: Any, waiting: deque[Task], busy: dict[Any, _Work], emit: Emit) -> None:
        work = busy[told]
        try:
            message = self.ray.get(next(told), timeout=self.silence_seconds)
        except (self.ray.exceptions.RayError, StopIteration) as error:
            del busy[told]
            if work.node is None:
                self._require_start(error)
            retry_or_fail(work.task, self._why_lost(error), waiting, emit)
            return
        work.heard = time.monotonic()
        if work.node is None:
            self._require_same(message)
            work.node, work.begun = message, work.heard
            emit(StackStarted(work.task.stack))
        elif isinstance(message, int):
            emit(EpochsDone(work.task.stack, message))
        else:
            del busy[told]
            if isinstance(message, str):
                retry_or_fail(work.task, message, waiting, emit)
            else:
                emit(StackDone(work.task.stack, tuple(message), self._machine(work.node)))

    def _stop_late(self, waiting: deque[Task], busy: dict[Any, _Work], emit: Emit) -> None:
        """Give up on tasks that take too long or say nothing, and on a Ray that begins none."""
        now = time.monotonic()
        begun = {told: work for told, work in busy.items() if work.node is not None}
        for told, work in begun.items():
            if failure := timeout_reason(
                work.task, now - work.begun, now - work.heard, self.limits, self.silence_seconds
            ):
                self.ray.cancel(told, force=True)
                del busy[told]
                retry_or_fail(*failure, waiting, emit)
        if busy and not begun and now - max(work.heard for work in busy.values()) > self.start_seconds:
            raise UnusableEnvironmentError(
                f"Ray has started none of {len(busy)} stacks for {self.start_seconds:.0f} s: are nodes with free "
                f"{'GPUs' if self.device == 'cuda' else 'cores'} left in the cluster?"
            )

    def _require_start(self, error: BaseException) -> None:
        """Raise `UnusableEnvironmentError` where actbench itself cannot be used on a node."""
        if isinstance(error, self.ray.exceptions.RayTaskError | self.ray.exceptions.RaySystemError):
            cause = describe_cause(getattr(error, "cause", None) or error)
            raise UnusableEnvironmentError(
                f"a node of the Ray cluster cannot run actbench ({cause}); install actbench "
                f"{self.own['actbench']} with the same packages on every node"
            )

    def _require_same(self, node: Mapping[str, Any]) -> None:
        """Raise `UnusableEnvironmentError` where a node's results would be those of another program."""
        others = [
            f"{key.replace('_', ' ')} {node.get(key)} (here {self.own[key]})"
            for key in SAME_EVERYWHERE
            if node.get(key) != self.own[key]
        ]
        if others:
            raise UnusableEnvironmentError(
                f"a node of the Ray cluster has {', '.join(others)}; install the same versions on every node"
            )

    def _machine(self, node: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The node's system and processor where they are not this machine's."""
        return None if node == self.own else {key: node[key] for key in node if key not in PROGRAM}

    def _why_lost(self, error: BaseException) -> str:
        """The cause without Ray's details, which name addresses."""
        known = self.ray.exceptions
        if isinstance(error, known.OutOfMemoryError):
            return "its worker was ended, since its node was out of memory"
        if isinstance(error, known.NodeDiedError | known.ObjectLostError | known.GetTimeoutError):
            return "its node was lost"
        return "its worker process ended unexpectedly"


@contextlib.contextmanager
def connect_to_ray(
    train: TrainStack,
    device: str,
    jobs: int | None,
    address: str | None,
    *,
    limits: Limits = NO_LIMITS,
    silence_seconds: float = SILENCE_SECONDS,
) -> Iterator[RayWorkers]:
    """Workers of the cluster at the address, or of a Ray on this machine that ends with this context.

    Raises `UnusableEnvironmentError` where Ray is not installed, cannot be reached or started, or has nothing to
    train on.
    """
    with started_ray(jobs or available_cores(), device) if address is None else joined_ray(address) as ray:
        kind = "GPU" if device == "cuda" else "CPU"
        found = int(ray.cluster_resources().get(kind, 0))
        if not found:
            raise UnusableEnvironmentError(f"the Ray cluster has no {kind} to train on")
        yield RayWorkers(ray, train, device, min(found, jobs or found), describe_node(), silence_seconds, limits=limits)
