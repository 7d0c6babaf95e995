"""Verification of a result folder: every file and every trial is checked, and nothing is changed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

from actbench.errors import ExpectedError
from actbench.experiment.records import TrialRecord
from actbench.plan.looks import seeds_range
from actbench.plan.plan import count_trials, is_same_plan, plan_checksum, plan_to_json
from actbench.plan.trials import shard_of
from actbench.render.sections import Section
from actbench.report.tables import primary_comparison, table_lines
from actbench.runs.shards import command_that_continues
from actbench.store import weights
from actbench.store.files import require_regular_file
from actbench.store.folder import read_environment, read_plan, require_result_folder, training_code_of
from actbench.store.journal import Journal, probes_in_file, read_journal
from actbench.store.lock import is_locked, leftovers
from actbench.store.names import DAMAGED, ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from actbench.store.results import Results, load_results, plan_and_finished_trials
from actbench.store.tables import Table, layers_table, layers_table_from
from actbench.text import counted, first_few, listed

State = Literal["ok", "note", "missing", "damaged"]

MAY_BE_LEFT_OUT = ("trials.csv", "epochs.csv", "layers.csv")  # large: a repository of results may do without them
MAX_LINES_SHOWN = 20
MAX_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """A finding about a file, a line of it, or the trials: a `note` needs no repair, `missing` and `damaged` do."""

    where: str
    state: State
    what: str
    line: int | None = None
    by_hand: bool = False

    def is_bad(self) -> bool:
        """Whether it needs repair, by the next run or by hand."""
        return self.state in ("missing", "damaged")


def verify_folder(folder: Path) -> list[Finding]:
    """All findings; raises an `ExpectedError` where there is no result folder, or its journal cannot be read."""
    if not (folder / JOURNAL).is_file():
        require_result_folder(folder)
    if findings := [*_no_files(folder)]:
        return findings
    is_running = is_locked(folder)  # before it is read: a run that ends in between has left all that is read then
    journal = read_journal(folder, keeps_probes=False)
    results = _results_or_mistake(folder, journal)
    findings = [*_experiment(results), *_json_files(folder, results), *_journal(folder, journal)]
    if isinstance(results, Results):
        findings += [
            *_trials(results, journal, knows_plans=not any(one.where == PLAN and one.is_bad() for one in findings)),
            *_tables(results, journal),
            *(_weights(results) if results.experiment.keep else ()),
        ]
    if is_running:
        findings.append(Finding("run", "note", "still at work in this folder: what is missing may yet come"))
    return [*findings, *_leftovers(folder)]


def _no_files(folder: Path) -> Iterator[Finding]:
    """Those of the files that everything is read with which are folders, or links that lead nowhere."""
    for name in (JOURNAL, ENVIRONMENT):
        if ((path := folder / name).is_symlink() or path.exists()) and not path.is_file():
            yield Finding(name, "damaged", "not a file; nothing can be checked without it", by_hand=True)


def is_whole(findings: Sequence[Finding]) -> bool:
    """Whether nothing is missing or damaged."""
    return not any(finding.is_bad() for finding in findings)


def _results_or_mistake(folder: Path, journal: Journal) -> Results | str:
    try:
        return load_results(folder, folder.parent, journal, metrics=())
    except ExpectedError as problem:
        return "; ".join(first_few(str(problem).splitlines(), 1, "mistake"))


def _experiment(results: Results | str) -> Iterator[Finding]:
    if isinstance(results, str):
        what = f"{results}; trials and tables cannot be checked without it"
        yield Finding(EXPERIMENT, "damaged", what, by_hand=True)
    else:
        arms, seeds = results.experiment.arm_count(), seeds_range(results.experiment)
        yield Finding(EXPERIMENT, "ok", f"{counted(arms, 'arm')} x {seeds}")


def _json_files(folder: Path, results: Results | str) -> Iterator[Finding]:
    environment = _json_file(folder / ENVIRONMENT, read_environment)
    has_trials = not isinstance(results, Results) or bool(results.records)
    if environment.state != "missing" or has_trials:
        yield replace(environment, by_hand=True)
    if not isinstance(results, Results):
        yield _json_file(folder / PLAN, read_plan)
    elif results.plan.is_tuned():
        plan = _json_file(folder / PLAN, read_plan)
        frozen = {key: value for key, value in results.frozen_plan.items() if key != "earlier"}
        if plan.state == "ok" and not is_same_plan(
            frozen, json.loads(json.dumps(plan_to_json(results.experiment, results.plan)))
        ):
            yield Finding(PLAN, "damaged", "not the plan that follows from the experiment and the tuning trials")
        elif plan.state == "ok" and (changed := _changed_plan(results.frozen_plan)):
            yield Finding(PLAN, "damaged", changed, by_hand=True)
        else:
            yield plan


def _changed_plan(frozen: Mapping[str, Any]) -> str:
    """The plan whose contents do not have its checksum; empty if there is none."""
    for one in (frozen, *frozen.get("earlier", [])):
        if one.get("checksum", plan_checksum(one)) != plan_checksum(one):
            return f"changed after it was frozen with the checksum {one['checksum']}"
    return ""


def _json_file(path: Path, read: Callable[[Path], dict[str, Any]]) -> Finding:
    """Whether the file is there, and holds what actbench reads from it."""
    if not path.exists():
        return Finding(path.name, "missing", "not there")
    try:
        found = read(path.parent)
        is_complete = bool(found) and json.loads(path.read_bytes()) == found
    except (ExpectedError, OSError, ValueError) as problem:
        return Finding(path.name, "damaged", str(problem))
    if not is_complete:
        return Finding(path.name, "damaged", "not what actbench writes there")
    return Finding(path.name, "ok", "can be read")


def _journal(folder: Path, journal: Journal) -> Iterator[Finding]:
    if not (folder / JOURNAL).is_file():
        yield Finding(JOURNAL, "missing", "not there")
        return
    state: State = "damaged" if journal.damaged else "ok"
    yield Finding(JOURNAL, state, f"{counted(journal.whole_lines, 'whole line')}, {len(journal.damaged)} damaged")
    for number, damage in journal.damaged[:MAX_LINES_SHOWN]:
        yield Finding(JOURNAL, "damaged", damage.reason, number)
    if (more := len(journal.damaged) - MAX_LINES_SHOWN) > 0:
        yield Finding(JOURNAL, "damaged", counted(more, "more damaged line"))


def _trials(results: Results, journal: Journal, *, knows_plans: bool) -> Iterator[Finding]:
    yield _present_trials(results)
    planned = results.plan.trials()
    found = [results.records[key] for key in planned if key in results.records]
    if failed := sum(record.outcome == "failed" for record in found):
        yield Finding("trials", "note", f"{counted(failed, 'trial')} failed; the next run tries again")
    others = [record for key, record in results.records.items() if key not in planned]
    if unplaced := [] if results.plan.is_tuned() else [record for record in others if record.phase == "final"]:
        what = f"{counted(len(unplaced), 'final trial')} cannot be placed without the tuning trials that are missing"
        yield Finding("trials", "note", what)
        others = [record for record in others if record.phase != "final"]
    if others:
        what = f"{counted(len(others), 'trial')} of the journal not of this experiment as it is now"
        yield Finding("trials", "note", what + _other_versions(others, results))
    if repeated := journal.whole_lines - len(results.records):
        yield Finding("trials", "note", f"{counted(repeated, 'line')} of the journal for trials that have another line")
    plans = (
        {plan_checksum(plan) for plan in (results.frozen_plan, *results.frozen_plan.get("earlier", []))}
        if knows_plans
        else set()
    )
    if knows_plans and (others := [record for record in found if record.plan and record.plan not in plans]):
        what = f"{counted(len(others), 'final trial')} trained under a plan that {PLAN} does not hold"
        yield Finding("trials", "damaged", what, by_hand=True)
    if unknown := {record.environment for record in found} - results.environments.keys() - {""}:
        what = f"{counted(len(unknown), 'environment')} in which trials were trained, not in {ENVIRONMENT}"
        yield Finding("trials", "note", what)


def _present_trials(results: Results) -> Finding:
    """How many of the experiment's trials, or of a shard's share, are there; the first few arms that lack some."""
    plan, known = plan_and_finished_trials(results)
    present = results.records.keys() | known.keys()
    planned, found = count_trials(results.experiment, plan, present)
    there = f"{found} of {planned} are there" + (f" (shard {plan.shard})" if plan.shard else "")
    if found == planned:
        return Finding("trials", "ok", there)
    lacking = {trial.id for trial in plan.missing(present)}
    arms = [arm.label() for arm, trials in plan.arms if any(trial.id in lacking for trial in trials)]
    if not plan.is_tuned() or not arms:
        return Finding("trials", "missing", f"{there}; tuning has not finished")
    return Finding("trials", "missing", f"{there}; not all of {listed(first_few(arms, MAX_NAMES_SHOWN))}")


def _other_versions(records: Sequence[TrialRecord], results: Results) -> str:
    """The other versions of the training code that trained these trials."""
    named = {training_code_of(results.environments.get(record.environment)) for record in records}
    others = sorted(str(version) for version in named - {None, results.training_code})
    return f" (trained by training code {', '.join(others)}; these are of {results.training_code})" if others else ""


def _tables(results: Results, journal: Journal) -> Iterator[Finding]:
    """Whether every derived file has the bytes that the journal gives now."""
    if not journal.places:
        yield from _derived_files(results, layers_table(results))
        return
    learnt = {name for names in journal.learnt.values() for name in names}
    with probes_in_file(results.folder, journal) as probes_of:
        yield from _derived_files(results, layers_table_from(results, probes_of, learnt))


def _derived_files(results: Results, layers: Table) -> Iterator[Finding]:
    for name, lines in table_lines(results, primary_comparison(results), layers).items():
        path = results.folder / name
        try:
            require_regular_file(path)
            with path.open("rb") as file:
                if lines is None:
                    what = "there is nothing in the journal that it could be derived from"
                    yield Finding(name, "damaged", what)
                    continue
                line, lacking = (_unlike_text if name.endswith(".md") else _unlike_table)(file, lines)
                if line:
                    yield Finding(name, "damaged", "not as the journal gives it", line)
                elif lacking:
                    what = f"as another version wrote it, {lacking}: `actbench run` writes it again"
                    yield Finding(name, "note", what)
                else:
                    yield Finding(name, "ok", "as the journal gives it")
        except FileNotFoundError:
            if name in MAY_BE_LEFT_OUT:
                yield Finding(name, "note", "not there: the next run derives it from the journal")
            elif lines is not None:
                yield Finding(name, "missing", "not there")
        except OSError as problem:
            yield Finding(name, "damaged", f"cannot be read ({problem.strerror})")


def _weights(results: Results) -> Iterator[Finding]:
    """Whether the weights of every final trial that was trained are there and can be read."""
    planned = (trial.id for _, trials in results.plan.arms for trial in trials)
    final = {key: one for key in planned if (one := results.records.get(key)) and one.outcome != "failed"}
    kept = weights.kept_trials(results.folder)
    lacking = sorted(final.keys() - kept)
    state: State = "missing" if lacking else "ok"
    named = f"; not of {listed(first_few(lacking, MAX_NAMES_SHOWN))}"
    there = f"there for {len(final) - len(lacking)} of {counted(len(final), 'final trial')}{named * bool(lacking)}"
    yield Finding(weights.FOLDER, state, there, by_hand=True)
    for key in sorted(final.keys() & kept):
        try:
            weights.read_weights(results.folder, key, final[key].settings)
        except (ValueError, OSError) as problem:
            yield Finding(f"{weights.FOLDER}/{key}{weights.ENDING}", "damaged", str(problem), by_hand=True)
    if others := kept - final.keys():
        yield Finding(weights.FOLDER, "note", f"{counted(len(others), 'file')} of no final trial of this experiment")


def _unlike_table(file: BinaryIO, expected: Iterable[str]) -> tuple[int, str]:
    """The first line that differs from a table with the file's columns alone, and the columns that the file lacks."""
    lines = iter(expected)
    header = next(lines)
    columns, own = header.strip().split(","), file.readline().decode(errors="replace").strip().split(",")
    file.seek(0)
    whole = chain([header], lines)
    if not set(own) < set(columns):
        return _first_difference(file, whole), ""
    narrow = Table(own, csv.DictReader(whole)).to_csv_lines()
    return _first_difference(file, narrow), f"without {listed([name for name in columns if name not in own])}"


