"""First layers computed without the zeros of their inputs: the same sums, and bits that depend on the trial alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import CLOCK_FIELDS, Trial, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training import compiled as kernels
from actbench.training.compiled import Compiled, compiled_functions
from actbench.training.data import Images, seed_split, split_rows, to_device, training_and_test_images
from actbench.training.loop import train_stack
from actbench.training.network import backward, create_network, forward, gather_batch, objective
from actbench.training.probes import probe
from actbench.training.sparse import (
    SparseBatch,
    SparseInputs,
    compress,
    may_be_sparse,
    sparse_inputs,
    with_nonzeros,
    zero_share,
)

CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(compiled_functions().library is None, reason=compiled_functions().reason or "available")


def settings(data: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **train: Any) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": "digits", "train": 150, "test": 37} | (data or {}),
            "model": {"hidden": (70, 13)} | (model or {}),
            "train": {"batch_size": 32, "epochs": 2} | train,
        }
    )


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    """The digits with their darker pixels made black, two thirds of them in all."""
    digits = load(DATASETS["digits"], tmp_path_factory.getbasetemp())
    train, test = (
        np.where(inputs > 6, inputs, 0).astype(np.uint8) for inputs in (digits.train_inputs, digits.test_inputs)
    )
    assert 0.6 < (train == 0).mean() < 0.75
    return replace(digits, train_inputs=train, test_inputs=test)


@pytest.fixture
def without_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which the functions cannot be compiled."""
    _forget()
    monkeypatch.setattr("actbench.training.sparse.compiled_functions", lambda: Compiled(None, "no C compiler"))
    yield
    _forget()


def _forget() -> None:
    for kept in (training_and_test_images, with_nonzeros):
        kept.cache_clear()


def without_zeros(dense: torch.Tensor) -> SparseInputs:
    return sparse_inputs(compress(dense.numpy()))


def train(trials: Sequence[Trial], arrays: Arrays) -> list[dict[str, Any]]:
    records = train_stack(trials, arrays, "cpu", lambda epoch: None)
    return [numbers(record) for record in records]


def numbers(record: TrialRecord) -> dict[str, Any]:
    return record.model_dump(exclude={*CLOCK_FIELDS, "stack_trials"})


def first_layer(images: Images, chosen: TrialSettings, batch: int, seeds: tuple[int, ...]) -> list[torch.Tensor]:
    """The first layer's values and the gradients of its weights and biases, for the first rows of every seed."""
    trials = [make_trial(chosen, seed) for seed in seeds]
    with torch.no_grad():
        network = create_network(trials, CPU)
        splits = [seed_split(images, chosen.data, "final", seed) for seed in network.seeds]
        inputs, labels = gather_batch(
            network, images, splits, torch.stack([split.train_rows[:batch] for split in splits])
        )
        assert isinstance(inputs, SparseBatch) == (images.sparse is not None)
        layers = forward(network, inputs, training=True)
        backward(network, layers, objective(network, layers[-1].after, labels).mean_gradient())
        named = network.parameters.named
    return [layers[0].before, named[0, "weight"].gradient, named[0, "bias"].gradient]


@pytest.mark.parametrize("scale", ["unit", "none", "standard"])
@pytest.mark.parametrize("hidden", [(1,), (), (7,), (8, 5), (20,), (33,), (64, 32), (100,), (200, 3)], ids=str)
def test_products_are_those_of_dense_inputs(scale: str, hidden: tuple[int, ...], dark: Arrays) -> None:
    chosen = settings({"scale": scale, "train": 400}, {"hidden": hidden, "activation": "tanh"})
    dense, _ = to_device(dark, CPU)
    compressed = replace(dense, sparse=without_zeros(dense.inputs))
    for batch in (1, 2, 129, 300):
        ours, others = (first_layer(images, chosen, batch, (0, 1, 0)) for images in (compressed, dense))
        for mine, theirs in zip(ours, others, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=2e-6 * float(theirs.abs().max()))


