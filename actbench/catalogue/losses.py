"""Loss functions: one number per example, summed over the output units and never reduced over examples.

Shapes: prediction `[..., examples, units]`, label `[..., examples]`; with a single output unit the label is 0 or 1.

A probability rounds to 0 or 1 where its score is large, and no logarithm brings back what rounding has removed. The
joint forms of an output function and a loss take the scores instead, so that values and slopes are right for every
score. Pairs without one are computed as they are written: `log_softmax` with `nll` and `identity` with
`cross_entropy` are stable as they are, and pairs that do not fit, or `shift: false`, are chosen for what the unstable
formula does.

Together an output function and a loss also give probabilities, whatever the loss is. An output that yields
probabilities or their logarithms gives them itself; scores are logits where the loss is the cross entropy of their
softmax. Outputs of units that are independent of each other are divided by their sum; a single unit gives the
probability of class 1. Other pairs, such as tanh with mse, give none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from actbench.catalogue import kernels, outputs
from actbench.catalogue.registry import Entry, loss
from actbench.lazy import Tensor, torch


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


JointLoss = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor, Tensor], Tensor]]
"""`function(scores, label)`, and `gradient(grad, scores, label)`: its derivative by the scores times `grad`."""


def joint_loss(output: Entry, parameters: Mapping[str, Any], loss: Entry) -> JointLoss | None:
    """The joint form of an output function with these parameters and a loss; None if there is none."""
    return _JOINT.get((output.function, loss.function)) if parameters.get("shift", True) else None


def sigmoid_bce(scores: Tensor, label: Tensor) -> Tensor:
    """sum_i log(1 + exp(s_i * x_i)), s_i = -1 for the label's unit, else 1 (torch.nn.BCEWithLogitsLoss)."""
    return torch.nn.functional.softplus(_signs(scores, label) * scores).sum(dim=-1)


def sigmoid_bce_gradient(grad: Tensor, scores: Tensor, label: Tensor) -> Tensor:
    """df/dx_i = s_i * sigmoid(s_i * x_i)."""
    signs = _signs(scores, label)
    return torch.sigmoid(signs * scores).mul_(signs).mul_(grad.unsqueeze(-1))


def _signs(scores: Tensor, label: Tensor) -> Tensor:
    return 1 - 2 * one_hot(scores, label)


def softmax_bce(scores: Tensor, label: Tensor) -> Tensor:
    """-log(p_label) - sum_(i != label) log(1 - p_i), p = softmax(x).

    For the largest unit k, log(1 - p_k) = log(sum_(i != k) exp(x_i)) - log(sum_i exp(x_i)).
    """
    largest, second, is_largest, rest = _largest_and_rest(scores)
    shifted = scores - largest
    exponentials = shifted.exp()
    total = exponentials.sum(dim=-1, keepdim=True)
    hit = shifted - total.log()
    miss_of_largest = second - largest + rest.sum(dim=-1, keepdim=True).log() - total.log()
    miss = torch.where(is_largest, miss_of_largest, torch.log1p(-exponentials / total))
    return -torch.where(one_hot(scores, label) == 1, hit, miss).sum(dim=-1)


def softmax_bce_gradient(grad: Tensor, scores: Tensor, label: Tensor) -> Tensor:
    """df/dx_j = p_j - [j = label] + sum_(i != label) ([i = j] p_i - [i != j] p_j * p_i / (1 - p_i)).

    For the largest unit i = k, p_j / (1 - p_k) is the softmax of the other units.
    """
    largest, _, is_largest, rest = _largest_and_rest(scores)
    exponentials = (scores - largest).exp()
    shares = exponentials / exponentials.sum(dim=-1, keepdim=True)
    is_label = one_hot(scores, label) == 1
    odds = (shares / (1 - shares)).masked_fill(is_label | is_largest, 0)
    from_others = shares * (odds.sum(dim=-1, keepdim=True) - odds)
    shares_of_rest = rest / rest.sum(dim=-1, keepdim=True)
    largest_share = shares.masked_fill(~is_largest | is_label, 0).sum(dim=-1, keepdim=True)
    slopes = torch.where(is_label, shares - 1, 2 * shares) - from_others - shares_of_rest * largest_share
    return slopes.mul_(grad.unsqueeze(-1))


def _largest_and_rest(scores: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The largest and second largest score, the unit of the largest, and the others' exp(x - second), 0 for it."""
    largest, index = scores.max(dim=-1, keepdim=True)
    is_largest = torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, index, value=True)
    others = scores.masked_fill(is_largest, -torch.inf)
    second = others.amax(dim=-1, keepdim=True)
    return largest, second, is_largest, (others - second).exp()


_JOINT: dict[tuple[Any, Any], JointLoss] = {
    (outputs.sigmoid, bce): (sigmoid_bce, sigmoid_bce_gradient),
    (outputs.softmax, bce): (softmax_bce, softmax_bce_gradient),
}

Form = Literal["logits", "log-probabilities", "scores of sigmoid", "probabilities"]
SMALLEST_PROBABILITY = 2.0**-126  # of float32 without loss of digits: logarithms are cut there, as those of bce are


def probability_form(output: Entry, parameters: Mapping[str, Any], loss: Entry) -> Form | None:
    """What training's outputs of this pair are, from which probabilities follow; None if none do.

    Training leaves out an output function that has a joint form with the loss, so that its outputs are the scores.
    """
    if output.yields == "log-probabilities":
        return "log-probabilities"
    if output.yields == "probabilities":
        if joint_loss(output, parameters, loss) is None:
            return "probabilities"
        return "logits" if output.across_units else "scores of sigmoid"
    return "logits" if loss.function is cross_entropy else None


def logits_of(form: Form, outputs: Tensor) -> Tensor:
    """Scores `[..., classes]` whose softmax are the probabilities that outputs `[..., units]` of this form give."""
    has_one_unit = outputs.shape[-1] == 1
    if form == "probabilities":
        shares = torch.cat([1 - outputs, outputs], dim=-1) if has_one_unit else outputs
        return shares.clamp_min(SMALLEST_PROBABILITY).log()
    if has_one_unit:
        is_logarithm = form == "log-probabilities"
        rest = (
            (-torch.expm1(outputs)).clamp_min(SMALLEST_PROBABILITY).log() if is_logarithm else torch.zeros_like(outputs)
        )
        return torch.cat([rest, outputs], dim=-1)
    return torch.nn.functional.logsigmoid(outputs) if form == "scores of sigmoid" else outputs
