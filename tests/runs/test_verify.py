"""`actbench verify`: whatever is wrong with a result folder is named, and nothing in it is changed."""

from __future__ import annotations

import json
import re
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment
from actbench.experiment.records import LayerProbe
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack
from actbench.report.tables import write_tables
from actbench.runs.verify import is_whole, verify_folder
from actbench.store.folder import read_plan
from actbench.store.journal import read_journal
from actbench.store.lock import locked
from actbench.store.names import DAMAGED, ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from fake_runs import Counting, run
from in_process import Answer, invoke
from journals import body_of, folder_with, line_of, sealed

TABLES = ("trials.csv", "epochs.csv", "layers.csv", "table.csv", "table.md")
PROBE = LayerProbe(epoch=0, layer=1, mean=0.5, sd=1.25, zero_share=0.5, weight_gradient_norm=0.1,
                   bias_gradient_norm=0.2)  # fmt: skip
FILES = (EXPERIMENT, ENVIRONMENT, PLAN, JOURNAL)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment's folder, to be copied."""
    root = tmp_path_factory.mktemp("finished")
    return run(experiment_from(TWO_ACTIVATIONS, root), root).folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A finished experiment's folder, to be damaged."""
    return shutil.copytree(finished, tmp_path / "results" / "made-up")


def bad(folder: Path) -> list[tuple[str, int | None, str]]:
    """Where something is wrong, and what."""
    return [(finding.where, finding.line, finding.what) for finding in verify_folder(folder) if finding.is_bad()]


def notes(folder: Path) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in verify_folder(folder) if finding.state == "note"]


def lines_of(folder: Path) -> list[bytes]:
    return (folder / JOURNAL).read_bytes().splitlines(keepends=True)


def write_lines(folder: Path, *lines: bytes) -> None:
    (folder / JOURNAL).write_bytes(b"".join(lines))


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in [*folder.iterdir(), folder] if
            path.is_file()} | {".": (b"", folder.stat().st_mtime_ns)}  # fmt: skip


def test_a_run_that_is_at_work_is_a_note(folder: Path) -> None:
    with locked(folder):
        assert notes(folder) == [("run", "still at work in this folder: what is missing may yet come")]
    assert notes(folder) == []


def test_a_finished_experiments_folder_is_whole(folder: Path) -> None:
    findings = verify_folder(folder)
    assert is_whole(findings)
    assert [finding.where for finding in findings] == [*FILES, "trials", *TABLES]
    assert {finding.state for finding in findings} == {"ok"}
    assert findings[0].what == "2 arms x 3 seeds"
    assert findings[3].what == "6 whole lines, 0 damaged"
    assert findings[4].what == "6 of 6 are there"


def test_a_real_runs_folder_is_whole(tiny: Path) -> None:
    assert bad(tiny / "results" / "tiny") == []


def test_damaged_lines_are_named_by_their_number_and_what_is_wrong_with_them(folder: Path) -> None:
    one, two, three, *others = lines_of(folder)
    write_lines(folder, one, two[:50] + b"\n", b"\n", three.replace(b'"cpu"', b'"gpu"'), *others)
    assert bad(folder)[:4] == [
        (JOURNAL, None, "4 whole lines, 2 damaged"),
        (JOURNAL, 2, "cut short or overwritten: there is no checksum at its end"),
        (JOURNAL, 4, "changed: its checksum does not fit"),
        ("trials", None, "4 of 6 are there; not all of relu"),
    ]


def test_very_many_damaged_lines_are_counted_and_the_first_are_shown(folder: Path) -> None:
    write_lines(folder, *lines_of(folder), b"x\n" * 50)
    found = [finding for finding in bad(folder) if finding[0] == JOURNAL]
    assert found[0][2] == "6 whole lines, 50 damaged"
    assert [line for _, line, _ in found[1:-1]] == list(range(7, 27))
    assert found[-1] == (JOURNAL, None, "30 more damaged lines")


def test_a_line_with_the_id_of_another_trial_is_damaged_and_counts_nowhere(folder: Path) -> None:
    records = list(read_journal(folder).records.values())
    for lie in ({"trial": records[5].trial, "seed": records[5].seed + 1}, {"trial": "0123456789abcdef"}, {"seed": 7}):
        write_lines(folder, *lines_of(folder)[:5], sealed(body_of(records[5], lie)))
        (finding,) = [one for one in verify_folder(folder) if one.line and one.where == JOURNAL]
        assert (finding.where, finding.line, finding.state) == (JOURNAL, 6, "damaged")
        assert finding.what.startswith("its settings or its seed are not those of the trial ")
        results = load_results(folder, folder.parent)
        assert (results.missing(), results.damaged_lines) == (1, 1)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("change", "line", "what"), [
    (lambda text: text[:-1] + b"0\n", None, "not as the journal gives it"),
    (lambda text: text.replace(b"\n", b"\r\n"), 1, "not as the journal gives it"),
    (lambda text: text + b"\n", None, "not as the journal gives it"),
    (lambda text: b"", 1, "not as the journal gives it"),
])  # fmt: skip
def test_a_derived_file_that_is_not_what_the_journal_gives_is_named_with_the_first_line_that_differs(
    name: str, change: Callable[[bytes], bytes], line: int | None, what: str, folder: Path
) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    if name == "table.md" and line is None:  # words below the table
        assert bad(folder) == []
        return
    ((where, found_line, found),) = bad(folder)
    assert (where, found) == (name, what)
    assert found_line is not None
    assert line is None or found_line == line


