"""Executor on Ray: stacks are tasks of a cluster, or of a private Ray on this machine that ends with the run."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import logging
import os
import queue
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actbench.catalogue.custom_files import CustomFile, files_in_use
from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError
from actbench.experiment.records import Weights
from actbench.plan.stacks import Stack
from actbench.processes import available_cores, interrupts_held
from actbench.runs.environment import describe_node, require_cpu_for_bf16
from actbench.runs.executors import local
from actbench.runs.executors.worker import TrainStack, train_and_report
from actbench.text import counted, describe_exception

POLL_SECONDS = 0.01
OBJECT_STORE_BYTES = 512 * 2**20
ANSWER_SECONDS = 10.0
SAME_EVERYWHERE = ("actbench", "training_code", "torch", "numpy")

# Read by Ray at its import: no usage reports, no log lines on standard output, visible devices unchanged.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": ".*", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


_node_of_this_worker = functools.cache(describe_node)


def stream_training(
    train: TrainStack, device: str, stack: Stack, arrays: Arrays, custom_files: tuple[CustomFile, ...] = ()
) -> Iterator[Any]:
    """Train a stack as a task of Ray, in a thread that reports by calling; yields the node, reports and the result.

    Raises the `UnusableEnvironmentError` that `train` raises, and one for bf16 on another device than the CPU.
    """
    if any(trial.settings.train.precision == "bf16" for trial in stack):
        require_cpu_for_bf16(device)
    yield _node_of_this_worker()
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    work = train, stack, arrays, device, custom_files, messages.put
    threading.Thread(target=train_and_report, args=work, daemon=True).start()
    while True:
        message = messages.get()
        while isinstance(message, int | float) and not messages.empty():
            message = messages.get()
        if isinstance(message, UnusableEnvironmentError):
            raise message
        yield message
        if not isinstance(message, int | float | Weights):
            return


@dataclass
class RayWorkers:
    """A connection to Ray; at most `max_busy` stacks train at once. `here` describes this machine as a node."""

    ray: Any
    train: TrainStack
    device: str
    max_busy: int
    here: Mapping[str, Any]
    start_seconds: float = local.SILENCE_SECONDS
    limits: local.Limits = local.NO_LIMITS
    stored: tuple[Arrays, Any] | None = None

    def run(self, stacks: Sequence[Stack], arrays: Arrays, emit: local.Emit) -> None:
        """Train the stacks; a stack that fails or loses its worker or node is retried as in local workers.

        Raises `UnusableEnvironmentError` if a node has other versions, or Ray is lost or starts no stack.
        """
        start = self.ray.remote(stream_training).options(
            num_cpus=1, num_gpus=int(self.device == "cuda"), num_returns="streaming", max_retries=0
        )
        waiting, busy = deque(map(local.Task, stacks)), dict[Any, local.Work]()
        try:
            if self.stored is None or self.stored[0] is not arrays:
                self.stored = arrays, self.ray.put(arrays)
            while busy or (waiting and not self.limits.is_over()):
                while waiting and len(busy) < self.max_busy and not self.limits.is_over():
                    work = local.Work(waiting.popleft())
                    stack = work.task.stack
                    busy[start.remote(self.train, self.device, stack, self.stored[1], files_in_use())] = work
                ready, _ = self.ray.wait(list(busy), num_returns=len(busy), timeout=0)
                for stream in ready:
                    self._handle_message(stream, waiting, busy, emit)
                self._stop_late(waiting, busy, emit)
                if not ready:
                    time.sleep(POLL_SECONDS)  # a wait inside Ray turns every signal into a Ctrl-C
        except self.ray.exceptions.RayError as error:
            raise UnusableEnvironmentError(
                f"the connection to Ray is lost ({type(error).__name__}); every finished stack is kept, "
                "and the same command continues"
            ) from None

    def _handle_message(
        self, stream: Any, waiting: deque[local.Task], busy: dict[Any, local.Work], emit: local.Emit
    ) -> None:
        work = busy[stream]
        try:
            message = self.ray.get(next(stream), timeout=self.limits.silence_seconds)
        except (self.ray.exceptions.RayError, StopIteration) as error:
            del busy[stream]
            if not work.has_started():
                self._require_start(error)
            local.retry_or_fail(work.task, self._cause_of_loss(error), waiting, emit)
            return
        if not work.has_started():  # the first message describes the node
            self._require_same(message)
            work.machine = None if message == self.here else message
        if work.handle(message, waiting, emit):
            del busy[stream]

    def _stop_late(self, waiting: deque[local.Task], busy: dict[Any, local.Work], emit: local.Emit) -> None:
        """Cancel tasks that exceed a limit; raise `UnusableEnvironmentError` if Ray starts none."""
        started = [stream for stream, work in busy.items() if work.has_started()]
        for stream in started:
            if failure := self.limits.exceeded(busy[stream]):
                self.ray.cancel(stream, force=True)
                del busy[stream]
                local.retry_or_fail(*failure, waiting, emit)
        is_waiting = busy and not started
        if is_waiting and time.monotonic() - max(work.heard for work in busy.values()) > self.start_seconds:
            raise UnusableEnvironmentError(
                f"Ray has started none of {counted(len(busy), 'stack')} for {self.start_seconds:.0f} s: does the "
                f"cluster have free {'GPUs' if self.device == 'cuda' else 'cores'}?"
            )

    def _require_start(self, error: BaseException) -> None:
        if isinstance(error, self.ray.exceptions.RayTaskError | self.ray.exceptions.RaySystemError):
            cause = describe_exception(getattr(error, "cause", None) or error)
            raise UnusableEnvironmentError(
                f"a node of the Ray cluster cannot run actbench ({cause}); install actbench "
                f"{self.here['actbench']} with the same packages on every node"
            )

    def _require_same(self, node: Mapping[str, Any]) -> None:
        others = [
            f"{key.replace('_', ' ')} {node.get(key)} (here {self.here[key]})"
            for key in SAME_EVERYWHERE
            if node.get(key) != self.here[key]
        ]
        if others:
            raise UnusableEnvironmentError(
                f"a node of the Ray cluster has {', '.join(others)}; install the same versions on every node"
            )

    def _cause_of_loss(self, error: BaseException) -> str:
        """The cause, without Ray's details, which contain addresses."""
        known = self.ray.exceptions
        if isinstance(error, known.OutOfMemoryError):
            return "worker ended: its node was out of memory"
        if isinstance(error, known.NodeDiedError | known.ObjectLostError | known.GetTimeoutError):
            return "node lost"
        return "worker process ended unexpectedly"


