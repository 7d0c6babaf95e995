"""The contestants: each does the job that it says it does."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from actbench.catalogue.datasets import DATASETS, data_folder, is_present
from actbench.config.reader import load_experiment
from actbench.training.compiled import Compiled, compiled_functions
from benchmarks.contest import CONTESTANTS
from benchmarks.contestants import careful_loop, torch_func
from benchmarks.contestants.actbench_run import EXPERIMENT, LONG_EPOCHS, VARIANTS
from benchmarks.contestants.floor import products
from benchmarks.job import FULL, HIDDEN, LEARNING_RATE, QUICK, Job, load_images
from benchmarks.measurement import LeftOutError
from benchmarks.rounds import ROOT, measure_in_process, require_learnt


def test_the_experiment_is_that_of_the_configs_but_for_seeds_and_epochs_and_the_job_of_all_contestants() -> None:
    experiment, usual = (load_experiment(path).experiment for path in (EXPERIMENT, ROOT / "configs" / "mnist.yaml"))
    assert experiment.factors == usual.factors
    assert experiment.settings.data == usual.settings.data
    assert experiment.settings.model == usual.settings.model
    train = experiment.settings.train
    assert train.model_copy(update={"epochs": usual.settings.train.epochs}) == usual.settings.train
    assert (train.epochs, len(experiment.seeds), experiment.arm_count()) == (FULL.max_epochs, 5, 8)
    data = experiment.settings.data
    assert (data.dataset.name, data.train_count(), data.validation_count()) == ("mnist", 50_000, 10_000)
    assert (FULL.dataset, FULL.train_count, FULL.validation_count) == ("mnist", 50_000, 10_000)
    assert (experiment.settings.model.hidden, train.lr, train.batch_size) == (HIDDEN, LEARNING_RATE, FULL.batch_images)


def test_the_relu_variant_has_as_many_trials_of_relu_alone() -> None:
    experiment = load_experiment(EXPERIMENT, VARIANTS["relu"]).experiment
    assert (experiment.arm_count(), len(experiment.seeds)) == (1, 40)
    assert [str(value) for factor in experiment.factors for value in factor.values] == ["relu"]


def test_the_long_variant_trains_the_same_arms_for_ten_epochs() -> None:
    experiment, short = (load_experiment(EXPERIMENT, overrides).experiment for overrides in (VARIANTS["long"], ()))
    assert experiment.settings.train.epochs == LONG_EPOCHS
    assert (experiment.arm_count(), len(experiment.seeds)) == (short.arm_count(), 3)


@pytest.mark.slow
@pytest.mark.skipif(compiled_functions().library is None, reason="needs a C compiler")
def test_the_sparse_floor_needs_the_compiled_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = CONTESTANTS["floor-sparse"].measure(QUICK)
    assert list(measured.seconds) == ["floor-sparse", "floor-sparse+evaluation"]
    monkeypatch.setattr("benchmarks.contestants.floor.compiled_functions", lambda: Compiled(None, "no C compiler"))
    with pytest.raises(LeftOutError, match="no C compiler"):
        CONTESTANTS["floor-sparse"].measure(QUICK)


@pytest.mark.slow
def test_the_floor_is_every_product_of_a_step_but_the_first_layers_input_gradient() -> None:
    from torch.utils.flop_counter import FlopCounterMode  # which takes seconds

    width, images = 3, 128
    sizes = [784 * 256, 256 * 128, 128 * 10]
    training, evaluation = (products(FULL, width, images, with_gradients=gradients) for gradients in (True, False))
    for multiply, expected in ((training, 3 * sum(sizes) - sizes[0]), (evaluation, sum(sizes))):
        with FlopCounterMode(display=False) as counter:
            multiply()
        assert counter.get_total_flops() == 2 * width * images * expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sklearn", "tutorial"])
def test_contestants_with_one_model_learn(name: str) -> None:
    measurement = CONTESTANTS[name].measure(QUICK)
    assert list(measurement.seconds) == [name]
    assert measurement.seconds[name] == measurement.timed_seconds > 0
    assert measurement.accuracy is not None
    assert measurement.accuracy > 0.7


@pytest.mark.slow
def test_the_careful_loop_and_stacked_models_learn_more_in_more_epochs() -> None:
    for first, second in (
        [careful_loop.prepare(QUICK, epochs, 0)() for epochs in (1, 4)],
        [torch_func.prepare(QUICK, epochs, 2, 0)() for epochs in (1, 4)],
    ):
        assert 0.7 < first < second


@pytest.mark.slow
@pytest.mark.parametrize(("name", "package"), [("jax", "jax"), ("jax-cores", "jax"), ("lightning", "lightning")])
def test_peers_that_are_installed_learn(name: str, package: str) -> None:
    pytest.importorskip(package)
    measurement, total_seconds = measure_in_process(name, QUICK)
    require_learnt(name, measurement, QUICK)
    assert 0 < measurement.timed_seconds < total_seconds


def test_torchvision_offers_the_same_images_and_labels(tmp_path: Path) -> None:
    from benchmarks.torchvision_images import create_loaders  # which imports torchvision

    images = load_images(QUICK)
    training, validation = create_loaders(QUICK, tmp_path)
    inputs, labels = (numpy.concatenate(parts) for parts in zip(*validation, strict=True))
    assert inputs.shape == (QUICK.validation_count, 1, 8, 8)
    assert (labels == images.validation_labels).all()
    assert numpy.allclose(inputs.reshape(len(inputs), -1), images.validation_inputs * 16 * 15 / 255)
    orders = [numpy.concatenate([batch_labels for _, batch_labels in training]) for _ in range(2)]
    assert (orders[0] != orders[1]).any()
    assert sorted(orders[0]) == sorted(images.train_labels)


@pytest.mark.skipif(not is_present(DATASETS["mnist"], data_folder(None)), reason="needs MNIST (ACTBENCH_DATA)")
def test_the_job_has_the_first_50000_and_the_last_10000_training_images_of_mnist() -> None:
    images = load_images(FULL)
    assert images.train_inputs.shape == (50_000, 784)
    assert images.validation_inputs.shape == (10_000, 784)
    assert images.train_inputs.dtype == numpy.float32
    assert (images.train_inputs.min(), images.train_inputs.max()) == (0.0, 1.0)
    assert list(images.train_labels[:5]) == [5, 0, 4, 1, 9]
    assert images.validation_labels[-1] == 8


def test_a_smaller_last_batch_counts_as_a_step() -> None:
    assert FULL.steps() == 391
    assert Job("digits", train_count=128, batch_images=64).steps() == 2
