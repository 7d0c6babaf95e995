"""Gains: what weights of variance 1 / fan are multiplied by, so that an activation keeps the size of what passes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from actbench.catalogue.facts import curve
from actbench.catalogue.registry import Entry
from actbench.errors import ConfigurationError
from actbench.lazy import NDArray, numpy

NORMAL_REACH = 12.0
PANEL_NODES, FIRST_PANELS, MAX_PANELS, MIN_ERROR = 15, 24, 4000, 1e-16
SIGNIFICANT_DIGITS = 6

GainName = Literal["derived", "derived_backward", "published"]


def _read_gain(value: Any) -> Any:
    if value in get_args(GainName) or (type(value) in (int, float) and 0 <= value < math.inf):
        return value
    raise PydanticCustomError("number_or_name", "no gain", {"names": "'derived', 'derived_backward' or 'published'"})


Gain = Annotated[Annotated[float, Field(ge=0)] | GainName, BeforeValidator(_read_gain)]
"""A number, or a name that becomes one for the activation at hand before an initialiser is called."""


@dataclass(frozen=True)
class PublishedGain:
    """A gain from the literature, as a function of the activation's parameters."""

    value: Callable[..., float]
    reference: str


def _he(*, negative_slope: float = 0.0, **_: object) -> float:
    return math.sqrt(2 / (1 + negative_slope**2))


def _siren(*, omega: float) -> float:
    return math.sqrt(2) / abs(omega) if omega else math.inf


_HE_REFERENCE = "He, Zhang, Ren & Sun 2015"
_TORCH_REFERENCE = "torch.nn.init.calculate_gain"
PUBLISHED_GAINS = {
    "identity": PublishedGain(lambda: 1.0, "LeCun, Bottou, Orr & Müller 1998, Efficient BackProp"),
    "sigmoid": PublishedGain(lambda: 1.0, _TORCH_REFERENCE),
    "tanh": PublishedGain(lambda: 5 / 3, _TORCH_REFERENCE),
    "relu": PublishedGain(_he, _HE_REFERENCE),
    "leaky_relu": PublishedGain(_he, _HE_REFERENCE),
    "prelu": PublishedGain(_he, _HE_REFERENCE),
    "selu": PublishedGain(lambda: 1.0, "Klambauer et al. 2017"),
    "sine": PublishedGain(_siren, "Sitzmann et al. 2020, SIREN"),
}


def published_gain(entry: Entry, parameters: Mapping[str, Any]) -> float | None:
    """What the literature gives this activation; None where it gives nothing."""
    found = PUBLISHED_GAINS.get(entry.name)
    return None if found is None else found.value(**parameters)


def second_moments(
    entry: Entry, parameters: Mapping[str, Any], sd: float = 1.0, tolerance: float = 1e-10
) -> tuple[float, float]:
    """E f(sd * z)^2 and E f'(sd * z)^2 for z ~ N(0, 1), by adaptive Gauss-Legendre quadrature.

    Panels are halved until a panel and its halves agree, since the kinks of relu and its kin may be anywhere.
    """
    # scipy.integrate takes 0.4 s to import, longer than all of this; a test compares the two.
    nodes, weights = numpy.polynomial.legendre.leggauss(PANEL_NODES)

    def integrals(starts: NDArray[numpy.float64], ends: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        """Both integrals over each panel, `[panels, 2]`."""
        halves = (ends - starts)[:, None] / 2
        z = starts[:, None] + halves * (nodes + 1)
        parts = curve(entry, parameters, (sd * z).ravel())
        density = halves * weights * numpy.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return numpy.stack([(part.reshape(z.shape) ** 2 * density).sum(axis=1) for part in parts], axis=1)

    edges = numpy.linspace(-NORMAL_REACH, NORMAL_REACH, FIRST_PANELS + 1)
    starts, ends = edges[:-1], edges[1:]
    whole = integrals(starts, ends)
    allowed = tolerance / MAX_PANELS * numpy.abs(whole.sum(axis=0)) + MIN_ERROR
    total = numpy.zeros(2)
    while len(starts):
        middles = (starts + ends) / 2
        left, right = integrals(starts, middles), integrals(middles, ends)
        is_rough = (numpy.abs(left + right - whole) > allowed).any(axis=1) & (len(starts) <= MAX_PANELS)
        total += (left + right)[~is_rough].sum(axis=0)
        starts = numpy.concatenate([starts[is_rough], middles[is_rough]])
        ends = numpy.concatenate([middles[is_rough], ends[is_rough]])
        whole = numpy.concatenate([left[is_rough], right[is_rough]])
    return float(total[0]), float(total[1])


@cache
def _gains(entry: Entry, parameters: tuple[tuple[str, Any], ...]) -> tuple[float, float]:
    forward, backward = (
        1 / math.sqrt(moment) if moment > 0 else math.inf for moment in second_moments(entry, dict(parameters))
    )
    return forward, backward


def gain(entry: Entry, parameters: Mapping[str, Any]) -> float:
    """1 / sqrt(E f(z)^2) for z ~ N(0, 1), which keeps the second moment of the values: sqrt(2) for relu (He 2015)."""
    return _gains(entry, tuple(parameters.items()))[0]


def backward_gain(entry: Entry, parameters: Mapping[str, Any]) -> float:
    """1 / sqrt(E f'(z)^2) for z ~ N(0, 1): what keeps the second moment of the gradients on their way back."""
    return _gains(entry, tuple(parameters.items()))[1]


def with_gain(given: Mapping[str, Any], feeding: Entry | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """An initialiser's parameters with the number in the place of a named gain.

    It is that of the activation whose values the weights take in; without one, where they take in images, it is 1. Six
    digits are kept, so that the last bits of the quadrature, which machines may differ in, change no weight. Raises
    `ConfigurationError` where there is no such gain.
    """
    name = given.get("gain")
    if not isinstance(name, str):
        return dict(given)
    if feeding is None:
        return {**given, "gain": 1.0}
    find = {"derived": gain, "derived_backward": backward_gain, "published": published_gain}[name]
    found = find(feeding, parameters)
    if found is None or not 0 < found < math.inf:
        raise ConfigurationError(f"{feeding.name} has no {name} gain: give a number")
    return {**given, "gain": float(f"{found:.{SIGNIFICANT_DIGITS}g}")}
