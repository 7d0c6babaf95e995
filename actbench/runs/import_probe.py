"""A program that imports the libraries named on its command line and prints a line of JSON for each.

A library that is broken may end the process that imports it. This file uses nothing but the standard library, so that
it can be run where actbench itself cannot be imported.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

GROUPS = ("numpy", "scipy", "pandas", "sklearn", "matplotlib"), ("torch", "torchvision")
MODULES = (*GROUPS[0], *GROUPS[1])
PACKAGES = {"sklearn": "scikit-learn"}
DIGITS = "datasets/data/digits.csv.gz"


def imported(name: str) -> dict[str, Any]:
    """The library's version, or why it cannot be imported, and of torch what it finds on this machine."""
    try:
        # Of scikit-learn only a file is read; its modules, which are never imported, take 2 s.
        is_usable = {"sklearn": lambda folder: (folder / DIGITS).is_file(), "torchvision": _fits_torch}.get(name)
        if is_usable and (folder := _folder(name)) and is_usable(folder):
            return {"name": name, "version": importlib.metadata.version(PACKAGES.get(name, name))}
        module = importlib.import_module(name)
    except Exception as problem:
        first_line = (str(problem).strip().splitlines() or [""])[0]
        return {"name": name, "error": f"{type(problem).__name__}: {first_line}"}
    found = {"name": name, "version": str(getattr(module, "__version__", "unknown"))}
    return found | _devices(module) if name == "torch" else found


def _folder(name: str) -> Path | None:
    """Where a package is, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin and spec.submodule_search_locations else None


def _fits_torch(folder: Path) -> bool:
    """Whether what of torchvision can break loads: its compiled operators, with this torch, and Pillow.

    Its Python takes as long to import as torch. Where there are no operators it is imported.
    """
    torch: Any = importlib.import_module("torch")
    importlib.import_module("PIL.Image")
    operators = sorted(path for path in folder.glob("_C*") if path.suffix in (".so", ".pyd"))
    for path in operators:
        torch.ops.load_library(path)
    return bool(operators) and hasattr(torch.ops.torchvision, "nms")


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
    gc.disable()  # importing torch takes a tenth longer while garbage is collected
    for wanted in sys.argv[1:]:
        print(json.dumps(imported(wanted)), flush=True)
    os._exit(0)  # unloading torch takes a quarter of a second
