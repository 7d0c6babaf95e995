"""Custom functions in shards, which every shard needs; merging and exporting what they gave needs none."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from actbench import errors
from actbench.store.results import load_results
from custom_files import TENT, custom_file
from in_process import Answer, invoke

TABLES = ("table.csv", "table.md", "layers.csv")


def run(*arguments: str) -> Answer:
    return invoke("run", "own.yaml", "--use", "tent.py", "--jobs", "1", *arguments)


def run_shards() -> list[str]:
    """Both halves of the experiment; their folders."""
    for number in (1, 2):
        answer = run("--shard", f"{number}/2")
        assert answer.exit_code == 0, answer.stderr
    return [f"results/own.shard-{number}-of-2" for number in (1, 2)]


def test_shards_merged_without_the_custom_function_are_the_undivided_run(with_custom_entry: Path) -> None:
    assert run("--results", "undivided").exit_code == 0
    folders = run_shards()
    Path("tent.py").unlink()
    merged = invoke("merge", *folders, "--format", "json")
    assert merged.exit_code == 0, merged.stderr
    assert json.loads(merged.stdout)["trials"] == {"planned": 4, "missing": 0}
    for name in TABLES:
        assert Path("results/own", name).read_bytes() == Path("undivided/own", name).read_bytes()
    assert invoke("verify", "results/own").exit_code == 0


def test_a_shard_without_the_custom_function_is_refused_before_anything_is_written(with_custom_entry: Path) -> None:
    refused = invoke("run", "own.yaml", "--shard", "1/2")
    assert (refused.exit_code, refused.stdout) == (errors.EXIT_USAGE, "")
    assert "'tent'" in refused.stderr
    assert not Path("results").exists()


@pytest.mark.slow
def test_shards_with_two_versions_of_the_custom_function_are_two_experiments(with_custom_entry: Path) -> None:
    assert run("--shard", "1/2").exit_code == 0
    custom_file(with_custom_entry, TENT.replace("Triangle", "A triangle"))
    assert run("--shard", "2/2").exit_code == 0
    refused = invoke("merge", *(f"results/own.shard-{number}-of-2" for number in (1, 2)))
    assert refused.exit_code == errors.EXIT_USAGE
    assert "hold different experiments: vary.model.activation is " in refused.stderr
    assert not Path("results/own").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason="tensorboard is not installed: pip install 'actbench[tensorboard]'",
)
def test_results_are_exported_without_the_custom_function(with_custom_entry: Path) -> None:
    assert run().exit_code == 0
    Path("tent.py").unlink()
    answer = invoke("export", "results/own", "--to", "tensorboard", "--out", "logs", "--format", "json")
    assert answer.exit_code == 0, answer.stderr
    assert json.loads(answer.stdout)["runs"] == len(load_results(Path("results/own"), with_custom_entry).records) == 4
    assert sorted(path.name for path in Path("logs/own/final").iterdir()) == ["relu", "tent"]