def _unlike_text(file: BinaryIO, expected: Iterable[str]) -> tuple[int, str]:
    """The first line that differs, unless the table does not: versions word the notes below it differently."""
    lines = list(expected)
    line = _first_difference(file, lines)
    file.seek(0)
    found = [one.decode(errors="replace") for one in file]
    rows, own = ([one for one in text if one.startswith("|")] for text in (lines, found))
    return (0, "with its own words below the table") if line and rows == own else (line, "")


def _first_difference(file: BinaryIO, expected: Iterable[str]) -> int:
    """The number of the first line of a file in which it differs from these; 0 if it does not.

    A last line that is whole but for its end differs in the next one.
    """
    number, ends = 0, True
    for number, line in enumerate(expected, 1):
        found = file.readline()
        if not ends or found != line.encode():
            if found + b"\n" != line.encode():
                return number
            ends = False
    return 0 if ends and not file.read(1) else number + 1


def _leftovers(folder: Path) -> Iterator[Finding]:
    """Files that earlier runs have left behind."""
    for path in leftovers(folder):
        yield Finding(path.name, "note", "a temporary file of a run that was killed; the next run removes it")
    if (folder / DAMAGED).is_file():
        yield Finding(DAMAGED, "note", "lines of the journal that earlier runs have set aside; nothing reads it")


