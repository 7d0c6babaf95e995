"""Checks of the installation: libraries, devices, data and disk, each problem with its cure."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any, Literal

from actbench.catalogue.datasets import DATASETS, Dataset, is_present, load, raw_folder
from actbench.errors import UnusableEnvironmentError
from actbench.processes import available_cores
from actbench.render.sections import Section
from actbench.runs import import_probe
from actbench.runs.environment import describe_machine, installed_version
from actbench.text import counted
from actbench.training.compiled import compiled_functions, processor_facts
from actbench.version import __version__

Imports = Mapping[str, Mapping[str, Any]]

IMPORT_SECONDS = 300
MIN_FREE_BYTES, LOW_FREE_BYTES = 100_000_000, 1_000_000_000
BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")
SIGNS_OF_ANOTHER_TORCH = ("torchvision::nms", "libtorch", "libc10", "libcudart", "undefined symbol")
PAIR_CURE = (
    "pip install --force-reinstall torch torchvision, both from one index: a torch for the CPU alone, which has "
    "its own index, does not work with a torchvision from the default one"
)


def examine(data_folder: Path, results: Path, imports: Imports) -> list[Check]:
    """All checks, given what `probe_imports` has found."""
    return [
        *_libraries(imports),
        *_machine(imports["torch"], processor_flags()),
        *(_dataset(dataset, data_folder, imports) for dataset in DATASETS.values()),
        _disk("disk for results", results, must_be_writable=True),
        _disk("disk for data", data_folder, must_be_writable=False),
    ]


def probe_imports() -> dict[str, dict[str, Any]]:
    """The output of `import_probe` for each library, from two processes at once, which a broken library may end."""
    with ThreadPoolExecutor() as pool:
        return {name: found for group in pool.map(_probe, import_probe.GROUPS) for name, found in group.items()}


def _probe(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    program = [sys.executable, "-P", import_probe.__file__, *names]  # -P: no module of actbench is taken for a library
    try:
        finished = subprocess.run(program, capture_output=True, timeout=IMPORT_SECONDS, check=False)
        code, printed = finished.returncode, finished.stdout
        ended = f"its import ended Python ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
    except subprocess.TimeoutExpired as late:
        printed, ended = late.stdout or b"", f"its import took more than {IMPORT_SECONDS} s"
    lines = [line for line in printed.decode(errors="replace").splitlines() if line.startswith("{")]
    found = {one["name"]: one for one in map(json.loads, lines)}
    missing = [name for name in names if name not in found]
    return found | {name: {"name": name, "error": ended if name == missing[0] else "not tried"} for name in missing}


def _libraries(imports: Imports) -> Iterator[Check]:
    facts = {"actbench": __version__} | describe_machine()
    found = f"{__version__} on Python {platform.python_version()}, {facts['system']} {facts['machine']}"
    yield Check("actbench", "ok", found, facts=facts)
    for name in import_probe.MODULES:
        error, torch = imports[name].get("error"), imports["torch"].get("version")
        facts = {"torch": torch, "wanted": wanted_torch()} if name == "torchvision" else {}
        if error is None:
            yield Check(name, "ok", str(imports[name]["version"]), facts=facts)
        elif name == "torchvision" and _is_for_another_torch(imports):
            yield Check(name, "problem", f"built for another torch than {torch}: {error}", PAIR_CURE, facts)
        else:
            package = "scikit-learn" if name == "sklearn" else name
            yield Check(name, "problem", error, f"pip install --force-reinstall {package}", facts)


def _is_for_another_torch(imports: Imports) -> bool:
    """Whether torchvision cannot be imported because it was built for another torch."""
    torch, error = imports["torch"], imports["torchvision"].get("error")
    if error is None or "error" in torch:
        return False
    release, _, build = str(torch["version"]).partition("+")
    own_build = str(imports["torchvision"].get("version") or installed_version("torchvision")).partition("+")[2]
    is_other_release = wanted_torch() not in (None, release)
    is_other_build = bool(build) and (own_build or build) != build
    return is_other_release or is_other_build or any(sign in error for sign in SIGNS_OF_ANOTHER_TORCH)


def wanted_torch() -> str | None:
    """The release of torch that the installed torchvision requires, if it names one."""
    try:
        needs = requires("torchvision") or []
    except PackageNotFoundError:
        return None
    plain = (need.partition(";")[0].translate(str.maketrans("", "", " ()")) for need in needs)
    return next((need.removeprefix("torch==") for need in plain if need.startswith("torch==")), None)


def processor_flags() -> frozenset[str] | None:
    """The processor's flags as Linux names them; None elsewhere."""
    facts = processor_facts()
    return frozenset(facts.get("flags", facts.get("Features", "")).split()) if facts else None


