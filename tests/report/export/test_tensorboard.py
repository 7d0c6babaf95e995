"""What TensorBoard's own readers find in an export."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from actbench import errors
from actbench.report.export.export import runs_of
from actbench.store.results import Results, load_results
from builders import TWO_ACTIVATIONS, experiment_from
from in_process import invoke
from places import ROOT
from program import actbench_alone
from tuned_runs import TUNED, files_of, run

pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'actbench[tensorboard]'")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("tuned")
    folder = run(experiment_from(TUNED, root), root).folder
    return load_results(folder, folder.parent)


@pytest.fixture(scope="module")
def exported(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from actbench.report.export.to_tensorboard import write_runs

    folder = tmp_path_factory.mktemp("logs")
    write_runs(runs_of(results), folder)
    return folder


def test_the_event_accumulator_finds_every_curve_and_the_final_numbers(exported: Path, results: Results) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    one = next(run for run in runs_of(results) if run.name == "final/tanh/seed-1")
    reader = EventAccumulator(str(exported / one.name))
    reader.Reload()
    tags = {"accuracy/train", "accuracy/validation", "accuracy/test", "loss/train", "loss/validation", "loss/test"}
    assert set(reader.Tags()["scalars"]) == tags
    curve = [point.value for point in one.points if point.metric == "validation_accuracy"]
    found = reader.Scalars("accuracy/validation")
    assert [event.step for event in found] == [1, 2, 3]
    assert [event.value for event in found] == pytest.approx(curve)
    (test,) = reader.Scalars("accuracy/test")
    assert test.step == 3


def hparams_tab(exported: Path) -> tuple[Any, dict[str, Any]]:
    """What the HPARAMS tab shows: its columns, and its rows by the names of the runs."""
    from tensorboard import context
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(exported))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(exported))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = context.RequestContext()
    experiment = get_experiment.Handler(request, backend, "", api_pb2.GetExperimentRequest()).run()
    asked = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=100, allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
    )
    groups = list_session_groups.Handler(request, backend, "", asked).run().session_groups
    return experiment, {group.name: group for group in groups}


def test_the_hparams_tab_has_a_row_for_every_trial_with_what_was_varied_and_its_metrics(
    exported: Path, results: Results
) -> None:
    experiment, by_name = hparams_tab(exported)
    assert {info.name for info in experiment.hparam_infos} == {"model.activation", "train.lr", "phase", "seed"}
    assert experiment.metric_infos[0].name.tag == "accuracy/test"
    assert set(by_name) == {run.name for run in runs_of(results)}
    row = by_name["final/relu/seed-0"]
    assert (row.hparams["model.activation"].string_value, row.hparams["train.lr"].number_value) == ("relu", 0.01)
    metrics = {value.name.tag: value.value for value in row.metric_values}
    one = next(run for run in runs_of(results) if run.name == row.name)
    assert metrics["accuracy/test"] == pytest.approx(next(p.value for p in one.points if p.metric == "test_accuracy"))


def test_a_column_of_numbers_and_names_holds_texts_alone(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import api_pb2

    from actbench.report.export.to_tensorboard import write_runs

    text = TWO_ACTIVATIONS.replace("model.activation: [relu, tanh]", "train.batch_size: [32, full]")
    folder = run(experiment_from(text.replace("model.activation: relu", "train.batch_size: 32"), tmp_path), tmp_path)
    write_runs(runs_of(load_results(folder.folder, tmp_path)), tmp_path / "logs")
    experiment, rows = hparams_tab(tmp_path / "logs")
    (info,) = (info for info in experiment.hparam_infos if info.name == "train.batch_size")
    assert info.type == api_pb2.DATA_TYPE_STRING
    assert {row.hparams[info.name].string_value for row in rows.values()} == {"32", "full"}


def test_exporting_again_changes_no_byte_and_nothing_names_this_machine(exported: Path, results: Results) -> None:
    from actbench.report.export.to_tensorboard import write_runs

    before = files_of(exported)
    write_runs(runs_of(results), exported)
    assert files_of(exported) == before
    assert len(before) == 1 + len(runs_of(results))
    assert not any(socket.gethostname() in name for name in before)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        finished = actbench_alone(
            "export", ROOT / "results" / "precision", "--to", "tensorboard", "--out", name, folder=tmp_path
        )
        assert finished.returncode == 0, finished.stderr
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_the_command_says_where_the_runs_are_and_how_to_open_them(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = invoke("export", results.folder, "--to", "tensorboard", "--format", "json")
    assert answer.exit_code == 0
    document = json.loads(answer.stdout)
    assert (document["runs"], document["written"], document["place"]) == (20, 20, "runs/made-up")
    assert answer.stderr.strip() == "Next: tensorboard --logdir runs"
    assert (tmp_path / "runs" / "made-up" / "final" / "relu" / "seed-0").is_dir()


@pytest.mark.parametrize("tool", ["tensorboard", "mlflow"])
def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(
    tool: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        tool,
        *(loaded for loaded in sys.modules if loaded.startswith((f"{tool}.", "actbench.report.export.to_"))),
    ):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(f"actbench.report.export.to_{tool}", raising=False)
    monkeypatch.delitem(sys.modules, f"actbench.report.export.to_{tool}", raising=False)
    answer = invoke("export", results.folder, "--to", tool, "--out", tmp_path / "out")
    assert (answer.exit_code, answer.stdout) == (errors.EXIT_ENVIRONMENT, "")
    assert f"pip install 'actbench[{tool}]'" in answer.stderr
    assert not (tmp_path / "out").exists()
