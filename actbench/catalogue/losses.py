"""Loss functions: one number per example, summed over the output units and never reduced over examples.

Shapes: prediction `[..., examples, units]`, label `[..., examples]`; with a single output unit the label is 0 or 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actbench.catalogue import kernels
from actbench.catalogue.registry import loss
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = LazyModule("torch")


def one_hot(prediction: Tensor, label: Tensor) -> Tensor:
    """One-hot labels in the prediction's shape; for a single unit the label itself."""
    if prediction.shape[-1] == 1:
        return label.unsqueeze(-1).to(prediction.dtype)
    return torch.zeros_like(prediction).scatter_(-1, label.unsqueeze(-1), 1.0)


@loss(
    formula="-prediction[label]",
    accepts=("log-probabilities",),
    tolerates=("probabilities", "scores", "bounded scores"),
    across_units=True,
    gradient=kernels.nll_gradient,
    reference="torch.nn.NLLLoss",
    aliases=("negative_log_likelihood",),
)
def nll(prediction: Tensor, label: Tensor) -> Tensor:
    """Negative log-likelihood: minus the label's log-probability."""
    log_likelihood: Tensor = prediction.gather(-1, label.unsqueeze(-1)).squeeze(-1)
    return -log_likelihood


@loss(
    formula="log(sum(exp(prediction))) - prediction[label]",
    accepts=("scores",),
    tolerates=("bounded scores", "probabilities", "log-probabilities"),
    across_units=True,
    gradient=kernels.cross_entropy_gradient,
    reference="torch.nn.CrossEntropyLoss",
)
def cross_entropy(prediction: Tensor, label: Tensor) -> Tensor:
    """Negative log-likelihood of the softmax of raw scores."""
    return nll(torch.log_softmax(prediction, dim=-1), label)


@loss(
    formula="-sum(target * log(prediction) + (1 - target) * log(1 - prediction))",
    accepts=("probabilities",),
    reference="torch.nn.BCELoss",
    aliases=("binary_cross_entropy",),
)
def bce(prediction: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy of each unit's probability; logarithms are cut at -87.3 except for sigmoid and softmax."""
    target = one_hot(prediction, label)
    smallest = torch.finfo(prediction.dtype).tiny
    hit = prediction.clamp_min(smallest).log()
    miss = (1 - prediction).clamp_min(smallest).log()
    return -(target * hit + (1 - target) * miss).sum(dim=-1)


@loss(
    formula="sum((prediction - target) ** 2)",
    accepts=("scores", "bounded scores", "probabilities"),
    tolerates=("log-probabilities",),
    reference="Brier 1950",
    aliases=("squared_error",),
)
def mse(prediction: Tensor, label: Tensor) -> Tensor:
    """Squared distance to the one-hot label."""
    return (prediction - one_hot(prediction, label)).square().sum(dim=-1)
