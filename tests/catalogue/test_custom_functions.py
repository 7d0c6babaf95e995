"""Custom functions in experiments: named by the command line alone, part of a trial's identity, read without."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import pytest

from actbench import errors
from actbench.cli.completion import decorated_names
from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.trials import make_trial
from actbench.store.journal import read_journal
from actbench.store.names import JOURNAL
from actbench.store.results import load_results
from custom_files import EXPERIMENT, TENT, custom_file, function_text
from in_process import Answer, invoke
from places import ROOT
from program import actbench as program

CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
OUTPUT = function_text(
    "output(formula='x - log(sum(exp(x)))', yields='log-probabilities', bounds=(-inf, 0), across_units=True, "
    "reference='a test')",
    "own_output(x)",
    "return torch.log_softmax(x, dim=-1)",
)


def run(*arguments: str, use: str = "tent.py") -> Answer:
    return invoke("run", "own.yaml", "--use", use, "--jobs", "1", *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which an experiment with a custom function has been run, and the custom function has gone."""
    folder = tmp_path_factory.mktemp("trained")
    custom_file(folder, EXPERIMENT, "own.yaml")
    finished = program("run", "own.yaml", "--use", custom_file(folder), "--jobs", "2", folder=folder)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.endswith(f"Next: actbench report results/own --use {folder / 'tent.py'}\n")
    (folder / "tent.py").unlink()
    return folder


@pytest.mark.slow
def test_worker_processes_train_what_this_process_trains(trained: Path, with_custom_entry: Path) -> None:
    assert run().exit_code == 0
    for name in ("table.csv", "layers.csv"):
        assert (with_custom_entry / "results" / "own" / name).read_bytes() == (
            trained / "results" / "own" / name
        ).read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", "own.yaml"],
        ["summary", "own.yaml"],
        ["plan", "own.yaml"],
        ["run", "own.yaml", "--dry-run"],
        ["show", "tent"],
    ],
    ids=" ".join,
)
def test_only_the_command_line_brings_a_custom_function_in(arguments: list[str], with_custom_entry: Path) -> None:
    assert invoke(*arguments, "--use", "tent.py").exit_code == 0
    without = invoke(*arguments)
    assert without.exit_code == errors.EXIT_USAGE
    assert "'tent'" in without.stderr


def test_the_catalogue_and_the_schema_show_it_and_a_near_name_is_answered_with_it(with_custom_entry: Path) -> None:
    listed = json.loads(invoke("list", "activation", "--use", "tent.py", "--format", "json").stdout)
    assert "tent" in json.dumps(listed)
    schema = json.loads(invoke("schema", "--use", "tent.py").stdout)
    jsonschema.validate({"vary": {"model.activation": ["relu", "tent"]}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"vary": {"model.activation": ["relu", "tent"]}}, json.loads(invoke("schema").stdout))
    misspelt = invoke("validate", "own.yaml", "--use", "tent.py", "--set", "vary.model.activation=[relu, tant]")
    assert "did you mean tent" in misspelt.stderr


@pytest.mark.parametrize("spelt", ["tent.py", "./tent.py", "{tent.py: {}}", "tent:tent"])
def test_no_file_and_no_setting_names_another_file_to_run(spelt: str, with_custom_entry: Path) -> None:
    custom_file(with_custom_entry, f"open('RAN', 'w').close()\n{TENT}")
    for setting in (f"model.activation={spelt}", f"use={spelt}", f'model.activation={{tent: {{from: "{spelt}"}}}}'):
        assert (
            invoke(
                "validate", "own.yaml", "--set", "vary={train.lr: [1e-3]}", "--set", "baseline={}", "--set", setting
            ).exit_code
            == 2
        )
    assert not (with_custom_entry / "RAN").exists()


def test_changing_the_file_redoes_its_trials_and_no_others(with_custom_entry: Path) -> None:
    assert "4 trials, 4 trained now" in run().stderr
    assert "4 trials, 0 trained now" in run().stderr
    custom_file(with_custom_entry, TENT.replace("Triangle", "A triangle"))
    assert "4 trials, 2 trained now" in run().stderr
    records = read_journal(with_custom_entry / "results" / "own").records
    assert len(records) == 6
    earlier = json.loads((with_custom_entry / "results" / "own" / "plan.json").read_text(encoding="utf-8"))["earlier"]
    assert len({plan["own"]["activation tent"] for plan in earlier} | {""}) == 2


def test_the_ids_of_built_in_trials_have_nothing_to_do_with_it(with_custom_entry: Path) -> None:
    plain = load_experiment(with_custom_entry / "own.yaml", ["vary.model.activation=[relu, tanh]"]).experiment
    before = list(make_plan(plain).trials())
    run()
    results = load_results(with_custom_entry / "results" / "own", with_custom_entry)
    assert before[:2] == list(results.plan.trials())[:2]


