"""Which test images an arm gets wrong: against its baseline seed by seed, by class, and of all arms the hardest."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from actbench.analysis.comparison import Comparison
from actbench.experiment.records import TrialRecord, bytes_of_a_mistake, recorded
from actbench.lazy import NDArray
from actbench.lazy import numpy as np
from actbench.plan.plan import Plan
from actbench.statistics.crossed import CrossedErrors, crossed_errors, mcnemar_p
from actbench.statistics.intervals import CONFIDENCE, MIN_SEEDS, Estimate, estimates, t_interval

MIN_SHARE_OF_A_MAJORITY = 0.5


@dataclass(frozen=True)
class Flips:
    """Images that the arm gets wrong and the baseline right (`lost`), the other way round (`won`), and McNemar's p."""

    lost: int
    won: int
    p: float
    seed: int | None = None


@dataclass(frozen=True)
class _Networks:
    """The records of an arm's networks, and which images each got right `[networks, images]`."""

    records: Sequence[TrialRecord]
    are_right: NDArray[np.bool_]

    @cached_property
    def by_class(self) -> tuple[NDArray[np.integer], NDArray[np.integer]] | None:
        """The right images of each network `[networks, classes]`, and all images `[classes]`; None if not recorded."""
        mistakes = _mistakes(self.records)
        if mistakes is None or not all(record.test_prediction_counts for record in self.records):
            return None
        given = np.asarray([record.test_prediction_counts for record in self.records])
        network, *classes = mistakes
        labels, predicted = (
            np.bincount(network * given.shape[1] + one, minlength=given.size).reshape(given.shape) for one in classes
        )
        return given - predicted, given[0] - predicted[0] + labels[0]


@dataclass(frozen=True)
class ImageContrast:
    """An arm against its baseline, image by image, from their networks of the same seeds in the same order."""

    label: str
    baseline: str
    own: _Networks
    reference: _Networks

    @cached_property
    def mean(self) -> float:
        """The arm's accuracy minus its baseline's."""
        return float(self._differences().mean())

    @cached_property
    def errors(self) -> CrossedErrors | None:
        """How sure the difference is for other seeds, and for other images."""
        return crossed_errors(self._differences())

    def _differences(self) -> NDArray[np.int8]:
        return self.own.are_right.astype(np.int8) - self.reference.are_right.astype(np.int8)

    def interval(self) -> tuple[float, float] | None:
        """Of the mean difference for other seeds and other images: t of the seeds' degrees of freedom."""
        seeds = len(self.own.records)
        if self.errors is None or seeds < MIN_SEEDS:
            return None
        return t_interval(self.mean, self.errors.seeds_and_images, seeds - 1, CONFIDENCE)

    @cached_property
    def by_seed(self) -> list[Flips]:
        """The images on which the two networks of each seed disagree."""
        return _flips(self.own.are_right, self.reference.are_right, [record.seed for record in self.own.records])

    @cached_property
    def majority(self) -> Flips:
        """The same of what more than half of each arm's networks get right."""
        both = (self.own.are_right, self.reference.are_right)
        own, reference = (bits.mean(axis=0, keepdims=True) > MIN_SHARE_OF_A_MAJORITY for bits in both)
        return _flips(own, reference, [None])[0]

    @cached_property
    def by_class(self) -> list[Estimate]:
        """The difference of the share of each class's images that are right; empty where records do not say it."""
        if self.own.by_class is None or self.reference.by_class is None:
            return []
        (right, images), (right_of_reference, _) = self.own.by_class, self.reference.by_class
        shares = [(right - right_of_reference)[:, label] / count if count else () for label, count in enumerate(images)]
        return estimates(shares)


@dataclass(frozen=True)
class HardImage:
    """A test image: how many of all networks get it wrong, its class, and the one it is most often taken for."""

    image: int
    wrong: int
    networks: int
    label: int | None
    taken_for: int | None


