"""What is built, what is in it, and that it runs where the repository is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import actbench
from places import ROOT

BUILT_FROM = ("actbench", "configs", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__")
TINY_SETTINGS = ("--set", "seeds=2", "--set", "train.epochs=1", "--set", "vary.model.activation=[relu, tanh]")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built from, with some of what is not to be in it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, tree / name)
    (tree / "actbench" / "__pycache__").mkdir()
    (tree / "actbench" / "__pycache__" / "x.pyc").touch()
    (tree / "tests").mkdir()
    (tree / "tests" / "test_x.py").touch()
    return tree


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it, without any network."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", target, tree], capture_output=True, check=True
    )
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    assert path.name == f"actbench-{actbench.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(wheel.read(f"actbench-{actbench.__version__}.dist-info/METADATA").decode())


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel alone; what it depends on is there already."""
    (path,) = built.glob("*.whl")
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", target, path],
        check=True,
    )
    return target


def outside(command: list[str], folder: Path, installed: Path) -> subprocess.CompletedProcess[str]:
    """A command in a folder far from the repository, with the installed package before any other."""
    variables = {name: value for name, value in os.environ.items() if name != "ACTBENCH_DATA"}
    variables |= {"PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_the_wheel_holds_the_package_with_templates_types_and_configs_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    package = {path for path in (ROOT / "actbench").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {path.relative_to(ROOT).as_posix() for path in package}
    expected |= {f"actbench/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.*")}
    folder = f"actbench-{actbench.__version__}.dist-info"
    about = {f"{folder}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert {path.suffix for path in package} == {
        ".py", ".bib", ".html", ".css", ".js", ".c", ".json", ".typed", ".tex", ".txt", ".yaml", ".toml", ".template",
    }  # fmt: skip
    assert set(wheel.namelist()) == expected | about


def test_the_sdist_holds_what_the_wheel_is_built_from(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {name.split("/")[0] for name in names} == {*BUILT_FROM, "PKG-INFO"}
    assert "configs/documents/d5-thermostat.yaml" in names


def test_an_editable_install_copies_nothing_and_leads_to_the_tree(tree: Path, tmp_path: Path) -> None:
    code = f"from hatchling.build import build_editable; build_editable({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, check=True)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        (link,) = (name for name in archive.namelist() if ".dist-info/" not in name)
        assert (link, archive.read(link).decode().strip()) == ("_actbench.pth", str(tree))


def test_the_metadata_are_those_of_the_project(metadata: Message) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["Version"] == actbench.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    classifiers = metadata.get_all("Classifier") or []
    assert "Typing :: Typed" in classifiers
    assert not any(one.startswith("License ::") for one in classifiers)
    assert f"Programming Language :: Python :: {sys.version_info.major}.{sys.version_info.minor}" in classifiers


def test_every_classifier_is_one_that_the_index_knows(metadata: Message) -> None:
    from trove_classifiers import classifiers

    assert set(metadata.get_all("Classifier") or []) <= classifiers


def test_the_command_and_python_m_are_the_same_program(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin" / "actbench"
    assert command.is_file()
    for words in ([str(command)], [sys.executable, "-m", "actbench"]):
        assert outside([*words, "--version"], tmp_path, installed).stdout == f"actbench {actbench.__version__}\n"


@pytest.mark.slow
def test_the_quick_start_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "actbench", "run", "quickstart", "--jobs", "1", *TINY_SETTINGS]
    finished = outside(words, tmp_path, installed)
    assert finished.returncode == 0, finished.stderr
    assert f"Reading {installed / 'actbench' / 'configs' / 'quickstart.yaml'} ..." in finished.stderr
    assert finished.stdout.startswith("Which ")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    assert (tmp_path / "results" / "quickstart" / "table.csv").is_file()
    code = "import actbench; print(actbench.load()._repr_html_())"
    shown = outside([sys.executable, "-c", code], tmp_path, installed)
    assert shown.stdout.count("<table>") == 2, shown.stderr


def test_the_installed_package_is_what_python_imports_with_its_api(installed: Path, tmp_path: Path) -> None:
    code = "import actbench; print(actbench.__file__); print(actbench.run.__module__)"
    finished = outside([sys.executable, "-c", code], tmp_path, installed)
    assert finished.stdout.splitlines() == [str(installed / "actbench" / "__init__.py"), "actbench.api"]
