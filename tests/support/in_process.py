"""The program run in the tests' own process, where hundreds of command lines are to be tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from typer.testing import CliRunner

from actbench.cli.app import app

# In place of torch's compiler, which its optimizers and torchvision import, for two seconds, only to be left alone.
NO_COMPILER = {
    "torch._dynamo": SimpleNamespace(disable=lambda function, *_, **__: function, graph_break=lambda: None),
    "torch._dynamo.utils": SimpleNamespace(is_compile_supported=lambda device: False),
}


@dataclass(frozen=True)
class Answer:
    """What a command line came to."""

    exit_code: int
    stdout: str
    stderr: str


def invoke(*arguments: str | Path) -> Answer:
    """Run a command line in the current folder; whatever would be a traceback is raised."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)