def image_contrasts(comparison: Comparison, plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[ImageContrast]:
    """Every arm of the comparison against its baseline, where both have recorded which images are right."""
    tested = {arm.label(): _tested(recorded(trials, records)) for arm, trials in plan.arms}
    paired_with = _Networks((), np.empty(0, dtype=bool))
    for row in comparison.rows:
        other = row.contrast.second.label if row.contrast else ""
        own, reference = tested.get(row.sample.label, {}), tested.get(other, {})
        is_paired = row.contrast is not None and row.contrast.is_paired
        if is_paired and (seeds := [seed for seed in own if seed in reference]):
            first, second = [own[seed] for seed in seeds], [reference[seed] for seed in seeds]
            if list(map(id, paired_with.records)) != list(map(id, second)):  # most arms have one baseline
                paired_with = _Networks(second, _are_right(second))
            yield ImageContrast(row.sample.label, other, _Networks(first, _are_right(first)), paired_with)


def _tested(records: Iterable[TrialRecord]) -> dict[int, TrialRecord]:
    return {record.seed: record for record in records if record.test_is_correct}


def _are_right(records: Sequence[TrialRecord]) -> NDArray[np.bool_]:
    """Whether each network classified each test image correctly `[networks, images]`; all have as many of these."""
    packed = b"".join(base64.b64decode(record.test_is_correct) for record in records)
    rows = np.frombuffer(packed, np.uint8).reshape(len(records), -1)
    return np.unpackbits(rows, axis=1, count=records[0].test_count).astype(bool)


def _mistakes(records: Sequence[TrialRecord]) -> NDArray[np.integer] | None:
    """The wrong images of networks with as many classes, network by network; None unless all records say them.

    The rows are whose it is, its label, and the class that it was given.
    """
    if not all(record.has_mistakes() for record in records):
        return None
    coded = [base64.b64decode(record.test_mistakes) for record in records]
    classes = records[0].settings.data.dataset.classes
    size = bytes_of_a_mistake(classes)
    networks = np.repeat(np.arange(len(records)), [len(codes) // size for codes in coded])
    return np.stack([networks, *np.divmod(np.frombuffer(b"".join(coded), f">u{size}").astype(int), classes)])


def _flips(own: NDArray[np.bool_], reference: NDArray[np.bool_], seeds: Sequence[int | None]) -> list[Flips]:
    """The discordant images of each row."""
    all_lost, all_won = ((a & ~b).sum(axis=1) for a, b in ((reference, own), (own, reference)))
    p_values = mcnemar_p(all_lost, all_won).tolist()
    return [*map(Flips, all_lost.tolist(), all_won.tolist(), p_values, seeds)]


def hardest_images(plan: Plan, records: Mapping[str, TrialRecord], count: int) -> list[HardImage]:
    """The images that most networks of all arms get wrong, the first of equally hard ones first."""
    by_arm = [[*_tested(recorded(trials, records)).values()] for _, trials in plan.arms]
    found = [record for of_arm in by_arm for record in of_arm]
    sizes = {record.test_count for record in found}
    if len(sizes) != 1:
        return []
    wrong = np.zeros(sizes.pop(), dtype=int)
    for of_arm in filter(None, by_arm):  # not all at once: of thousands of networks the bits take gigabytes
        wrong += (~_are_right(of_arm)).sum(axis=0)
    hardest = np.argsort(-wrong, kind="stable")[:count].tolist()
    given: dict[int, Counter[tuple[int, int]]] = {image: Counter() for image in hardest}
    for of_arm in filter(None, by_arm):
        for image, mistake in _mistakes_in(of_arm, hardest):
            given[image][mistake] += 1
    images = []
    for image, mistakes in given.items():
        label, taken_for = min(mistakes, key=lambda one: (-mistakes[one], one)) if mistakes else (None, None)
        images += [HardImage(image, int(wrong[image]), len(found), label, taken_for)] * bool(wrong[image])
    return images


def _mistakes_in(records: Sequence[TrialRecord], images: Sequence[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Image, with label and given class, of each recorded mistake of an arm's networks in these images."""
    known = [record for record in records if record.has_mistakes()]
    if known and (mistakes := _mistakes(known)) is not None:
        (_, image) = np.nonzero(~_are_right(known))
        kept = np.isin(image, images)
        _, label, predicted = mistakes[:, kept].tolist()
        yield from zip(image[kept].tolist(), zip(label, predicted, strict=True), strict=True)


def wrong_images(record: TrialRecord) -> list[tuple[int, tuple[int, int]]]:
    """Each wrong image of a network with its label and the class that it was given; empty if not recorded."""
    return [*_mistakes_in([record], range(record.test_count))] if record.test_is_correct else []
