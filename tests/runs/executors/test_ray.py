"""Stacks as tasks of Ray: the numbers, the second tries and the journal of local workers, also when a node is lost."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.errors import UnusableEnvironmentError
from actbench.experiment.records import Report, TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack, batched_tuple
from actbench.runs import environment
from actbench.runs.executors.local import Event, Limits, StackDone, StackStarted, TrialFailed
from actbench.runs.executors.ray import QUIET, connect_to_ray
from actbench.runs.executors.worker import train_with_torch
from actbench.runs.options import RunOptions
from actbench.runs.progress import RunState
from actbench.runs.runner import run_experiment
from actbench.store.folder import environments_by_id, read_environment
from actbench.store.journal import read_journal
from builders import TWO_ACTIVATIONS, experiment_from, fake_train, without_times
from lost_workers import is_running, poisoned
from places import SUPPORT
from program import TINY

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install ray"),
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's clusters are not made for Windows"),
]
NODE = {"node_ip_address": "127.0.0.1", "num_cpus": 1, "num_gpus": 0, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster whose first node has one core; its nodes find the tests' modules as this process does."""
    folder = tempfile.mkdtemp(prefix="actbench-ray-", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        private = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "7" * 64}
        places = {"RAY_TMPDIR": folder, "PYTHONPATH": os.pathsep.join([*sys.path, str(SUPPORT)])}
        for name, value in (QUIET | private | places).items():
            patch.setenv(name, value)
        import ray.cluster_utils

        cluster: Any = ray.cluster_utils.Cluster(True, head_node_args=NODE | {"include_dashboard": False})
        yield cluster
        cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stacks(tmp_path: Path) -> list[Stack]:
    return batched_tuple(list(make_plan(experiment_from(TWO_ACTIVATIONS, tmp_path)).trials().values()), 2)


@pytest.fixture(scope="module")
def digits() -> Arrays:
    return load(DATASETS["digits"], Path())


def stuck_away_from(
    home: str, folder: Path, stack: Stack, arrays: Arrays, device: str, on_epoch: Report
) -> list[TrialRecord]:
    """Never ends on another node than this one, where it waits until that has begun."""
    import ray

    if ray.get_runtime_context().get_node_id() != home:
        (folder / "stuck").touch()
        time.sleep(3600)
    while not (folder / "stuck").exists():
        time.sleep(0.01)
    return train_with_torch(stack, arrays, device, on_epoch)


@pytest.mark.slow
def test_a_sweep_that_loses_a_node_has_the_bits_and_the_table_of_local_workers(cluster: Any, tmp_path: Path) -> None:
    experiment = experiment_from(TINY, tmp_path)
    local = RunOptions(tmp_path / "local", Path(), device="cpu", jobs=2)
    folder = run_experiment(experiment, local, lambda state: None, print).folder
    second = cluster.add_node(**NODE)

    def lose(state: RunState) -> None:
        if second in cluster.worker_nodes and (tmp_path / "stuck").exists():
            cluster.remove_node(second, allow_graceful=False)

    by_ray = RunOptions(tmp_path / "ray", Path(), device="cpu", executor="ray", ray_address=cluster.address)
    train = partial(stuck_away_from, cluster.head_node.node_id, tmp_path)
    result = run_experiment(experiment, by_ray, lose, print, train)
    assert second not in cluster.worker_nodes
    assert (result.trained, result.endings["failed"]) == (12, 0)
    records = [list(read_journal(one).records.values()) for one in (folder, result.folder)]
    assert without_times(records[0]) == without_times(records[1])
    for table in ("table.csv", "table.md"):
        assert (folder / table).read_bytes() == (result.folder / table).read_bytes()
    assert read_environment(folder) == read_environment(result.folder)


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("killed", "worker process ended unexpectedly"),
        pytest.param("exception", "ValueError: poison", marks=pytest.mark.slow),
        pytest.param("hang", "worker unresponsive for 2 s", marks=pytest.mark.slow),
    ],
)
def test_a_poisonous_trial_fails_alone_after_its_stack_has_been_tried_twice(
    how: str, cause: str, cluster: Any, stacks: list[Stack], digits: Arrays, tmp_path: Path
) -> None:
    (tmp_path / "tries").mkdir()
    events: list[Event] = []
    train = partial(poisoned, how, tmp_path / "tries")
    with connect_to_ray(train, "cpu", None, cluster.address, limits=Limits(silence_seconds=2.0)) as workers:
        workers.run(stacks, digits, events.append)
    (failed,) = [event for event in events if isinstance(event, TrialFailed)]
    assert (failed.stack[0].seed, failed.stack[0].settings.model.activation.name) == (1, "relu")
    assert failed.cause == cause
    assert len([record for event in events if isinstance(event, StackDone) for record in event.records]) == 5
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "tries").iterdir()) == ["1", "2", "2"]


def test_a_trial_that_takes_too_long_is_given_up_and_nothing_starts_when_the_time_is_over(
    cluster: Any, stacks: list[Stack], digits: Arrays, tmp_path: Path
) -> None:
    events: list[Event] = []
    train = partial(poisoned, "hang", tmp_path)
    poison = next(trial for stack in stacks for trial in stack if trial.seed == 1)
    with connect_to_ray(train, "cpu", None, cluster.address, limits=Limits(trial_seconds=0.5)) as workers:
        workers.run([(poison,)], digits, events.append)
        over = replace(workers, limits=Limits(is_over=lambda: True))
        over.run(stacks, digits, events.append)
    assert events == [StackStarted((poison,)), TrialFailed((poison,), "took longer than 0.5 s for each trial")]


