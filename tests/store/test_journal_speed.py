"""Large journals are read fast."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.experiment.choices import Choice
from actbench.experiment.identity import determining_settings
from actbench.experiment.records import TRAINING_CODE_VERSION, LayerProbe, TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.trials import make_trial
from actbench.store.journal import append_records, read_journal
from actbench.store.lines import ParsedSettings, journal_line, parse_line
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from journals import folder_with
from stopwatch import time_limit

MANY = TWO_ACTIVATIONS.replace("[relu, tanh]", "[relu, tanh, elu, gelu, mish]").replace("seeds: 3", "seeds: 2000")
MAX_SECONDS = 3.0


@pytest.mark.slow
def test_ten_thousand_trials_are_read_and_planned_within_three_seconds(tmp_path: Path) -> None:
    plan = make_plan(experiment_from(MANY, tmp_path))
    append_records(tmp_path, [record_of(trial) for trial in plan.trials().values()])
    with time_limit(MAX_SECONDS):
        results = load_results(tmp_path, tmp_path.parent)
    assert len(results.records) == 10_000
    assert results.missing() == 0


def test_a_trials_id_is_the_hash_of_all_that_determines_its_numbers(tmp_path: Path) -> None:
    def plain(value: Any) -> Any:
        return {value.name: dict(value.parameters)} if isinstance(value, Choice) else dict(value)

    for arm in experiment_from(TWO_ACTIVATIONS, tmp_path).arms():
        for seed in (0, 2**63 - 1):
            identity = {
                "training_code": TRAINING_CODE_VERSION,
                "phase": "tune",
                "seed": seed,
                "settings": determining_settings(arm.settings),
            }
            text = json.dumps(identity, sort_keys=True, separators=(",", ":"), default=plain)
            assert make_trial(arm.settings, seed, "tune").id == hashlib.sha256(text.encode()).hexdigest()[:16]


PROBES = [
    LayerProbe(
        epoch=epoch, layer=layer, mean=0.123456, sd=1.23456, zero_share=0.5, weight_gradient_norm=0.01234,
        bias_gradient_norm=0.0123,
    )
    for epoch in range(4)
    for layer in (1, 2)
]  # fmt: skip


def test_probes_are_left_out_where_no_wanted_metric_or_claim_is_about_layers(tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS + "expect: [{claim: c, arm: {model.activation: relu}, metric: METRIC, above: 0.1}]\n"
    for wanted, claimed, has_probes in (
        (None, "test_accuracy", True),
        (["test_loss"], "test_accuracy", False),
        (["layer1.sd"], "test_accuracy", True),
        (["test_loss / layer1.sd"], "test_accuracy", True),
        ([], "layer2.mean", True),
    ):
        experiment = experiment_from(text.replace("METRIC", claimed), tmp_path)
        folder = tmp_path / "results"
        shutil.rmtree(folder, ignore_errors=True)
        records = [record_of(trial, probes=PROBES) for trial in make_plan(experiment).trials().values()]
        lines = [journal_line(record).encode() for record in records]
        whole = load_results(folder_with(folder, experiment, lines), tmp_path)
        assert list(whole.records.values()) == records
        found = load_results(folder, tmp_path, metrics=wanted)
        assert [bool(record.probes) for record in found.records.values()] == [has_probes] * len(records)
        assert found.records == {
            key: record if has_probes else record.model_copy(update={"probes": ()})
            for key, record in whole.records.items()
        }


def test_a_journal_that_was_read_without_probes_is_read_again_for_them(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ACTIVATIONS, tmp_path)
    append_records(tmp_path, [record_of(trial, probes=PROBES) for trial in make_plan(experiment).trials().values()])
    bare = read_journal(tmp_path, has_probes=False)
    assert read_journal(tmp_path, bare, has_probes=False) is bare
    whole = read_journal(tmp_path, bare)
    assert all(record.probes for record in whole.records.values())
    assert read_journal(tmp_path, whole, has_probes=False) is whole


@pytest.mark.slow
def test_leaving_probes_out_saves_most_of_the_time_and_memory(tmp_path: Path) -> None:
    experiment = experiment_from(MANY.replace("2000", "200"), tmp_path)
    trials = make_plan(experiment).trials().values()
    append_records(tmp_path, [record_of(trial, probes=PROBES * 4) for trial in trials])
    seconds: dict[bool, float] = {}
    peaks: dict[bool, int] = {}
    for has_probes in (True, False, True, False):
        tracemalloc.start()
        start = time.process_time()
        read_journal(tmp_path, has_probes=has_probes)
        seconds[has_probes] = min(time.process_time() - start, seconds.get(has_probes, 1e9))
        peaks[has_probes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[False] < peaks[True] / 3
    assert seconds[False] < seconds[True] / 2


def test_records_that_are_read_take_two_thirds_of_the_memory_of_those_that_pydantic_makes(tmp_path: Path) -> None:
    trials = make_plan(experiment_from(MANY.replace("2000", "60"), tmp_path)).trials().values()
    lines = [journal_line(record_of(trial, probes=PROBES)).encode()[:-1] for trial in trials]

    def peak_bytes(read: Callable[[bytes], object]) -> int:
        tracemalloc.start()
        kept = [read(line) for line in lines]
        assert len(kept) == len(lines)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    parsed: ParsedSettings = {}
    settings = parse_line(lines[0], parsed)
    assert isinstance(settings, TrialRecord)
    bodies = {line: json.loads(line) | {"settings": settings.settings} for line in lines}
    for body in bodies.values():
        del body["checksum"]
    assert (
        peak_bytes(lambda line: parse_line(line, parsed))
        < peak_bytes(lambda line: TrialRecord.model_validate(bodies[line])) * 2 / 3
    )
