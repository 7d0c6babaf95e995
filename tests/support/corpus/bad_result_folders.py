"""Result folders with one thing wrong each, made from a good one, and what is said of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN

Damage = Callable[[Path], object]


@dataclass(frozen=True)
class BadFolder:
    """What becomes of a result folder `results/f`, the exit code of `compare`, and what it says on standard error.

    With exit code 0 the comparison is printed all the same, from what can be made sense of.
    """

    damage: Damage
    exit_code: int
    message: str


def _written(name: str, contents: str | bytes) -> Damage:
    data = contents.encode() if isinstance(contents, str) else contents
    return lambda folder: (folder / name).write_bytes(data)


def _changed(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def _rewritten(name: str, change: Callable[[dict[str, Any]], Any]) -> Damage:
    """A file of JSON with other contents."""
    return _changed(name, lambda text: json.dumps(change(json.loads(text))).encode())


def _removed(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def _folder(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def _link(name: str, target: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return damage


def _pipe(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _replaced_by_a_file(folder: Path) -> None:
    _emptied(folder)
    folder.rmdir()
    folder.write_text("not a folder")


def _replaced_by_a_link_to_itself(folder: Path) -> None:
    _emptied(folder)
    folder.rmdir()
    folder.symlink_to(folder.name)


def _one_deeper(folder: Path) -> None:
    (folder / "inner").mkdir()
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(folder / "inner" / path.name)


IN_EXPERIMENT = f"results/f/{EXPERIMENT}"
NO_RESULTS = "results/f: not a result folder (no experiment.yaml in it)"
LEFT_OUT = " left out"

EXPERIMENTS = {
    "no experiment": BadFolder(_removed(EXPERIMENT), 2, NO_RESULTS),
    "an empty experiment": BadFolder(_written(EXPERIMENT, ""), 2, f"{IN_EXPERIMENT}:1:1: expected settings, found"),
    "an experiment cut short": BadFolder(
        _written(EXPERIMENT, "name: f\nmodel: {hidden: [4"), 2, f"{IN_EXPERIMENT}:2:19: not YAML: "
    ),
    "an experiment of another version": BadFolder(
        _changed(EXPERIMENT, lambda text: text + b"futuristic: 1\n"), 2, "futuristic: unknown key; known here: name, "
    ),
    "an experiment that climbs": BadFolder(
        _changed(EXPERIMENT, lambda text: text.replace(b"name: f\n", b"name: ../../f\n")), 2,
        f"{IN_EXPERIMENT}:1:1: name: expected a name of letters, digits",
    ),
    "an experiment that runs a command": BadFolder(
        _written(EXPERIMENT, 'name: !!python/object/apply:os.system ["touch pwned"]'), 2,
        f"{IN_EXPERIMENT}:1:7: tags such as tag:yaml.org,2002:python/object/apply:os.system are not allowed here",
    ),
    "an experiment that is a bomb": BadFolder(
        _written(EXPERIMENT, "a: " + "[" * 100_000), 2, f"{IN_EXPERIMENT}:1:23: nested deeper than 20 levels"
    ),
    "an experiment in Latin-1": BadFolder(
        _written(EXPERIMENT, b"name: gr\xf6\xdfe"), 2, f"{IN_EXPERIMENT}: not UTF-8 text (byte 8): save it as UTF-8"
    ),
    "an experiment that is a folder": BadFolder(_folder(EXPERIMENT), 2, NO_RESULTS),
    "an experiment that is a link to itself": BadFolder(_link(EXPERIMENT, EXPERIMENT), 2, NO_RESULTS),
    "an experiment that is a link to another file": BadFolder(
        _link(EXPERIMENT, "/etc/passwd"), 2, f"{IN_EXPERIMENT}:1:"
    ),
    "an experiment that is a pipe": BadFolder(_pipe(EXPERIMENT), 2, NO_RESULTS),
    "the experiment of other trials": BadFolder(
        _changed(EXPERIMENT, lambda text: text.replace(b"epochs: 3", b"epochs: 4")), 0,
        "results/f: 6 of 6 trials are not trained yet",
    ),
}  # fmt: skip

PLACES = {
    "an empty folder": BadFolder(_emptied, 2, NO_RESULTS),
    "a file": BadFolder(_replaced_by_a_file, 2, "results/f: not a result folder (a file)"),
    "a link to itself": BadFolder(_replaced_by_a_link_to_itself, 2, NO_RESULTS),
    "a folder above": BadFolder(_one_deeper, 2, f"{NO_RESULTS}; it holds the result folders inner"),
}

JOURNALS = {
    "no journal": BadFolder(_removed(JOURNAL), 0, "results/f: 6 of 6 trials are not trained yet"),
    "an empty journal": BadFolder(_written(JOURNAL, ""), 0, "results/f: 6 of 6 trials are not trained yet"),
    "a journal of zeros": BadFolder(_written(JOURNAL, bytes(10_000)), 0, LEFT_OUT),
    "a journal that is a picture": BadFolder(_written(JOURNAL, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), 0, LEFT_OUT),
    "a journal that is a pickle": BadFolder(
        _written(JOURNAL, b"cos\nsystem\n(S'touch pwned'\ntR."), 0, LEFT_OUT
    ),
    "a journal nested deeply": BadFolder(_written(JOURNAL, '{"schema":' * 100_000 + "\n"), 0, LEFT_OUT),
    "a journal of one long line": BadFolder(_written(JOURNAL, b"x" * 5_000_000), 0, LEFT_OUT),
    "a journal with a number changed": BadFolder(
        _changed(JOURNAL, lambda text: text.replace(b'"test_correct_count":300', b'"test_correct_count":301', 1)), 0,
        "results/f: 1 damaged line of the journal is left out",
    ),
    "a journal of JSON that nobody signed": BadFolder(_written(JOURNAL, '{"schema":1,"trial":"a"}\n'), 0, LEFT_OUT),
    "a journal that is a folder": BadFolder(_folder(JOURNAL), 4, f"results/f/{JOURNAL}: cannot be read (Is a dir"),
    "a journal that is a link to itself": BadFolder(
        _link(JOURNAL, JOURNAL), 4, f"results/f/{JOURNAL}: cannot be read (Too many levels of symbolic links)"
    ),
    "a journal that is a link to another file": BadFolder(_link(JOURNAL, "/etc/passwd"), 0, LEFT_OUT),
}  # fmt: skip

DESCRIPTIONS = {
    "an environment that is no JSON": BadFolder(_written(ENVIRONMENT, "{"), 0, ""),
    "an environment nested deeply": BadFolder(_written(ENVIRONMENT, "[" * 100_000), 0, ""),
    "an environment nested deeply and closed": BadFolder(
        _written(ENVIRONMENT, '{"a":' * 50_000 + "1" + "}" * 50_000), 0, ""
    ),
    "an environment that is a list": BadFolder(_written(ENVIRONMENT, "[1, 2]"), 0, ""),
    "an environment with not a number": BadFolder(_written(ENVIRONMENT, '{"id": NaN, "torch": Infinity}'), 0, ""),
    "an environment of lists": BadFolder(
        _rewritten(ENVIRONMENT, lambda content: {key: [{}] for key in content} | {"id": content["id"]}), 0, ""
    ),
    "an environment of numbers": BadFolder(
        _rewritten(ENVIRONMENT, lambda content: dict.fromkeys(content, 5) | {"id": content["id"]}), 0, ""
    ),
    "an environment with a strange history": BadFolder(
        _rewritten(ENVIRONMENT, lambda content: content | {"earlier": [1, None, {"id": None}, {"id": [[]]}]}), 0, ""
    ),
    "an environment in another encoding": BadFolder(_written(ENVIRONMENT, b"\xff\xfe{\x00}\x00"), 0, ""),
    "a number of 5,000 digits": BadFolder(_written(ENVIRONMENT, '{"id": ' + "9" * 5_000 + "}"), 0, ""),
    "a plan that is no JSON": BadFolder(_written(PLAN, "}"), 0, ""),
    "a plan nested deeply": BadFolder(_written(PLAN, "[" * 100_000), 0, ""),
    "a plan of numbers": BadFolder(_rewritten(PLAN, lambda content: dict.fromkeys(content, 5)), 0, ""),
    "a plan of nothing": BadFolder(_rewritten(PLAN, dict.fromkeys), 0, ""),
    "a plan with a strange history": BadFolder(
        _rewritten(PLAN, lambda content: content | {"earlier": [{}, {"seeds": 5}, {"seeds": [None]}, 3]}), 0, ""
    ),
    "a plan that is a list": BadFolder(_written(PLAN, "[]"), 0, ""),
}
BAD_FOLDERS = {**EXPERIMENTS, **PLACES, **JOURNALS, **DESCRIPTIONS}
