"""An activation of this project; a real one would be imported here from the project's code."""

import torch

from actbench.catalogue import activation


@activation(formula="max(0, 1 - abs(x))", bounds=(0, 1), reference="this file")
def tent(x: torch.Tensor) -> torch.Tensor:
    """Triangle of height 1 over [-1, 1]."""
    return torch.relu(1 - x.abs())