def test_products_of_many_inputs_in_several_blocks_are_those_of_dense_inputs() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    inputs = generator.integers(1, 256, (300, 784), dtype=np.uint8) * (generator.random((300, 784)) < 0.2)
    inputs[:3] = 0
    inputs[3] = 255
    labels = torch.from_numpy(generator.integers(0, 10, 300))
    dense = Images(torch.from_numpy(inputs.astype(np.uint8)), labels)
    chosen = settings({"dataset": "mnist", "train": 250, "test": 10, "split": "tail"}, {"hidden": (256, 16)})
    ours = first_layer(replace(dense, sparse=without_zeros(dense.inputs)), chosen, 200, (0, 1))
    for mine, theirs in zip(ours, first_layer(dense, chosen, 200, (0, 1)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=2e-6 * float(theirs.abs().max()))


@pytest.mark.parametrize("rows", [np.zeros((5, 9)), np.eye(9)[:4] * 255, np.full((3, 70), 7), np.eye(1, 17, 16)])
def test_compressed_inputs_hold_every_value_and_its_column(rows: Any) -> None:
    dense = rows.astype(np.uint8)
    kept = compress(dense)
    restored = np.zeros_like(dense)
    for image, (start, end) in enumerate(itertools.pairwise(kept.starts)):
        restored[image, kept.columns[start:end]] = kept.values[start:end]
    assert np.array_equal(restored, dense)
    assert kept.starts[-1] == np.count_nonzero(dense)


VARIATIONS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {}),
    ({}, {}, {"optimizer": "adamw", "weight_decay": 0.1}),
    ({}, {"dropout": 0.3}, {"optimizer": "sgd", "weight_decay": 0.01}),
    ({}, {"batch_norm": True, "hidden": (64, 32)}, {"schedule": "cosine"}),
    ({"scale": "standard"}, {}, {"weight_decay": 0.01}),
    ({"validation": 0}, {"hidden": ()}, {"batch_size": 7}),
    ({"validation": 1}, {"hidden": (256,)}, {"batch_size": "full"}),
    ({"train": 400, "validation": 133}, {"hidden": (100, 32)}, {"batch_size": 130}),
    ({"train": 6, "validation": 2, "test": 1}, {"hidden": (1,)}, {"batch_size": 3}),
]


@pytest.mark.parametrize(("data", "model", "options"), VARIATIONS, ids=str)
def test_a_trial_has_the_same_bits_alone_and_in_any_stack(
    data: dict[str, Any], model: dict[str, Any], options: dict[str, Any], dark: Arrays
) -> None:
    trials = [
        make_trial(settings(data, model | {"activation": activation}, **options), seed)
        for seed, activation in [(0, "relu"), (1, "relu"), (0, "mish"), (2, "gelu"), (1, "tanh")]
    ]
    images, _ = training_and_test_images(dark, "cpu", "float32")
    assert images.sparse is not None
    together = train(trials, dark)
    assert train(trials[::-1], dark)[::-1] == together
    for trial, record in zip(trials, together, strict=True):
        assert train([trial], dark) == [record]


def test_a_batch_that_is_cut_differently_keeps_each_images_values(dark: Arrays) -> None:
    """Evaluation blocks of another size give every image the same scores."""
    dense, _ = to_device(dark, CPU)
    images, chosen = replace(dense, sparse=without_zeros(dense.inputs)), settings({"train": 400}, {"hidden": (64, 32)})
    whole, _, _ = first_layer(images, chosen, 300, (0, 1))
    part, _, _ = first_layer(images, chosen, 11, (0, 1))
    assert torch.equal(whole[:, :11], part)


