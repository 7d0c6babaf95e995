"""One table of hostile texts, from every file that can hold them, through every verb, format and stream."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from actbench.experiment.definition import experiment_to_yaml
from actbench.plan.plan import make_plan, plan_to_json
from actbench.store.folder import freeze_plan, write_environment, write_experiment
from actbench.store.journal import append_records
from actbench.store.names import EXPERIMENT
from actbench.store.tables import Table
from actbench.text import say, visible
from builders import experiment_from, record_of
from hostile import HOSTILE
from in_process import invoke
from pages import problems, read
from planted import UNTUNED

# Everything that moves the cursor, starts an escape code, hides, or turns the direction; line ends are the program's.
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
FORMATS = ("table", "markdown", "csv", "json", "latex")
FORMULA = re.compile(r"(^|;)\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result folder in which every free text is hostile: claims, causes, the environment and the plan."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "planted"
    folder.mkdir(parents=True)
    claims = "".join(
        f"  - {{claim: {json.dumps(text)}, arm: {{model.activation: relu}}, above: 0.1}}\n" for text in HOSTILE
    )
    experiment = experiment_from(f"{UNTUNED}expect:\n{claims}", folder)
    plan = make_plan(experiment)
    write_experiment(folder, experiment_to_yaml(experiment))
    keys = ("commit", "processor", "device_name", "torch", "system", "python", "dataset", *map(str, range(30)))
    write_environment(folder, {"id": "evil"} | dict(zip(keys, HOSTILE, strict=False)))
    freeze_plan(folder, plan_to_json(experiment, plan) | {"metric": HOSTILE[0]}, has_begun=False)
    causes = iter([*HOSTILE, *HOSTILE])
    failed: dict[str, Any] = {"outcome": "failed", "test_correct_count": None, "test_loss": None, "environment": "evil"}
    append_records(
        folder,
        [record_of(trial, **failed, cause=next(causes), device=HOSTILE[0]) for trial in plan.trials().values()],
    )
    Path("planted.yaml").write_bytes((folder / EXPERIMENT).read_bytes())
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_of_compare_steers_a_terminal(name: str, poisoned: Path) -> None:
    answer = invoke("compare", "results/planted", "--format", name)
    assert answer.exit_code == 0
    assert not STEERING.search(answer.stdout.replace("\x7f", "") if name == "json" else answer.stdout)
    assert not STEERING.search(answer.stderr)


@pytest.mark.parametrize("arguments", [
    ["report", "results/planted"], ["report", "results/planted", "--format", "markdown"],
    ["report", "results/planted", "--format", "latex"], ["validate", "planted.yaml"], ["summary", "planted.yaml"],
    ["plan", "planted.yaml"], ["run", "planted.yaml", "--dry-run"], ["compare", "results/planted", "--all-pairs"],
], ids=" ".join)  # fmt: skip
def test_no_other_verb_steers_a_terminal_either(arguments: list[str], poisoned: Path) -> None:
    answer = invoke(*arguments)
    assert answer.exit_code == 0, answer.stderr
    assert not STEERING.search(answer.stdout + answer.stderr)


def test_every_claim_is_shown_whole_and_in_its_own_line(poisoned: Path) -> None:
    lines = invoke("report", "results/planted").stdout.splitlines()
    for text in filter(str.strip, map(visible, HOSTILE)):
        assert any(line.startswith(text.strip()) or line.startswith(text) for line in lines), text


def test_the_page_holds_one_script_no_request_and_no_control_character(poisoned: Path) -> None:
    assert invoke("report", "results/planted", "--html", "page.html").exit_code == 0
    text = Path("page.html").read_text(encoding="utf-8")
    assert problems(text) == []
    assert not STEERING.search(text)
    assert read(text).all("img", "iframe", "object", "link", "form") == []
    assert len(read(text).all("script")) <= 2


def test_derived_files_hold_no_formula_and_no_control_character(poisoned: Path) -> None:
    from actbench.report.tables import write_tables
    from actbench.store.results import load_results

    write_tables(load_results(poisoned, poisoned.parent))
    written = [path for path in poisoned.iterdir() if path.suffix in (".csv", ".md")]
    assert len(written) >= 5
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not STEERING.search(text), path
        if path.suffix == ".csv":
            assert_no_formula(text)


def assert_no_formula(text: str) -> None:
    number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
    for row in csv.reader(io.StringIO(text)):
        assert [cell for cell in row if FORMULA.search(cell) and not number.fullmatch(cell)] == []


@pytest.mark.parametrize("text", [
    *HOSTILE, "a;=cmd()", "a; =cmd()", ";@SUM(1)", "a;-1+cmd()", ";\uff1dcmd()", " \t=cmd()", "\r\n=cmd()", "-", "+",
    "=", "--1", "1;2", "-1e", "0x1", "+1 234", "-inf", "nan",
])  # fmt: skip
def test_no_cell_of_a_table_is_a_formula_whichever_sign_separates_cells(text: str) -> None:
    assert_no_formula(Table(["cell"], [{"cell": text}]).to_csv())


@pytest.mark.parametrize("number", ["-1", "+1", "-0.5", "-.5", "+1e-3", "-1E+10", "0", "5."])
def test_numbers_stay_numbers_in_a_table(number: str) -> None:
    table = pandas.read_csv(io.StringIO(Table(["cell"], [{"cell": number}]).to_csv()))
    assert table["cell"][0] == float(number)


def test_json_keeps_the_texts_as_they_are_for_programs(poisoned: Path) -> None:
    document = json.loads(invoke("compare", "results/planted", "--format", "json").stdout)
    assert any("failed" in caveat for caveat in document["caveats"])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_for_the_user_is_one_line_that_cannot_steer(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    said = capsys.readouterr().err
    assert not STEERING.search(said)
    assert said == f"{visible(text)}\n"


def _a_warning(text: str) -> list[str]:
    Path("w.yaml").write_text(
        f"name: w\nseeds: 1\nmodel: {{output: sigmoid}}\n{json.dumps(text)}: 1\n", encoding="utf-8"
    )
    return ["validate", "w.yaml"]


def _a_setting(text: str) -> list[str]:
    Path("w.yaml").write_text(f"name: w\nmodel: {{activation: {json.dumps(text)}}}\n", encoding="utf-8")
    return ["validate", "w.yaml"]


def _a_name(text: str) -> list[str]:
    Path("w.yaml").write_text(f"name: {json.dumps(text)}\n", encoding="utf-8")
    return ["run", "w.yaml"]


def _an_override(text: str) -> list[str]:
    Path("w.yaml").write_text("name: w\nseeds: 1\n", encoding="utf-8")
    return ["validate", "w.yaml", "--set", text.replace("\x00", "")]


def _a_file(text: str) -> list[str]:
    return ["validate", text.replace("\x00", "").replace("/", "") + ".yaml"]


def _a_folder(text: str) -> list[str]:
    return ["compare", f"./{text}".replace("\x00", "")]


def _a_metric(text: str) -> list[str]:
    return ["compare", "results/planted", "--metric", text]


def _a_baseline(text: str) -> list[str]:
    return ["compare", "results/planted", "--baseline", text.replace("\x00", "")]


def _a_kind(text: str) -> list[str]:
    return ["list", "--", text]


MAKERS = (_a_warning, _a_setting, _a_name, _an_override, _a_file, _a_folder, _a_metric, _a_baseline, _a_kind)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[1:])
def test_no_message_about_a_hostile_text_steers_the_terminal(make: Callable[[str], list[str]], poisoned: Path) -> None:
    """Every text that could steer it, and some of the others in turn."""
    others = [text for text in HOSTILE if not STEERING.search(text)]
    for text in [*filter(STEERING.search, HOSTILE), *others[MAKERS.index(make) :: len(MAKERS)]]:
        answer = invoke(*make(text))
        assert not STEERING.search(answer.stdout + answer.stderr), text
        assert answer.exit_code == 2, text
        assert len(answer.stderr.splitlines()) <= 4, text
