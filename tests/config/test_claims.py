"""Claims under `expect`: what they are about, how they are written, and every mistake in them with its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from actbench.config.reader import load_experiment, read_experiment
from actbench.errors import ConfigurationError
from actbench.experiment.choices import parse_choice
from actbench.experiment.definition import Claim, Experiment, experiment_to_yaml, smoke_version
from actbench.plan.plan import make_plan
from actbench.plan.stacks import make_stacks
from actbench.store.folder import write_experiment
from actbench.store.names import EXPERIMENT
from program import actbench, assert_one_message

HEAD = """\
model: {hidden: [4]}
train: {epochs: 3}
vary: {model.activation: [relu, tanh, {leaky_relu: {negative_slope: 0.1}}], train.lr: [0.1, 1e-2]}
seeds: 3
"""
RELU, TANH = (("model.activation", parse_choice("activation", name)) for name in ("relu", "tanh"))
FORMS = "expected either `better` and `than`, or `arm` (and `minus`) with one of `above`, `below` and `between`, found "
KEYS = "claim, better, than, arm, minus, metric, above, below, between"
CURVES = (
    "test_accuracy, test_loss, validation_accuracy, validation_loss, train_accuracy, train_loss, test_nll, test_brier, "
    "test_ece, test_top2_accuracy, validation_nll, validation_brier, validation_ece, validation_top2_accuracy, "
    "step_seconds, boundary"
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Experiment:
    Path("f.yaml").write_text(text, encoding="utf-8")
    return load_experiment(Path("f.yaml")).experiment


def claims(*entries: str) -> tuple[Claim, ...]:
    return load(f"{HEAD}expect: [{', '.join(entries)}]").claims


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


CLAIMS = [
    ("{claim: a, better: {model.activation: relu}, than: {model.activation: tanh}}",
     Claim("a", "test_accuracy", (RELU,), (TANH,), is_better=True)),
    ("{claim: a, better: {model.activation: relu}, than: {}, metric: step_seconds}",
     Claim("a", "step_seconds", (RELU,), (), is_better=True)),
    ("{claim: a, arm: {train.lr: 0.01, model.activation: relu}, above: 0.5}",
     Claim("a", "test_accuracy", (RELU, ("train.lr", 0.01)), None, lower=0.5)),
    ("{claim: a, arm: {model.activation: relu}, minus: {model.activation: tanh}, below: 0}",
     Claim("a", "test_accuracy", (RELU,), (TANH,), upper=0.0)),
    ("{claim: a, arm: {train.lr: 0.1}, minus: {}, above: -1e-7, metric: train_loss}",
     Claim("a", "train_loss", (("train.lr", 0.1),), (), lower=-1e-7)),
    ("{claim: a, between: [1e-3, 1e+3], metric: layer1.mean@0 / layer2.mean@0}",
     Claim("a", "layer1.mean@0 / layer2.mean@0", (), None, lower=1e-3, upper=1e3)),
    ("{claim: a, arm: {}, between: [-1, 1], metric: '  test_loss  -  train_loss '}",
     Claim("a", "test_loss - train_loss", (), None, lower=-1.0, upper=1.0)),
    ("{claim: 'a: \"b\", # ü', arm: {model.activation: {leaky_relu: {negative_slope: 1e-1}}}, below: 1}",
     Claim('a: "b", # ü', "test_accuracy",
                 (("model.activation", parse_choice("activation", {"leaky_relu": {"negative_slope": 0.1}})),), None,
                 upper=1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), CLAIMS, ids=range(len(CLAIMS)))
def test_a_claim_is_read_from_either_form(entry: str, expected: Claim) -> None:
    assert claims(entry) == (expected,)


def test_claims_keep_the_order_of_the_file() -> None:
    experiment = load(f"{HEAD}expect: [{', '.join(entry for entry, _ in CLAIMS)}]")
    assert experiment.claims == tuple(expected for _, expected in CLAIMS)


def test_claims_written_as_yaml_read_back_equal() -> None:
    experiment = load(f"{HEAD}expect: [{', '.join(entry for entry, _ in CLAIMS)}]")
    assert load(yaml.safe_dump(experiment_to_yaml(experiment), sort_keys=False)) == experiment
    write_experiment(Path(), experiment_to_yaml(experiment))
    assert load_experiment(Path(EXPERIMENT)).experiment == experiment


def test_an_arm_may_use_another_name_of_a_varied_value_and_is_written_under_the_usual_one() -> None:
    entry = "{claim: a, arm: {model.activation: silu}, above: 0}"
    text = f"vary: {{model.activation: [swish, tanh]}}\nexpect: [{entry}]"
    (claim,) = load(text).claims
    assert claim.to_record()["arm"] == {"model.activation": "swish"}


def test_of_a_partial_arm_only_the_arms_with_its_values_need_to_have_the_metric() -> None:
    text = "vary: {model.hidden: [[4], [4, 4]], data.validation: [0, 9]}\nexpect: [{claim: a, above: 0, %s}]"
    deep = "metric: layer2.dead_share, arm: {model.hidden: [4, 4]}"
    (claim,) = load(text % deep).claims
    assert claim.arm == (("model.hidden", (4, 4)),)
    for rest in ("metric: layer2.dead_share, arm: {data.validation: 9}", f"{deep}, minus: {{model.hidden: [4]}}",
                 f"{deep}, minus: {{}}"):  # fmt: skip
        (line,) = mistakes(text % rest)
        assert line.endswith(": expect[0].metric: layer2.dead_share: the last layer has no activation")


def entries_at_line_2(*entries: str) -> str:
    return f"vary: {{model.activation: [relu, tanh], train.lr: [0.1, 0.01]}}\nexpect: [{', '.join(entries)}]"


NOT_A_CLAIM = [
    ("[a]", "2:10: expect[0]: expected a mapping with `claim`, found [\"a\"] (a list)"),
    ("relu", "2:10: expect[0]: expected a mapping with `claim`, found 'relu' (text)"),
    ("{above: 0}", "2:10: expect[0].claim: required, but not there"),
    ("{claim: 3, above: 0}", "2:11: expect[0].claim: expected text, found 3 (a whole number)"),
    ("{claim: a, abov: 0}", "2:21: expect[0].abov: unknown key; did you mean above?"),
    ("{claim: a, above: 0, zzz: 0}", f"2:31: expect[0].zzz: unknown key; known here: {KEYS}"),
]  # fmt: skip

WRONG_FORMS = [
    ("{claim: a}", f"2:10: expect[0]: {FORMS}none"),
    ("{claim: a, arm: {train.lr: 0.1}}", f"2:10: expect[0]: {FORMS}arm"),
    ("{claim: a, better: {train.lr: 0.1}}", f"2:10: expect[0]: {FORMS}better"),
    ("{claim: a, than: {train.lr: 0.1}, above: 0}", f"2:10: expect[0]: {FORMS}than, above"),
    ("{claim: a, better: {train.lr: 0.1}, than: {train.lr: 0.01}, arm: {}}",
     f"2:10: expect[0]: {FORMS}better, than, arm"),
    ("{claim: a, better: {train.lr: 0.1}, than: {train.lr: 0.01}, below: 0}",
     f"2:10: expect[0]: {FORMS}better, than, below"),
    ("{claim: a, above: 0, below: 1}", f"2:10: expect[0]: {FORMS}above, below"),
    ("{claim: a, between: [0, 1], below: 1}", f"2:10: expect[0]: {FORMS}between, below"),
    ("{claim: a, above: }", "2:21: expect[0].above: expected a number, found nothing"),
    ("{claim: a, between: }", "2:21: expect[0].between: expected a list, found nothing"),
    ("{claim: a, above: high}", "2:21: expect[0].above: expected a number, found 'high' (text)"),
    ("{claim: a, below: .inf}", "2:21: expect[0].below: expected a finite number, found inf (a number)"),
    ("{claim: a, between: 1}", "2:21: expect[0].between: expected a list, found 1 (a whole number)"),
    ("{claim: a, between: [0, 1, 2]}",
     "2:21: expect[0].between: expected at most 2 entries, found [0, 1, 2] (a list)"),
    ("{claim: a, between: [0, high]}", "2:34: expect[0].between[1]: expected a number, found 'high' (text)"),
    ("{claim: a, above: 95}",
     "2:21: expect[0].above: test_accuracy is a fraction from 0 to 1, found 95; did you mean 0.95?"),
    ("{claim: a, between: [58, 64]}",
     "2:21: expect[0].between: test_accuracy is a fraction from 0 to 1, found 58, 64; did you mean [0.58, 0.64]?"),
    ("{claim: a, between: [2, 1]}",
     "2:21: expect[0].between: expected the smaller bound first, found [2.0, 1.0] (a list)"),
    ("{claim: a, between: [1, 1]}",
     "2:21: expect[0].between: expected the smaller bound first, found [1.0, 1.0] (a list)"),
]  # fmt: skip

WRONG_ARMS = [
    ("{claim: a, arm: relu, above: 0}",
     "2:21: expect[0].arm: expected a mapping such as `model.activation: relu`, found 'relu' (text)"),
    ("{claim: a, arm: , above: 0}",
     "2:21: expect[0].arm: expected a mapping such as `model.activation: relu`, found nothing"),
    ("{claim: a, arm: {model.activation: elu}, above: 0}",
     "2:27: expect[0].arm.model.activation: expected one of the varied values (relu, tanh), found 'elu' (text)"),
    ("{claim: a, arm: {model.activation: rleu}, above: 0}",
     "2:27: expect[0].arm.model.activation: no activation is called 'rleu'; did you mean relu, relu6 or prelu?"),
    ("{claim: a, better: {train.lr: 0.1}, than: {train.lr: fast}}",
     "2:53: expect[0].than.train.lr: expected a number, found 'fast' (text)"),
    ("{claim: a, better: {train.lr: 0.1}, than: {activation: relu}}",
     "2:53: expect[0].than.activation: expected a setting that is varied; did you mean model.activation?"),
    ("{claim: a, arm: {}, minus: {train.epochs: 3}, above: 0}",
     "2:38: expect[0].minus.train.epochs: expected a setting that is varied; did you mean train.lr?"),
    ("{claim: a, arm: {zzz: 3}, above: 0}",
     "2:27: expect[0].arm.zzz: expected a setting that is varied; known here: model.activation, train.lr"),
    ("{claim: a, better: {train.lr: 1e-1}, than: {train.lr: 0.1}}",
     "2:47: expect[0].than: the same arm as under `better`"),
]  # fmt: skip

WRONG_METRICS = [
    ("{claim: a, above: 0, metric: test_acc}",
     "2:31: expect[0].metric: no metric is called 'test_acc'; did you mean test_accuracy, test_ece or test_nll?"),
    ("{claim: a, above: 0, metric: zzz}", f"2:31: expect[0].metric: no metric is called 'zzz'; known here: {CURVES}"),
    ("{claim: a, above: 0, metric: }", "2:31: expect[0].metric: expected text, found nothing"),
    ("{claim: a, better: {train.lr: 0.1}, than: {}, metric: layer1.mean}",
     "2:56: expect[0].metric: neither way is better for layer1.mean: use `arm` and `minus` with `above` or `below`"),
    ("{claim: a, better: {train.lr: 0.1}, than: {}, metric: test_loss - train_loss}",
     "2:56: expect[0].metric: neither way is better for test_loss - train_loss: "
     "use `arm` and `minus` with `above` or `below`"),
    ("{claim: a, above: 0, metric: boundary}",
     "2:31: expect[0].metric: boundary: only a network of one input and one unit has one"),
    ("{claim: a, above: 0, metric: layer3.dead_share}",
     "2:31: expect[0].metric: layer3.dead_share: the last layer has no activation"),
    ("{claim: a, above: 0, metric: train_loss@11 / train_loss}",
     "2:31: expect[0].metric: train_loss@11: epochs are 1 to 10"),
    ("{claim: a, above: 0, metric: test_accuracy_of_first_361}",
     "2:31: expect[0].metric: test_accuracy_of_first_361: there are 360 test images"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "line"), [
    pytest.param(entry, line, id=entry) for entry, line in [*NOT_A_CLAIM, *WRONG_FORMS, *WRONG_ARMS, *WRONG_METRICS]
])  # fmt: skip
def test_a_mistake_in_a_claim_is_named_with_its_place_its_path_and_a_sentence(entry: str, line: str) -> None:
    assert mistakes(entries_at_line_2(entry)) == [f"f.yaml:{line}"]


@pytest.mark.parametrize(("given", "found"), [
    ("relu", "'relu' (text)"), ("{claim: a, above: 0}", '{"claim": "a", "above": 0} (a mapping)'),
])  # fmt: skip
def test_claims_are_a_list(given: str, found: str) -> None:
    assert mistakes(f"expect: {given}") == [f"f.yaml:1:1: expect: expected a list of claims, found {found}"]


ALL_AT_ONCE = """\
vary: {model.activation: [relu, tanh]}
expect:
  - {claim: a, above: 0, metric: layer9.sd}
  - {above: 0, belwo: 1}
  - {claim: b, arm: {model.activation: elu, train.lr: 1}, metric: tset_loss, below: 0}
  - {claim: c, above: 0}
  - d
  - {claim: e, better: {train.epochs: 1}, than: {model.activation: elu}}
