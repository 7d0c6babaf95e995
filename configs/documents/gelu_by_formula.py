"""gelu in the plain operations of its formula, as the third article writes it; its cost is measured beside relu's."""

from math import inf, sqrt

import torch

from actbench.catalogue import activation


@activation(
    formula="0.5 * (1 + erf(x / sqrt(2))) * x",
    bounds=(-0.16997120747990369, inf),
    reference="Hendrycks & Gimpel 2016",
)
def gelu_by_formula(x):
    """Input times the normal distribution function, in plain operations."""
    return 0.5 * (1 + torch.erf(x / sqrt(2))) * x
