"""Nothing in an experiment, a data file, a result folder or the current folder runs code or names one to import."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import actbench
from program import TINY

PACKAGE = Path(actbench.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

RUN_CODE = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
BUILD_OBJECTS = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "runpy", "code", "codeop",
    "ctypes", "imp", "xmlrpc", "pty",
}  # fmt: skip
BUILDING_CALLS = {
    "torch.load", "torch.save", "torch.hub.load", "torch.jit.load", "torch.utils.cpp_extension.load",
    "numpy.load", "np.load", "pandas.read_pickle", "pd.read_pickle", "yaml.load", "yaml.full_load",
    "yaml.unsafe_load", "yaml.load_all", "os.system", "os.popen", "os.startfile", "shutil.unpack_archive",
}  # fmt: skip
BUILDING_NAMES = {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader", "allow_pickle"}

# Where the program runs text as code, and whose it is.
RUNS_TEXT = {
    "catalogue/custom_files.py": {"exec", "compile"},  # the file that the command line names by --use or check
    "training/snapshots.py": {"np.load", "allow_pickle"},  # which is False: arrays alone
    "catalogue/arrays.py": {"numpy.load", "allow_pickle"},  # the same, for the file of --use-data
}

# Where objects are built from bytes of our own, or a library of our own is loaded.
BUILDS = {
    "runs/executors/worker.py": {"pickle"},  # images, from this process to its workers, through a pipe of ours
    "training/compiled.py": {"ctypes"},  # the library that the system's compiler has made of our C files
    "training/optimizer.py": {"ctypes"},
    "training/functions.py": {"ctypes"},
    "training/sparse.py": {"ctypes"},
    "training/bytes.py": {"ctypes"},
    "training/workspace.py": {"ctypes"},
}

# Where the program starts another one or imports by name, and why nothing foreign decides what.
IMPORT_BY_NAME = {
    "catalogue/custom_files.py": "torch, before a file that speaks of it",
    "catalogue/torch_private.py": "a constant in the file itself",
    "lazy.py": "the names are constants in the modules that use it",
    "runs/import_probe.py": "a list in the file itself",
    "runs/executors/worker.py": "the module that trains, by a constant",
    "training/preload.py": "the module that trains, by a constant",
}
START_PROGRAMS = {
    "catalogue/custom_code.py": "none itself; it asks whether it is in a worker",
    "processes.py": "this Python, as workers and to check the custom functions that the command line brought in",
    "checks/examination.py": "none itself; it hears what the process that checks has to say",
    "runs/environment.py": "git, asked for the commit of actbench's own source",
    "runs/doctor.py": "this Python with import_probe.py",
    "runs/preflight.py": "threads of this process",
    "runs/executors/ray.py": "Ray, where the command line asks for it",
    "runs/executors/local.py": "none itself; it waits for the workers' pipes",
    "runs/executors/worker.py": "none itself; it is what a worker does, which gets trials and a descriptor by a pipe",
    "store/reading.py": "copies of this process, which each read a part of a journal",
    "training/compiled.py": "the system's C compiler, with the C files of actbench",
    "report/files.py": "the user's browser, with the page that was just written, under --open",
}
STARTERS = {"subprocess", "multiprocessing", "webbrowser", "concurrent", "asyncio", "ray"}


def calls(tree: ast.AST) -> Iterator[str]:
    """What is called, as `name` or `module.name`."""
    yield from (dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def dotted(node: ast.AST) -> str:
    """A name as it is written; what it is taken of may be any expression, which is left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


class Used(NamedTuple):
    """What a file of the program calls, imports and names."""

    calls: set[str]
    imports: set[str]
    names: set[str]


@cache
def used() -> dict[str, Used]:
    """For every file of the program, by its path within the package."""
    found = {}
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
        found[path.relative_to(PACKAGE).as_posix()] = Used(set(calls(tree)), set(imports(tree)), names)
    return found


def test_no_file_of_the_program_runs_text_or_builds_objects_from_bytes() -> None:
    for name, file in used().items():
        assert not file.calls & (RUN_CODE | BUILDING_CALLS) - RUNS_TEXT.get(name, set()), name
        assert not {module.split(".")[0] for module in file.imports} & BUILD_OBJECTS - BUILDS.get(name, set()), name
        assert not file.names & BUILDING_NAMES - {"Loader"} - RUNS_TEXT.get(name, set()), name
        assert "shell" not in file.names, name


