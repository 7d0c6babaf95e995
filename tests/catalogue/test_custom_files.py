"""A user's own file is run once, adds to the catalogue while in use, and is answered in a sentence if it fails."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import pytest
import torch

from actbench.catalogue import lookup, registry
from actbench.catalogue.custom_files import (
    CustomFile,
    checksum_of,
    custom_files_in_use,
    files_in_use,
    load_custom_file,
    read_custom_file,
)
from actbench.catalogue.lookup import find, names
from actbench.errors import MAX_NAMED_FILE_BYTES, ConfigurationError
from actbench.experiment.choices import parse_choice
from custom_files import HEADER, TENT, custom_file, entries_of, function_text
from registered import catalogue_restored


def test_what_a_file_adds_is_in_the_catalogue_while_it_is_in_use(tmp_path: Path) -> None:
    before = names("activation")
    with custom_files_in_use([custom_file(tmp_path)]):
        entry = find("activation", "tent")
        assert (entry.bounds, entry.summary) == ((0, 1), "Triangle of height 1 over [-1, 1].")
        assert entry.place() == f"{tmp_path / 'tent.py'}:6"
        assert names("activation") == (*before, "tent")
    assert names("activation") == before
    assert files_in_use() == ()


def test_a_file_is_run_once_however_often_it_is_named(tmp_path: Path) -> None:
    path = custom_file(tmp_path, f"print('run')\n{TENT}")
    with custom_files_in_use([path, path.parent / "." / path.name]) as outer, custom_files_in_use([path]):
        assert len(outer) == 1
    assert find_or_none("tent") is None


def find_or_none(name: str) -> registry.Entry | None:
    return find("activation", name) if name in names("activation") else None


def test_what_a_file_prints_is_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with custom_files_in_use([custom_file(tmp_path, f"print('hello')\n{TENT}")]):
        pass
    assert capsys.readouterr() == ("", "hello\n")


def test_what_a_custom_function_prints_is_no_data_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chatty = TENT.replace("    return", "    print('called', end='.')\n    return")
    with custom_files_in_use([custom_file(tmp_path, chatty)]):
        find("activation", "tent").function(torch.zeros(1))
    assert capsys.readouterr() == ("", "called.")


def test_another_file_is_another_version_and_other_line_ends_are_not(tmp_path: Path) -> None:
    one = read_custom_file(custom_file(tmp_path))
    assert one.checksum == checksum_of(TENT.replace("\n", "\r\n").encode())
    assert one.checksum != checksum_of(f"{TENT}# changed\n".encode())
    with custom_files_in_use([custom_file(tmp_path)]):
        first = parse_choice("activation", "tent")
    with custom_files_in_use([custom_file(tmp_path, f"{TENT}# changed\n")]):
        assert parse_choice("activation", "tent") != first
        assert not first.recorded or not first.recorded.is_loaded("activation", "tent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n    pass\n", r":1: invalid syntax: def f\(:"),
        ("x = 1\n\ny = 1 / 0\n", r":3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", r":2: SystemExit: 3"),
        ("from nowhere_to_be_found import f\n", r":1: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("x = 1\n", r": adds nothing to the catalogue: decorate a function with @activation"),
        (TENT.replace("tent(", "relu("), r":6: .* already has activation 'relu' \(built in, .*activations\.py:\d+\)"),
        (TENT.replace('    """Triangle of height 1 over [-1, 1]."""\n', ""), r":6: .*'tent' needs a docstring"),
        (TENT.replace(', reference="this file"', ""), r":6: TypeError: .*'reference'"),
        (TENT.replace("tent(x)", "tent(x, *, height)"), r":6: parameter 'height' of activation 'tent' needs a default"),
        (TENT.replace("tent(x)", "tent(x, y)"), r":6: activation 'tent' is called with 1 value \(x\).*takes x, y"),
        (TENT.replace("bounds=(0, 1)", 'aliases=("a b",)'), r":6: alias 'a b' of activation 'tent' is no name"),
        (TENT.replace("(0, 1)", "[0, 1]"), r":6: bounds of activation 'tent' is \[0, 1\], .*: write \(0, 1\)"),
        (TENT.replace("(0, 1)", "(0, None)"), r":6: bounds of .* is \(0, None\), expected tuple\[float, float\] \|"),
        (TENT.replace("(0, 1)", "(0, 1), aliases='ab'"), r":6: aliases of .* is 'ab', expected tuple\[str, ...\]"),
        (TENT.replace('"this file"', "3"), r":6: reference of activation 'tent' is 3, expected str"),
        (
            function_text('optimizer(formula="x", reference="y")', "own(groups)", "return groups").replace(
                "import activation,", "import optimizer,"
            ),
            "a custom optimizer is not supported",
        ),
        ("\0", "source code"),
        ("größe = 'ß'\n".encode("latin-1").decode("utf-8", "surrogateescape"), "utf-8|UTF-8"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line_and_leaves_nothing_behind(
    text: str, message: str, tmp_path: Path
) -> None:
    before, modules = names("activation"), set(sys.modules)
    path = tmp_path / "tent.py"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=re.escape(str(path)) + f".*({message})"), custom_files_in_use([path]):
        pass
    assert names("activation") == before
    assert not {name for name in set(sys.modules) - modules if "custom_choices" in name}


def test_a_file_that_is_none_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    custom_file(tmp_path)
    (tmp_path / "big.py").write_bytes(b"#" * (MAX_NAMED_FILE_BYTES + 1))
    for name, message in (
        ("tentt.py", "no such file; did you mean tent.py?"),
        (".", "found a folder"),
        ("big.py", "at most"),
    ):
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            read_custom_file(tmp_path / name)


def test_two_files_that_add_one_name_are_both_named(tmp_path: Path) -> None:
    one, other = custom_file(tmp_path), custom_file(tmp_path, name="other.py")
    with (
        pytest.raises(ConfigurationError, match="already has activation 'tent'") as clash,
        custom_files_in_use([one, other]),
    ):
        pass
    assert str(clash.value).startswith(f"{other}:6: ")
    assert f"({one}:6)" in str(clash.value)
    assert find_or_none("tent") is None


def test_a_worker_runs_only_the_text_that_its_parent_has_read(tmp_path: Path) -> None:
    file = read_custom_file(custom_file(tmp_path))
    with pytest.raises(ConfigurationError, match="does not have the checksum"):
        load_custom_file(CustomFile(file.path, file.content + b"#", file.checksum))


def test_parameters_with_types_and_dataclasses_work_as_in_the_built_in_entries(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import Literal\n"
        + HEADER
        + "\n@dataclass\nclass Shape:\n    height: float\n\n"
        + '@activation(formula="x", reference="y", aliases=("other",))\n'
        + "def own(x, *, side: Literal['left', 'right'] = 'left', slope: float = 0.5):\n"
        + '    """Made for a test."""\n    return x\n'
    )
    with entries_of(custom_file(tmp_path, text)) as (entry,):
        assert registry.default_parameters(entry) == {"side": "left", "slope": 0.5}
        choice = parse_choice("activation", {"other": {"slope": 1, "side": "right"}})
        assert str(choice) == "own(side=right, slope=1.0)"


def package(folder: Path, name: str, text: str, entry_point: str) -> None:
    """An installed package with an entry point, as pip leaves it."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text, encoding="utf-8")
    metadata = folder / f"{name}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[{lookup.GROUP}]\n{entry_point}\n", encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for packages; whatever they add is gone after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    lookup.load_installed.cache_clear()
    with catalogue_restored():
        yield tmp_path
    lookup.load_installed.cache_clear()
    for name in ("good_entries", "bad_entries"):
        sys.modules.pop(name, None)


