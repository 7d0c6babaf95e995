"""A corpus of bad experiment files: each is answered with exit code 2 and a message that says where and what."""

from __future__ import annotations

import re
import time
from functools import cache
from pathlib import Path

import pytest

from actbench.config.reader import MAX_MISTAKES_SHOWN
from actbench.config.source import MAX_PART_LENGTH
from corpus.bad_experiments import BAD_EXPERIMENTS, BOMBS, TAGS, BadExperiment
from in_process import invoke
from program import actbench, assert_one_message, messages

MAX_GOOD_FILE = f"seeds: [{'1,' * 19_000}]"
CASES = pytest.mark.parametrize("case", BAD_EXPERIMENTS.values(), ids=BAD_EXPERIMENTS.keys())


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(BAD_EXPERIMENTS) >= 60
    assert len({case.contents for case in BAD_EXPERIMENTS.values()}) == len(BAD_EXPERIMENTS)


@CASES
def test_a_bad_file_is_exit_2_with_where_and_what(case: BadExperiment) -> None:
    Path("f.yaml").write_bytes(case.contents)
    answer = invoke("validate", "f.yaml")
    assert answer.exit_code == 2
    assert answer.stdout == ""
    lines = messages(answer.stderr.removeprefix("actbench: "))
    assert len(lines) == len(case.lines)
    for line, beginning in zip(lines, case.lines, strict=True):
        assert line.startswith(f"f.yaml{beginning}")
        assert re.match(r"f\.yaml(:[1-9]\d*:[1-9]\d*)?: \S", line)
        assert line.isprintable()
        assert len(line) <= 3 * MAX_PART_LENGTH + 20


@pytest.mark.parametrize("verb", ["run", "summary", "plan"])
def test_no_verb_starts_anything_with_a_bad_file(verb: str) -> None:
    for case in [*BAD_EXPERIMENTS.values()][::8]:
        Path("f.yaml").write_bytes(case.contents)
        assert invoke(verb, "f.yaml").exit_code == 2
    assert [path.name for path in Path().iterdir()] == ["f.yaml"]


@pytest.mark.parametrize("name", ["a tag that runs a command", "an escape code"])
def test_the_program_itself_answers_as_it_does_within_the_tests(name: str, tmp_path: Path) -> None:
    case = BAD_EXPERIMENTS[name]
    (tmp_path / "f.yaml").write_bytes(case.contents)
    assert_one_message(actbench("run", "f.yaml", folder=tmp_path), 2, *(f"f.yaml{line}" for line in case.lines))
    assert [path.name for path in tmp_path.iterdir()] == ["f.yaml"]


@cache
def largest_file_seconds() -> float:
    """The processor time that a good file of the largest size takes."""
    return min(validation_seconds(MAX_GOOD_FILE.encode()) for _ in range(2))


def validation_seconds(contents: bytes) -> float:
    Path("f.yaml").write_bytes(contents)
    begin = time.process_time()
    assert invoke("validate", "f.yaml").exit_code in (0, 2)
    return time.process_time() - begin


