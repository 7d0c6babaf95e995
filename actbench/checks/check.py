"""Checks of entries: how each is made, and what checks of several kinds of entries have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf, nan
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

from actbench.catalogue.custom_code import changed_for_trials, shared_by_trials
from actbench.catalogue.formulas import FormulaError, evaluate
from actbench.checks.examination import Check
from actbench.text import describe_exception, first_few, listed

Function = Callable[[Tensor], Tensor]
Examine = Callable[[], str]

TRIALS, BATCH, UNITS, CLASSES = 3, 32, 8, 10
DTYPES = (torch.float32, torch.float64, torch.bfloat16)
EXTREMES = (-1e4, -200.0, -20.0, -6.0, -3.0, -1.0, -0.5, -1e-30, 0.0, 1e-30, 0.5, 1.0, 3.0, 6.0, 20.0, 200.0, 1e4)
BOUND_TOLERANCE, NEAR_A_BOUND = 1e-5, 1e-3


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """The entry does not pass, with the reason."""


class Skipped(Exception):  # noqa: N818
    """The question cannot be asked here, with the reason."""


def refuse(reason: str) -> NoReturn:
    """End a check with a refusal."""
    raise Refused(reason)


@dataclass(frozen=True)
class Question:
    """A check that has not been made yet; a note refuses nothing."""

    name: str
    examine: Examine
    is_note: bool = False

    def answer(self) -> Check:
        """Make the check; any other exception is a refusal. Leaves torch's global generator as it was."""
        shared = shared_by_trials()
        try:
            with torch.random.fork_rng(devices=[]):
                reason = self.examine()
            if changed := changed_for_trials(shared):
                refuse(changed)
            return Check(self.name, "note" if self.is_note else "pass", reason)
        except Refused as refused:
            return Check(self.name, "note" if self.is_note else "refused", str(refused))
        except Skipped as skipped:
            return Check(self.name, "skipped", str(skipped))
        except BaseException as error:  # a custom function may raise anything
            return Check(self.name, "skipped" if self.is_note else "refused", f"raises {describe_exception(error)}")


def unless(reason: Callable[[], str], examine: Examine) -> Examine:
    """The check, skipped where there is a reason that it cannot be made."""

    def examined() -> str:
        if found := reason():
            raise Skipped(found)
        return examine()

    return examined


def as_questions(checks: Mapping[str, Examine], notes: Mapping[str, Examine] | None = None) -> list[Question]:
    """All checks in their order, then the notes."""
    return [
        *(Question(name, examine) for name, examine in checks.items()),
        *(Question(name, examine, is_note=True) for name, examine in (notes or {}).items()),
    ]


