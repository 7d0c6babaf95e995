"""`actbench init` writes an experiment that is valid, and beside it the schema that its first line names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from actbench.config.reader import KNOWN_KEYS, load_experiment
from actbench.config.schema import schema_text
from actbench.config.source import read_yaml
from actbench.config.starter import SCHEMA_FILE, experiment_name, write_starter
from actbench.errors import ConfigurationError
from program import actbench, assert_one_message


def test_the_starter_is_valid_and_its_first_line_names_the_schema_beside_it(tmp_path: Path) -> None:
    finished = actbench("init", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == ["starter.yaml", "actbench.schema.json"]
    assert finished.stderr == "Next: actbench run starter.yaml\n"
    text = (tmp_path / "starter.yaml").read_text(encoding="utf-8")
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert found
    schema = json.loads((tmp_path / found[1]).read_text(encoding="utf-8"))
    data = json.loads(json.dumps(read_yaml(text, "starter.yaml").data))
    assert [error.message for error in Draft7Validator(schema).iter_errors(data)] == []
    assert actbench("validate", "starter.yaml", folder=tmp_path).stdout.startswith("starter.yaml: valid; ")


def test_the_arms_of_the_starter_leave_room_for_the_picture_of_a_terminal(tmp_path: Path) -> None:
    write_starter(tmp_path / "a.yaml", with_schema=False, replaces=False)
    labels = [arm.label() for arm in load_experiment(tmp_path / "a.yaml").experiment.arms()]
    assert labels == ["relu", "tanh", "leaky_relu"]  # 80 columns hold no picture beside names twice as long


def test_every_part_of_an_experiment_stands_in_the_starter_and_is_explained(tmp_path: Path) -> None:
    write_starter(tmp_path / "a.yaml", with_schema=False, replaces=False)
    text = (tmp_path / "a.yaml").read_text(encoding="utf-8")
    assert {key for key in KNOWN_KEYS if re.search(rf"^{key}:", text, re.MULTILINE)} == set(KNOWN_KEYS) - {
        "margin", "tuning_seeds", "tuning_margin", "exclude", "include", "names", "primary", "match", "keep",
    }  # fmt: skip
    for key in ("data", "model", "vary", "tune", "seeds", "baseline", "expect"):
        assert re.search(rf"^# .*\n{key}:", text, re.MULTILINE), key
    assert "schema" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_files_that_are_there_are_kept_unless_force_is_given(tmp_path: Path) -> None:
    for name in ("starter.yaml", SCHEMA_FILE):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    refused = actbench("init", folder=tmp_path)
    assert_one_message(
        refused, 2, "starter.yaml: is there already; --force replaces it", f"{SCHEMA_FILE}: is there already"
    )
    assert {path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"mine"}
    assert actbench("init", "--force", folder=tmp_path).returncode == 0
    assert (tmp_path / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text()


def test_one_file_that_is_there_keeps_the_other_from_being_written(tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"^.*{SCHEMA_FILE}: is there already; --force replaces it$"):
        write_starter(tmp_path / "a.yaml", with_schema=True, replaces=False)
    assert [path.name for path in tmp_path.iterdir()] == [SCHEMA_FILE]
    write_starter(tmp_path / "a.yaml", with_schema=False, replaces=False)
    assert (tmp_path / SCHEMA_FILE).read_text(encoding="utf-8") == "mine"


def test_a_second_experiment_shares_the_schema_of_the_first(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        write_starter(tmp_path / name, with_schema=True, replaces=False)
    assert load_experiment(tmp_path / "b.yaml").experiment.name == "b"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("widths.yaml", "widths"), ("my experiment.yaml", "my-experiment"), ("größe 2.yaml", "gr-e-2"),
        ("--.yaml", "experiment"), ("con.yaml", "con-experiment"), ("a.b.yaml", "a-b"), ("_x.yaml", "x"),
        (f"{'a' * 70}.yaml", "a" * 64), ("no", "no"), ("'quoted'.yaml", "quoted"), ("1e3.yaml", "1e3"),
    ],
)  # fmt: skip
def test_whatever_the_file_is_called_the_experiment_in_it_is_valid(file: str, name: str, tmp_path: Path) -> None:
    assert experiment_name(Path(file)) == name
    write_starter(tmp_path / file, with_schema=False, replaces=False)
    assert load_experiment(tmp_path / file).experiment.name == name


def test_a_place_that_cannot_be_written_is_exit_4_and_a_folder_exit_2(tmp_path: Path) -> None:
    assert_one_message(actbench("init", "missing/a.yaml", folder=tmp_path), 4, "missing/a.yaml: cannot be used")
    (tmp_path / "folder").mkdir()
    assert_one_message(actbench("init", "folder", folder=tmp_path), 2, "'folder' is a directory")
    assert_one_message(actbench("init", "folder", "--force", folder=tmp_path), 2, "'folder' is a directory")
    assert not list((tmp_path / "folder").iterdir())
