"""Lines of the journal: what is written is read back equal, and a checksum alone makes no record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.errors import UnusableEnvironmentError
from actbench.experiment.definition import Experiment
from actbench.experiment.records import SCHEMA, Curves, LayerProbe, TrialRecord
from actbench.plan.plan import make_plan
from actbench.store.journal import append_records, read_journal, set_damaged_lines_aside
from actbench.store.lines import Damage, NewerSchemaError, journal_line, parse_line
from actbench.store.names import DAMAGED, ENVIRONMENT, JOURNAL
from actbench.version import __version__
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from journals import body_of, folder_with, line_of, records_of, sealed
from program import actbench, assert_one_message

pytestmark = pytest.mark.oldest

PROBE = LayerProbe(epoch=0, layer=1, mean=1e-45, sd=3.4e38, zero_share=0.5, weight_gradient_norm=None,
                   bias_gradient_norm=-0.0)  # fmt: skip
ONES = "/" * 50  # 300 images right, of 360
KINDS: dict[str, dict[str, Any]] = {
    "as trained": {},
    "diverged": {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None, "epoch_seconds": (1e-9, 2.5, 3.0)},
    "failed": {"outcome": "failed", "cause": 'a "cause", \\ \u202e\x1b[31m \U0001f600 über\n,"outcome":{"x":[1]}',
               "curves": Curves(), "test_correct_count": None, "test_loss": None, "wall_seconds": 0.0},
    "tuned": {"phase": "tune", "test_correct_count": None, "test_loss": None},
    "measured": {"test_nll": 0.5, "test_brier": 0.1, "test_ece": 0.0, "test_top2_correct_count": 320, "plan": "ab12",
                 "test_correct_count": 300,
                 "test_mistakes": "AQEB" * 20, "test_prediction_counts": (0, 60, 300, *[0] * 7),
                 "probes": (PROBE.model_copy(update={"histogram": "A" * 24, "learnt": {"beta": 1.5}}),)},
    "everything": {"probes": (PROBE, PROBE), "parameters": {"layer1.weight": (0.1, None, -1e38)},
                   "test_is_correct": ONES + "A" * 10,
                   "test_prediction_counts": (0, *[40] * 9), "test_correct_count": 300, "environment": "abcdef",
                   "seed": 2**63 - 1, "stack_trials": 40},
}  # fmt: skip


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


@pytest.fixture
def record(experiment: Experiment) -> TrialRecord:
    return records_of(experiment)[0]


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_a_line_is_read_back_equal_and_as_pydantic_alone_would(changes: dict[str, Any], record: TrialRecord) -> None:
    written = record.model_copy(update=changes)
    line = line_of(written)[:-1]
    found = parse_line(line, {})
    assert found == written == TrialRecord.model_validate_json(re.sub(rb',"checksum":"\w+"', b"", line))
    assert journal_line(written).encode()[:-1] == line


def test_a_line_of_schema_1_is_read_with_what_it_lacks_as_not_recorded(record: TrialRecord) -> None:
    content = record.model_dump(mode="json") | {"schema": 1}
    later = ("plan", "test_nll", "test_brier", "test_ece", "test_top2_correct_count", "test_mistakes")
    old = {name: value for name, value in content.items() if name not in later}
    old["curves"] = {name: value for name, value in content["curves"].items() if name in CURVES}
    found = parse_line(sealed(json.dumps(old, separators=(",", ":")))[:-1], {})
    assert isinstance(found, TrialRecord)
    assert found == record.model_copy(update={"schema_version": 1})
    assert (found.plan, found.test_nll, found.test_top2_correct_count, found.mistakes()) == ("", None, None, None)


def test_lines_in_another_order_of_fields_are_records_too(record: TrialRecord) -> None:
    content = record.model_dump(mode="json")
    reordered = {"schema": content.pop("schema"), **dict(sorted(content.items(), reverse=True))}
    assert parse_line(sealed(json.dumps(reordered, separators=(",", ":")))[:-1], {}) == record


def test_records_of_equal_settings_share_them(tmp_path: Path, experiment: Experiment) -> None:
    append_records(tmp_path, records_of(experiment))
    found = list(read_journal(tmp_path).records.values())
    assert len({id(one.settings) for one in found}) == experiment.arm_count() < len(found)


def edited(**changes: Any) -> Callable[[TrialRecord], str]:
    return lambda record: body_of(record, changes)


def replaced(old: str, new: str) -> Callable[[TrialRecord], str]:
    def body(record: TrialRecord) -> str:
        text = body_of(record)
        assert old in text
        return text.replace(old, new, 1)

    return body


CURVES = {"train_loss": [1.0], "train_correct_count": [1], "validation_loss": [1.0], "validation_correct_count": [1]}
WHOLE: dict[str, list[Any]] = {"train_loss": [1.0] * 3, "train_correct_count": [1] * 3, "validation_loss": [1.0] * 3,
         "validation_correct_count": [1] * 3}  # fmt: skip
NO_RECORDS: dict[str, tuple[Callable[[TrialRecord], str], str]] = {
    "an unknown field": (edited(colour="red"), "colour"),
    "a field that is missing": (replaced('"outcome":"done",', ""), "outcome"),
    "settings that are missing": (lambda record: re.sub('"settings":.*?}},', "", body_of(record)), "settings"),
    "another type": (edited(seed="many"), "seed"),
    "half an image": (edited(test_correct_count=1.5), "test_correct_count"),
    "an unknown outcome": (edited(outcome="won"), "outcome"),
    "an unknown activation": (replaced('"activation":"relu"', '"activation":"reluu"'), "activation"),
    "settings given twice": (lambda record: body_of(record)[:-1] + ',"settings":{}}', "settings: given twice"),
    "settings that end early": (replaced('"model":{', '"model":,"outcome":{'), "characters"),
    "no schema": (replaced('"schema":2,', ""), "schema"),
    "a schema that is text": (replaced('"schema":2,', '"schema":"2",'), "schema"),
    "schema 0": (edited(schema=0), "schema"),
    "two schemas": (lambda record: body_of(record)[:-1] + ',"schema":3}', "schema"),
    "a schema that is not first": (lambda record: body_of(record)[:-1].replace('"schema":2,', "", 1) + ',"schema":2}',
                                   "schema"),
    "NaN": (replaced('"test_loss":0.5', '"test_loss":NaN'), "finite number"),
    "infinity": (replaced('"test_loss":0.5', '"test_loss":-Infinity'), ""),
    "a number too large": (replaced('"test_loss":0.5', '"test_loss":1e999'), "finite number"),
    "a time too large": (edited(epoch_seconds=[1.0, 2.0, 10**400]), ""),
    "a probe too large": (
        lambda record: body_of(record, {"probes": [PROBE.model_dump()]}).replace("3.4e+38", "-1e999"), "finite number"),
    "a weight too large": (
        lambda record: body_of(record, {"parameters": {"layer1.bias": [1]}}).replace("[1]}", "[1e999]}"), "finite"),
    "more right than there are": (edited(test_correct_count=361), "test_correct_count"),
    "fewer right than none": (edited(test_correct_count=-1), "test_correct_count"),
    "a class predicted less than never": (edited(test_prediction_counts=[361, -1, *[0] * 8]), "test_prediction_counts"),
    "negative counts in a curve": (edited(curves=CURVES | {"train_correct_count": [-1]}), "train_correct_count"),
    "no training images": (edited(train_count=0), "train_count"),
    "no test images": (edited(test_count=0, test_correct_count=None), "test_count"),
    "validation of no images": (edited(validation_count=0), "validation_count"),
    "counts without end": (edited(train_count=10**400), "train_count"),
    "correct counts without end": (edited(curves=CURVES | {"train_correct_count": [10**400]}), "train_correct_count"),
    "a probe of no epoch": (edited(probes=[PROBE.model_dump() | {"epoch": 4}]), "probes"),
    "a probe of no layer": (edited(probes=[PROBE.model_dump() | {"layer": 0}]), "probes"),
    "curves of different lengths": (edited(curves=CURVES | {"train_loss": [1.0, 2.0]}), "lengths"),
    "validation of another length": (edited(curves=CURVES | {"validation_loss": [1.0, 2.0]}), "lengths"),
    "losses without counts": (edited(curves=CURVES | {"validation_correct_count": []}), "lengths"),
    "more epochs than the settings have": (edited(curves={name: [1] * 4 for name in CURVES}), "epochs"),
    "fewer times than epochs": (edited(epoch_seconds=[1.0, 2.0]), "epochs"),
    "bits that are none": (edited(test_is_correct="abc"), "base64"),
    "bits that say another count": (edited(test_is_correct=ONES + "A" * 10, test_correct_count=360), "marked as right"),
    "fewer bits than images": (edited(test_is_correct=ONES[:48]), "a bit for each"),
    "more bits than images": (edited(test_is_correct=ONES + "A" * 14), "a bit for each"),
    "bits beyond the last image": (edited(test_is_correct=ONES + "A" * 10, test_correct_count=299), "marked as right"),
    "more predictions than images": (edited(test_prediction_counts=[37] * 10), "360 predictions"),
    "predictions of other classes": (edited(test_prediction_counts=[180, 180]), "classes"),
    "a validation accuracy of 200 %": (
        edited(curves=WHOLE | {"validation_correct_count": [50, 100, 478]}), "validation_correct_count"),
    "more training images right than there are": (
        edited(curves=WHOLE | {"train_correct_count": [1, 2, 1199]}), "train_correct_count"),
    "fewer training images than the settings have": (edited(train_count=600), "train_count"),
    "other validation images than the settings have": (edited(validation_count=240), "validation_count"),
    "other test images than the settings have": (edited(test_count=10_000), "test_count"),
    "a negative loss": (edited(curves=WHOLE | {"train_loss": [1.0, 0.5, -0.5]}), "nll"),
    "a negative test loss": (edited(test_loss=-1e30), "nll"),
    "a loss beyond float32": (edited(test_loss=1.7e308), "test_loss"),
    "a loss beyond float32 in a curve": (edited(curves=WHOLE | {"validation_loss": [1.0, 1.7e308, 1.0]}), "loss.1"),
    "a mean beyond float32": (edited(probes=[PROBE.model_dump() | {"mean": -1e308}]), "mean"),
    "a norm beyond float32": (edited(probes=[PROBE.model_dump() | {"weight_gradient_norm": 1e308}]), "gradient_norm"),
    "a weight beyond float32": (edited(parameters={"layer1.bias": [1e308]}), "parameters.layer1.bias.0"),
    "a time beyond every computer": (edited(wall_seconds=1e308), "seconds"),
    "a time of an epoch beyond every computer": (edited(epoch_seconds=[1.0, 1e308, 1.0]), "seconds"),
    "a negative time": (edited(wall_seconds=-1.0), "seconds"),
    "a negative time of an epoch": (edited(epoch_seconds=[1.0, -1.0, 1.0]), "seconds"),
    "a stack of none": (edited(stack_trials=0), "stack_trials"),
    "done with a curve that ends early": (edited(curves={name: values[:2] for name, values in WHOLE.items()}), "done"),
    "done with a hole in a curve": (edited(curves=WHOLE | {"validation_loss": [1.0, None, 1.0]}), "done"),
    "done without validation": (edited(curves=WHOLE | {"validation_loss": [], "validation_correct_count": []}), "done"),
    "done without a test figure": (edited(test_correct_count=None), "test figure"),
    "done and diverged": (edited(diverged_epoch=2), "diverged"),
    "diverged before it began": (edited(outcome="diverged", diverged_epoch=0), "diverged_epoch"),
    "a share above 1": (edited(probes=[PROBE.model_dump() | {"dead_share": 1.5}]), "dead_share"),
    "a share below 0": (edited(probes=[PROBE.model_dump() | {"zero_share": -0.1}]), "zero_share"),
    "a negative deviation": (edited(probes=[PROBE.model_dump() | {"sd": -1.0}]), "sd"),
    "a probe of a layer beyond the last": (edited(probes=[PROBE.model_dump() | {"layer": 3}]), "probes"),
    "a negative norm": (edited(probes=[PROBE.model_dump() | {"weight_norm": -1.0}]), "weight_norm"),
    "a learnt parameter beyond float32": (edited(probes=[PROBE.model_dump() | {"learnt": {"beta": 1e308}}]), "beta"),
    "a histogram of other bins": (edited(probes=[PROBE.model_dump() | {"histogram": "AAAA"}]), "histogram"),
    "mistakes that are none": (edited(test_mistakes="abc"), "test_mistakes: not base64"),
    "fewer mistakes than images that are wrong": (
        edited(test_mistakes="AQEB" * 19, test_correct_count=300), "test_mistakes: not one"),
    "a mistake that is none": (
        edited(test_mistakes="CwsL" * 20, test_correct_count=300), "or the right one"),
    "a mistake of a class that does not exist": (
        edited(test_mistakes="////" * 20, test_correct_count=300), "does not have"),
    "a class predicted by mistake more often than predicted": (
        edited(test_mistakes="AQEB" * 20, test_correct_count=300,
               test_prediction_counts=[0, 40, 320, *[0] * 7]), "more often"),
    "a negative NLL": (edited(test_nll=-0.5), "test_nll: Input should be greater"),
    "an NLL beyond float32": (edited(test_nll=1e308), "test_nll: Input should be less"),
    "a Brier score above 2": (edited(test_brier=2.5), "test_brier: Input should be less than or equal to 2"),
    "a calibration error above 1": (edited(test_ece=1.5), "test_ece: Input should be less than or equal to 1"),
    "a negative calibration error in a curve": (
        edited(curves=WHOLE | {"validation_ece": [0.1, -0.1, 0.1]}), "validation_ece.1: Input should be greater"),
    "measures of fewer epochs": (edited(curves=WHOLE | {"validation_nll": [1.0]}), "another length"),
    "fewer right in two than in one": (
        edited(test_top2_correct_count=299, test_correct_count=300), "test_top2_correct_count"),
    "more right in two than there are": (edited(test_top2_correct_count=361), "test_top2_correct_count"),
    "fewer right in two than in one in a curve": (
        edited(curves=WHOLE | {"validation_top2_correct_count": [1, 0, 1]}), "validation_top2_correct_count"),
    "half a character": (edited(cause="\ud800"), "escape"),
    "nothing but brackets": (lambda record: '{"schema":2,"trial":' + "[" * 100_000 + "}", "recursion"),
    "a number of many digits": (replaced('"seed":0', '"seed":' + "9" * 100_000), ""),
    "a word": (lambda record: "null}", ""),
    "nothing": (lambda record: "{}", ""),
    "two objects": (lambda record: body_of(record) + body_of(record), "trailing characters"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "said"), NO_RECORDS.values(), ids=NO_RECORDS)
def test_a_checksum_that_fits_makes_no_record_of_what_is_none(
    body: Callable[[TrialRecord], str], said: str, record: TrialRecord, tmp_path: Path
) -> None:
    line = sealed(body(record))
    damage = parse_line(line[:-1], {})
    assert isinstance(damage, Damage)
    assert damage.reason.startswith("not a record, although its checksum fits: ")
    assert said in damage.reason
    assert len(damage.reason) <= 200
    (tmp_path / JOURNAL).write_bytes(line + line_of(record))
    assert set_damaged_lines_aside(tmp_path) >= 1
    assert (tmp_path / DAMAGED).read_bytes().replace(b"\n", b"") == line[:-1]
    assert read_journal(tmp_path).records == {record.trial: record}


def test_invalid_utf_8_with_a_checksum_that_fits_is_no_record(record: TrialRecord) -> None:
    line = sealed(body_of(record).encode().replace(b'"cpu"', b'"c\xffu"'))
    assert isinstance(parse_line(line[:-1], {}), Damage)


def newer_line(record: TrialRecord, schema: int = SCHEMA + 1) -> bytes:
    return sealed(body_of(record, {"schema": schema, "a_field_of_tomorrow": [1, 2]}))


def test_a_newer_schema_is_no_damage(record: TrialRecord) -> None:
    with pytest.raises(NewerSchemaError) as newer:
        parse_line(newer_line(record, 12)[:-1], {})
    assert newer.value.schema == 12


def test_a_schema_that_only_a_flipped_bit_made_newer_is_damage(record: TrialRecord) -> None:
    line = line_of(record).replace(b'"schema":2', b'"schema":3')
    assert isinstance(parse_line(line[:-1], {}), Damage)


@pytest.mark.parametrize(("written_by", "needed"), [
    ("9.8.7", "9.8.7 or later"), (__version__, "the latest version"), (None, "the latest version"),
    ("\x1b]0;x\x07", "the latest version"), (["9.8.7"], "the latest version"),
])  # fmt: skip
def test_a_newer_journal_is_refused_in_one_sentence_that_names_the_version_needed(
    written_by: object, needed: str, record: TrialRecord, experiment: Experiment, tmp_path: Path
) -> None:
    folder = folder_with(tmp_path / "results" / "made-up", experiment, [line_of(record), newer_line(record)])
    (folder / ENVIRONMENT).write_text(json.dumps({"id": "a", "actbench": written_by}))
    message = (
        f"{folder / JOURNAL}:2: written by a newer actbench (schema 3, and {__version__} reads up to 2): "
        f"upgrade to {needed} with pip install --upgrade actbench"
    )
    with pytest.raises(UnusableEnvironmentError, match=f"^{re.escape(message)}$"):
        read_journal(folder)


def test_no_verb_touches_a_newer_journal(record: TrialRecord, experiment: Experiment, tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path / "results" / "made-up", experiment, [line_of(record), newer_line(record), b"damage\n"]
    )
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for verb in (["run", "experiment.yaml"], ["compare", folder], ["verify", folder]):
        assert_one_message(actbench(*verb, folder=tmp_path), 4, "written by a newer actbench", "upgrade")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_trial_that_failed_and_then_finished_is_finished_whatever_the_order(
    experiment: Experiment, tmp_path: Path
) -> None:
    trial = next(iter(make_plan(experiment).trials().values()))
    done = record_of(trial)
    failures = [record_of(trial, outcome="failed", cause=cause) for cause in ("first", "second", "third")]
    for records in ([done, *failures], [*failures, done], [failures[0], done, *failures[1:]]):
        (tmp_path / JOURNAL).unlink(missing_ok=True)
        append_records(tmp_path, records)
        assert read_journal(tmp_path).records == {trial.id: done}


def test_a_trial_that_failed_again_has_every_cause(experiment: Experiment, tmp_path: Path) -> None:
    trial = next(iter(make_plan(experiment).trials().values()))
    for causes in (["second", "first"], ["first", "second", "first"]):
        (tmp_path / JOURNAL).unlink(missing_ok=True)
        append_records(tmp_path, [record_of(trial, outcome="failed", cause=cause) for cause in causes])
        (found,) = read_journal(tmp_path).records.values()
        assert found.cause == "first | second"