@pytest.mark.parametrize("case", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_takes_no_longer_than_a_few_files_of_the_largest_size(case: BadExperiment) -> None:
    assert any(validation_seconds(case.contents) < 4 * largest_file_seconds() for _ in range(3))


SLOW_TO_REFUSE = {
    "a syntax error behind a megabyte of lines": "\n" * 990_000 + "a: }",
    "a syntax error behind a megabyte of comments": "#\n" * 490_000 + "a: }",
    "a syntax error behind a megabyte of text": "a: |\n" + " x\n" * 330_000 + "b: }",
    "a syntax error behind a long word": f"a: {'x' * 990_000}\nb: }}",
    "a syntax error behind 9,900 values": "".join(f"k{n}: 1\n" for n in range(9_900)) + "a: }",
    "a word of a megabyte": f"name: {'x' * 990_000}",
    "a key of a megabyte": f"? {'x' * 990_000}\n: 1",
    "a number of a megabyte": f"seeds: {'9' * 990_000}",
    "almost a number of a megabyte": f"seeds: {'9' * 990_000}x",
    "an anchor of a megabyte": f"name: &{'x' * 990_000} a",
    "a megabyte of directives": "%FOO bar\n" * 110_000 + "---\nname: a",
}


@pytest.mark.parametrize("text", SLOW_TO_REFUSE.values(), ids=SLOW_TO_REFUSE.keys())
def test_a_long_file_is_answered_in_bounded_time_and_with_a_short_message(text: str) -> None:
    assert any(validation_seconds(text.encode()) < 20 * largest_file_seconds() for _ in range(2))
    Path("f.yaml").write_text(text, encoding="utf-8")
    answer = invoke("validate", "f.yaml")
    assert answer.exit_code in (0, 2)
    assert len(answer.stderr) < 4 * MAX_PART_LENGTH


def test_of_very_many_mistakes_the_first_are_shown_and_the_others_counted() -> None:
    Path("f.yaml").write_text("".join(f"k{n}: 1\n" for n in range(3_000)), encoding="utf-8")
    lines = messages(invoke("validate", "f.yaml").stderr)
    assert len(lines) == MAX_MISTAKES_SHOWN + 1
    assert lines[MAX_MISTAKES_SHOWN - 1].startswith("f.yaml:100:1: k99: unknown key")
    assert lines[-1] == "2,900 more mistakes"


def test_no_tag_leaves_a_trace() -> None:
    for number, case in enumerate(TAGS.values()):
        Path(f"f{number}.yaml").write_bytes(case.contents)
        invoke("validate", f"f{number}.yaml")
    assert not Path("pwned").exists()


OTHER_FILES = {
    "absent": (lambda: None, "f.yaml: no such file"),
    "a folder": (lambda: Path("f.yaml").mkdir(), "f.yaml: expected an experiment file, found a folder"),
    "a link to itself": (lambda: Path("f.yaml").symlink_to("f.yaml"), "f.yaml: cannot be read (Too many levels"),
    "a link to nothing": (lambda: Path("f.yaml").symlink_to("gone"), "f.yaml: no such file"),
    "a link to endless zeros": (lambda: Path("f.yaml").symlink_to("/dev/zero"), "f.yaml:1:1: expected at most"),
    "a link to other contents": (lambda: Path("f.yaml").symlink_to("/etc/passwd"), "f.yaml:"),
}


@pytest.mark.parametrize(("make", "beginning"), OTHER_FILES.values(), ids=OTHER_FILES.keys())
def test_what_is_no_file_of_text_is_one_message_too(make: object, beginning: str) -> None:
    assert callable(make)
    make()
    answer = invoke("validate", "f.yaml")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"actbench: {beginning}")


def test_a_file_that_is_no_experiment_is_not_quoted_at_length() -> None:
    Path("f.yaml").write_text(f"{'secret ' * 200}", encoding="utf-8")
    answer = invoke("validate", "f.yaml")
    assert answer.stderr.count("secret") < 10


@pytest.mark.parametrize("name", ["line\nbreak.yaml", "escape\x1b[2J.yaml", "turn\u202e.yaml", "zero\u200bwidth.yaml"])
def test_the_name_of_a_file_cannot_steer_the_terminal(name: str) -> None:
    Path(name).write_text("name: a\nseeds: 0\n", encoding="utf-8")
    Path("f.yaml").mkdir()
    for typed in (name, f"x{name}", f"{name}/f.yaml"):
        answer = invoke("validate", typed)
        assert answer.exit_code == 2
        (line,) = messages(answer.stderr)
        assert line.isprintable()


@pytest.mark.parametrize(("override", "sentence"), [
    ("name=\udcff", "name: expected text in Unicode, found '\\udcff' at character 1"),
    ("name=../x", "name: expected a name of letters, digits"),
    ("train.lr=!!python/name:os.system", "train.lr: tags such as tag:yaml.org,2002:python/name:os.system are not all"),
    ("model.hidden=" + "[" * 3_000, "model.hidden: nested deeper than 20 levels"),
    ("train=&a {lr: *a}", "train: more than 20,000 values or too deep once aliases are followed"),
    ("a\x1b[2J=1", "a\\x1b[2J: unknown key"),
    ("train.lr=%YAML 1.3", "train.lr: not YAML: "),
])  # fmt: skip
def test_a_hostile_override_is_a_mistake_like_any_other(override: str, sentence: str) -> None:
    Path("f.yaml").write_text("seeds: 1\n", encoding="utf-8")
    answer = invoke("validate", "f.yaml", "--set", override)
    assert answer.exit_code == 2
    (line,) = messages(answer.stderr)
    assert line.startswith("actbench: --set ")
    assert sentence in line
    assert line.isprintable()
