"""A download arrives whole or not at all; data are kept where the option, the variable or the user's cache says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import platformdirs
import pytest

from actbench.catalogue.datasets import DATASETS, FILES, data_folder, fetch, is_present, raw_folder
from actbench.errors import UnusableEnvironmentError

pytestmark = pytest.mark.usefixtures("_uncompiled")

MNIST = DATASETS["mnist"]
Download = Callable[[Path], None]
SetDownload = Callable[[Download], None]


@pytest.fixture
def set_download(monkeypatch: pytest.MonkeyPatch) -> SetDownload:
    """Put a function in the place of torchvision's download; it is given the folder that the files go to."""

    def replace_torchvisions(download: Download) -> None:
        class Pretended:
            def __init__(self, root: str, train: bool = True, *, download: bool = False) -> None:
                assert download
                target = Path(root) / "MNIST" / "raw"
                target.mkdir(parents=True)
                bring(target)

        bring = download
        monkeypatch.setattr("torchvision.datasets.MNIST", Pretended)

    return replace_torchvisions


def bring_files(*names: str) -> Download:
    def bring(target: Path) -> None:
        for name in names:
            (target / name).write_text(f"new {name}")
            (target / name.removesuffix(".gz")).write_text("unpacked")

    return bring


def fail_after(problem: Exception, *names: str) -> Download:
    def bring(target: Path) -> None:
        bring_files(*names)(target)
        raise problem

    return bring


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".fetch-")]


def test_all_four_files_are_moved_into_place_and_nothing_else(set_download: SetDownload, tmp_path: Path) -> None:
    set_download(bring_files(*FILES))
    folder = tmp_path / "not" / "yet" / "there"
    fetch(MNIST, folder)
    assert is_present(MNIST, folder)
    assert files_below(folder) == sorted(f"MNIST/raw/{name}" for name in FILES)
    assert [(raw_folder(MNIST, folder) / name).read_text() for name in FILES] == [f"new {name}" for name in FILES]
    assert not leftovers(folder)


def test_a_missing_file_is_fetched_again_with_the_other_three(set_download: SetDownload, tmp_path: Path) -> None:
    set_download(bring_files(*FILES))
    raw_folder(MNIST, tmp_path).mkdir(parents=True)
    for name in FILES[1:]:
        (raw_folder(MNIST, tmp_path) / name).write_text("old")
    assert not is_present(MNIST, tmp_path)
    fetch(MNIST, tmp_path)
    assert [(raw_folder(MNIST, tmp_path) / name).read_text() for name in FILES] == [f"new {name}" for name in FILES]


def test_files_that_are_there_are_not_fetched_again(set_download: SetDownload, tmp_path: Path) -> None:
    set_download(fail_after(AssertionError("downloaded again")))
    raw_folder(MNIST, tmp_path).mkdir(parents=True)
    for name in FILES:
        (raw_folder(MNIST, tmp_path) / name).write_text("old")
    fetch(MNIST, tmp_path)
    assert files_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in FILES)


@pytest.mark.parametrize("name", ["digits", "thermostat", "cube", "moons"])
def test_datasets_without_files_are_always_present_and_need_no_folder(name: str, tmp_path: Path) -> None:
    assert is_present(DATASETS[name], tmp_path / "absent")
    fetch(DATASETS[name], tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "problem",
    [
        URLError("no address for the host"),
        RuntimeError("Error downloading train-images"),
        ConnectionResetError("reset"),
    ],
    ids=lambda problem: type(problem).__name__,
)
@pytest.mark.parametrize("arrived", [0, 2, 4])
def test_without_a_network_the_error_says_where_the_files_go_and_offers_digits(
    arrived: int, problem: Exception, set_download: SetDownload, tmp_path: Path
) -> None:
    set_download(fail_after(problem, *FILES[:arrived]))
    with pytest.raises(UnusableEnvironmentError) as caught:
        fetch(MNIST, tmp_path)
    message = str(caught.value)
    for words in (str(raw_folder(MNIST, tmp_path)), *FILES, str(problem), "--data-dir", "ACTBENCH_DATA", "digits"):
        assert words in message
    assert "\n" not in message
    assert files_below(tmp_path) == []
    assert not leftovers(tmp_path)


def test_a_download_that_lacks_a_file_leaves_none(set_download: SetDownload, tmp_path: Path) -> None:
    set_download(bring_files(*FILES[:3]))
    with pytest.raises(UnusableEnvironmentError, match=FILES[3]):
        fetch(MNIST, tmp_path)
    assert files_below(tmp_path) == []
    assert not leftovers(tmp_path)


def test_an_interrupted_download_leaves_no_files(set_download: SetDownload, tmp_path: Path) -> None:
    def interrupt(target: Path) -> None:
        bring_files(*FILES)(target)
        raise KeyboardInterrupt

    set_download(interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(MNIST, tmp_path)
    assert files_below(tmp_path) == []
    assert not leftovers(tmp_path)


def test_a_folder_that_cannot_be_made_ends_in_the_same_sentence(set_download: SetDownload, tmp_path: Path) -> None:
    set_download(bring_files(*FILES))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnusableEnvironmentError, match=r"file/MNIST/raw and could not be downloaded .*digits"):
        fetch(MNIST, tmp_path / "file")


def test_the_data_folder_is_the_given_one_else_the_variables_else_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACTBENCH_DATA", str(tmp_path / "variable"))
    assert data_folder(tmp_path / "given") == tmp_path / "given"
    assert data_folder(None) == tmp_path / "variable"
    cache = Path(platformdirs.user_cache_dir("actbench")) / "data"
    monkeypatch.setenv("ACTBENCH_DATA", "")
    assert data_folder(None) == cache
    monkeypatch.delenv("ACTBENCH_DATA")
    assert data_folder(None) == cache