class Absent:
    """What a node without our modules makes of them."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return importlib.import_module, ("not_on_this_node",)


def test_a_node_that_would_train_something_else_ends_the_run_and_fails_no_trial(
    cluster: Any, stacks: list[Stack], digits: Arrays
) -> None:
    events: list[Event] = []
    with connect_to_ray(fake_train, "cpu", None, cluster.address) as workers:
        other = replace(workers, here={**workers.here, "torch": "1.0", "actbench": "0.0"})
        with pytest.raises(UnusableEnvironmentError, match=r"actbench .* \(here 0\.0\), torch .* \(here 1\.0\)"):
            other.run(stacks, digits, events.append)
        without: Any = Absent()
        with pytest.raises(UnusableEnvironmentError, match=r"No module named 'not_on_this_node'"):
            replace(workers, train=without).run(stacks, digits, events.append)
        no_card = replace(workers, device="cuda", start_seconds=0.2)
        with pytest.raises(
            UnusableEnvironmentError, match=r"has started none of \d stacks? for 0 s: does the cluster have free GPUs"
        ):
            no_card.run(stacks, digits, events.append)
    assert events == []
    with (
        pytest.raises(UnusableEnvironmentError, match="has no GPU"),
        connect_to_ray(fake_train, "cuda", None, cluster.address),
    ):
        pass


def test_what_another_processor_has_trained_is_recorded_as_such(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = environment.describe_machine()["processor"]
    monkeypatch.setattr(environment, "processor_name", lambda: "another")
    options = RunOptions(tmp_path / "ray", Path(), device="cpu", executor="ray", ray_address=cluster.address)
    experiment = experiment_from(TWO_ACTIVATIONS, tmp_path)
    folder = run_experiment(experiment, options, lambda state: None, print, fake_train).folder
    (trained,) = {record.environment for record in read_journal(folder).records.values()}
    kept = environments_by_id(folder)
    assert {one["processor"] for one in kept.values()} == {"another", processor}
    assert kept[str(trained)]["processor"] == processor


PARENT = """
import json, signal, sys
from types import SimpleNamespace
from pathlib import Path
sys.path.insert(0, {tests!r})
from actbench.runs.executors.ray import connect_to_ray
from lost_workers import busy_forever
from processes import listening, processes_below
import os
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored below a shell's `&`
with connect_to_ray(busy_forever, "cpu", 2, None) as workers:
    def show(event):
        pids = processes_below(os.getpid())
        chosen = {{key: os.environ[key] for key in ("RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED")}}
        print(json.dumps([pids, listening([os.getpid(), *pids]), chosen]), flush=True)
    trial = SimpleNamespace(settings=SimpleNamespace(train=SimpleNamespace(precision="float32")))
    workers.run([(trial,), (trial,)], object(), show)
"""


PRIVATE = """
import json, os, tempfile
from pathlib import Path
from actbench.runs.executors.ray import connected_ray
folders, make = [], tempfile.mkdtemp
tempfile.mkdtemp = lambda *args, **options: folders.append(make(*args, **options)) or folders[-1]
with connected_ray(None, 1, "cpu") as ray:
    paths = [str(path) for path in Path(folders[0]).rglob("*")]
    address = ray.get_runtime_context().gcs_address
    print(json.dumps([folders[0], oct(os.stat(folders[0]).st_mode & 0o777), paths, address]), flush=True)
    input()
"""
ASKING = """
import sys
from ray._raylet import GcsClient
try:
    print(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None))
except Exception as refused:
    print(type(refused).__name__)
"""
VISIBLE = 'for path; do test -e "$path" && echo "$path"; done; true'


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="acts as a second user, which takes root")
def test_another_user_reaches_neither_folder_nor_server_of_a_private_ray() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRIVATE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        folder, mode, paths, address = json.loads(running.stdout.readline())

        def visible(**user: Any) -> list[str]:
            command = ["sh", "-c", VISIBLE, "sh", *paths, "/tmp"]
            printed: str = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", **user).stdout
            return printed.split()

        by_us, by_another = visible(), visible(user="nobody", group="nogroup", extra_groups=[])
        command = [sys.executable, "-c", ASKING, address]
        without_token = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        running.communicate("\n")
    assert running.returncode == 0
    assert without_token == "AuthenticationError\n"
    assert mode == "0o700"
    assert {Path(path).name for path in by_us} > {"raylet", "plasma_store"}
    assert by_another == ["/tmp"]
    assert not Path(folder).exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_ray_of_ones_own_keeps_to_this_machine_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT.format(tests=str(SUPPORT)), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids, addresses, chosen = json.loads(parent.stdout.readline())
        parent.send_signal(signal.SIGINT)
        said = parent.communicate()
    assert chosen == {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    assert parent.returncode == -signal.SIGINT, said[1]
    assert said[1].rstrip().endswith("KeyboardInterrupt")
    assert len(pids) > 2
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert addresses
    assert set(addresses) <= loopback
    deadline = time.monotonic() + 30  # for a busy machine; the loop ends as soon as they have
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        pass
    assert not any(map(is_running, pids))