def test_layer_probes_are_read_again_from_where_they_are_whatever_stands_around_them(
    experiment: Experiment, tmp_path: Path
) -> None:
    trials = make_plan(experiment).trials().values()
    records = [record_of(one, probes=[PROBE.model_copy(update={"mean": n / 8})]) for n, one in enumerate(trials)]
    first, *others, last = [line_of(record) for record in records]
    folder = folder_with(tmp_path / "probed", experiment, [first, *others, last])
    write_tables(load_results(folder, tmp_path))
    write_lines(folder, b"\xef\xbb\xbf" + first, b"x" * 30 + b"\r\n", *others, b"cut short" + last)
    findings = {one.where: one for one in verify_folder(folder)}
    assert all(findings[name].state == "ok" for name in TABLES)
    path = folder / "layers.csv"
    path.write_bytes(path.read_bytes().replace(b",0.625,", b",0.624,"))
    assert [line for where, line, _ in bad(folder) if where == "layers.csv"] == [7]


def test_verifying_takes_no_memory_for_the_probes_and_texts_of_all_trials(tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS.replace("seeds: 3", "seeds: 60")
    probed = [PROBE.model_copy(update={"epoch": epoch}) for epoch in (0, 1, 2, 3) * 12]
    peaks = []
    for probes in ((), probed):
        experiment = experiment_from(text, tmp_path)
        records = [record_of(trial, probes=probes) for trial in make_plan(experiment).trials().values()]
        folder = folder_with(tmp_path / str(len(probes)), experiment, [line_of(record) for record in records])
        write_tables(load_results(folder, tmp_path))
        tracemalloc.start()
        assert not [one for one in verify_folder(folder) if one.where in TABLES and one.state != "ok"]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("name", TABLES)
def test_a_derived_file_that_is_not_there_is_missing_unless_it_has_a_row_for_each_trial(
    name: str, folder: Path
) -> None:
    (folder / name).unlink()
    (found,) = [finding for finding in verify_folder(folder) if finding.state != "ok"]
    assert found.where == name
    assert found.state == ("missing" if name.startswith(("table", "tuning")) else "note")


def test_the_line_of_a_table_in_which_a_number_was_changed_is_named(folder: Path) -> None:
    path = folder / "trials.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[3].replace("0.25", "0.26"), *lines[4:]]))
    assert bad(folder) == [("trials.csv", 4, "not as the journal gives it")]


def test_a_table_that_another_version_wrote_is_no_damage(folder: Path) -> None:
    frame = pandas.read_csv(folder / "table.csv", dtype=str)
    frame.drop(columns=["sd", "p"]).to_csv(folder / "table.csv", index=False)
    (folder / "table.md").write_text((folder / "table.md").read_text().replace("\n- ", "\n- In other words: "))
    assert notes(folder) == [
        ("table.csv", "as another version wrote it, without sd and p: `actbench run` writes it again"),
        ("table.md", "as another version wrote it, with its own words below the table: `actbench run` writes it again"),
    ]
    assert is_whole(verify_folder(folder))
    with (folder / "table.md").open("ab") as table:
        table.write(b"\xff")
    assert is_whole(verify_folder(folder))
    for name in ("table.csv", "table.md"):
        text = (folder / name).read_text(errors="replace")
        (folder / name).write_text(text.replace("relu", "tanh"))
    assert [where for where, _, _ in bad(folder)] == ["table.csv", "table.md"]


def test_a_table_that_nothing_gives_is_damage(folder: Path) -> None:
    (folder / "claims.csv").write_text("claim,verdict\n")
    assert bad(folder) == [("claims.csv", None, "there is nothing in the journal that it could be derived from")]


@pytest.mark.parametrize("name", ["table.md", "trials.csv", PLAN])
def test_a_folder_in_place_of_what_a_run_derives_is_damage_and_is_to_be_removed_first(name: str, folder: Path) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert any(where == name and what.endswith("cannot be read (Is a directory)") for where, _, what in bad(folder))
    advice = said(folder).stdout
    assert advice.index(f"remove it first: {name}.") < advice.index("actbench run")


BAD_JSON = {
    "nothing": b"", "half": b'{"id": "a"', "no mapping": b"[1]", "NaN": b'{"id": NaN, "seeds": [1]}',
    "deep": b"[" * 9999,
    "not UTF-8": b'{"id": "\xff"}', "a mapping inside": b'{"id": {}, "seeds": {}}',
    "no list of earlier ones": b'{"id": "a", "seeds": [1], "earlier": 5}',
    "one earlier one that is none": b'{"id": "a", "seeds": [1], "earlier": [{"id": "b", "seeds": [2]}, 7]}',
}  # fmt: skip


@pytest.mark.parametrize("name", [ENVIRONMENT, PLAN])
@pytest.mark.parametrize("content", BAD_JSON.values(), ids=BAD_JSON)
def test_a_json_file_that_says_nothing_sensible_is_damage(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)
    assert (name, None, "not what actbench writes there") in bad(folder)
    assert {where for where, _, _ in bad(folder)} <= {name, "table.md"}


@pytest.mark.parametrize("name", [ENVIRONMENT, PLAN])
def test_a_json_file_that_is_not_there_is_missing(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert bad(folder) == [(name, None, "not there")]


def test_a_plan_that_is_not_the_experiments_is_damage(folder: Path) -> None:
    plan = read_plan(folder)
    (folder / PLAN).write_text(json.dumps(plan | {"margin": 0.5}))
    assert bad(folder) == [(PLAN, None, "not the plan that follows from the experiment and the tuning trials")]
    other = {key: value for key, value in plan.items() if key != "checksum"} | {"margin": 0.5}
    (folder / PLAN).write_text(json.dumps(plan | {"earlier": [other]}))
    assert [where for where, _ in notes(folder)] == ["table.md"]


@pytest.mark.parametrize("content", [b"vary: [", b"model: {hidden: [x]}\nseeds: -1\n", b"\xff", None])
def test_an_experiment_that_cannot_be_read_is_damage_and_lines_are_looked_at_all_the_same(
    content: bytes | None, folder: Path
) -> None:
    path = folder / EXPERIMENT
    path.unlink() if content is None else path.write_bytes(content)
    write_lines(folder, *lines_of(folder), b"damage\n")
    found = bad(folder)
    assert [(where, line) for where, line, _ in found] == [
        (EXPERIMENT, None), (JOURNAL, None), (JOURNAL, 7),
    ]  # fmt: skip
    assert "trials and tables cannot be checked without it" in found[0][2]
    assert "\n" not in found[0][2]


def test_final_trials_without_their_tuning_are_said_not_to_be_placed(tmp_path: Path) -> None:
    tuned = experiment_from(f"{TWO_ACTIVATIONS}tune: {{train.lr: [0.001, 0.01, 0.1]}}\ntuning_seeds: 1\n", tmp_path)
    folder = run(tuned, tmp_path).folder
    write_lines(folder, *[line for line in lines_of(folder) if b'"tune"' not in line])
    assert ("trials", "6 final trials cannot be placed without the tuning trials that are missing") in notes(folder)


def test_missing_trials_are_counted_and_their_arms_named(folder: Path) -> None:
    write_lines(folder, *lines_of(folder)[:-1])
    assert bad(folder)[0] == ("trials", None, "5 of 6 are there; not all of tanh")


def test_an_interrupted_run_leaves_a_folder_that_lacks_nothing_but_trials_and_tables(tmp_path: Path) -> None:
    text = "name: made-up\nvary: {model.hidden: [[4], [5]]}\nseeds: 3\n"
    with pytest.raises(KeyboardInterrupt):
        run(experiment_from(text, tmp_path), tmp_path, Counting(stop_after=1))
    lacking = [where for where, _, _ in bad(tmp_path / "results" / "made-up")]
    assert lacking == ["trials", "table.csv", "table.md"]


def test_a_folder_whose_journal_is_gone_lacks_everything(folder: Path) -> None:
    (folder / JOURNAL).unlink()
    assert bad(folder)[:2] == [(JOURNAL, None, "not there"), ("trials", None,
                               "0 of 6 are there; not all of relu and tanh")]  # fmt: skip


def test_notes_are_nothing_that_has_to_be_mended(experiment: Experiment, tmp_path: Path) -> None:
    poison = next(iter(make_plan(experiment).trials()))

    def fail(stack: Stack) -> Exception | None:
        return ValueError("poison") if poison in [trial.id for trial in stack] else None

    run(experiment, tmp_path, Counting(fail))
    fewer = experiment_from(TWO_ACTIVATIONS.replace("[relu, tanh]", "[relu]"), tmp_path)
    folder = run(fewer, tmp_path, Counting(fail)).folder
    (folder / ".table.csv-a1b2c3_z").write_text("half")
    (folder / DAMAGED).write_text("damage")
    assert notes(folder) == [
        ("trials", "1 trial failed; the next run tries again"),
        ("trials", "3 trials of the journal not of this experiment as it is now"),
        ("trials", "1 line of the journal for trials that have another line"),
        (".table.csv-a1b2c3_z", "a temporary file of a run that was killed; the next run removes it"),
        (DAMAGED, "lines of the journal that earlier runs have set aside; nothing reads it"),
    ]
    assert is_whole(verify_folder(folder))


def test_trials_of_an_environment_that_is_not_listed_are_noted(folder: Path) -> None:
    record = next(iter(read_journal(folder).records.values()))
    (folder / ENVIRONMENT).write_text(json.dumps({"id": "other"}))
    assert record.environment
    assert notes(folder) == [("trials", "1 environment in which trials were trained, not in environment.json")]


def test_a_folder_of_something_else_is_no_result_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a result folder"):
        verify_folder(tmp_path)
    with pytest.raises(ConfigurationError, match="not a result folder"):
        verify_folder(tmp_path / "nowhere")


def test_a_mistyped_result_folder_is_answered_with_its_nearest_neighbours(folder: Path) -> None:
    wrong = folder.with_name(f"{folder.name}s")
    with pytest.raises(ConfigurationError, match=f"^{re.escape(str(wrong))}: not .*; did you mean {folder.name}\\?$"):
        verify_folder(wrong)


@pytest.mark.parametrize("name", [JOURNAL, ENVIRONMENT])
@pytest.mark.parametrize("replace", [Path.mkdir, lambda path: path.symlink_to(path.name)])
def test_a_folder_or_a_link_to_itself_in_place_of_a_file_is_damage(
    name: str, replace: Callable[[Path], None], folder: Path
) -> None:
    (folder / name).unlink()
    replace(folder / name)
    assert bad(folder) == [(name, None, "not a file; nothing can be checked without it")]


def test_a_folder_in_place_of_the_experiment_is_not_answered_with_itself(folder: Path) -> None:
    (folder / EXPERIMENT).unlink()
    (folder / EXPERIMENT).mkdir()
    (found,) = [found for found in bad(folder) if found[0] == EXPERIMENT]
    assert "did you mean" not in found[2]


def said(*arguments: str | Path) -> Answer:
    return invoke("verify", *arguments)


def test_the_exit_code_is_0_where_all_is_whole_and_1_where_not_and_nothing_is_changed(folder: Path) -> None:
    before = snapshot(folder)
    whole = said(folder)
    assert (whole.exit_code, whole.stderr) == (0, "")
    assert "Whole: every line of the journal is a record" in whole.stdout
    assert snapshot(folder) == before
    (folder / "table.csv").write_text("")
    write_lines(folder, *lines_of(folder)[1:], b"\x1b]0;gone\x07\n")
    (folder / ".table.csv-abcdefgh").touch()
    before = snapshot(folder)
    broken = said(folder)
    assert (broken.exit_code, broken.stderr) == (1, "")
    assert "trials.jsonl:6" in broken.stdout
    assert "\x1b" not in broken.stdout
    assert snapshot(folder) == before


def test_json_is_one_document(folder: Path) -> None:
    (folder / "table.csv").unlink()
    answer = said(folder, "--format", "json")
    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert (document["schema"], document["folder"], document["whole"]) == (1, str(folder), False)
    assert {"where": "table.csv", "line": None, "state": "missing", "found": "not there"} in document["findings"]
    assert [one["where"] for one in document["findings"] if one["state"] != "ok"] == ["table.csv"]


@pytest.mark.parametrize(("damage", "is_advised"), [
    (lambda folder: (folder / "table.csv").unlink(), True),
    (lambda folder: (folder / ENVIRONMENT).unlink(), False),
    (lambda folder: (folder / JOURNAL).write_text("damage"), True),
])  # fmt: skip
def test_the_advice_is_a_command_that_makes_the_folder_whole_where_one_can(
    damage: Callable[[Path], object], is_advised: bool, folder: Path, experiment: Experiment, tmp_path: Path
) -> None:
    moved = folder.rename(folder.with_name("another-name"))
    damage(moved)
    told = said(moved).stdout
    command = f"actbench run {moved / EXPERIMENT} --results {moved.parent} --set name=another-name"
    assert (command in told) == is_advised
    assert ("put them back from a copy" in told) != is_advised
    run(replace(experiment, name="another-name"), tmp_path)
    assert is_whole(verify_folder(moved)) == is_advised


def test_an_unreadable_folder_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for where in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "no such folder"):
        answer = said(where)
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert "not a result folder" in answer.stderr