def test_results_are_read_without_the_custom_function(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    folder = Path("results", "own")
    compared = json.loads(invoke("compare", folder, "--baseline", "tent", "--format", "json").stdout)
    assert {arm["arm"]["model.activation"] for arm in compared["arms"]} == {"relu", "tent"}
    assert compared["baseline"] == {"model.activation": "tent"}
    assert invoke("report", folder).exit_code == 0
    assert invoke("report", folder, "--html", "page.html").exit_code == 0
    assert "Not drawn, since its file is not loaded (--use FILE): tent." in Path("page.html").read_text(
        encoding="utf-8"
    )
    assert invoke("verify", folder).exit_code == 0
    assert invoke("plan", "own.yaml", "--set", "vary.model.activation=[relu]", "--pilot", folder).exit_code == 0


def test_a_record_says_which_version_it_was_and_not_where_it_lay(trained: Path) -> None:
    folder = trained / "results" / "own"
    results = load_results(folder, trained)
    (recorded,) = results.experiment.custom_choices().values()
    assert recorded.formula == "max(0, 1 - abs(x))"
    text = "".join(
        path.read_text(encoding="utf-8") for path in folder.iterdir() if path.suffix in (".yaml", ".json", ".jsonl")
    )
    assert set(CHECKSUM.findall(text)) >= {recorded.checksum}
    assert "tent.py" not in text
    for record in results.records.values():
        assert make_trial(record.settings, record.seed, record.phase).id == record.trial
        assert TrialRecord.model_validate_json(record.model_dump_json()) == record


def test_what_a_result_folder_says_is_trained_again_only_with_the_very_version(
    trained: Path, with_custom_entry: Path
) -> None:
    shutil.copytree(trained / "results", with_custom_entry / "results")
    again = str(Path("results", "own", "experiment.yaml"))
    refused = invoke("run", again)
    assert refused.exit_code == errors.EXIT_USAGE
    assert "activation tent is a custom function (sha256:" in refused.stderr
    assert "--use FILE" in refused.stderr
    assert "4 trials, 0 trained now" in invoke("run", again, "--use", "tent.py", "--jobs", "1").stderr
    custom_file(with_custom_entry, f"{TENT}# changed\n")
    assert "is not loaded" in invoke("validate", again, "--use", "tent.py").stderr


def test_an_earlier_version_is_compared_with_a_later_one_by_its_name(trained: Path, with_custom_entry: Path) -> None:
    custom_file(with_custom_entry, f"{TENT}# changed\n")
    run()
    compared = invoke("compare", "results/own", "--baseline", trained / "results" / "own", "--format", "json")
    (own,) = (arm for arm in json.loads(compared.stdout)["arms"] if arm["label"] == "tent")
    assert own["difference"] == 0
    assert own["n"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        ('"checksum":"sha256:', '"checksum":"sha255:'),
        ('"formula":', '"import":'),
        ('"formula":"max(0, 1 - abs(x))"', '"formula":7'),
    ],
)
def test_a_custom_function_that_is_recorded_wrongly_makes_a_damaged_line(
    damage: tuple[str, str], trained: Path
) -> None:
    from actbench.store.lines import _checksum, parse_line

    lines = (trained / "results" / "own" / JOURNAL).read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if "tent" in line)
    body = re.sub(r',"checksum":"[0-9a-f]{16}"\}$', "}", line).replace(*damage)
    content = parse_line(f'{body[:-1]},"checksum":"{_checksum(body.encode())}"}}'.encode(), {})
    assert "not a record" in getattr(content, "reason", "")


def test_an_own_output_is_paired_with_losses_as_it_says_also_when_it_is_gone(with_custom_entry: Path) -> None:
    custom_file(with_custom_entry, OUTPUT, "output.py")
    overrides = ["--set", "vary={train.lr: [1e-3]}", "--set", "baseline={}", "--set", "model.output=own_output"]
    assert run(*overrides, use="output.py").exit_code == 0
    (with_custom_entry / "output.py").unlink()
    assert invoke("verify", "results/own").exit_code == 0
    assert invoke("compare", "results/own").exit_code == 0
    custom_file(with_custom_entry, OUTPUT.replace("log-probabilities", "probabilities"), "output.py")
    assert "gives probabilities" in invoke("validate", "own.yaml", *overrides, "--use", "output.py").stderr


