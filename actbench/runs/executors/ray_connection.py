"""A connection to Ray: to a cluster, or to one that starts on this machine, for nobody else, and ends with the run."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from actbench.errors import UnusableEnvironmentError
from actbench.runs.executors.worker import describe_cause, interrupts_held

OBJECT_STORE_BYTES = 512 * 2**20
ANSWER_SECONDS = 10.0

# Read by Ray when it is imported: no reports of use, no lines of its own on standard output, devices left as they are.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextlib.contextmanager
def started_ray(workers: int, device: str) -> Iterator[Any]:
    """Ray's module, with a Ray on the loopback interface behind it, in a folder of its own that goes with it.

    Raises `UnusableEnvironmentError` where Ray is not installed or cannot start.
    """
    with contextlib.ExitStack() as undo:
        undo.enter_context(_variables(QUIET | _private()))
        ray = _import_ray()
        folder = tempfile.mkdtemp(prefix="actbench-ray-", dir="/tmp" if os.name == "posix" else None)
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        with _expected("start on this machine"):
            if not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
                raise RuntimeError("it was imported before, and would not keep to the loopback interface")
            undo.callback(_shut_down, ray)
            _connect(
                ray,
                folder,
                "local",
                num_cpus=workers,
                num_gpus=None if device == "cuda" else 0,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=folder,
            )
        yield ray


@contextlib.contextmanager
def joined_ray(address: str) -> Iterator[Any]:
    """Ray's module, with the cluster at the address behind it.

    Raises `UnusableEnvironmentError` where Ray is not installed or cannot be reached.
    """
    with contextlib.ExitStack() as undo:
        undo.enter_context(_variables(QUIET))
        with _expected(f"be reached at {address}"):
            _require_listener(address)
        ray = _import_ray()
        empty = undo.enter_context(tempfile.TemporaryDirectory(prefix="actbench-ray-"))
        with _expected(f"be reached at {address}"):
            undo.callback(_shut_down, ray)
            _connect(ray, empty, address)
        yield ray


def _require_listener(address: str) -> None:
    """Raise `OSError` where nobody listens, for which Ray would look for minutes."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UnusableEnvironmentError(
            f"--executor ray: Ray cannot be imported ({error}); install it with: pip install 'actbench[ray]'"
        ) from None
    if ray.is_initialized():
        raise UnusableEnvironmentError("this process is connected to Ray already; end that by ray.shutdown()")
    return ray


def _connect(ray: Any, empty: str, address: str, **options: Any) -> None:
    """Call `ray.init` from an empty folder, since Ray lets its workers import from where it is called."""
    with _own_signals(), contextlib.chdir(empty):
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Let SIGTERM do what it did, although Ray makes an exit of it."""
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
    except Exception as error:  # of any kind: Ray raises many
        raise UnusableEnvironmentError(f"Ray cannot {what} ({describe_cause(error)})") from None


def _private() -> dict[str, str]:
    """What makes a Ray of one's own private: loopback, a token, and this process's modules instead of its folder's."""
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _token(),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONSAFEPATH": "1",
    }


@functools.cache
def _token() -> str:
    """One for the process, since Ray reads it once."""
    return secrets.token_hex(32)


def _shut_down(ray: Any) -> None:
    """Leave Ray, which ends what this process has started in it."""
    with interrupts_held():
        ray.shutdown()


@contextlib.contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
