"""Which test images an arm gets wrong: against its baseline seed by seed, by class, and of all arms the hardest."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actbench.analysis.comparison import Comparison
from actbench.experiment.records import TrialRecord, recorded
from actbench.lazy import NDArray
from actbench.lazy import numpy as np
from actbench.plan.plan import Plan
from actbench.statistics.crossed import CrossedErrors, crossed_errors, mcnemar_p
from actbench.statistics.intervals import CONFIDENCE, MIN_SEEDS, Estimate, estimate, t_interval

MIN_SHARE_OF_A_MAJORITY = 0.5


@dataclass(frozen=True)
class Flips:
    """Images that the arm gets wrong and the baseline right (`lost`), the other way round (`won`), and McNemar's p."""

    lost: int
    won: int
    p: float
    seed: int | None = None


@dataclass(frozen=True)
class OtherImages:
    """An arm's accuracy minus its baseline's on the seeds that both have, and how sure it is on other images."""

    label: str
    baseline: str
    seeds: int
    mean: float
    errors: CrossedErrors | None

    def interval(self) -> tuple[float, float] | None:
        """Of the mean difference for other seeds and other images: t of the seeds' degrees of freedom."""
        if self.errors is None or self.seeds < MIN_SEEDS:
            return None
        return t_interval(self.mean, self.errors.seeds_and_images, self.seeds - 1, CONFIDENCE)


@dataclass(frozen=True)
class ImageContrast(OtherImages):
    """An arm against its baseline, image by image.

    `majority` compares what more than half of each arm's networks get right. `by_class` is the difference of the share
    of a class's images that are right, for each class; empty where records of schema 1 do not say it.
    """

    by_seed: tuple[Flips, ...]
    majority: Flips
    by_class: tuple[Estimate, ...]


@dataclass(frozen=True)
class _Paired:
    """The records of an arm and of its baseline, pair by pair, and which images each got right `[seeds, images]`."""

    label: str
    baseline: str
    pairs: Sequence[tuple[TrialRecord, TrialRecord]]
    own: NDArray[np.bool_]
    reference: NDArray[np.bool_]


@dataclass(frozen=True)
class HardImage:
    """A test image: how many of all networks get it wrong, its class, and the one it is most often taken for."""

    image: int
    wrong: int
    networks: int
    label: int | None
    taken_for: int | None


def image_contrasts(comparison: Comparison, plan: Plan, records: Mapping[str, TrialRecord]) -> list[ImageContrast]:
    """Every arm of the comparison against its baseline, where both have recorded which images are right."""
    return [_contrast(one) for one in _paired(comparison, plan, records)]


def other_images(comparison: Comparison, plan: Plan, records: Mapping[str, TrialRecord]) -> list[OtherImages]:
    """The part of every contrast that says what holds for other images."""
    return [_other_images(one) for one in _paired(comparison, plan, records)]


def _paired(comparison: Comparison, plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[_Paired]:
    tested = {arm.label(): _tested(recorded(trials, records)) for arm, trials in plan.arms}
    bits: tuple[Sequence[TrialRecord], NDArray[np.bool_]] = (), np.empty(0, dtype=bool)
    for row in comparison.rows:
        other = row.contrast.second.label if row.contrast else ""
        own, reference = tested.get(row.sample.label, {}), tested.get(other, {})
        is_paired = row.contrast is not None and row.contrast.is_paired
        if is_paired and (seeds := [seed for seed in own if seed in reference]):
            first, second = [own[seed] for seed in seeds], [reference[seed] for seed in seeds]
            if list(map(id, bits[0])) != list(map(id, second)):  # most arms have one baseline
                bits = second, _are_right(second)
            pairs = list(zip(first, second, strict=True))
            yield _Paired(row.sample.label, other, pairs, _are_right(first), bits[1])


def _tested(records: Iterable[TrialRecord]) -> dict[int, TrialRecord]:
    return {record.seed: record for record in records if record.test_is_correct}


def _are_right(records: Sequence[TrialRecord]) -> NDArray[np.bool_]:
    """Whether each network classified each test image correctly `[networks, images]`; all have as many of these."""
    packed = b"".join(base64.b64decode(record.test_is_correct) for record in records)
    rows = np.frombuffer(packed, np.uint8).reshape(len(records), -1)
    return np.unpackbits(rows, axis=1, count=records[0].test_count).astype(bool)


def _other_images(one: _Paired) -> OtherImages:
    differences = one.own.astype(np.int8) - one.reference.astype(np.int8)
    errors = crossed_errors(differences)
    return OtherImages(one.label, one.baseline, len(one.pairs), float(differences.mean()), errors)


def _contrast(one: _Paired) -> ImageContrast:
    votes = [bits.mean(axis=0, keepdims=True) > MIN_SHARE_OF_A_MAJORITY for bits in (one.own, one.reference)]
    return ImageContrast(
        **vars(_other_images(one)),
        by_seed=tuple(_flips(one.own, one.reference, [first.seed for first, _ in one.pairs])),
        majority=next(_flips(votes[0], votes[1], [None])),
        by_class=tuple(_class_differences(one.pairs)),
    )


def _flips(own: NDArray[np.bool_], reference: NDArray[np.bool_], seeds: Sequence[int | None]) -> Iterator[Flips]:
    """The discordant images of each row."""
    all_lost, all_won = ((a & ~b).sum(axis=1).tolist() for a, b in ((reference, own), (own, reference)))
    for lost, won, seed in zip(all_lost, all_won, seeds, strict=True):
        yield Flips(lost, won, mcnemar_p(lost, won), seed)


def _class_differences(pairs: Sequence[tuple[TrialRecord, TrialRecord]]) -> Iterator[Estimate]:
    confusions = [(first.confusion(), second.confusion()) for first, second in pairs]
    known = [(first, second) for first, second in confusions if first and second]
    if len(known) < len(pairs):
        return
    for label, counts in enumerate(known[0][0]):
        images = sum(counts)
        yield estimate([(one[label][label] - other[label][label]) / images for one, other in known] if images else [])


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
    for record in found:
        for image, mistake in wrong_images(record):
            if image in given:
                given[image][mistake] += 1
    images = []
    for image in hardest:
        mistakes = given[image]
        label, taken_for = min(mistakes, key=lambda one: (-mistakes[one], one)) if mistakes else (None, None)
        images += [HardImage(image, int(wrong[image]), len(found), label, taken_for)] * bool(wrong[image])
    return images


def wrong_images(record: TrialRecord) -> list[tuple[int, tuple[int, int]]]:
    """Each wrong image of a network with its label and the class that it was given; empty if not recorded."""
    mistakes = record.mistakes()
    if not mistakes or not record.test_is_correct:
        return []
    return list(zip(np.flatnonzero(~_are_right([record])).tolist(), mistakes, strict=True))
