"""Command lines in a process of their own that notes, and refuses, whatever it wants of the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from places import SUPPORT

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NOT_PASSED_ON = (*PROXIES, *map(str.upper, PROXIES), "ACTBENCH_DATA", "PYTHONSAFEPATH")

EXPERIMENT = """
name: tiny
data: {dataset: digits, train: 120, test: 60}
model: {hidden: [8]}
train: {epochs: 1, optimizer: sgd}
vary: {train.lr: [0.01, 1e30]}
seeds: 2
baseline: {train.lr: 0.01}
"""
PRIVATE = {
    "HOME": "/pr1vate-home",
    "USER": "pr1vate-user",
    "LOGNAME": "pr1vate-login",
    "API_TOKEN": "s3cr3t-t0k3n",
}
PICTURES = ("--figures", "pictures", "--figure-format", "pdf")
VERBS = {
    "doctor": ["doctor"],
    "data": ["data"],
    "list": ["list"],
    "show": ["show", "relu"],
    "init": ["init", "new.yaml"],
    "schema": ["schema"],
    "validate": ["validate", "tiny.yaml"],
    "summary": ["summary", "tiny.yaml"],
    "plan": ["plan", "tiny.yaml"],
    "check": ["check", "own.py"],
    "run": ["run", "tiny.yaml", "--jobs", "2", "--allow-unusable"],
    "challenge": ["challenge", "own.py", "--dataset", "digits", "--dry-run"],
    "compare": ["compare", "results/tiny", "--format", "json"],
    "report": ["report", "results/tiny", "--html", "page.html", *PICTURES],
    "status": ["status", "results/tiny"],
    "verify": ["verify", "results/tiny"],
    "merge": ["merge", "results/tiny", "--results", "merged"],
    "export": ["export", "results/tiny", "--to", "tensorboard", "--out", "logs"],
    "predictions": ["predictions", "results/tiny"],
}

# Python reads this file at the start of every process, workers included, that finds it on PYTHONPATH.
WATCH = """
import os, socket

def refuse(address):
    with open(os.environ["WANTED_HOSTS"], "a") as file:
        file.write(f"{address[0] if isinstance(address, tuple) else address}\\n")
    raise OSError(101, "no network in this test")

def watched(name, original):
    def method(self, *arguments):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(arguments[-1])
        return original(self, *arguments)
    return method

for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, watched(name, getattr(socket.socket, name)))
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, lambda host, *rest, **options: refuse(host))
"""
ONE_AFTER_ANOTHER = """
import json, os, pathlib, sys
from in_process import NO_COMPILER, invoke

sys.modules.update(NO_COMPILER)

wanted = pathlib.Path(os.environ["WANTED_HOSTS"])
for line in json.loads(sys.argv[1]):
    wanted.write_text("")
    answer = invoke(*line)
    print(json.dumps([answer.exit_code, answer.stdout, answer.stderr, wanted.read_text().splitlines()]))
"""


@dataclass(frozen=True)
class Watched:
    """What a command line came to, and the hosts that it wanted to speak to."""

    exit_code: int
    stdout: str
    stderr: str
    hosts: frozenset[str]


def watch(folder: Path, command_lines: Sequence[Sequence[str]], environment: Mapping[str, str]) -> list[Watched]:
    """Run command lines one after another in a folder, with these variables besides the tests' own."""
    (folder / "watch").mkdir(exist_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    searched = os.pathsep.join([str(folder / "watch"), str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    variables = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON} | dict(environment)
    finished = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(command_lines)],
        cwd=folder, env=variables | {"PYTHONPATH": searched, "WANTED_HOSTS": str(folder / "wanted")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    answers = [json.loads(line) for line in finished.stdout.splitlines()]
    return [Watched(code, out, said, frozenset(hosts)) for code, out, said, hosts in answers]


@dataclass(frozen=True)
class Walk:
    """The folder in which every verb has been run once, and what each came to."""

    folder: Path
    answers: dict[str, Watched]
