"""The network is used for a missing dataset only, and then only for the places that publish it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from actbench.catalogue.datasets import DATASETS
from actbench.training.compiled import OFF_VARIABLE
from watched import WATCH, Walk, Watched, watch

pytestmark = pytest.mark.usefixtures("_uncompiled")

MISSING = "name: missing\ndata: {dataset: kmnist}\nseeds: 1\n"
FETCHED = [dataset.name for dataset in DATASETS.values() if dataset.file_md5]
NEED_NO_DATA = (
    ["validate", "missing.yaml"],
    ["summary", "missing.yaml"],
    ["run", "missing.yaml", "--dry-run"],
    ["data"],
)


def mirrors(name: str) -> set[str | None]:
    """The hosts that torchvision publishes for a dataset."""
    import torchvision

    published = getattr(torchvision.datasets, DATASETS[name].torchvision_class)
    match DATASETS[name].torchvision_class:
        case "EMNIST":
            addresses = [published.url]
        case "QMNIST":
            addresses = [url for part in ("train", "test") for url, _ in published.resources[part]]
        case "USPS":
            addresses = [url for url, *_ in published.split_list.values()]
        case _:
            addresses = published.mirrors
    return {urlsplit(address).hostname for address in addresses}


@pytest.fixture(scope="module")
def without_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Watched]:
    """What commands want where no dataset is there, by their words."""
    folder = tmp_path_factory.mktemp("without-data")
    (folder / "missing.yaml").write_text(MISSING, encoding="utf-8")
    fetches = [["data", "fetch", name, "--data-dir", "empty"] for name in FETCHED]
    lines = [*NEED_NO_DATA, *fetches, ["run", "missing.yaml", "--data-dir", "empty", "--jobs", "1"]]
    found = watch(folder, lines, {"XDG_CACHE_HOME": str(folder / "cache"), OFF_VARIABLE: "1"})  # compiles nothing there
    return {" ".join(line): answer for line, answer in zip(lines, found, strict=True)}


def test_the_watch_sees_what_is_wanted(tmp_path: Path) -> None:
    program = f"{WATCH}\nimport urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/x')"
    wanted = tmp_path / "wanted"
    finished = subprocess.run(
        [sys.executable, "-c", program], env={"WANTED_HOSTS": str(wanted)}, capture_output=True, check=False
    )
    assert finished.returncode
    assert wanted.read_text().splitlines() == ["127.0.0.1"]


@pytest.mark.slow
def test_no_verb_wants_anything_of_the_network_where_the_data_are_there(walk: Walk) -> None:
    assert {verb for verb, answer in walk.answers.items() if answer.hosts} == set()
    assert {verb for verb, answer in walk.answers.items() if answer.exit_code} <= {"doctor"}


@pytest.mark.parametrize("line", [*map(" ".join, NEED_NO_DATA)])
def test_what_needs_no_data_fetches_none(line: str, without_data: dict[str, Watched]) -> None:
    answer = without_data[line]
    assert (answer.exit_code, answer.hosts) == (0, frozenset())


@pytest.mark.parametrize("name", FETCHED)
def test_a_missing_dataset_is_asked_for_at_its_own_mirrors_and_nowhere_else(
    name: str, without_data: dict[str, Watched]
) -> None:
    answer = without_data[f"data fetch {name} --data-dir empty"]
    assert answer.exit_code == 4
    assert "could not be downloaded" in answer.stderr
    assert answer.hosts
    assert answer.hosts <= mirrors(name)


def test_run_asks_for_its_own_missing_dataset_and_no_other(without_data: dict[str, Watched]) -> None:
    answer = without_data["run missing.yaml --data-dir empty --jobs 1"]
    assert answer.exit_code == 4
    assert "Downloading kmnist" in answer.stderr
    assert answer.hosts == mirrors("kmnist")
