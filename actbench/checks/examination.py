"""Checks of custom functions in a separate process with a time limit.

Custom functions may print, sleep, start threads or end their process; none of that reaches this process, its output or
its exit code. The child answers one JSON list at a time: `["entry"]` before an entry, `["ask", check, is_note]` before
a check, `["answer", check, outcome, reason]` after it. A note that takes too long, as on a busy machine, refuses
nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Literal

from actbench.catalogue.custom_files import CustomFile, files_in_use, load_custom_file
from actbench.catalogue.gains import with_gain
from actbench.catalogue.registry import Kind
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice, parse_choice
from actbench.experiment.definition import Experiment
from actbench.experiment.layers import previous_activation, resolve_layers
from actbench.lazy import torch
from actbench.processes import by_this_process, follow_parent, start_process

if TYPE_CHECKING:
    from actbench.checks.check import Question

START_SECONDS, CHECK_SECONDS = 600.0, 60.0


@dataclass(frozen=True)
class Check:
    """A check of an entry and its answer; only `refused` keeps the entry from being trained."""

    name: str
    outcome: Literal["pass", "refused", "note", "skipped"]
    reason: str


@dataclass(frozen=True)
class Examination:
    """A catalogue entry with the answers to all its checks."""

    choice: Choice
    checks: tuple[Check, ...]

    def refusals(self) -> list[Check]:
        """The checks that keep it from being trained."""
        return [check for check in self.checks if check.outcome == "refused"]


def question_makers(*, measures_cost: bool) -> dict[Kind, Callable[[Choice], list[Question]]]:
    """By kind of entry, the function that gives all its checks; they import torch."""
    from actbench.checks import activations, initialisers, outputs_and_losses

    return {
        "activation": partial(activations.activation_questions, measures_cost=measures_cost),
        "output": outputs_and_losses.output_questions,
        "loss": outputs_and_losses.loss_questions,
        "initialiser": initialisers.initialiser_questions,
    }


def examine_apart(
    choices: Sequence[Choice], *, measures_cost: bool = True, check_seconds: float = CHECK_SECONDS
) -> list[Examination]:
    """The checks of custom functions; one that takes longer or ends the process is refused, and the others go on."""
    examinations: list[Examination] = []
    while len(examinations) < len(choices):
        remaining = choices[len(examinations) :]
        with _child(remaining, measures_cost=measures_cost) as (process, connection):
            checks = read_answers(process, connection, check_seconds)
        examinations += [Examination(*pair) for pair in zip(remaining, checks, strict=False)]
    return examinations


def require_passed(choices: Iterable[Choice]) -> None:
    """Raise `ConfigurationError` with every refusal if a custom function does not pass its checks."""
    lines = [
        f"{examination.choice.entry.place()}: {examination.choice.kind} {examination.choice} is refused: "
        f"{check.name}: {check.reason}"
        for examination in examine_apart(list(choices), measures_cost=False)
        for check in examination.refusals()
    ]
    if lines:
        raise ConfigurationError("\n".join([*lines, "Nothing was trained; `actbench check FILE` shows every check."]))


Pair = tuple[Choice, Choice]
"""An initialiser with a gain that is named, and the custom activation whose gain it is."""


def named_gains(experiment: Experiment) -> list[Pair]:
    """All pairs of initialisers and custom activations in the experiment whose gain is named; needs no torch."""
    if not experiment.custom_choices():
        return []
    pairs: dict[Pair, None] = {}
    for settings in (one for arm in experiment.arms() for one in experiment.candidate_settings(arm)):
        layers = resolve_layers(settings)
        for index, layer in enumerate(layers):
            previous = previous_activation(layers, index)
            if previous and previous.recorded:
                for init in (layer.init, layer.bias_init):
                    if isinstance(dict(init.parameters).get("gain"), str):
                        pairs[init, previous] = None
    return list(pairs)


def require_gains(pairs: list[Pair]) -> None:
    """Compute each gain; raises `ConfigurationError` with every one that does not exist, or is 0 or infinite."""
    mistakes = []
    for init, activation in pairs:
        try:
            with_gain(dict(init.parameters), activation.entry, dict(activation.parameters))
        except ConfigurationError as missing:
            mistakes.append(f"{activation.entry.place()}: {init} beside {activation}: {missing}")
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))


def read_answers(process: BaseProcess, connection: Connection, check_seconds: float) -> list[tuple[Check, ...]]:
    """The checks of each entry, up to the first that gets no answer."""
    entries: list[list[Check]] = []
    asked, is_note, seconds = "start", False, START_SECONDS
    while True:
        if not connection.poll(seconds):
            failure = f"takes longer than {seconds:g} s"
            break
        try:
            answer = json.loads(connection.recv_bytes())
        except (EOFError, OSError, ValueError):  # the child has ended, or says something else
            answer = None
        match answer:
            case ["entry"]:
                entries.append([])
            case ["ask", str(asked), bool(is_note)]:
                pass
            case ["answer", str(name), "pass" | "refused" | "note" | "skipped" as outcome, str(reason)]:
                entries[-1].append(Check(name, outcome, reason))
            case ["end"]:
                return list(map(tuple, entries))
            case _:
                process.kill()
                process.join()
                is_note = False
                failure = f"ends the process that checks it, with exit code {process.exitcode}"
                break
        seconds = check_seconds
    entries = entries or [[]]
    entries[-1].append(Check(asked, "note" if is_note else "refused", failure))
    return list(map(tuple, entries))


@contextmanager
def _child(choices: Sequence[Choice], *, measures_cost: bool) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that checks these entries, and where it answers; it ends with this context, or with this process."""
    spellings = [(choice.kind, choice.to_yaml()) for choice in choices]
    process, connection = start_process(_answer_parent, files_in_use(), spellings, measures_cost)
    try:
        yield process, connection
    finally:
        process.kill()
        process.join()
        connection.close()


def _answer_parent(
    connection: Connection, files: Sequence[CustomFile], choices: Sequence[tuple[Kind, Any]], measures_cost: bool
) -> None:
    """Check the entries that the parent names, as the child process."""
    follow_parent()
    makers = question_makers(measures_cost=measures_cost)  # before the first check, whose time is limited
    torch.set_num_threads(1)  # another would wait for work in a loop, which takes more time than it saves

    send_bytes = by_this_process(connection.send_bytes)

    def send(*message: str | bool) -> None:
        send_bytes(json.dumps(message).encode())

    for file in files:
        load_custom_file(file)
    for kind, spelling in choices:
        send("entry")
        for question in makers[kind](parse_choice(kind, spelling)):
            send("ask", question.name, question.is_note)
            check = question.answer()
            send("answer", check.name, check.outcome, check.reason)
    send("end")
    os._exit(0)  # without waiting for threads that custom functions have started