def test_a_learnt_parameter_is_counted_also_without_the_custom_function(with_custom_entry: Path) -> None:
    text = function_text(
        "activation(formula='slope * x', learnable=('slope',), learnt_by_default=True, reference='a test')",
        "own_line(x, *, slope: float = 0.5)",
        "return slope * x",
    )
    custom_file(with_custom_entry, text, "line.py")
    setting = "vary.model.activation=[relu, own_line, {own_line: {slope: 0.25}}]"
    assert run("--set", setting, use="line.py").exit_code == 0
    (with_custom_entry / "line.py").unlink()
    assert "own_line(slope=0.25)" in invoke("compare", "results/own").stdout
    assert invoke("verify", "results/own").exit_code == 0
    assert invoke("report", "results/own").exit_code == 0


def test_run_refuses_a_custom_function_before_anything_is_trained(with_custom_entry: Path) -> None:
    custom_file(with_custom_entry, TENT.replace("bounds=(0, 1)", "bounds=(0, 2)"))
    refused = run()
    assert refused.exit_code == errors.EXIT_USAGE
    assert "tent.py:6: activation tent is refused: bounds: no value comes near 2" in refused.stderr
    assert not (with_custom_entry / "results").exists()
    valid = invoke("validate", "own.yaml", "--use", "tent.py")
    assert valid.stdout.endswith(" trials; actbench check tent.py checks its functions\n")


def test_a_finished_experiment_asks_nothing_again(with_custom_entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setattr("actbench.checks.examination.examine_apart", None)
    assert run().exit_code == 0


def test_check_prints_every_question_and_is_exit_code_1_where_a_custom_function_is_refused(
    with_custom_entry: Path,
) -> None:
    passed = invoke("check", "tent.py")
    assert passed.exit_code == 0
    assert "Passed" in passed.stdout
    custom_file(with_custom_entry, TENT.replace("x.abs())", "x.abs()).detach()"))
    refused = invoke("check", "tent.py", "--format", "json")
    assert refused.exit_code == errors.EXIT_CHECK_FAILED
    document = json.loads(refused.stdout)
    assert (document["schema"], document["passed"]) == (1, False)
    (entry,) = document["entries"]
    assert CHECKSUM.fullmatch(entry["checksum"])
    assert {check["result"] for check in entry["checks"]} <= {"pass", "refused", "note", "skipped"}
    assert any("its gradient is detached" in check["reason"] for check in entry["checks"])


def test_names_are_completed_from_a_file_that_is_not_run_for_it(with_custom_entry: Path) -> None:
    path = custom_file(with_custom_entry, f"open('RAN', 'w').close()\n{TENT}\n\n@loss()\ndef other(): ...\n")
    assert decorated_names(path) == ["tent"]
    assert not (with_custom_entry / "RAN").exists()
    assert (
        decorated_names(with_custom_entry / "missing.py")
        == decorated_names(custom_file(with_custom_entry, "def f(:", "bad.py"))
        == []
    )


def test_a_custom_function_named_in_a_file_by_its_record_alone_cannot_be_called(tmp_path: Path) -> None:
    text = f"model: {{activation: {{tent: {{from: {{checksum: 'sha256:{'0' * 64}'}}}}}}}}\nseeds: 1\n"
    path = custom_file(tmp_path, text, "own.yaml")
    with pytest.raises(ConfigurationError, match="is not loaded"):
        load_experiment(path)
    activation = load_experiment(path, is_record=True).experiment.settings.model.activation
    with pytest.raises(ConfigurationError, match="is not loaded"):
        activation.entry.function(1.0)


def test_modules_beside_the_file_are_not_imported(with_custom_entry: Path) -> None:
    custom_file(with_custom_entry, "open('RAN', 'w').close()\n", "helper_of_tent.py")
    custom_file(with_custom_entry, f"import helper_of_tent\n{TENT}")
    refused = invoke("validate", "own.yaml", "--use", os.fspath(with_custom_entry / "tent.py"))
    assert "No module named 'helper_of_tent'" in refused.stderr
    assert not (with_custom_entry / "RAN").exists()


def test_the_documented_functions_pass_every_check_and_are_asked_every_documented_question(
    with_custom_entry: Path,
) -> None:
    text = (ROOT / "docs" / "custom-functions.md").read_text(encoding="utf-8")
    custom_file(
        with_custom_entry, re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0], "documented.py"
    )
    checked = invoke("check", "documented.py", "--format", "json")
    assert checked.exit_code == 0, checked.stdout
    checked_entries = json.loads(checked.stdout)["entries"]
    assert [entry["kind"] for entry in checked_entries] == ["activation", "output", "initialiser", "loss"]
    named = {name for row in re.findall(r"^\| ([a-z0-9, ]+) \| [^-]", text, re.MULTILINE) for name in row.split(", ")}
    asked = {check["check"] for entry in checked_entries for check in entry["checks"] if check["result"] != "note"}
    assert named - {"question"} == asked | {"kernel"} | ({"gradient"} & named)