def _machine(torch: Mapping[str, Any], flags: frozenset[str] | None) -> Iterator[Check]:
    """Devices, cores, and what makes them faster."""
    gpus, has_mps = list(torch.get("cuda", ())), bool(torch.get("mps"))
    beside = "; mps with --device mps" if has_mps else ", no GPU that torch can use"
    facts = {"cuda": gpus, "built_for_cuda": torch.get("built_for_cuda"), "mps": has_mps}
    found = f"cuda: {', '.join(gpus)}" if gpus else f"cpu{beside}"
    yield Check("device", "ok", found, facts=facts | {"device": "cuda" if gpus else "cpu"})
    cores = available_cores()
    facts = {"cores": cores, "threads_per_worker": 1, "threads_of_torch": torch.get("threads")}
    yield Check("cores", "ok", f"{cores}: as many workers of one thread each", facts=facts)
    units, has_cuda = [flag for flag in BF16_FLAGS if flag in (flags or ())], bool(torch.get("cuda_bf16"))
    missing = "not known on this system" if flags is None else "no unit for it: float32 is faster here"
    found = ", ".join([*units, *["cuda"] * has_cuda])
    facts = {"cpu": None if flags is None else units, "cuda": has_cuda}
    yield Check("bf16", "ok" if found else "note", found or missing, facts=facts)
    kernel = compiled_functions()
    facts = {"available": kernel.library is not None, "reason": kernel.reason or None}
    if facts["available"]:
        yield Check("compiled functions", "ok", "compiled: black pixels take no time in float32", facts=facts)
    else:
        yield Check("compiled functions", "note", f"{kernel.reason}: black pixels take as long as others", facts=facts)


def _dataset(dataset: Dataset, folder: Path, imports: Imports) -> Check:
    """Whether a dataset is present and has its checksum."""
    name, facts = f"data: {dataset.name}", {"checksum": dataset.checksum, "source": dataset.source}
    if dataset.file_md5:
        facts["folder"] = str(raw_folder(dataset, folder))
    if not is_present(dataset, folder):
        cure = f"actbench data fetch {dataset.name}"
        return Check(name, "note", f"absent: {cure}", cure, facts)
    needed = ("numpy", "sklearn") if dataset.source == "scikit-learn" else ("numpy",)
    if broken := [module for module in needed if "error" in imports[module]]:
        return Check(name, "problem", f"cannot be read without {broken[0]}", facts=facts)
    try:
        load(dataset, folder)
    except UnusableEnvironmentError as problem:
        return Check(name, "problem", str(problem), facts=facts)
    where = f"{folder}, " if dataset.file_md5 else ""
    return Check(name, "ok", f"{where}checksum {dataset.checksum[:12]}", facts=facts)


def _disk(name: str, folder: Path, *, must_be_writable: bool) -> Check:
    """Free space at a folder's place, and whether it can be written."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
    free, writable = shutil.disk_usage(place).free, os.access(place, os.W_OK)
    facts = {"folder": str(folder), "free_bytes": free, "writable": writable}
    found = f"{free / 1e9:,.1f} GB free for {folder}"
    if must_be_writable and not writable:
        return Check(name, "problem", f"{place} cannot be written", "name another folder with --results", facts)
    if must_be_writable and free < MIN_FREE_BYTES:
        return Check(name, "problem", found, "make room, or name a folder on another disk with --results", facts)
    return Check(name, "note" if free < LOW_FREE_BYTES else "ok", found, facts=facts)


State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One check: a `problem` prevents training, a `note` does not; `cure` removes it."""

    name: str
    state: State
    found: str
    cure: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether nothing prevents training."""
    return all(check.state != "problem" for check in checks)


def doctor_section(checks: Sequence[Check]) -> Section:
    """One row for each check, and below the cures that the rows do not name."""
    problems = sum(check.state == "problem" for check in checks)
    device = "the GPU" if any(check.facts.get("device") == "cuda" for check in checks) else "the CPU"
    verdict = (
        f"{counted(problems, 'problem')}: training is not possible." if problems else f"Ready to train on {device}."
    )
    cures = [f"{check.name}: {check.cure}" for check in checks if check.cure not in check.found]
    rows = [[check.name, check.state, check.found] for check in checks]
    return Section("doctor", ["what", "state", "found"], rows, [*cures, verdict], prose=(2,))


def doctor_document(checks: Sequence[Check]) -> dict[str, Any]:
    """The same as plain data."""
    return {"ready": is_ready(checks), "checks": [asdict(check) | {"cure": check.cure or None} for check in checks]}
