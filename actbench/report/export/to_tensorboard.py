"""TensorBoard: an event file for every trial, for its tabs SCALARS and HPARAMS.

Times in the files are seconds of training, so that the same results always give the same bytes. The files are
assembled from TensorBoard's messages, because its writer would add the host name, and a new file at every export.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from actbench.experiment.naming import value_to_text
from actbench.report.export.export import Run
from actbench.store.files import replace_file

FILE = "events.out.tfevents.0.actbench"
FILE_VERSION = "brain.Event:2"
FINAL_METRICS = ("accuracy/test", "accuracy/validation", "accuracy/train", "loss/test", "loss/validation", "loss/train")
TRUTH, TEXT, NUMBER = map(int, (api_pb2.DATA_TYPE_BOOL, api_pb2.DATA_TYPE_STRING, api_pb2.DATA_TYPE_FLOAT64))
STATUS = {"done": api_pb2.STATUS_SUCCESS, "diverged": api_pb2.STATUS_SUCCESS, "failed": api_pb2.STATUS_FAILURE}


def write_runs(runs: Sequence[Run], folder: Path) -> None:
    """Write, or replace, the event file of every run below the folder, and the one that describes them all."""
    columns = _columns(runs)
    described = plugin_data_pb2.HParamsPluginData(experiment=_experiment(runs, columns))
    _write(folder, [_hparams(metadata.EXPERIMENT_TAG, described)])
    for run in runs:
        _write(folder / run.name, _events(run, columns))


def tag(metric: str) -> str:
    """`train_loss` as `loss/train` and `layer1.mean` as `layer1/mean`: the part before the slash groups the charts."""
    if metric.startswith("layer"):
        return metric.replace(".", "/")
    part, _, quantity = metric.partition("_")
    return f"{quantity}/{part}"


def _write(folder: Path, events: Iterable[Event]) -> None:
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in (Event(wall_time=0, file_version=FILE_VERSION), *events):
        writer.write(event.SerializeToString(deterministic=True))
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / FILE, [content.getvalue()])


def _columns(runs: Sequence[Run]) -> dict[str, int]:
    """What was varied and tuned, each with its type; texts where a column has values of several (32 and `full`)."""
    types: dict[str, set[int]] = {}
    for run in runs:
        for name, value in run.varied.items():
            types.setdefault(name, set()).add({bool: TRUTH, str: TEXT}.get(type(value), NUMBER))
    return {name: kinds.pop() if len(kinds) == 1 else TEXT for name, kinds in types.items()}


def _experiment(runs: Sequence[Run], columns: Mapping[str, int]) -> api_pb2.Experiment:
    """The columns of the HPARAMS tab: what was varied and tuned, and the final metrics."""
    metrics = {tag(name) for run in runs for name in run.final_values()}
    return api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=kind) for name, kind in columns.items()],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in FINAL_METRICS if name in metrics
        ],
    )


def _events(run: Run, columns: Mapping[str, int]) -> list[Event]:
    started = plugin_data_pb2.SessionStartInfo(group_name=run.name, start_time_secs=0)
    for name, value in run.varied.items():
        if columns[name] == TRUTH:
            started.hparams[name].bool_value = value
        elif columns[name] == TEXT:
            started.hparams[name].string_value = value_to_text(value)
        else:
            started.hparams[name].number_value = value
    ended = plugin_data_pb2.SessionEndInfo(status=STATUS[run.outcome], end_time_secs=run.wall_seconds)
    scalars = [
        (point, Summary(value=[Summary.Value(tag=tag(point.metric), simple_value=point.value)])) for point in run.points
    ]
    return [
        _hparams(metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=started)),
        *(Event(wall_time=run.seconds_at(point), step=point.epoch, summary=one) for point, one in scalars),
        _hparams(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=ended)),
    ]


def _hparams(name: str, data: plugin_data_pb2.HParamsPluginData) -> Event:
    described = metadata.create_summary_metadata(data)
    data.version = metadata.PLUGIN_DATA_VERSION  # a map has no order unless it is asked for
    described.plugin_data.content = data.SerializeToString(deterministic=True)
    value = Summary.Value(tag=name, metadata=described, tensor=metadata.NULL_TENSOR)
    return Event(wall_time=0, summary=Summary(value=[value]))
