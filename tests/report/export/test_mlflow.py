"""What MLflow's own client finds in an export."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actbench import errors
from builders import experiment_from
from tuned_runs import TUNED, run

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mlflow", "alembic", "sqlalchemy")),
    reason="mlflow is not installed: pip install 'actbench[mlflow]'",
)

# In a process of its own, since importing MLflow warns, and takes seconds that no other test should pay.
READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("made-up")
runs = client.search_runs([experiment.experiment_id], max_results=1000)
print(json.dumps([{
    "name": run.info.run_name, "status": run.info.status, "user": run.info.user_id,
    "parameters": run.data.params, "tags": run.data.tags, "metrics": run.data.metrics,
    "curve": [[one.step, one.value] for one in client.get_metric_history(run.info.run_id, "validation_accuracy")],
} for run in runs]))
"""
SPOIL = """
import sys, warnings
warnings.simplefilter("ignore")
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("made-up").experiment_id
if sys.argv[2] == "delete":
    client.delete_experiment(experiment)
for trial in sys.argv[3:]:
    for tags in ({}, {"actbench.checksum": "of an earlier version"}):
        client.create_run(experiment, tags={"actbench.trial": trial} | tags)
"""
WITHOUT_NETWORK = """
import socket, sys
def refuse(*arguments, **options):
    raise SystemExit(f"the network was asked for: {arguments}")
socket.socket.connect = socket.getaddrinfo = refuse
from actbench.cli.app import main
sys.argv = ["actbench", *sys.argv[1:]]
main()
"""


def exported(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_NETWORK, "export", str(folder), "--to", "mlflow", "--out", str(out)]
    return subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)


def export(folder: Path, out: Path) -> dict[str, Any]:
    finished = exported(folder, out)
    assert finished.returncode == 0, finished.stderr
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


def ask(script: str, place: str, *arguments: str) -> str:
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    command = [sys.executable, "-c", script, f"sqlite:///{place}", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def read(place: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ask(READ, place))
    return found


def test_mlflows_client_finds_every_trial_with_parameters_curves_and_final_numbers_and_none_twice(
    tmp_path: Path,
) -> None:
    folder = run(experiment_from(TUNED, tmp_path), tmp_path).folder
    first = export(folder, tmp_path / "out")
    assert (first["runs"], first["written"]) == (20, 20)
    found = read(first["place"])
    assert len({one["name"] for one in found}) == len(found) == 20
    one = next(one for one in found if one["name"] == "final/tanh/seed-1")
    assert (one["status"], one["tags"]["arm"], one["tags"]["outcome"]) == ("FINISHED", "tanh", "done")
    assert one["parameters"]["model.activation"] == "tanh"
    assert (one["parameters"]["train.lr"], one["parameters"]["seed"]) == ("0.1", "1")
    assert [step for step, _ in one["curve"]] == [1, 2, 3]
    assert one["curve"][-1][1] == one["metrics"]["validation_accuracy"]
    assert 0 < one["metrics"]["test_accuracy"] <= 1
    again = export(folder, tmp_path / "out")
    assert (again["runs"], again["written"]) == (20, 0)
    assert len(read(first["place"])) == 20


def test_whatever_an_interrupted_export_has_left_every_trial_is_there_once_after_the_next(tmp_path: Path) -> None:
    folder = run(experiment_from(TUNED, tmp_path), tmp_path).folder
    first = export(folder, tmp_path / "out")
    trials = [one["tags"]["actbench.trial"] for one in read(first["place"])]
    ask(SPOIL, first["place"], "add", *trials[:2])
    again = export(folder, tmp_path / "out")
    assert (again["runs"], again["written"]) == (20, 0)
    found = read(first["place"])
    assert sorted(one["tags"]["actbench.trial"] for one in found) == sorted(trials)
    assert all(one["metrics"] for one in found)


def test_what_mlflow_refuses_is_one_message(tmp_path: Path) -> None:
    folder = run(experiment_from(TUNED, tmp_path), tmp_path).folder
    place = export(folder, tmp_path / "out")["place"]
    ask(SPOIL, place, "delete")
    refused = exported(folder, tmp_path / "out")
    assert (refused.returncode, refused.stdout) == (errors.EXIT_ENVIRONMENT, "")
    assert refused.stderr.startswith(f"actbench: {place}: MLflow cannot write there (")
    assert "Traceback" not in refused.stderr