def test_only_known_files_import_by_name_or_start_programs() -> None:
    for name, file in used().items():
        if any(call.startswith("importlib.import_module") for call in file.calls):
            assert name in IMPORT_BY_NAME
        if {module.split(".")[0] for module in file.imports} & STARTERS:
            assert name in START_PROGRAMS


def test_yaml_is_only_taken_apart_and_never_built() -> None:
    (reader,) = (file for file in used().values() if "yaml" in file.imports)
    assert reader is used()["config/source.py"]
    assert {name for name in reader.calls if name.startswith("yaml.")} == {"yaml.parse", "yaml.compose", "yaml.dump"}


@pytest.fixture(scope="module")
def among_strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment, and with modules and settings that write a file when they are used."""
    folder = tmp_path_factory.mktemp("strangers")
    (folder / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 2"), encoding="utf-8")
    # Among the modules that are first imported in a worker there is multiprocessing itself.
    for module in ("multiprocessing", "struct", "random", "torch", "numpy", "yaml", "pandas", "json", "sitecustomize"):
        (folder / f"{module}.py").write_text(f"open('RAN-{module}', 'w').close()\n", encoding="utf-8")
    (folder / "evilbackend.py").write_text("open('RAN-evilbackend', 'w').close()\n", encoding="utf-8")
    (folder / "matplotlibrc").write_text(
        "backend: module://evilbackend\ntext.usetex: True\nfont.family: serif\nlines.linewidth: 40\nsavefig.dpi: 10\n",
        encoding="utf-8",
    )
    return folder


def installed_program() -> str:
    """The command that users type; unlike `python -m`, it does not begin by looking for modules where it stands."""
    found = shutil.which("actbench", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("actbench is not installed as a command here")
    return found


@pytest.mark.slow
def test_modules_in_the_current_folder_are_not_imported_even_by_workers(among_strangers: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if name not in ("ACTBENCH_DATA", "PYTHONSAFEPATH")}
    for arguments in (["run", "tiny.yaml", "--jobs", "2"], ["compare", "results/tiny"]):
        finished = subprocess.run(
            [installed_program(), *arguments], cwd=among_strangers, env=variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
    assert list(among_strangers.glob("RAN-*")) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install ray")
def test_modules_in_the_current_folder_are_not_imported_by_ray_either(among_strangers: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if name not in ("ACTBENCH_DATA", "PYTHONSAFEPATH")}
    command = [installed_program(), "run", "tiny.yaml", "--results", "by-ray", "--executor", "ray", "--jobs", "2"]
    finished = subprocess.run(
        command, cwd=among_strangers, env=variables, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("Which ")
    assert list(among_strangers.glob("RAN-*")) == []


def test_settings_of_matplotlib_in_the_current_folder_change_no_picture(among_strangers: Path) -> None:
    command = [installed_program(), "show", "relu", "--save"]
    for folder, name in ((among_strangers, "here.svg"), (among_strangers / "results", "there.svg")):
        folder.mkdir(exist_ok=True)
        subprocess.run([*command, name], cwd=folder, capture_output=True, check=True)
    assert (among_strangers / "here.svg").read_bytes() == (among_strangers / "results" / "there.svg").read_bytes()
    assert list(among_strangers.rglob("RAN-*")) == []


@pytest.mark.parametrize(
    "code", ["__import__('os').system('touch RAN')", "os:system", "actbench.cli.app:main", "./evil.py"]
)
@pytest.mark.parametrize("setting", [
    "model.activation", "model.output", "model.init", "train.loss", "train.optimizer", "data.dataset",
    "train.schedule", "data.scale",
])  # fmt: skip
def test_no_setting_takes_code_or_a_path_to_import(setting: str, code: str, tmp_path: Path) -> None:
    from actbench.config.reader import load_experiment
    from actbench.errors import ConfigurationError

    path = tmp_path / "f.yaml"
    path.write_text("seeds: 1\n", encoding="utf-8")
    for value in (f'"{code}"', f'{{"{code}": {{}}}}', f'{{"relu": {{"{code}": 1}}}}'):
        with pytest.raises(ConfigurationError):
            load_experiment(path, [f"{setting}={value}"])
