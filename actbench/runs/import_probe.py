"""Imports the heavy libraries in a separate process and prints a line of JSON for each; a program, not a module.

A library that is broken may end the process that imports it. This file uses nothing but the standard library, so that
it can be run where actbench itself cannot be imported.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

MODULES = ("numpy", "scipy", "pandas", "sklearn", "matplotlib", "torch", "torchvision")


def imported(name: str) -> dict[str, Any]:
    """The library's version, or why it cannot be imported, and of torch what it finds on this machine."""
    try:
        module = importlib.import_module(name)
    except Exception as problem:
        first_line = (str(problem).strip().splitlines() or [""])[0]
        return {"name": name, "error": f"{type(problem).__name__}: {first_line}"}
    found = {"name": name, "version": str(getattr(module, "__version__", "unknown"))}
    return found | _devices(module) if name == "torch" else found


def _devices(torch: Any) -> dict[str, Any]:
    has_cuda = bool(torch.cuda.is_available())
    count = torch.cuda.device_count() if has_cuda else 0
    return {
        "threads": torch.get_num_threads(),
        "built_for_cuda": torch.version.cuda,
        "cuda": [str(torch.cuda.get_device_name(number)) for number in range(count)],
        "cuda_bf16": has_cuda and bool(torch.cuda.is_bf16_supported()),
        "mps": bool(torch.backends.mps.is_available()),
    }


if __name__ == "__main__":
    for wanted in MODULES:
        print(json.dumps(imported(wanted)), flush=True)
