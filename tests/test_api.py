"""actbench from Python: the same results, options and messages as from the command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import torch

import actbench
from actbench.api import _overrides
from actbench.experiment.definition import experiment_to_yaml
from actbench.plan.plan import make_plan
from actbench.store.folder import write_experiment
from actbench.store.journal import append_records
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from custom_files import custom_file
from hostile import HOSTILE
from in_process import invoke
from program import TINY

pytestmark = pytest.mark.oldest

FRAMES = ("trials", "epochs", "layers", "table")
LIGHT = "import sys, actbench; actbench.__version__; dir(actbench); print(*sys.modules)"
UNGUARDED = """
import actbench
print("the script runs")
results = actbench.run("tiny.yaml", jobs=2, set={"seeds": 2, "train.epochs": 1})
print(sorted(results.trials["outcome"].unique()), __name__)
"""


@pytest.fixture
def copied(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which the tiny experiment has been run."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(config: str, **options: Any) -> actbench.ResultFolder:
    """A run without worker processes, which says nothing."""
    return actbench.run(config, jobs=1, quiet=True, **options)


def test_importing_it_costs_next_to_nothing() -> None:
    finished = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    loaded = set(finished.stdout.split())
    assert {name for name in loaded if name.startswith("actbench")} == {"actbench", "actbench.version"}
    assert not {"torch", "numpy", "pandas", "scipy", "matplotlib", "typer", "pydantic", "yaml"} & loaded


def test_what_it_offers_is_there_and_a_misspelt_name_is_not() -> None:
    assert all(getattr(actbench, name) is not None for name in actbench.__all__)
    assert set(actbench.__all__) <= set(dir(actbench))
    with pytest.raises(AttributeError, match="module 'actbench' has no attribute 'lode'"):
        actbench.lode  # type: ignore[attr-defined]  # noqa: B018


def test_it_is_typed() -> None:
    assert (Path(actbench.__file__).parent / "py.typed").is_file()


def test_a_run_from_python_leaves_what_a_run_from_the_shell_leaves(copied: Path) -> None:
    results = trained("tiny.yaml", results="again")
    assert results.folder == Path("again/tiny")
    for name in ("table.csv", "table.md", "experiment.yaml", "plan.json"):
        assert (results.folder / name).read_bytes() == (copied / "results/tiny" / name).read_bytes()


def test_a_finished_experiment_is_only_read(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copied / "results/tiny/trials.jsonl").read_bytes()
    results = actbench.run("tiny.yaml", jobs=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "results/tiny: 12 trials, 0 trained now, 0 diverged, 0 collapsed, 0 failed" in captured.err
    assert len(results.trials) == 12
    assert (copied / "results/tiny/trials.jsonl").read_bytes() == before


def test_a_quiet_run_says_nothing(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trained("tiny.yaml", set={"seeds": 1, "train.epochs": 1, "name": "short"})
    assert capfd.readouterr() == ("", "")


def test_settings_are_changed_as_on_the_command_line(copied: Path) -> None:
    changes = {"seeds": 1, "train.epochs": 1, "train.lr": numpy.float32(0.5), "model.hidden": (4, 3), "name": "changed"}
    results = trained("tiny.yaml", set=changes)
    experiment = results.results.experiment
    assert (experiment.name, experiment.seeds) == ("changed", (0,))
    assert (experiment.settings.train.lr, experiment.settings.model.hidden) == (0.5, (4, 3))
    assert _overrides(["train.lr=1e-3"]) == _overrides("train.lr=1e-3") == ["train.lr=1e-3"]
    texts = {"a": None, "b": True, "c": "1e-3", "d": numpy.arange(2), "e": {"leaky_relu": {"negative_slope": 1e-05}}}
    assert _overrides(texts) == [
        "a=null", "b=true", 'c="1e-3"', "d=[0, 1]", 'e={"leaky_relu": {"negative_slope": 1e-05}}',
    ]  # fmt: skip


def test_smoke_and_fresh_mean_what_they_mean_on_the_command_line(copied: Path) -> None:
    smoke = trained("tiny.yaml", smoke=True)
    assert smoke.folder.name == "tiny-smoke"
    assert len(smoke.trials) == 8
    trained("tiny.yaml", smoke=True, fresh=True)
    assert (copied / "results/tiny-smoke.1/trials.jsonl").is_file()


@pytest.mark.parametrize("name", FRAMES)
def test_frames_hold_what_the_csv_files_hold(name: str, copied: Path) -> None:
    frame = getattr(actbench.load("results/tiny"), name)
    file = pandas.read_csv(f"results/tiny/{name}.csv")
    assert len(file)
    pandas.testing.assert_frame_equal(frame, file, check_dtype=False, rtol=1e-12)


def test_a_setting_that_holds_numbers_is_a_column_of_numbers(copied: Path) -> None:
    changes = {"seeds": 1, "train.epochs": 1, "vary.train.lr": [1e-3, 1e-2], "name": "rates"}
    trials = trained("tiny.yaml", set=changes).trials
    assert trials["train.lr"].max() == 0.01
    assert set(trials["model.activation"]) == {"relu", "tanh"}


def test_tables_that_there_are_no_data_for_are_empty_with_their_columns(copied: Path) -> None:
    results = actbench.load()
    assert (len(results.tuning), len(results.claims), len(results.compare().pairs)) == (0, 0, 0)
    assert {"arm", "chosen"} <= set(results.tuning)
    assert {"claim", "verdict"} <= set(results.claims)
    assert {"first", "second"} <= set(results.compare().pairs)


def test_a_comparison_is_that_of_the_command_line(copied: Path) -> None:
    options = [
        "--baseline",
        "model.activation=tanh",
        "--metric",
        "validation_loss",
        "--by",
        "activation",
        "--all-pairs",
    ]
    comparison = actbench.load("results/tiny").compare(
        baseline="model.activation=tanh", metric="validation_loss", by="activation", all_pairs=True
    )
    printed = json.loads(invoke("compare", "results/tiny", *options, "--format", "json").stdout)
    assert comparison.document() == printed
    assert comparison.table["mean"].tolist() == [arm["mean"] for arm in printed["arms"]]
    assert comparison.pairs["difference"].tolist() == [pair["difference"] for pair in printed["pairs"]]
    assert str(comparison) == repr(comparison)
    assert f"{comparison}\n" == invoke("compare", "results/tiny", *options).stdout


def test_folders_are_compared_by_path_or_as_they_were_loaded(copied: Path) -> None:
    later = trained("tiny.yaml", set={"train.lr": 0.02}, results="later")
    side_by_side = actbench.compare("results/tiny", later).table
    assert len(side_by_side) == 8
    against = actbench.compare(later, baseline=actbench.load("results/tiny")).document()
    assert against == actbench.compare("later/tiny", baseline="results/tiny").document()
    assert against["arms"][0]["difference"] is not None
    assert actbench.compare(results="later").document() == later.compare().document()


def test_a_console_shows_a_line_or_the_table(copied: Path) -> None:
    results = actbench.load("results/tiny")
    assert repr(results) == (
        "<ResultFolder results/tiny: 4 arms x 3 seeds, 12 of 12 trials, 0 diverged, 0 collapsed, 0 failed>"
    )
    assert str(results).startswith("Which activation and init give the highest test accuracy on digits?")


def test_trials_of_an_earlier_version_of_the_experiment_are_not_counted(tmp_path: Path) -> None:
    earlier = experiment_from(TWO_ACTIVATIONS, tmp_path)
    folder = tmp_path / "made-up"
    folder.mkdir()
    write_experiment(folder, experiment_to_yaml(replace(earlier, seeds=(0,))))
    untrained = "No final trial has a result yet"
    assert untrained in actbench.load(folder)._repr_html_()
    assert untrained in actbench.load(folder).compare()._repr_html_()
    append_records(folder, [record_of(trial, outcome="diverged") for trial in make_plan(earlier).trials().values()])
    assert repr(actbench.load(folder)).endswith("2 arms x 1 seed, 2 of 2 trials, 2 diverged, 0 collapsed, 0 failed>")


def test_a_notebook_shows_the_table_with_its_notes(copied: Path) -> None:
    results = actbench.load("results/tiny")
    shown = results._repr_html_()
    assert shown.count("<table>") == shown.count("</table>") == 2
    assert shown.count("<svg") == 1
    assert "test accuracy by arm" in shown
    assert "Not judged: nothing was tuned" in shown
    assert results.compare(all_pairs=True)._repr_html_().count("<table>") == 3


def test_what_a_file_says_is_escaped_in_a_notebook_and_in_a_console(copied: Path) -> None:
    arm = {"model.activation": "relu", "model.init": "he_normal"}
    claims = [{"claim": text, "arm": arm, "below": 0.9} for text in HOSTILE if text.strip()]
    (copied / "tiny.yaml").write_text(f"{TINY}expect: {json.dumps(claims)}\n", encoding="utf-8")
    results = trained("tiny.yaml")
    shown = results._repr_html_()
    tags = {
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "p",
        "strong",
        "div",
        "details",
        "summary",
    }
    drawn = {"svg", "title", "desc", "g", "path", "circle", "text"}
    assert set(re.findall(r"</?([^ >/]*)", shown)) == tags | drawn
    assert all(character.isprintable() or character == "\n" for character in shown + str(results))
    assert results.claims["claim"].tolist() == [claim["claim"] for claim in claims]
    assert set(results.claims["verdict"]) == {"supported"}


HERE = "results/tiny"
MISTAKES: dict[str, tuple[Callable[[], object], list[str]]] = {
    "a setting": (lambda: actbench.run("tiny.yaml", set=["train.x=1"]), ["run", "tiny.yaml", "--set", "train.x=1"]),
    "a name": (lambda: actbench.run("quickstat"), ["run", "quickstat"]),
    "jobs": (lambda: actbench.run("tiny.yaml", jobs=0), ["run", "tiny.yaml", "--jobs", "0"]),
    "a folder": (lambda: actbench.load("nowhere"), ["report", "nowhere"]),
    "no results": (lambda: actbench.load(results="nowhere"), ["compare", "--results", "nowhere"]),
    "a metric": (lambda: actbench.compare(HERE, metric="accuracy"), ["compare", HERE, "--metric", "accuracy"]),
    "a baseline": (lambda: actbench.load(HERE).compare(baseline="gelu"), ["compare", HERE, "--baseline", "gelu"]),
    "a factor": (lambda: actbench.compare(HERE, by="lr"), ["compare", HERE, "--by", "lr"]),
    "a file in the way": (lambda: actbench.run("tiny.yaml", results="x"), ["run", "tiny.yaml", "--results", "x"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_raises_what_the_command_line_says(mistake: str, copied: Path) -> None:
    (copied / "x").touch()
    call, arguments = MISTAKES[mistake]
    with pytest.raises(actbench.ExpectedError) as caught:
        call()
    answer = invoke(*arguments)
    assert answer.exit_code == caught.value.exit_code
    assert answer.stderr.endswith(f"actbench: {caught.value}\n")


def test_a_value_that_no_file_could_hold_is_a_mistake(copied: Path) -> None:
    with pytest.raises(
        actbench.ConfigurationError, match=r"^--set train\.lr: expected a number, text, list or mapping"
    ):
        actbench.run("tiny.yaml", set={"train.lr": torch})


def test_torch_keeps_its_threads_and_the_caller_its_main_module(copied: Path) -> None:
    main_module = sys.modules["__main__"]
    torch.set_num_threads(2)
    try:
        trained("tiny.yaml", set={"seeds": 1, "train.epochs": 1}, results="threads")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert sys.modules["__main__"] is main_module


@pytest.mark.slow
def test_a_script_without_a_guard_runs_once_although_its_workers_are_processes(copied: Path) -> None:
    (copied / "script.py").write_text(UNGUARDED, encoding="utf-8")
    shutil.rmtree("results")
    finished = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "the script runs\n['done'] __main__\n"


def test_interrupting_keeps_what_is_finished_and_says_how_to_go_on(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("actbench.runs.runner.run_experiment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        actbench.run("tiny.yaml")
    assert "every finished stack is kept. The same call continues." in capsys.readouterr().err


def test_custom_functions_are_used_for_one_run_and_read_back_without_them(copied: Path) -> None:
    custom_file(Path())
    options = {"seeds": 2, "vary": {"model.activation": ["relu", "tent"]}, "name": "own"}
    found = trained("tiny.yaml", use="tent.py", set=options)
    assert set(found.trials["arm"]) == {"relu", "tent"}
    assert set(actbench.load("results/own").table["arm"]) == {"relu", "tent"}
    with pytest.raises(actbench.ConfigurationError, match="tent"):
        trained("tiny.yaml", set=options)


def test_a_run_whose_time_is_over_keeps_what_it_has_and_starts_no_more(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = trained("tiny.yaml", max_time=1e-6, fresh=True)
    assert found.trials["outcome"].dropna().empty
    assert "max_time: 12 trials left. The same call continues." in capsys.readouterr().err
    with pytest.raises(actbench.ConfigurationError, match="--max-time soon: expected a duration such as 90s"):
        trained("tiny.yaml", max_time="soon")


def test_pictures_and_the_page_are_shown_and_saved(copied: Path, tmp_path: Path) -> None:
    results = actbench.load("results/tiny")
    assert results.plot()._repr_html_().count("<svg") == 1
    assert "minus" in repr(results.plot())
    curves = results.compare(shared_lr=True).plot("curves")
    for suffix in ("svg", "png"):
        assert curves.save(tmp_path / f"curves.{suffix}", width="column").stat().st_size > 1000
    with pytest.raises(actbench.ConfigurationError, match="no picture is called 'curvs'; did you mean curves"):
        results.plot("curvs")
    page = results.report(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.text
    assert "<script" not in page._repr_html_()
    assert page._repr_html_().startswith("<iframe ")


def test_results_are_not_compared_with_themselves(copied: Path) -> None:
    found = actbench.load()
    for again, options in (([found], {}), ([], {"baseline": found})):
        with pytest.raises(actbench.ConfigurationError, match="tiny is named twice"):
            actbench.compare(found, *again, **options)  # type: ignore[arg-type]
