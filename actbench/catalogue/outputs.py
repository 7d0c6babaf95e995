"""Output functions: what is done to the last layer's scores (units last) before the loss sees them."""

from __future__ import annotations

from math import inf

from actbench.catalogue import kernels
from actbench.catalogue.registry import output
from actbench.lazy import Tensor, torch


@output(formula="x", yields="scores", gradient=kernels.identity_gradient, reference="logits", aliases=("logits",))
def identity(x: Tensor) -> Tensor:
    """The scores themselves."""
    return x


@output(
    formula="x - log(sum(exp(x)))",
    yields="log-probabilities",
    bounds=(-inf, 0),
    across_units=True,
    gradient=kernels.log_softmax_gradient,
    reference="Bridle 1990",
)
def log_softmax(x: Tensor, *, shift: bool = True) -> Tensor:
    """Logarithm of softmax; without the shift by the largest score, float32 overflows for scores above 88.7."""
    # Written out, since torch.log_softmax takes four times as long on ten classes; likewise softmax.
    shifted = x - x.amax(dim=-1, keepdim=True) if shift else x
    return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()


@output(
    formula="exp(x) / sum(exp(x))",
    yields="probabilities",
    bounds=(0, 1),
    across_units=True,
    gradient=kernels.softmax_gradient,
    reference="Bridle 1990",
)
def softmax(x: Tensor, *, shift: bool = True) -> Tensor:
    """Probabilities that sum to 1; without the shift by the largest score, float32 overflows for scores above 88.7."""
    exponentials = (x - x.amax(dim=-1, keepdim=True) if shift else x).exp()
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


@output(
    formula="1 / (1 + exp(-x))",
    yields="probabilities",
    bounds=(0, 1),
    gradient=kernels.sigmoid_gradient,
    reference="Cox 1958",
)
def sigmoid(x: Tensor) -> Tensor:
    """One probability per unit, independent of the other units."""
    return torch.sigmoid(x)


@output(formula="-log(1 + exp(-x))", yields="log-probabilities", bounds=(-inf, 0), reference="torch.nn.LogSigmoid")
def logsigmoid(x: Tensor) -> Tensor:
    """Logarithm of one probability per unit."""
    return torch.nn.functional.logsigmoid(x)


@output(
    formula="(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    yields="bounded scores",
    bounds=(-1, 1),
    reference="LeCun, Bottou, Orr & Müller 1998, Efficient BackProp",
)
def tanh(x: Tensor, *, shift: bool = True) -> Tensor:
    """Scores squashed to (-1, 1); without the shift of the exponents, float32 overflows for scores beyond 88.7."""
    if shift:
        return torch.tanh(x)
    return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())


@output(
    formula="clip(x / 6 + 0.5, 0, 1)",
    yields="probabilities",
    bounds=(0, 1),
    reference="Howard et al. 2019, MobileNetV3",
)
def hardsigmoid(x: Tensor) -> Tensor:
    """Piecewise linear probability per unit."""
    return torch.nn.functional.hardsigmoid(x)
