"""Plans: every distinct trial once, in stacks of one shape that fit the cache and give every worker work."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from actbench.config.reader import load_experiment
from actbench.experiment.cells import Cells, Group
from actbench.experiment.choices import parse_choice
from actbench.experiment.definition import Experiment, Factor
from actbench.experiment.settings import TrialSettings
from actbench.plan.plan import is_same_plan, make_plan, plan_checksum, plan_to_json
from actbench.plan.stacks import MAX_STACK_TRIALS, MIN_STACK_TRIALS, Stack, cache_width, make_stacks, stack_shape
from actbench.plan.trials import make_trial
from builders import TWO_ACTIVATIONS, experiment_from
from places import EXPERIMENT_FILES

EXPERIMENTS = [
    "model: {}\nseeds: 1",
    "model: {hidden: [4]}\nseeds: [5, 3, 8]",
    "model: {hidden: [4]}\nvary: {model.activation: [relu, tanh, silu, {prelu: {per_feature: true}}]}\nseeds: 7",
    "vary: {model.hidden: [[4], [4, 4], []], model.activation: [relu, tanh], train.batch_size: [32, full]}\nseeds: 3",
    "vary: {model.layers: [[{units: 3}], [{units: 3, activation: relu}], [{units: 3, activation: elu}]]}\nseeds: 2",
    "vary: {model.bias_init: [null, zeros], train.weight_decay: [null, 0], model.dropout: [0, 0.5]}\nseeds: 2",
    "vary: {data.train: [null, 1437, 600], data.validation: [null, 239]}\nseeds: 2",
    "vary: {data.test: [null, 360], data.scale: [unit, 16]}\nseeds: 2",
    "vary: {train.optimizer: [sgd, adam], train.schedule: [constant, cosine], train.lr: [1, 2]}\nseeds: 2",
]


def stacks_of(experiment: Experiment, *, workers: int = 1, cache_bytes: int = 2**24) -> tuple[Stack, ...]:
    return make_stacks(make_plan(experiment).trials().values(), workers=workers, cache_bytes=cache_bytes)


def made_of(arms: int, seeds: int) -> Experiment:
    settings = TrialSettings.model_validate({"model": {"hidden": (8,)}})
    rates = tuple(1.0 + arm for arm in range(arms))
    cells = Cells((Group(("train.lr",), tuple((rate,) for rate in rates)),))
    return Experiment("made-up", settings, (Factor("train.lr", rates),), cells, tuple(range(seeds)), ())


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("text", EXPERIMENTS)
def test_every_distinct_trial_is_in_exactly_one_stack(text: str, workers: int, tmp_path: Path) -> None:
    experiment = experiment_from(text, tmp_path)
    stacks = stacks_of(experiment, workers=workers)
    assert Counter(trial.id for stack in stacks for trial in stack) == Counter(make_plan(experiment).trials().keys())


@pytest.mark.parametrize("text", EXPERIMENTS)
def test_every_arm_has_one_trial_for_each_seed_in_their_order(text: str, tmp_path: Path) -> None:
    experiment = experiment_from(text, tmp_path)
    plan = make_plan(experiment)
    assert [arm for arm, _ in plan.arms] == list(experiment.arms())
    for arm, trials in plan.arms:
        assert tuple(trial.seed for trial in trials) == experiment.seeds
        assert all(trial.settings == arm.settings for trial in trials)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("text", EXPERIMENTS)
def test_the_same_experiment_has_the_same_plan(text: str, workers: int, tmp_path: Path) -> None:
    experiment, again = experiment_from(text, tmp_path), experiment_from(text, tmp_path)
    assert make_plan(experiment) == make_plan(again)
    assert stacks_of(experiment, workers=workers) == stacks_of(again, workers=workers)


@pytest.mark.parametrize("text", EXPERIMENTS)
def test_trials_of_a_stack_share_one_shape(text: str, tmp_path: Path) -> None:
    for stack in stacks_of(experiment_from(text, tmp_path)):
        assert len({stack_shape(trial.settings) for trial in stack}) == 1


@pytest.mark.parametrize("vary", [
    "model.hidden: [[4], [5], [4, 4], []]",
    "model.layers: [[{units: 4}], [{units: 4, dropout: 0.5}], [{units: 4, batch_norm: true}]]",
    "model.dropout: [0, 0.5], model.hidden: [[4]]", "data.train: [100, 200]", "data.test: [100, 200]",
    "data.validation: [100, 200]", "data.split: [tail, stratified]", "data.scale: [unit, standard]",
    "train.optimizer: [sgd, {sgd: {momentum: 0.5}}, adam]", "train.batch_size: [32, full]", "train.epochs: [1, 2]",
    "train.schedule: [constant, cosine]", "train.shuffle: [true, false]",
])  # fmt: skip
def test_different_shapes_never_share_a_stack(vary: str, tmp_path: Path) -> None:
    experiment = experiment_from(f"vary: {{{vary}}}\nseeds: 2", tmp_path)
    stacks = stacks_of(experiment)
    assert len(stacks) == experiment.arm_count()
    assert all(len({trial.settings for trial in stack}) == 1 for stack in stacks)


@pytest.mark.parametrize("vary", [
    "model.activation: [relu, tanh, {prelu: {per_feature: true}}]", "model.init: [ones, zeros]",
    "model.bias_init: [ones, zeros]", "model.output_init: [ones, zeros]", "train.lr: [1, 2]",
    "model.output: [log_softmax, identity]", "train.loss: [nll, mse]", "train.weight_decay: [0, 1]",
])  # fmt: skip
def test_trials_that_differ_in_nothing_but_values_share_a_stack(vary: str, tmp_path: Path) -> None:
    experiment = experiment_from(f"model: {{hidden: [4]}}\nvary: {{{vary}}}\nseeds: 2", tmp_path)
    (stack,) = stacks_of(experiment)
    assert len(stack) == 2 * experiment.arm_count()


@pytest.mark.parametrize("vary", [
    "model.bias_init: [null, zeros]", "train.weight_decay: [null, 0]", "data.validation: [null, 239]",
    "data.train: [null, 1437]", "data.test: [null, 360]", "model.output_init: [null, kaiming_normal]",
    "model.layers: [[{units: 3}], [{units: 3, activation: relu}]]", "model.hidden: [[256, 128], null]",
])  # fmt: skip
def test_arms_that_resolve_to_equal_settings_share_one_trial_that_is_trained_once(vary: str, tmp_path: Path) -> None:
    experiment = experiment_from(f"vary: {{{vary}}}\nseeds: 2", tmp_path)
    (_, first), (_, second) = make_plan(experiment).arms
    assert [trial.id for trial in first] == [trial.id for trial in second]
    assert sum(map(len, stacks_of(experiment))) == 2


@pytest.mark.parametrize(("arms", "seeds"), [(1, 1), (1, 40), (3, 7), (8, 5), (40, 2), (300, 1)])
def test_stacks_are_no_wider_than_the_cache_allows(arms: int, seeds: int) -> None:
    experiment = made_of(arms, seeds)
    for workers, cache_bytes in itertools.product((1, 2, 5), (0, 2**16, 2**20, 2**40)):
        width = cache_width(experiment.settings, cache_bytes)
        assert MIN_STACK_TRIALS <= width <= MAX_STACK_TRIALS
        stacks = stacks_of(experiment, workers=workers, cache_bytes=cache_bytes)
        assert 1 <= min(map(len, stacks)) <= max(map(len, stacks)) <= width
        assert sum(map(len, stacks)) == arms * seeds


def test_the_cache_width_falls_with_the_size_of_the_network() -> None:
    widths = [
        cache_width(TrialSettings.model_validate({"model": {"hidden": hidden}}), 2**20)
        for hidden in ((4,), (8,), (64,), (64, 64), (512, 512))
    ]
    assert widths == sorted(widths, reverse=True)
    assert (widths[0], widths[-1]) == (2**20 // (16 * (65 * 4 + 5 * 10)), MIN_STACK_TRIALS)


@pytest.mark.parametrize(("arms", "seeds", "workers"), [
    (8, 5, 2), (8, 5, 4), (8, 5, 16), (8, 5, 20), (1, 5, 2), (1, 4, 2), (3, 7, 2), (4, 2, 3), (7, 1, 3), (100, 10, 16),
    (2, 100, 8), (1, 32, 16), (1, 33, 16),
])  # fmt: skip
def test_every_worker_has_at_least_two_stacks_where_there_are_enough_trials(
    arms: int, seeds: int, workers: int
) -> None:
    assert arms * seeds >= 2 * workers
    assert len(stacks_of(made_of(arms, seeds), workers=workers)) >= 2 * workers


def test_with_few_trials_every_stack_has_one() -> None:
    assert [len(stack) for stack in stacks_of(made_of(2, 2), workers=4)] == [1, 1, 1, 1]


def test_trials_of_one_seed_stay_together_where_they_share_their_functions() -> None:
    stacks = stacks_of(made_of(3, 10), cache_bytes=2**17)
    seeds = [seed for stack in stacks for seed in {trial.seed for trial in stack}]
    assert len(stacks) > 2
    assert len(seeds) - len(set(seeds)) < len(stacks)


def test_trials_with_the_same_activation_share_a_stack_rather_than_those_of_one_seed(tmp_path: Path) -> None:
    names = "relu, tanh, gelu, mish, elu, swish, sigmoid, leaky_relu"
    text = f"data: {{dataset: mnist}}\nvary: {{model.activation: [{names}]}}\nseeds: 5\n"
    stacks = make_stacks(make_plan(experiment_from(text, tmp_path)).trials().values(), workers=2)
    assert [len(stack) for stack in stacks] == [5] * 6 + [2, 3, 3, 2]
    for stack in stacks:
        assert len({trial.settings.model.activation.name for trial in stack}) == 1


def test_within_a_stack_equal_arms_stand_side_by_side() -> None:
    (stack,) = stacks_of(made_of(3, 4))
    assert [trial.settings.train.lr for trial in stack] == [1.0] * 4 + [2.0] * 4 + [3.0] * 4
    assert [trial.seed for trial in stack] == [0, 1, 2, 3] * 3


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda path: str(path.stem))
def test_ids_are_16_hexadecimal_digits_and_unique(path: Path) -> None:
    experiment = load_experiment(path).experiment
    ids = list(make_plan(experiment).trials())
    planned = experiment.arm_count() * (experiment.tuning_trial_count() or len(experiment.seeds))
    assert planned / 2 < len(ids) <= planned
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in ids)


def test_seed_phase_and_settings_all_enter_the_id() -> None:
    settings = TrialSettings.model_validate({"model": {"hidden": (3,)}})
    other = settings.model_copy(
        update={"model": settings.model.model_copy(update={"activation": parse_choice("activation", "elu")})}
    )
    trials = [make_trial(settings, 0), make_trial(settings, 1), make_trial(settings, 0, "tune"), make_trial(other, 0)]
    assert len({trial.id for trial in trials}) == len(trials)
    assert make_trial(settings, 0) == trials[0]


def test_full_batches_of_many_images_make_narrow_stacks() -> None:
    def width(batch_size: object) -> int:
        settings = TrialSettings.model_validate(
            {"data": {"dataset": "mnist"}, "model": {"hidden": (8,)}, "train": {"batch_size": batch_size}}
        )
        return cache_width(settings, 2**24)

    assert width(128) > 50
    assert 1 <= width("full") <= 6


@pytest.mark.parametrize("workers", [1, 2])
def test_whatever_is_still_missing_is_in_exactly_one_stack(workers: int) -> None:
    trials = list(make_plan(made_of(4, 5)).trials().values())
    draws = random.Random(0)
    for _ in range(200):
        missing = draws.sample(trials, draws.randrange(len(trials) + 1))
        stacks = make_stacks(missing, workers=workers, cache_bytes=2**17)
        assert Counter(trial.id for stack in stacks for trial in stack) == Counter(trial.id for trial in missing)


def test_trials_of_different_precision_share_no_stack_and_no_id(tmp_path: Path) -> None:
    text = "model: {hidden: [8]}\nvary: {train.precision: [float32, bf16]}\nseeds: 3\n"
    experiment = experiment_from(text, tmp_path)
    stacks = stacks_of(experiment)
    assert len(make_plan(experiment).trials()) == 6
    assert [{trial.settings.train.precision for trial in stack} for stack in stacks] == [{"float32"}, {"bf16"}]


def test_the_last_rounds_stacks_are_halved_where_they_fill_the_cache(tmp_path: Path) -> None:
    def widths(dataset: str, workers: int) -> list[int]:
        experiment = experiment_from(f"data: {{dataset: {dataset}}}\nseeds: 32\n", tmp_path)
        return [len(stack) for stack in make_stacks(make_plan(experiment).trials().values(), workers=workers)]

    assert widths("mnist", 2) == [8, 8, 4, 4, 4, 4]
    assert widths("mnist", 4) == [4] * 4 + [2] * 8
    assert widths("digits", 2) == [8, 8, 8, 8]
    assert widths("mnist", 1) == [8] * 4


@pytest.mark.parametrize(("seeds", "workers"), [(40, 2), (40, 3), (23, 2)])
def test_no_worker_is_left_without_a_stack_in_the_last_round(seeds: int, workers: int, tmp_path: Path) -> None:
    experiment = experiment_from(f"data: {{dataset: mnist}}\nseeds: {seeds}\n", tmp_path)
    trials = make_plan(experiment).trials()
    stacks = make_stacks(trials.values(), workers=workers)
    assert len(stacks) % workers == 0
    assert sorted(trial.id for stack in stacks for trial in stack) == sorted(trials)
    assert max(map(len, stacks)) <= 8


def test_another_margin_or_claim_makes_another_plan_and_other_warnings_do_not(tmp_path: Path) -> None:
    experiment = experiment_from(f"{TWO_ACTIVATIONS}margin: 0.02\n", tmp_path)
    plan = plan_to_json(experiment, make_plan(experiment))
    assert plan["margin"] == 0.02
    for changes, is_same in (({"warnings": ["any"]}, True), ({"margin": 0.01}, False), ({"claims": [{}]}, False)):
        assert is_same_plan(plan, plan | changes) == is_same
        assert (plan_checksum(plan | changes) == plan["checksum"]) == is_same
    without = {key: value for key, value in plan.items() if key != "claims"}
    assert is_same_plan(without, plan | {"claims": [{}]})