seeds: 0
"""


def test_all_mistakes_of_all_claims_are_reported_in_one_go_and_in_the_order_of_the_file() -> None:
    assert [line.split(": ")[:2] for line in mistakes(ALL_AT_ONCE)] == [
        ["f.yaml:3:26", "expect[0].metric"],
        ["f.yaml:4:5", "expect[1].claim"],
        ["f.yaml:4:16", "expect[1].belwo"],
        ["f.yaml:5:22", "expect[2].arm.model.activation"],
        ["f.yaml:5:45", "expect[2].arm.train.lr"],
        ["f.yaml:5:59", "expect[2].metric"],
        ["f.yaml:7:5", "expect[4]"],
        ["f.yaml:8:25", "expect[5].better.train.epochs"],
        ["f.yaml:8:50", "expect[5].than.model.activation"],
        ["f.yaml:9:1", "seeds"],
    ]


@pytest.mark.parametrize(("vary", "path"), [
    ("model.activation: [relu, tahn]", "vary.model.activation[1]"),
    ("model.activation: []", "vary.model.activation"),
    ("model.activation: [tanh, tanh]", "vary.model.activation[1]"),
    ("model.activation: [{celu: {alpha: 0}}]", "vary.model.activation[0].celu.alpha"),
    ("model.activation: [tanh], train.epochs: [0]", "vary.train.epochs[0]"),
])  # fmt: skip
def test_a_mistake_inside_a_varied_setting_causes_none_in_the_claims(vary: str, path: str) -> None:
    entries = "{claim: a, above: 0, arm: {model.activation: tanh}}, {claim: b, above: 0, metric: train_loss@99}"
    (line,) = mistakes(f"vary: {{{vary}}}\nexpect: [{entries}]")
    assert line.split(": ")[1] == path


def test_a_mistake_inside_a_varied_setting_hides_no_other_mistake_in_the_claims() -> None:
    entries = (
        "{claim: a, above: 0, arm: {model.activation: tanh, train.lr: 3}}, {claim: b, above: 0, metric: tset_loss}"
    )
    lines = mistakes(f"vary: {{model.activation: [relu, tahn], train.lr: [1, 2]}}\nexpect: [{entries}]")
    assert [line.split(": ")[1] for line in lines] == [
        "vary.model.activation[1]",
        "expect[0].arm.train.lr",
        "expect[1].metric",
    ]


def with_claims(*entries: str) -> tuple[Experiment, Experiment]:
    """An experiment with these claims and the same without."""
    experiment = load(f"{HEAD}expect: [{', '.join(entries)}]")
    return experiment, replace(experiment, claims=())


def test_claims_change_no_trial() -> None:
    experiment, bare = with_claims(*(entry for entry, _ in CLAIMS))
    assert bare == load(HEAD)
    assert make_plan(experiment).arms == make_plan(bare).arms


@pytest.mark.parametrize(("metric", "widest"), [
    ("step_seconds", 1), ("step_seconds / train_loss", 1), ("test_loss - step_seconds", 1), ("test_loss", 18),
])  # fmt: skip
def test_where_a_claim_is_about_time_every_trial_has_a_stack_of_its_own(metric: str, widest: int) -> None:
    experiment, bare = with_claims("{claim: a, above: 0}", f"{{claim: b, above: 0, metric: {metric}}}")
    plan = make_plan(experiment)
    stacks = make_stacks(plan.trials().values(), is_timed=plan.is_timed)
    assert max(map(len, stacks)) == widest
    assert {trial.id for stack in stacks for trial in stack} == make_plan(bare).trials().keys()


def test_the_smoke_version_makes_no_claims() -> None:
    experiment, bare = with_claims(*(entry for entry, _ in CLAIMS))
    assert smoke_version(experiment) == smoke_version(bare)
    assert smoke_version(experiment).claims == ()
    assert "expect" not in experiment_to_yaml(smoke_version(experiment))


def test_arms_that_differ_in_a_misspelt_setting_are_not_called_the_same(tmp_path: Path) -> None:
    text = (
        "vary: {model.activation: [relu, gellu]}\nbaseline: {model.activation: relu}\n"
        "expect:\n  - {claim: a, better: {model.activation: gellu}, than: {model.activation: relu}}\n"
    )
    (tmp_path / "misspelt.yaml").write_text(f"name: misspelt\ndata: {{dataset: digits}}\n{text}", encoding="utf-8")
    refused = actbench("validate", "misspelt.yaml", folder=tmp_path)
    assert_one_message(refused, 2, "no activation is called 'gellu'")
    assert "same arm" not in refused.stderr


def test_a_claim_about_an_excluded_arm_is_refused() -> None:
    text = """data: {dataset: digits}
vary: {model.activation: [relu, tanh], model.init: [zeros, orthogonal]}
exclude: [{model.activation: tanh, model.init: zeros}]
expect:
  - {claim: dead, arm: {model.activation: tanh, model.init: zeros}, below: 0.2}
  - {claim: well, arm: {model.activation: tanh}, above: 0.2}
"""
    with pytest.raises(ConfigurationError) as caught:
        read_experiment(text, "f.yaml", "f")
    assert str(caught.value) == "f.yaml:5:19: expect[0].arm: no arm of this experiment has these values"
