"""Named random streams, each derived from the seed alone, so that no trial's numbers depend on another's."""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

from actbench.experiment.records import Phase

Stream = Literal["split", "init", "order", "dropout"]


def generator(phase: Phase, seed: int, stream: Stream, *position: int, device: str = "cpu") -> torch.Generator:
    """A generator for one stream of one seed; `position` is the layer, parameter or epoch within it.

    Tuning and final seeds are disjoint by construction, since the phase is part of what is hashed.
    """
    name = "/".join(["actbench", phase, str(seed), stream, *map(str, position)])
    state = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    return torch.Generator(device).manual_seed(state)