@contextlib.contextmanager
def connect_to_ray(
    train: TrainStack, device: str, jobs: int | None, address: str | None, *, limits: local.Limits = local.NO_LIMITS
) -> Iterator[RayWorkers]:
    """Workers of the cluster at the address, or of a private Ray on this machine that ends with this context.

    Raises `UnusableEnvironmentError` if Ray is not installed, cannot be reached or started, or has no processor or GPU
    to train on.
    """
    with connected_ray(address, jobs or available_cores(), device) as ray:
        kind = "GPU" if device == "cuda" else "CPU"
        available = int(ray.cluster_resources().get(kind, 0))
        if not available:
            raise UnusableEnvironmentError(f"the Ray cluster has no {kind} to train on")
        yield RayWorkers(ray, train, device, min(available, jobs or available), describe_node(), limits=limits)


@contextlib.contextmanager
def connected_ray(address: str | None, workers: int, device: str) -> Iterator[Any]:
    """Ray's module, connected to the cluster at the address, else to a Ray of our own that only this user can enter.

    Raises `UnusableEnvironmentError` if Ray is not installed, cannot be reached or cannot start.
    """
    what = f"be reached at {address}" if address else "start on this machine"
    options: dict[str, Any] = {}
    with contextlib.ExitStack() as undo:
        undo.enter_context(_variables(QUIET | ({} if address else _private_variables())))
        if address not in (None, "auto"):  # Ray would try for minutes where connections are refused
            with _expected(what):
                host, _, port = address.rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
        ray = _import_ray()
        private = tempfile.mkdtemp(prefix="actbench-ray-", dir="/tmp" if os.name == "posix" else None)
        undo.callback(shutil.rmtree, private, ignore_errors=True)
        folder = Path(private, "r")  # short, since paths of sockets have at most 107 characters
        folder.mkdir()
        with _expected(what):
            if address is None:
                if not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
                    raise RuntimeError("Ray was imported earlier and would not stay on the loopback interface")
                options = {"num_cpus": workers, "num_gpus": None if device == "cuda" else 0, "_temp_dir": str(folder)}
                options |= {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
            undo.callback(_shut_down, ray)
            # In an empty folder, since Ray's workers import modules from the current one.
            with _sigterm_kept(), contextlib.chdir(folder):
                ray.init(address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **options)
        yield ray


def _private_variables() -> dict[str, str]:
    """For a Ray of our own: loopback only, a token, and the import path of this process without its folder."""
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _token(),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONSAFEPATH": "1",
    }


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UnusableEnvironmentError(
            f"--executor ray: Ray cannot be imported ({error}); install it with: pip install 'actbench[ray]'"
        ) from None
    if ray.is_initialized():
        raise UnusableEnvironmentError("this process is already connected to Ray; call ray.shutdown() first")
    return ray


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces by an exit."""
    before, is_terminated = signal.getsignal(signal.SIGTERM), False
    try:
        yield
    except SystemExit:
        is_terminated = True
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    if is_terminated:
        signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def _expected(what: str) -> Iterator[None]:
    try:
        yield
    except UnusableEnvironmentError:
        raise
    except Exception as error:  # Ray raises many kinds
        raise UnusableEnvironmentError(f"Ray cannot {what} ({describe_exception(error)})") from None


@functools.cache
def _token() -> str:
    """One per process, since Ray reads it once."""
    return secrets.token_hex(32)


def _shut_down(ray: Any) -> None:
    with interrupts_held():
        ray.shutdown()


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
