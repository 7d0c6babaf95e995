"""`actbench doctor`: what it looks at, what stands in the way, the pair that is none, and its cure."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from actbench.catalogue.datasets import DATASETS
from actbench.cli.app import app
from actbench.processes import available_cores
from actbench.render.terminal import fitting_columns
from actbench.runs import doctor, import_probe
from actbench.runs.doctor import Check, doctor_document, doctor_section, examine, is_ready, probe_imports
from actbench.training.compiled import Compiled

TORCH = {
    "name": "torch", "version": "2.6.0+cpu", "threads": 2, "built_for_cuda": None, "cuda": [], "cuda_bf16": False,
    "mps": False,
}  # fmt: skip
SOUND: dict[str, dict[str, Any]] = {
    **{name: {"name": name, "version": "1.0"} for name in import_probe.MODULES},
    "torch": TORCH,
    "torchvision": {"name": "torchvision", "version": "0.21.0+cpu"},
}


def looked_at(folder: Path, imports: Mapping[str, Mapping[str, Any]] = SOUND) -> dict[str, Check]:
    return {check.name: check for check in examine(folder / "data", folder / "results", imports)}


def states(checks: Mapping[str, Check], state: str) -> set[str]:
    return {name for name, check in checks.items() if check.state == state}


def test_a_sound_machine_without_mnist_is_ready_and_is_told_how_to_get_it(tmp_path: Path) -> None:
    checks = looked_at(tmp_path)
    assert states(checks, "problem") == set()
    assert is_ready(list(checks.values()))
    assert {f"data: {name}" for name in DATASETS} <= set(checks)
    assert checks["data: kmnist"].state == "note"
    assert checks["data: kmnist"].cure == "actbench data fetch kmnist"
    for name in ("digits", "thermostat", "cube", "moons"):
        assert checks[f"data: {name}"].found == f"checksum {DATASETS[name].checksum[:12]}"
    assert checks["device"].facts["device"] == "cpu"
    assert checks["cores"].facts == {"cores": available_cores(), "threads_per_worker": 1, "threads_of_torch": 2}
    assert list(tmp_path.iterdir()) == []


SIGN = "RuntimeError: operator torchvision::nms does not exist"


@pytest.mark.parametrize(
    ("torchvision", "torch"),
    [
        ({"error": SIGN}, TORCH),
        ({"error": "OSError: libcudart.so.12: cannot open shared object file"}, TORCH),
        ({"error": "ImportError: something else", "version": "0.21.0+cu124"}, TORCH),
    ],
)
def test_a_cpu_torch_beside_the_registrys_torchvision_is_recognised_and_cured(
    torchvision: dict[str, str], torch: dict[str, Any], tmp_path: Path
) -> None:
    checks = looked_at(tmp_path, SOUND | {"torch": torch, "torchvision": {"name": "torchvision", **torchvision}})
    assert states(checks, "problem") == {"torchvision"}
    assert checks["torchvision"].found.startswith("built for another torch than 2.6.0+cpu: ")
    assert checks["torchvision"].cure.startswith("pip install --force-reinstall torch torchvision, both from one index")
    assert not is_ready(list(checks.values()))


def test_a_torchvision_that_names_another_release_of_torch_and_fails_is_no_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy", "torch (==2.5.1)", "pillow>=5.3"])
    assert doctor.wanted_torch() == "2.5.1"
    broken = {"name": "torchvision", "error": "ImportError: something else"}
    assert looked_at(tmp_path, SOUND | {"torchvision": broken})["torchvision"].cure == doctor.PAIR_CURE
    assert states(looked_at(tmp_path), "problem") == set()


def test_another_failure_of_torchvision_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy", "torch"])
    monkeypatch.setattr(doctor, "installed_version", lambda _: "0.21.0")
    assert doctor.wanted_torch() is None
    broken = {"name": "torchvision", "error": "ModuleNotFoundError: No module named 'PIL'"}
    checks = looked_at(tmp_path, SOUND | {"torchvision": broken})
    assert states(checks, "problem") == {"torchvision"}
    assert checks["torchvision"].cure == "pip install --force-reinstall torchvision"


def test_without_numpy_or_scikit_learn_it_still_looks_at_everything(tmp_path: Path) -> None:
    absent = {name: {"name": name, "error": "ModuleNotFoundError: gone"} for name in ("sklearn", "torch")}
    checks = looked_at(tmp_path, SOUND | absent)
    assert states(checks, "problem") == {"sklearn", "torch", "data: digits"}
    assert checks["sklearn"].cure == "pip install --force-reinstall scikit-learn"
    assert {"data: digits", "data: cube"} <= states(looked_at(tmp_path, SOUND | {"numpy": {"error": "x"}}), "problem")


def test_damaged_data_are_a_problem_and_whole_data_have_been_read(tmp_path: Path) -> None:
    source = os.environ.get("ACTBENCH_DATA")
    if not source:
        pytest.skip("ACTBENCH_DATA does not name a folder with MNIST")
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (Path(source) / "MNIST" / "raw").glob("*.gz"):
        raw.joinpath(path.name).write_bytes(path.read_bytes())
    whole = looked_at(tmp_path)["data: mnist"]
    assert whole.state == "ok"
    assert whole.facts["checksum"] == DATASETS["mnist"].checksum
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(b"cut")
    damaged = looked_at(tmp_path)["data: mnist"]
    assert damaged.state == "problem"
    assert "truncated or changed" in damaged.found


@pytest.mark.parametrize("reason", ["", "no C compiler (cc, gcc, clang)"])
def test_a_machine_without_a_compiler_is_ready_and_says_what_it_lacks(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Compiled(None if reason else ctypes.CDLL(None), reason)
    monkeypatch.setattr("actbench.runs.doctor.compiled_functions", lambda: kernel)
    check = looked_at(tmp_path)["compiled functions"]
    assert check.facts == {"available": not reason, "reason": reason or None}
    assert check.state == ("note" if reason else "ok")
    assert reason in check.found


def test_a_gpu_is_named_and_does_bf16(tmp_path: Path) -> None:
    gpu = TORCH | {"cuda": ["Abacus 3000"], "built_for_cuda": "12.4", "cuda_bf16": True}
    checks = looked_at(tmp_path, SOUND | {"torch": gpu})
    assert checks["device"].found == "cuda: Abacus 3000"
    assert doctor_section([checks["device"]]).notes == ["Ready to train on the GPU."]
    assert checks["bf16"].facts["cuda"]
    assert checks["bf16"].state == "ok"


@pytest.mark.parametrize(
    ("flags", "state", "found"),
    [
        (frozenset({"avx2", "avx512_bf16", "amx_bf16"}), "ok", "amx_bf16, avx512_bf16"),
        (frozenset({"avx2", "avx512f"}), "note", "no unit for it: float32 is faster here"),
        (None, "note", "not known on this system"),
    ],
)
def test_units_for_bf16_are_read_off_the_processors_flags(
    flags: frozenset[str] | None, state: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "processor_flags", lambda: flags)
    check = looked_at(tmp_path)["bf16"]
    assert (check.state, check.found) == (state, found)


@pytest.mark.parametrize(("free", "state"), [(99_000_000, "problem"), (900_000_000, "note"), (2_000_000_000, "ok")])
def test_a_full_disk_is_a_problem(free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actbench.runs.doctor.shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    checks = looked_at(tmp_path)
    assert checks["disk for results"].state == state
    assert checks["disk for data"].state == ("note" if state == "problem" else state)


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actbench.runs.doctor.os.access", lambda _path, _mode: False)
    checks = looked_at(tmp_path)
    assert states(checks, "problem") == {"disk for results"}
    assert checks["disk for results"].found == f"{tmp_path} cannot be written"


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of made-up libraries that a process of its own finds before the real ones."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    for name in import_probe.MODULES:
        (folder / f"{name}.py").write_text("__version__ = '1.0'\n", encoding="utf-8")
    (folder / "torch.py").write_text(
        "__version__ = '2.6.0+cpu'\n"
        "from types import SimpleNamespace as N\n"
        "def get_num_threads(): return 7\n"
        "def no(): return False\n"
        "cuda = N(is_available=no); version = N(cuda=None); backends = N(mps=N(is_available=no))\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_libraries_are_imported_in_a_process_of_their_own(libraries: Path) -> None:
    (libraries / "torchvision.py").write_text(f"print('noise')\nraise RuntimeError({SIGN[14:]!r} + '\\nmore')\n")
    found = probe_imports()
    assert found["torch"] == TORCH | {"threads": 7}
    assert found["torchvision"] == {"name": "torchvision", "error": SIGN}
    assert found["numpy"] == {"name": "numpy", "version": "1.0"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its import ended Python (SIGSEGV)"),
        ("import os; os._exit(3)", "its import ended Python (exit code 3)"),
    ],
)
def test_a_library_that_ends_python_is_named_and_those_behind_it_are_not_tried(
    code: str, error: str, libraries: Path
) -> None:
    (libraries / "pandas.py").write_text(code, encoding="utf-8")
    found = probe_imports()
    assert found["scipy"] == {"name": "scipy", "version": "1.0"}
    assert found["pandas"] == {"name": "pandas", "error": error}
    assert found["matplotlib"] == {"name": "matplotlib", "error": "not tried"}
    assert found["torch"] == TORCH | {"threads": 7}


def test_scikit_learn_is_not_imported_where_its_digits_are_and_torchvision_where_its_operators_load(
    libraries: Path,
) -> None:
    for name in ("sklearn", "torchvision"):
        (libraries / f"{name}.py").unlink()
        (libraries / name).mkdir()
        (libraries / name / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    (libraries / "torchvision" / "_C.so").touch()
    (libraries / "PIL").mkdir()
    (libraries / "PIL" / "Image.py").touch()
    with (libraries / "torch.py").open("a", encoding="utf-8") as file:
        file.write("ops = N(load_library=lambda path: open(f'{path}.loaded', 'w').close(), torchvision=N(nms=None))\n")
    found = probe_imports()
    assert found["torchvision"] == {"name": "torchvision", "version": version("torchvision")}
    assert (libraries / "torchvision" / "_C.so.loaded").is_file()
    assert found["sklearn"] == {"name": "sklearn", "error": "RuntimeError: imported"}
    digits = libraries / "sklearn" / "datasets" / "data" / "digits.csv.gz"
    digits.parent.mkdir(parents=True)
    digits.touch()
    assert probe_imports()["sklearn"] == {"name": "sklearn", "version": version("scikit-learn")}


def test_a_library_that_takes_for_ever_is_given_up(libraries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "IMPORT_SECONDS", 0.5)
    (libraries / "numpy.py").write_text("import threading; threading.Event().wait()\n", encoding="utf-8")
    found = probe_imports()
    assert found["numpy"] == {"name": "numpy", "error": "its import took more than 0.5 s"}
    assert found["scipy"] == {"name": "scipy", "error": "not tried"}


def test_no_file_of_the_current_folder_or_of_actbench_is_taken_for_a_library(
    libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pickled.py").touch()
    for name, wanted in (("numpy", "pickled"), ("scipy", "starter")):
        (libraries / f"{name}.py").write_text(f"import {wanted}\n", encoding="utf-8")
    found = probe_imports()
    assert found["numpy"] == {"name": "numpy", "error": "ModuleNotFoundError: No module named 'pickled'"}
    assert found["scipy"] == {"name": "scipy", "error": "ModuleNotFoundError: No module named 'starter'"}


def test_the_table_names_cures_below_and_fits_a_terminal() -> None:
    checks = [Check("a", "ok", "1"), Check("b", "problem", "long " * 40, "do this"), Check("c", "note", "x", "or that")]
    section = doctor_section(checks)
    assert section.rows[1][:2] == ["b", "problem"]
    assert section.notes == ["b: do this", "c: or that", "1 problem: training is not possible."]
    assert fitting_columns(section, 80) == [0, 1, 2]
    assert doctor_section(checks[:1]).notes == ["Ready to train on the CPU."]
    document = doctor_document(checks)
    assert document["ready"] is False
    assert document["checks"][0] == {"name": "a", "state": "ok", "found": "1", "cure": None, "facts": {}}


@pytest.fixture
def _sound_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb as if every library had been imported, in a folder of its own."""
    monkeypatch.setattr(doctor, "probe_imports", lambda: SOUND)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_sound_libraries")
def test_the_verb_says_first_that_it_takes_a_while_and_prints_one_document() -> None:
    answer = CliRunner().invoke(app, ["doctor", "--format", "json", "--data-dir", "here"])
    assert answer.exit_code == 0
    assert answer.stderr.startswith("Importing torch")
    found = json.loads(answer.stdout)
    assert (found["schema"], found["ready"]) == (1, True)
    by_name = {check["name"]: check for check in found["checks"]}
    assert set(import_probe.MODULES) <= set(by_name)
    assert by_name["actbench"]["facts"]["python"]
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("_sound_libraries")
def test_what_stands_in_the_way_is_exit_4() -> None:
    raw = Path("FashionMNIST/raw")
    raw.mkdir(parents=True)
    for name in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        (raw / f"{name}-idx{3 if 'images' in name else 1}-ubyte.gz").write_bytes(b"cut")
    answer = CliRunner().invoke(app, ["doctor", "--data-dir", "."])
    assert answer.exit_code == 4
    assert "data: fashion_mnist" in answer.stdout
    assert "1 problem: training is not possible." in answer.stdout
