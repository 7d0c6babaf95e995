"""Thousands of experiment files that nobody would write: each is an experiment or a mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actbench.config.reader import MAX_MISTAKES_SHOWN, load_experiment
from actbench.config.source import read_yaml, write_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.definition import experiment_to_yaml
from actbench.plan.trials import make_trial
from corpus.bad_experiments import BAD_EXPERIMENTS
from fuzz_settings import EXAMPLES, IN_THE_SUITE
from mutations import SNIPPETS, contents, experiments, texts, with_lists, words
from stopwatch import time_limit

pytestmark = pytest.mark.fuzz

MAX_SECONDS = 5
MISTAKE = re.compile(r"(?:f\.yaml(?::[1-9]\d*:[1-9]\d*)?|--set .*): \S.*|[\d,]+ more mistakes?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def assert_answered(folder: Path, written: bytes, overrides: Sequence[str] = ()) -> None:
    """The file is an experiment that survives being written down, or it is refused in lines that say where."""
    path = folder / "f.yaml"
    path.write_bytes(written)
    with time_limit(MAX_SECONDS):
        assert_read_or_refused(path, overrides)


def assert_read_or_refused(path: Path, overrides: Sequence[str]) -> None:
    try:
        experiment = load_experiment(path, overrides).experiment
    except ConfigurationError as refused:
        lines = str(refused).replace(f"{path.parent}/", "").split("\n")
        assert len(lines) <= MAX_MISTAKES_SHOWN + 1
        assert all(MISTAKE.fullmatch(line) and line.isprintable() for line in lines), lines
    else:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", experiment.name)
        path.write_text(write_yaml(experiment_to_yaml(experiment)), encoding="utf-8")
        assert load_experiment(path).experiment == experiment
        arm = next(experiment.arms())
        assert arm.label().isprintable()
        assert re.fullmatch("[0-9a-f]{16}", make_trial(arm.settings, experiment.seeds[0], "final").id)


@given(experiments())
@example({"name": "f", "model": {"layers": None}})
@example({"name": "f", "model": {"hidden": None}, "vary": {"model.activation": ["relu"]}})
@example({"name": "f", "tune": {}, "tuning_seeds": 1, "tuning_margin": 0.1})
@example({"  ": None, "": {" x": 1}})
def test_an_experiment_with_anything_changed_is_read_or_refused(folder: Path, data: object) -> None:
    assert_answered(folder, write_yaml(data).encode(errors="replace"))


@given(texts())
@example('name: "\\ud800"')
@example('expect: [{claim: "\\U00110000", arm: {}, above: 0}]')
@example("%YAML 1.3\n---\n" + "[" * 5_000)
def test_a_text_with_anything_cut_or_put_in_is_read_or_refused(folder: Path, text: str) -> None:
    assert_answered(folder, text.encode(errors="surrogatepass"))


@given(contents())
def test_any_bytes_are_read_or_refused(folder: Path, written: bytes) -> None:
    assert_answered(folder, written)


@given(st.lists(st.tuples(words | st.text(max_size=8), st.text(max_size=20) | texts()), min_size=1, max_size=3))
@example([("name", "\udcff")])
@example([("vary", ""), ("vary.model.activation", "[relu]")])
def test_any_override_is_read_or_refused(folder: Path, overrides: list[tuple[str, str]]) -> None:
    written = b"name: f\nvary: {train.lr: [0.1, 0.2]}\nbaseline: {train.lr: 0.1}\n"
    assert_answered(folder, written, [f"{key}={text}" for key, text in overrides])


@given(st.text() | texts())
def test_reading_yaml_never_raises_and_every_problem_has_its_place(text: str) -> None:
    source = read_yaml(text, "f.yaml")
    assert source.problems or source.data is not None or text.strip()
    for problem in source.problems:
        assert re.fullmatch(r"f\.yaml:[1-9]\d*:[1-9]\d*", problem.place)
        assert str(problem).isprintable()


@given(words | st.text() | st.lists(st.sampled_from(SNIPPETS), max_size=8).map("".join))
@example("~\x85:")
def test_whatever_text_is_written_is_read_back(text: str) -> None:
    text = text.encode(errors="ignore").decode()
    data = {"a": {"b": [text, {"claim": text}]}}
    source = read_yaml(write_yaml(data), "f.yaml")
    assert source.problems == []
    assert with_lists(source.data) == data


def test_what_was_found_once_stays_mended(folder: Path) -> None:
    for case in BAD_EXPERIMENTS.values():
        assert_answered(folder, case.contents)


def test_the_soak_tries_other_cases_than_the_suite() -> None:
    from hypothesis import settings

    assert settings.default is not None
    assert settings.default.derandomize == (EXAMPLES == 0)
    assert settings.default.max_examples == (EXAMPLES or IN_THE_SUITE)
