"""Merging result folders of one experiment: each whole line of their journals once, environments, plans, weights."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.experiment.records import Weights
from actbench.plan.plan import is_same_plan, plan_to_json
from actbench.render.sections import Section
from actbench.report.tables import write_tables
from actbench.runs.shards import root_of
from actbench.store import weights
from actbench.store.files import HeldFolder, append_lines, changed_file, end_of, write_mapping
from actbench.store.folder import training_code_of, write_environment, write_experiment
from actbench.store.journal import new_lines, set_damaged_lines_aside
from actbench.store.lock import locked
from actbench.store.names import DAMAGED, JOURNAL, PLAN
from actbench.store.results import Results, is_result_folder, load_results, recorded_experiment
from actbench.text import counted, first_few

MAX_DIFFERENCES_SHOWN = 5
MAX_VALUE_LENGTH = 60


@dataclass(frozen=True)
class Source:
    """A merged folder: its finished and failed trials, the lines that were new, and its damaged lines."""

    folder: Path
    trials: int
    new_lines: int
    damaged_lines: int


@dataclass(frozen=True)
class Merged:
    """The merged folder and its sources; `set_aside` counts its own damaged lines."""

    results: Results
    sources: tuple[Source, ...]
    set_aside: int


def merge_folders(folders: Sequence[Path], root: Path | None) -> Merged:
    """Bring the journals of result folders into the experiment's own folder under `root`; others are only read.

    By default that is the folder that holds all of these, or `results`.
    Raises `ConfigurationError` where a folder holds no results or those of another experiment, naming what differs.
    """
    parents = {folder.resolve().parent: root_of(folder) for folder in folders}
    root = root or (next(iter(parents.values())) if len(parents) == 1 else Path("results"))
    found = [load_results(folder) for folder in folders]
    experiment = found[0].experiment
    target = root / experiment.name
    given = [(one.folder, one.experiment) for one in found]
    _require_one_experiment([(target, recorded_experiment(target)), *given] if is_result_folder(target) else given)
    with locked(target) as held:
        all_results = [load_results(target, root), *found] if is_result_folder(target) else found
        _require_one_experiment([(one.folder, one.experiment) for one in all_results])
        set_aside = set_damaged_lines_aside(held)
        write_experiment(held, experiment_to_yaml(experiment))
        environments = {key: one for results in all_results for key, one in results.environments.items()}
        # Sorted, newest code last, so that any order of merging gives the same file.
        for _, one in sorted(environments.items(), key=lambda item: (training_code_of(item[1]) or 0, item[0])):
            write_environment(held, one)
        sources = _merge_lines(held, found)
        merged = load_results(target, root)
        _write_plan(held, merged, all_results)
        if experiment.keep:
            _copy_weights(held, merged, all_results)
        results = load_results(target, root)
        write_tables(results, held)
    return Merged(results, tuple(sources), set_aside)


def _merge_lines(target: HeldFolder, folders: Sequence[Results]) -> list[Source]:
    """Append the lines that the target's journal lacks; raises `FolderChangedError` if something else changes it."""
    sources, end = [], end_of(target.file(JOURNAL))
    for source in folders:
        is_target = source.folder.resolve() == target.path.resolve()
        lines = [] if is_target else new_lines(target.path, source.folder)
        end = append_lines(target.file(JOURNAL), lines, end=end)
        damaged_lines = 0 if is_target else source.damaged_lines
        sources.append(Source(source.folder, len(source.records), len(lines), damaged_lines))
    if end_of(target.file(JOURNAL)) != end:
        raise changed_file(target.path / JOURNAL)
    return sources


