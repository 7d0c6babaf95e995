"""The machine of a measurement: processor, system, versions, and the version of actbench."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from actbench.processes import available_cores
from actbench.runs.doctor import processor_flags
from actbench.runs.environment import describe_environment
from benchmarks.job import Job

PEERS = ("jax", "jaxlib", "optax", "lightning", "pytorch-lightning")
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn", *PEERS)
FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
    "asimd", "asimddp", "sve", "sve2", "bf16", "i8mm",
)  # fmt: skip


def describe(job: Job) -> dict[str, Any]:
    """The environment record of actbench, with processor features, system, packages of contestants, and the date."""
    described = describe_environment(job.facts(), "cpu", available_cores())
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    return {
        **described,
        **{package: installed for package in PEERS if (installed := installed_version(package))},
        "features": [feature for feature in FEATURES if feature in (processor_flags() or ())],
        "system": system_name(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "date": now,
    }


def head(machine: dict[str, Any]) -> list[str]:
    """The description in a few lines."""
    versions = [f"{name} {machine[name]}" for name in ("python", *PACKAGES) if machine.get(name)]
    features = " ".join(machine["features"]) or machine["machine"]
    busy = "" if machine["load"] is None else f", load average before the start {machine['load']:.2f}"
    commit = machine["commit"] or "unknown"
    return [
        f"Processor: {machine['processor']}, {machine['cores']} cores, {features}",
        f"System: {machine['system']}",
        f"Versions: {', '.join(versions)}",
        f"actbench {machine['actbench']}, commit {commit}, training code {machine['training_code']}",
        f"Date: {machine['date']}{busy}",
    ]


def system_name() -> str:
    """Distribution and kernel series, without anything that identifies the machine."""
    kernel = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    if sys.platform != "linux":
        return kernel
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except OSError:
        return kernel


def installed_version(package: str) -> str | None:
    """A package's version, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
