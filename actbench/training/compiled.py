"""Compiled functions: C sources built once with the system's compiler and kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCES = tuple(Path(__file__).with_name(name) for name in ("sparse.c", "head.c", "activations.c", "tiles.c"))
COMPILERS = ("cc", "gcc", "clang")
FLAGS = (
    "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC",
)  # fmt: skip
COMPILE_SECONDS = 60
MAX_THIN_UNITS = 16
OFF_VARIABLE = "ACTBENCH_DENSE"

COMPILED_ACTIVATIONS = ("sigmoid", "tanh", "elu", "swish", "mish")

_TYPES = {"i": ctypes.c_int64, "p": ctypes.c_void_p, "f": ctypes.c_float}
ARGUMENTS = {
    "compress_images": "piippp",
    "sparse_forward": "ipipppppiipipip",
    "sparse_gradient": "ipiipppppiippipipppppp",
    "adam_step": "iiiiippppp",
    "thin_forward": "iiiipipipip",
    "thin_gradients": "iiiipippipi",
    "thin_backward": "iiiippip",
    "cross_entropy": "iipppp",
    **{f"{name}_{way}": "ipppf" for name in COMPILED_ACTIVATIONS for way in ("forward", "backward")},
}
"""By function the types of its arguments, a letter for each: integers, pointers and floats."""
TILE_ARGUMENTS = {
    "tile_forward": ARGUMENTS["thin_forward"],
    "tile_gradients": ARGUMENTS["thin_gradients"],
    "tile_backward": ARGUMENTS["thin_backward"],
    "tile_images_forward": "ipiiippipipipip",
    "tile_images_gradient": "ipiiippippipippppp",
}
"""The same for the functions that only a processor with AMX has."""


@dataclass(frozen=True)
class Compiled:
    """The library of compiled functions, or None with the reason; whether it multiplies in bf16, in AMX's tiles."""

    library: ctypes.CDLL | None
    reason: str = ""
    has_tiles: bool = False


@cache
def compiled_functions() -> Compiled:
    """The compiled functions of this process, built at the first call on a machine.

    They are used on Linux with an x86-64 processor with AVX2 and FMA, where they have been measured, and if
    `ACTBENCH_DENSE` is not set.
    """
    if reason := why_not_used():
        return Compiled(None, reason)
    library = library_file()
    try:
        if library.exists():
            return load(library)
    except (OSError, AttributeError):  # damaged: build it again
        pass
    try:
        build(library)
        return load(library)
    except (OSError, subprocess.SubprocessError) as error:
        return Compiled(None, str(error).strip() or type(error).__name__)


def why_not_used() -> str:
    """The reason that compiled functions are not used here; empty where they are."""
    if os.environ.get(OFF_VARIABLE):
        return f"{OFF_VARIABLE} is set"
    is_measured = sys.platform == "linux" and platform.machine() == "x86_64"
    if not is_measured or not {"avx2", "fma"} <= set(processor_facts().get("flags", "").split()):
        return "only on Linux and x86-64 processors with AVX2 and FMA"
    return ""


def library_file() -> Path:
    """Where the library for these sources and this processor is, once it is built."""
    return cache_folder() / f"training-{library_key()}.so"


@cache
def library_key() -> str:
    """A checksum of all that the library depends on: its sources, the compiler's flags and the processor.

    Code for one processor may not run on another.
    """
    sources = [source.read_text(encoding="utf-8") for source in SOURCES]
    return hashlib.sha256("\n".join([*sources, *FLAGS, processor_facts().get("flags", "")]).encode()).hexdigest()[:16]


@cache
def processor_facts() -> dict[str, str]:
    """What Linux says of the first processor, such as `model name` and `flags`; empty on other systems."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def cache_folder() -> Path:
    """Where the library is kept: the user's cache."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("actbench")) / "compiled"


def build(library: Path) -> None:
    """Compile the library; raises `OSError` or `SubprocessError`.

    Processes may build at the same time: each compiles into its own file, which then replaces the library.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", ""), *COMPILERS))), None)
    if compiler is None:
        raise OSError(f"no C compiler ({', '.join(COMPILERS)})")
    library.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        compiled = Path(folder) / library.name
        finished = subprocess.run(
            [compiler, *FLAGS, "-o", str(compiled), *map(str, SOURCES), "-lm"],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            check=False,
        )
        if finished.returncode:
            lines = finished.stderr.strip().splitlines() or ["no message"]
            raise OSError(f"{compiler} failed: {next((line for line in lines if 'error' in line), lines[-1])}")
        compiled.replace(library)


def load(library: Path) -> Compiled:
    """The library with its functions' argument types; asks the system for permission to use AMX's tiles.

    Raises `OSError` if it is damaged, and `AttributeError` if it lacks a function.
    """
    loaded = ctypes.CDLL(str(library))
    loaded.tiles_available.restype = ctypes.c_int64
    has_tiles = bool(loaded.tiles_available())
    for name, arguments in (ARGUMENTS | (TILE_ARGUMENTS if has_tiles else {})).items():
        function = getattr(loaded, name)
        function.argtypes = [_TYPES[letter] for letter in arguments]
        function.restype = ctypes.c_int64 if name == "cross_entropy" else None
    return Compiled(loaded, has_tiles=has_tiles)