def test_an_installed_package_offers_its_entries_by_an_entry_point(installed: Path) -> None:
    package(installed, "good_entries", TENT, "tents = good_entries")
    assert find("activation", "tent").place() == "package good_entries 1.2, good_entries:6"
    recorded = parse_choice("activation", "tent").recorded
    assert recorded is not None
    assert recorded.checksum == lookup.checksum_of_package("good_entries")
    (installed / "good_entries" / "more.py").write_text("x = 1\n", encoding="utf-8")
    assert recorded.checksum != lookup.checksum_of_package("good_entries")


class Editable(MetaPathFinder):
    """Where an editable installation of a package leads: to a folder that is on no path."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(self.folder)]) if fullname == self.name else None


def test_every_version_of_an_editable_installation_has_a_checksum_of_its_own(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(installed, "good_entries", TENT, "tents = good_entries")
    elsewhere = installed / "source"
    elsewhere.mkdir()
    (installed / "good_entries").rename(elsewhere / "good_entries")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Editable("good_entries", elsewhere)])
    recorded = parse_choice("activation", "tent").recorded
    assert recorded is not None
    (elsewhere / "good_entries" / "__init__.py").write_text(TENT.replace("1 -", "2 -"), encoding="utf-8")
    assert recorded.checksum != lookup.checksum_of_package("good_entries")


def test_a_package_whose_versions_cannot_be_told_apart_is_not_loaded(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(installed, "good_entries", TENT, "tents = good_entries")
    archive = installed / "entries.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("good_entries/__init__.py", TENT)
    shutil.rmtree(installed / "good_entries")
    monkeypatch.syspath_prepend(archive)
    (problem,) = lookup.load_installed()
    assert "no Python file of good_entries is found" in problem
    assert "good_entries" not in sys.modules


def test_a_package_that_was_imported_before_is_found_all_the_same(installed: Path) -> None:
    package(installed, "good_entries", TENT, "tents = good_entries")
    __import__("good_entries")
    assert ("activation", "tent") not in registry.ENTRIES
    assert find("activation", "tent").origin is not None


def test_a_package_is_not_loaded_while_only_built_in_names_are_asked_for(installed: Path) -> None:
    package(installed, "good_entries", TENT, "tents = good_entries")
    find("activation", "relu")
    assert "good_entries" not in sys.modules


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("x = 1\n", "adds nothing to the catalogue"),
        (TENT.replace("tent(", "relu("), "already has activation 'relu'"),
        ("raise SystemExit('no')\n", "SystemExit: no"),
    ],
)
def test_a_broken_package_is_named_with_its_cause_and_breaks_nothing_else(
    text: str, cause: str, installed: Path
) -> None:
    package(installed, "bad_entries", text, "bad = bad_entries")
    package(installed, "good_entries", TENT, "tents = good_entries")
    assert "tent" in names("activation")
    (problem,) = lookup.load_installed()
    assert problem.startswith("the installed package bad_entries 1.2 cannot be used (entry point 'bad': ")
    assert cause in problem
    with pytest.raises(KeyError, match=r"no activation is called 'tant'; did you mean .*tent.*bad_entries"):
        find("activation", "tant")
