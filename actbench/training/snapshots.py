"""The state of a stack between two epochs as bytes, from which training continues with the same bits."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from zipfile import BadZipFile

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from actbench.catalogue.optimizers import Group
from actbench.experiment.records import LayerProbe
from actbench.training.network import Network
from actbench.training.optimizer import Stepper
from actbench.training.outcome import TrialCurves

PROGRESS = "progress"


@dataclass
class Progress:
    """What a stack has recorded in its finished epochs, and the seconds that they took."""

    curves: list[TrialCurves]
    probes: list[list[tuple[LayerProbe, ...]]] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Snapshots:
    """Loads and saves one stack's snapshot; saves at the end of an epoch once `seconds` have passed since the last."""

    load: Callable[[], bytes | None]
    save: Callable[[bytes, int], None]
    seconds: float
    latest: float = field(default_factory=time.monotonic)

    def take(self, network: Network, stepper: Stepper, progress: Progress) -> None:
        """Save the state of the stack, except with an optimizer that hides its memory."""
        groups = [group for _, group in stepper.groups]
        if not any("optimizer" in group.memory for group in groups):
            self.save(_to_bytes(network, stepper, progress), len(progress.epoch_seconds))
        self.latest = time.monotonic()


def restore(snapshot: bytes | None, network: Network, stepper: Stepper) -> Progress | None:
    """Put a stack that has just been created into the state of a snapshot; None, and unchanged, if it does not fit."""
    if snapshot is None:
        return None
    state = dict(_state(network, stepper))
    try:
        with np.load(io.BytesIO(snapshot), allow_pickle=False) as archive:
            arrays = {name: torch.from_numpy(archive[name].copy()) for name in archive.files}
        progress = TypeAdapter(Progress).validate_python(json.loads(bytes(arrays.pop(PROGRESS).numpy())))
        kept = {name: arrays.pop(name) for name in state}
        memories = [_memory(name, tensor, stepper) for name, tensor in arrays.items()]
    except (ValueError, OSError, LookupError, EOFError, BadZipFile):
        return None
    pairs = [(state[name], tensor) for name, tensor in kept.items()]
    fits = all((one.shape, one.dtype) == (other.shape, other.dtype) for one, other in pairs)
    if len(progress.curves) != len(network.trials) or not fits:
        return None
    for tensor, before in pairs:
        tensor.copy_(before)
    if network.packed is not None:
        network.packed.is_current = False
    for number, stream in enumerate(network.dropout_generators):
        stream.set_state(kept[f"dropout-{number}"])
    for group, key, index, tensor in memories:
        group.memory.setdefault(key, [None] * len(group.parameters))[index] = tensor
    return progress


def _memory(name: str, tensor: Tensor, stepper: Stepper) -> tuple[Group, str, int, Tensor]:
    """The group, the name, the parameter and the value of an optimizer's memory: a count, or of the shape of these."""
    number, key, index = name.split("/")
    _, group = stepper.groups[int(number)]
    parameter = group.parameters[int(index)]
    if tensor.dim() and tensor.shape != parameter.shape:
        raise ValueError(f"{name}: of another shape than its parameter")
    return group, key, int(index), tensor.to(parameter.device)


def _state(network: Network, stepper: Stepper) -> Iterator[tuple[str, Tensor]]:
    """What a network and the compiled optimizer remember from one epoch to the next; random states are copies."""
    yield "parameters", network.parameters.rows
    for layer, (mean, variance) in network.running.items():
        yield f"running-mean-{layer}", mean
        yield f"running-variance-{layer}", variance
    for number, stream in enumerate(network.dropout_generators):
        yield f"dropout-{number}", stream.get_state()
    if stepper.adam is not None:
        yield "adam-moments", stepper.adam.moments
        yield "adam-steps", stepper.adam.steps


def _to_bytes(network: Network, stepper: Stepper, progress: Progress) -> bytes:
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in _state(network, stepper)}
    for number, (_, group) in enumerate(stepper.groups):
        for key, tensors in group.memory.items():
            arrays |= {
                f"{number}/{key}/{index}": tensor.cpu().numpy()
                for index, tensor in enumerate(tensors)
                if tensor is not None
            }
    plain = asdict(progress) | {
        "probes": [[[layer.model_dump() for layer in layers] for layers in epoch] for epoch in progress.probes]
    }
    arrays[PROGRESS] = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
