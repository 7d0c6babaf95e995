"""Which probabilities an output function and a loss together give, whatever the loss is.

An output that yields probabilities or their logarithms gives them itself; scores are logits where the loss is the cross
entropy of their softmax. Outputs of units that are independent of each other are divided by their sum; a single unit
gives the probability of class 1. Other pairs, such as tanh with mse, give none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from actbench.catalogue import losses
from actbench.catalogue.losses import joint_loss
from actbench.catalogue.registry import Entry
from actbench.lazy import Tensor, torch

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
    return "logits" if loss.function is losses.cross_entropy else None


def logits_of(form: Form, outputs: Tensor) -> Tensor:
    """Scores `[..., classes]` whose softmax are the probabilities that outputs `[..., units]` of this form give."""
    if outputs.shape[-1] == 1:
        return _logits_of_one_unit(form, outputs)
    if form == "scores of sigmoid":
        return torch.nn.functional.logsigmoid(outputs)
    return outputs.clamp_min(SMALLEST_PROBABILITY).log() if form == "probabilities" else outputs


def _logits_of_one_unit(form: Form, outputs: Tensor) -> Tensor:
    if form == "probabilities":
        return torch.cat([1 - outputs, outputs], dim=-1).clamp_min(SMALLEST_PROBABILITY).log()
    if form == "log-probabilities":
        rest = (-torch.expm1(outputs)).clamp_min(SMALLEST_PROBABILITY).log()
        return torch.cat([rest, outputs], dim=-1)
    return torch.cat([torch.zeros_like(outputs), outputs], dim=-1)
