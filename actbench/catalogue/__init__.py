"""What is compared: activations, outputs, initialisers, losses, optimizers and datasets, by name."""

from actbench.catalogue import activations, initialisers, losses, optimizers, outputs
from actbench.catalogue.registry import activation, initialiser, loss, optimizer, output

__all__ = [
    "activation",
    "activations",
    "initialiser",
    "initialisers",
    "loss",
    "losses",
    "optimizer",
    "optimizers",
    "output",
    "outputs",
]