def verify_section(folder: Path, findings: Sequence[Finding]) -> Section:
    """A row for each finding, and below what to do."""
    rows = [[_place(finding), finding.state, finding.what] for finding in findings]
    return Section(str(folder), ["what", "state", "found"], rows, list(_advice(folder, findings)), prose=(2,))


def _place(finding: Finding) -> str:
    return finding.where if finding.line is None else f"{finding.where}:{finding.line}"


def _advice(folder: Path, findings: Sequence[Finding]) -> Iterator[str]:
    bad = [finding for finding in findings if finding.is_bad()]
    if not bad:
        yield "Whole: every line of the journal is a record, and every derived file is what the journal gives."
    if by_hand := [_place(finding) for finding in bad if finding.by_hand]:
        yield f"Nothing derives these again; put them back from a copy: {', '.join(by_hand)}."
    if len(by_hand) < len(bad):
        if folders := [one.where for one in bad if one.state == "damaged" and (folder / one.where).is_dir()]:
            yield f"A folder is where a file belongs, and no run replaces it; remove it first: {', '.join(folders)}."
        yield (
            f"{'Then this' if by_hand else 'This'} sets damaged lines aside, trains what is missing, and derives the "
            "other files again: " + command_that_continues(folder, shard_of(folder.resolve().name))
        )


def verify_document(folder: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "folder": str(folder),
        "whole": is_whole(findings),
        "findings": [
            {"where": finding.where, "line": finding.line, "state": finding.state, "found": finding.what}
            for finding in findings
        ],
    }
