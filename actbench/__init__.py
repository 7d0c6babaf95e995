"""actbench: which activation, initialiser, loss or output function is better on MNIST, by how much, and how surely."""

__version__ = "0.1.0"
