"""The environment of a run: versions, device, threads, commit and data; nothing private."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from actbench.catalogue.datasets import Dataset
from actbench.errors import UnusableEnvironmentError
from actbench.experiment import records
from actbench.processes import available_cores
from actbench.runs.options import DeviceOption
from actbench.training.compiled import compiled_functions, processor_facts
from actbench.version import __version__

DEVICES = Path("/dev")
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn")


def count_workers(device: str, jobs: int | None) -> int:
    """The number of worker processes: `jobs`, else one for each core; with CUDA at most one for each GPU."""
    if device == "cpu":
        return jobs or available_cores()
    gpus = len(visible_gpus(device)) or 1
    return min(jobs or gpus, gpus)


def visible_gpus(device: str) -> tuple[str, ...]:
    """The GPUs to train on, as CUDA_VISIBLE_DEVICES names them, without torch; none for other devices."""
    if device != "cuda":
        return ()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return tuple(named or map(str, range(len(list(DEVICES.glob("nvidia[0-9]*"))))))


def resolve_device(wanted: DeviceOption) -> str:
    """The device; `auto` is cuda if available, else cpu. Raises `UnusableEnvironmentError` on an unavailable device."""
    if wanted == "cpu" or (wanted == "auto" and not _may_have_cuda()):
        return "cpu"
    import torch

    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        return "cuda"
    if wanted == "auto":
        return "cpu"
    if wanted == "mps" and torch.backends.mps.is_available():
        return "mps"
    raise UnusableEnvironmentError(
        f"--device {wanted}: torch {torch.__version__} finds no such device here; use --device cpu"
    )


def likely_device(wanted: DeviceOption) -> str:
    """The device that a run would train on, as far as known without torch."""
    return wanted if wanted != "auto" else "cuda" if _may_have_cuda() else "cpu"


def require_cpu_for_bf16(device: str) -> None:
    """Raise `UnusableEnvironmentError` on other devices, on which torch would silently use another type."""
    if device != "cpu":
        raise UnusableEnvironmentError(f"train.precision bf16: for the CPU only, not for {device}; use --device cpu")


def _may_have_cuda() -> bool:
    """Whether a GPU is possible, so that torch is worth its import: there is a device node, or the system has none."""
    return sys.platform == "win32" or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")))


def describe_environment(
    dataset: Dataset, device: str, workers: int, machine: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The environment record of this machine or another; its `id` is in every trial's line."""
    described: dict[str, Any] = {
        **(machine or describe_node()),
        "commit": _commit(),
        "device": device,
        "device_name": _device_name(device),
        "workers": workers,
        "threads_per_worker": 1,
        "dataset": dataset.name,
        "data_checksum": dataset.checksum,
    }
    text = json.dumps(described, sort_keys=True)
    return {"id": hashlib.sha256(text.encode()).hexdigest()[:12]} | described


def describe_machine() -> dict[str, Any]:
    """Versions, system and processor, on which times and last digits may depend."""
    compiled = compiled_functions()
    return {
        "python": platform.python_version(),
        **{package: installed_version(package) for package in PACKAGES},
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": processor_name(),
        "cores": available_cores(),
        "compiled_functions": None if compiled.library is None else "yes, with AMX" if compiled.has_tiles else "yes",
    }


def describe_node() -> dict[str, Any]:
    """What makes the same training give the same numbers: the version of actbench, and the machine."""
    return {"actbench": __version__, "training_code": records.TRAINING_CODE_VERSION, **describe_machine()}


def describe_numerics(device: str) -> str:
    """A checksum of everything but the settings on which a training's bits depend; not of the number of cores."""
    described = describe_node() | {"cores": None, "device": device, "device_name": _device_name(device)}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


@cache
def installed_version(package: str) -> str | None:
    """The version of a package; None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device_name(device: str) -> str | None:
    if device != "cuda":
        return None
    import torch

    return str(torch.cuda.get_device_name())


def processor_name() -> str:
    """The processor's name."""
    return processor_facts().get("model name") or platform.processor()


def _commit() -> str | None:
    """The commit of the source tree, with `+` if it has been changed; None for an installed package."""
    source = Path(__file__).parents[1]
    try:
        top, commit, changes = (
            subprocess.run(
                ["git", "--no-optional-locks", "-C", source, *arguments], capture_output=True, text=True, check=True
            ).stdout.strip()
            for arguments in (
                ("rev-parse", "--show-toplevel"),
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain", "--", "."),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "") if Path(top) == source.parent else None