def draws(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Values ~ N(0, 4), the same each time."""
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2).to(dtype)


def both(function: Function, at: Tensor) -> tuple[Tensor, Tensor]:
    """The function's value and the derivative of its weighted sum; refused where no gradient comes back."""
    x = at.detach().clone().requires_grad_()
    with torch.enable_grad():
        value = function(x)
        if not isinstance(value, Tensor):
            refuse(f"gives {type(value).__name__} instead of a tensor")
        if not value.requires_grad:
            refuse(
                "its gradient is detached: nothing leads from the value back to the input (.detach(), .item(), .data, "
                "no_grad or numpy does that; a straight-through slope is declared with gradient=)"
            )
        weights = torch.linspace(0.5, 1.5, max(value.numel(), 1), dtype=value.dtype, device=value.device)
        (gradient,) = torch.autograd.grad(
            (value * weights[: value.numel()].reshape(value.shape)).sum(), x, allow_unused=True
        )
    if gradient is None:
        refuse("its gradient is detached: the value does not depend on the input")
    return value.detach(), gradient


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same, NaN where NaN is."""
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())


def on_copies(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, which cannot change what it is given."""
    return lambda *values: function(*(value.clone() for value in values))


def keeps_images_apart(function: Function, stack: Tensor, other: Tensor) -> str:
    """Whether the values of half of the images `[trials, images, units]` do not depend on the other half."""
    half = stack.shape[1] // 2
    values = function(stack)
    for kept, replaced in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
        changed = stack.clone()
        changed[:, replaced] = other[:, replaced]
        if not same_bits(function(changed)[:, kept], values[:, kept]):
            refuse("one image's values depend on other images")
    return "each image independently of the others"


def keeps_its_input(function: Function, x: Tensor) -> str:
    """Whether the function leaves what it is given as it was."""
    before = x.clone()
    function(x)
    if not same_bits(x, before):
        refuse("changes its input in place")
    return "the input is as it was"


def is_repeatable(function: Function, x: Tensor, other: Tensor) -> str:
    """Whether the same input always gives the same value: no random draws, no state from call to call."""
    state = torch.get_rng_state()
    first = function(x)
    function(other)
    again = function(x)
    is_random = not torch.equal(state, torch.get_rng_state())
    torch.set_rng_state(state)
    if not same_bits(first, again):
        refuse("two calls on the same input differ: it " + ("draws random numbers" if is_random else "keeps a state"))
    if is_random:
        refuse("draws from torch's global generator, which every trial shares")
    return "same input, same bits; no random draws"


def stays_within_its_trial(function: Function, x: Tensor) -> str:
    """Whether no trial of a stack `[trials, ...]` changes a bit of another's value or gradient."""
    unchanged = both(function, x)
    for what, filler in (
        ("other values", draws(*x.shape[1:], seed=7)),
        ("1e4", torch.tensor(1e4)),
        ("NaN", torch.tensor(nan)),
    ):
        changed = x.clone()
        changed[1] = filler
        for part, before, after in zip(("values", "gradients"), unchanged, both(function, changed), strict=True):
            if not all(same_bits(after[trial], before[trial]) for trial in (0, 2)):
                refuse(f"mixes trials: {what} in one trial of a stack change the {part} of another")
    if not same_bits(function(x[:1])[0], unchanged[0][0]):
        refuse("mixes trials: a trial alone has other values than in a stack")
    return f"{len(x)} trials, one of them changed, also to NaN: the others keep every bit"


def has_its_derivative(function: Function, x: Tensor) -> str:
    """Whether autograd agrees with finite differences in float64, unit by unit."""
    both(function, x)
    try:
        gradcheck(function, (x.requires_grad_(),), eps=1e-6, atol=1e-5, rtol=1e-4)
    except GradcheckError as error:
        refuse(f"autograd does not agree with differences: {str(error).splitlines()[0][:120]}")
    return "autograd agrees with differences"


def gradient_agrees(function: Function, gradient: Callable[..., Tensor], x: Tensor, shape: Sequence[int]) -> str:
    """Whether `gradient(outer, value, x)` is what autograd gives, for values of that shape."""
    leaf, outer = x.clone().requires_grad_(), draws(*shape, seed=2)
    value = function(leaf)
    (wanted,) = torch.autograd.grad(value, leaf, outer)
    if not torch.allclose(gradient(outer, value.detach(), x), wanted, rtol=1e-4, atol=1e-5):
        refuse("the gradient that is given is not the function's")
    return "the gradient that is given is autograd's"


def runs_on_cuda(function: Function, x: Tensor) -> str:
    """Whether a GPU gives nearly the same value and gradient, and they stay there."""
    if not torch.cuda.is_available():
        raise Skipped("there is no CUDA device here")
    there = both(function, x.cuda())
    for here, found, what in zip(both(function, x), there, ("value", "gradient"), strict=True):
        if found.device.type != "cuda":
            refuse(f"its {what} leaves the device")
        gap = float((found.cpu() - here).abs().max())
        if not gap <= 1e-4:
            refuse(f"its {what} differs by {gap:.2g} from the processor's")
    return "value and gradient as on the processor"


def named(numbers: Sequence[float]) -> str:
    """A few numbers for a sentence."""
    return listed(first_few([f"{number:g}" for number in numbers], 3))


def require_finite(values: Tensor, at: Tensor, what: str) -> None:
    """Refuse with the inputs at which a value or a derivative is NaN or infinite."""
    bad = ~values.isfinite()
    if bad.any():
        kind = "NaN" if values[bad].isnan().any() else "infinite"
        refuse(
            f"its {what} is {kind} at {named(sorted(set(at[bad].tolist())))} in {str(values.dtype).partition('.')[2]}"
        )


def keeps_shape_and_dtype(function: Function, shapes: Sequence[tuple[int, ...]]) -> str:
    """Whether values have their input's shape, among these, and type."""
    for dtype in DTYPES:
        for shape in shapes:
            values = function(torch.full(shape, 0.3, dtype=dtype))
            if values.shape != shape or values.dtype != dtype:
                refuse(f"turns {dtype} of shape {shape} into {values.dtype} of shape {tuple(values.shape)}")
    return "kept for float32, float64 and bfloat16"


def require_finite_at(function: Function, x: Tensor, at: Tensor | None = None, what: str = "") -> None:
    """Refuse where a value or a derivative is not finite; `at` are the inputs to show for values."""
    values, slopes = both(function, x)
    require_finite(values, x if at is None else at, f"value{what}")
    require_finite(slopes, x, f"derivative{what}")


def require_bounds(bounds: tuple[float, float], least: float, most: float, where: Callable[[float], str]) -> None:
    """Refuse bounds that the least or the greatest value passes by over 0.001 %, or does not come near (0.001).

    Messages show six digits, so that what they show is accepted. `where` says at which input a value is.
    """
    if not isinstance(bounds, tuple | list) or [isinstance(bound, int | float) for bound in bounds] != [True, True]:
        refuse(f"expected bounds=(low, high), two numbers, inf where the values grow without end, found {bounds!r}")
    if not bounds[0] <= bounds[1]:
        refuse(f"expected the smaller bound first, found {bounds!r}")
    for bound, reached, sign in ((bounds[0], least, -1), (bounds[1], most, 1)):
        if sign * (reached - bound) > BOUND_TOLERANCE * abs(bound) + 1e-12:
            refuse(
                f"{where(reached)}{reached:g} lies outside of {span(bounds)} by more than {100 * BOUND_TOLERANCE:g} %"
            )
        if not isinf(bound) and abs(reached - bound) > NEAR_A_BOUND * max(1.0, abs(bound)):
            refuse(f"no value comes near {bound:g}: the nearest is {where(reached)}{reached:g}")


def require_ends(bounds: tuple[float, float], least: float, most: float, grows: Callable[[int], bool]) -> None:
    """Refuse an infinite bound where the values do not grow below (-1) or above (1); without bounds both are."""
    pairs = zip(bounds, (least, most), (-1, 1), strict=True)
    low, high = (bound if not isinf(bound) or grows(sign) else reached + 0.0 for bound, reached, sign in pairs)
    if (low, high) != tuple(bounds):
        refuse(
            f"the values lie in {span((low, high))}: say bounds=({low:g}, {high:g}); without `bounds` they are taken "
            "to grow without end on both sides"
        )


def span(bounds: tuple[float, float]) -> str:
    """`[0, inf)`."""
    low, high = bounds
    return f"{'(' if low == -inf else '['}{low:g}, {high:g}{')' if high == inf else ']'}"


def require_formula(formula: str, known: Mapping[str, Any], values: Tensor, at: Tensor) -> str:
    """Refuse where the formula gives other values than the function, wherever it gives finite ones."""
    arrays = {name: value.numpy() if isinstance(value, Tensor) else value for name, value in known.items()}
    try:
        expected = torch.from_numpy(evaluate(formula, arrays).copy())
    except FormulaError as problem:
        refuse(str(problem))
    expected = (expected.squeeze(-1) if at.dim() > values.dim() else expected).expand(values.shape)
    gaps = (expected - values).abs() - 1e-9 * expected.abs()
    wrong = expected.isfinite() & ~(gaps <= 1e-9)
    if not expected.isfinite().any():
        refuse(f"{formula!r} gives no finite number")
    if wrong.any():
        index = tuple(wrong.nonzero()[0].tolist())
        where = f"{float(at[index]):g}" if at.dim() == values.dim() else f"example {index[-1]}"
        refuse(f"the formula gives {float(expected[index]):g} at {where}, and the function {float(values[index]):g}")
    return f"{formula} gives the function's values"