def _require_one_experiment(experiments: Sequence[tuple[Path, Experiment]]) -> None:
    """Raise `ConfigurationError` with every difference between the first folder's experiment and another's."""
    first, experiment = experiments[0]
    expected = _flat(experiment_to_yaml(experiment))
    mistakes = []
    for other, another in experiments[1:]:
        given = _flat(experiment_to_yaml(another))
        paths = [path for path in dict.fromkeys((*expected, *given)) if expected.get(path) != given.get(path)]
        named = [f"{path} is {_shown(expected, path)} in one, {_shown(given, path)} in the other" for path in paths]
        shown = "; ".join(first_few(named, MAX_DIFFERENCES_SHOWN))
        if paths:
            mistakes.append(f"{first} and {other} hold different experiments: {shown}")
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"train": {"lr": 1}}` as `{"train.lr": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _shown(values: dict[str, Any], path: str) -> str:
    if path not in values:
        return "absent"
    text = json.dumps(values[path])
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 3]}..."


def _write_plan(target: HeldFolder, merged: Results, all_results: Sequence[Results]) -> None:
    """Write the plan that follows from all tuning; plans under which final trials had begun stay as `earlier`."""
    if not merged.plan.is_tuned():
        return
    plan = json.loads(json.dumps(plan_to_json(merged.experiment, merged.plan)))
    earlier = [one for results in all_results for one in _frozen_plans(results) if not is_same_plan(one, plan)]
    distinct = {json.dumps(one, sort_keys=True): one for one in earlier}
    write_mapping(target.file(PLAN), plan, [distinct[key] for key in sorted(distinct)])


def _copy_weights(target: HeldFolder, merged: Results, all_results: Sequence[Results]) -> None:
    """Copy each final trial's weights from a folder that has them and the record that counts."""
    for key, record in merged.records.items():
        if record.phase == "final":
            same = [one.folder for one in all_results if one.records.get(key) == record]
            sources = [folder for folder in same if weights.weights_file(folder, key).is_file()]
            if not sources:
                weights.remove_weights(target, key)
            elif target.path.resolve() not in [folder.resolve() for folder in sources]:
                content = weights.weights_file(sources[0], key).read_bytes()
                weights.write_weights(target, Weights(key, content))


def _frozen_plans(results: Results) -> Iterator[dict[str, Any]]:
    frozen = dict(results.frozen_plan)
    yield from frozen.pop("earlier", [])
    if frozen and any(record.phase == "final" for record in results.records.values()):
        yield frozen


def merge_section(merged: Merged) -> Section:
    """One row for each source, and what the merged folder still lacks."""
    rows = [
        [str(source.folder), *map(str, (source.trials, source.new_lines, source.damaged_lines))]
        for source in merged.sources
    ]
    header = ["folder", "trials", "new lines", "damaged lines"]
    return Section(f"merged into {merged.results.folder}", header, rows, list(_notes(merged)), is_complete=True)


def _notes(merged: Merged) -> Iterator[str]:
    folder, results = merged.results.folder, merged.results
    yield f"{folder} holds {results.planned() - results.missing():,} of {counted(results.planned(), 'trial')}."
    if any(source.damaged_lines for source in merged.sources):
        yield "Damaged lines were left behind; `actbench verify FOLDER` says what is wrong with them."
    if merged.set_aside:
        yield f"{folder / JOURNAL}: {counted(merged.set_aside, 'damaged line')} moved to {DAMAGED}."


def next_step(merged: Merged) -> str:
    """What to type after a merge."""
    results = merged.results
    if not results.missing():
        return f"Next: actbench compare {shlex.quote(str(results.folder))}"
    again = "the same `actbench run CONFIG --shard I/N` commands, or one without --shard, train them; then merge again"
    if not results.plan.is_tuned():
        return f"Tuning is not complete: {again}."
    has_begun = any(record.phase == "final" for record in results.records.values())
    if results.experiment.tune and not has_begun:
        return f"Tuning is complete, and the final trials follow: {again}."
    verb = "is" if results.missing() == 1 else "are"
    return f"{counted(results.missing(), 'trial')} {verb} missing: {again}."


def merge_document(merged: Merged) -> dict[str, Any]:
    """The same as plain data."""
    results = merged.results
    return {
        "folder": str(results.folder),
        "trials": {"planned": results.planned(), "missing": results.missing()},
        "tuning_is_complete": results.plan.is_tuned(),
        "damaged_lines_set_aside": merged.set_aside,
        "sources": [asdict(source) | {"folder": str(source.folder)} for source in merged.sources],
    }
