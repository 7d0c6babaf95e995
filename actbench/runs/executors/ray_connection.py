"""A connection to a Ray cluster, or to a private Ray on this machine that ends with the run."""

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
from pathlib import Path
from typing import Any

from actbench.errors import UnusableEnvironmentError
from actbench.processes import interrupts_held
from actbench.text import describe_exception

OBJECT_STORE_BYTES = 512 * 2**20
ANSWER_SECONDS = 10.0

# Read by Ray at its import: no usage reports, no log lines on standard output, visible devices unchanged.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": ".*", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@contextlib.contextmanager
def started_ray(workers: int, device: str) -> Iterator[Any]:
    """Ray's module, connected to a Ray on the loopback interface, in a folder that only this user may enter.

    Raises `UnusableEnvironmentError` if Ray is not installed or cannot start.
    """
    with contextlib.ExitStack() as undo:
        private_ray = {  # loopback only, a token, and the import path of this process without its folder
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": _token(),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONSAFEPATH": "1",
        }
        undo.enter_context(_variables(QUIET | private_ray))
        ray = _import_ray()
        private = tempfile.mkdtemp(prefix="actbench-ray-", dir="/tmp" if os.name == "posix" else None)
        undo.callback(shutil.rmtree, private, ignore_errors=True)
        folder = Path(private, "r")  # short, since paths of sockets have at most 107 characters
        folder.mkdir()
        with _expected("start on this machine"):
            if not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
                raise RuntimeError("Ray was imported earlier and would not stay on the loopback interface")
            undo.callback(_shut_down, ray)
            _connect(
                ray,
                str(folder),
                "local",
                num_cpus=workers,
                num_gpus=None if device == "cuda" else 0,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(folder),
            )
        yield ray


@contextlib.contextmanager
def joined_ray(address: str) -> Iterator[Any]:
    """Ray's module, connected to the cluster at the address.

    Raises `UnusableEnvironmentError` if Ray is not installed or cannot be reached.
    """
    with contextlib.ExitStack() as undo:
        undo.enter_context(_variables(QUIET))
        with _expected(f"be reached at {address}"):
            if address != "auto":  # Ray would try for minutes where connections are refused
                host, _, port = address.rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
        ray = _import_ray()
        empty = undo.enter_context(tempfile.TemporaryDirectory(prefix="actbench-ray-"))
        with _expected(f"be reached at {address}"):
            undo.callback(_shut_down, ray)
            _connect(ray, empty, address)
        yield ray


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


def _connect(ray: Any, empty: str, address: str, **options: Any) -> None:
    """Call `ray.init` in an empty folder, since Ray's workers import modules from the current folder."""
    with _sigterm_kept(), contextlib.chdir(empty):
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)


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