@pytest.mark.parametrize("options", [{}, {"optimizer": "adamw", "weight_decay": 0.1}, {"optimizer": "sgd"}], ids=str)
def test_a_machine_without_the_kernel_trains_to_about_the_same_numbers(
    options: dict[str, Any], dark: Arrays, request: pytest.FixtureRequest
) -> None:
    trials = [make_trial(settings({}, {"activation": "tanh"}, **options), seed) for seed in (0, 1)]
    sparse = train_stack(trials, dark, "cpu", lambda epoch: None)
    request.getfixturevalue("without_kernel")
    images, _ = training_and_test_images(dark, "cpu", "float32")
    assert images.sparse is None
    dense = train_stack(trials, dark, "cpu", lambda epoch: None)
    for one, other in zip(sparse, dense, strict=True):
        assert one.curves.train_loss == pytest.approx(other.curves.train_loss, rel=1e-4)
        assert one.test_loss == pytest.approx(other.test_loss, rel=1e-3)
        assert [layer.weight_gradient_norm for layer in one.probes] == pytest.approx(
            [layer.weight_gradient_norm for layer in other.probes], rel=1e-2
        )


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_weights_of_pixels_that_are_always_black_change_by_weight_decay_alone(optimizer: str, dark: Arrays) -> None:
    from actbench.training.loop import create_sums, train_epoch
    from actbench.training.optimizer import create_stepper, make_step

    black = ~(dark.train_inputs != 0).any(axis=0)
    assert black.sum() > 5
    for decay in (0.0, 0.1):
        chosen = settings(optimizer=optimizer, weight_decay=decay, lr=0.01)
        images, _ = training_and_test_images(dark, "cpu", "float32")
        with torch.no_grad():
            network = create_network([make_trial(chosen, 0)], CPU)
            splits = [seed_split(images, chosen.data, "final", 0)]
            sums = create_sums(network, CPU)
            weights = network.parameters.named[0, "weight"].values[0, torch.from_numpy(black)]
            train_epoch(network, make_step(network, create_stepper(network), images, splits, sums), sums, splits, 1)
            after = network.parameters.named[0, "weight"].values[0, torch.from_numpy(black)]
        assert torch.equal(weights, after) == (decay == 0)
        if decay and optimizer in ("sgd", "adamw"):
            steps = -(-len(splits[0].train_rows) // 32)
            torch.testing.assert_close(after, weights * (1 - 0.01 * decay) ** steps, rtol=1e-4, atol=1e-6)


def test_probes_take_their_gradients_from_the_same_products(dark: Arrays) -> None:
    dense, _ = to_device(dark, CPU)
    found = []
    for images in (dense, replace(dense, sparse=without_zeros(dense.inputs))):
        network = create_network([make_trial(settings(), 0)], CPU)
        with torch.no_grad():
            found.append(probe(network, images, [seed_split(images, settings().data, "final", 0)], epoch=0)[0])
    for one, other in zip(*found, strict=True):
        for name, figure in one.model_dump(exclude_none=True).items():
            if isinstance(figure, float):
                assert figure == pytest.approx(getattr(other, name), rel=1e-4), name


def test_the_share_of_zeros_decides_and_nothing_else_of_the_data(dark: Arrays) -> None:
    def is_faster(inputs: Any) -> bool:
        return with_nonzeros(replace(dark, train_inputs=inputs)).nonzeros is not None

    inputs = np.zeros((10, 10), np.uint8)
    inputs[:4] = 1
    assert zero_share(inputs) == pytest.approx(0.6)
    assert is_faster(inputs)
    inputs[5, 0] = 1
    assert not is_faster(inputs)
    assert is_faster(dark.train_inputs)
    assert not is_faster(dark.train_inputs.astype(np.float32))


def test_products_in_bf16_take_dense_inputs(dark: Arrays) -> None:
    assert may_be_sparse("cpu", "float32")
    assert not may_be_sparse("cuda", "float32")
    assert training_and_test_images(with_nonzeros(dark), "cpu", "bf16")[0].sparse is None


def test_inputs_without_zeros_are_taken_as_they_come(dark: Arrays) -> None:
    prepared = with_nonzeros(dark)
    assert with_nonzeros(prepared) is prepared
    assert prepared.nonzeros is not None
    sparse = training_and_test_images(prepared, "cpu", "float32")[0].sparse
    assert sparse is not None
    assert sparse.values.data_ptr() == prepared.nonzeros[0].values.ctypes.data


@pytest.mark.usefixtures("without_kernel")
def test_inputs_stay_dense_without_the_kernel(dark: Arrays) -> None:
    assert with_nonzeros(dark) is dark
    with pytest.raises(RuntimeError, match="no C compiler"):
        compress(dark.train_inputs)


def test_a_stack_keeps_the_images_for_the_next(dark: Arrays) -> None:
    first, _ = training_and_test_images(dark, "cpu", "float32")
    second, _ = training_and_test_images(dark, "cpu", "float32")
    other, _ = training_and_test_images(replace(dark), "cpu", "float32")
    assert first is second
    assert other is not first


def test_splits_do_not_depend_on_the_storage(dark: Arrays) -> None:
    chosen = settings().data
    dense, _ = to_device(dark, CPU)
    one, other = (
        seed_split(images, chosen, "final", 3) for images in (dense, replace(dense, sparse=without_zeros(dense.inputs)))
    )
    assert torch.equal(one.train_rows, other.train_rows)
    assert torch.equal(one.validation_rows, split_rows(dense.labels, chosen, "final", 3)[1])
    assert torch.equal(one.table[1:] * 16, torch.arange(1, 256))


class TestBuilding:
    """The library in the user's cache."""

    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernels, "cache_folder", lambda: tmp_path / "cache")
        monkeypatch.delenv(kernels.OFF_VARIABLE, raising=False)

    @pytest.mark.slow
    def test_it_is_built_once_and_again_where_it_is_damaged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert compiled_functions.__wrapped__().library is not None
        (library,) = (tmp_path / "cache").iterdir()
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "build", lambda library: pytest.fail("built again"))
            assert compiled_functions.__wrapped__().library is not None
        library.unlink()
        library.write_bytes(b"no library")
        assert compiled_functions.__wrapped__().library is not None

    def test_without_a_compiler_there_is_a_reason_and_no_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("CC", "")
        assert compiled_functions.__wrapped__() == Compiled(None, "no C compiler (cc, gcc, clang)")

    def test_a_compiler_that_fails_is_quoted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = tmp_path / "wrong.c"
        source.write_text("int main( {", encoding="utf-8")
        monkeypatch.setattr(kernels, "SOURCES", (source,))
        found = compiled_functions.__wrapped__()
        assert found.library is None
        assert "failed" in found.reason

    def test_a_cache_that_cannot_be_written_is_no_obstacle(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        monkeypatch.setattr(kernels, "cache_folder", lambda: tmp_path / "file" / "cache")
        assert compiled_functions.__wrapped__().library is None

    def test_a_variable_turns_it_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(kernels.OFF_VARIABLE, "1")
        assert compiled_functions.__wrapped__().reason == "ACTBENCH_DENSE is set"

    @pytest.mark.parametrize("features", ["", "sse2 avx2", "sse2 fma"])
    def test_other_processors_compute_densely(self, features: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernels, "processor_facts", lambda: {"flags": features})
        assert compiled_functions.__wrapped__().library is None
