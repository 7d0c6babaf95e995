"""Terminal, page, picture, gate and JSON are read as text: over hundreds of made-up folders none disagree on a pair."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from actbench.analysis.comparison import Comparison
from actbench.plan.plan import make_plan
from actbench.render.printing import whole_document
from actbench.render.terminal import section_lines
from actbench.report.contents import answer_sections, report_document
from actbench.report.figures.differences import differences_picture
from actbench.report.figures.layout import PAGE
from actbench.report.files import page
from actbench.report.gate import gate_on_arms
from actbench.store.results import Results
from builders import record_of
from drawn import drawn_texts
from pages import read
from planted import TUNED, UNTUNED, asked, planted

ARMS = ("relu", "tanh", "elu", "gelu", "mish", "selu", "softplus", "sigmoid")
FOLDERS, MORE_FOLDERS = 6, 30  # of each of the files
LOOKS = TUNED.replace("seeds: 10", "seeds: {looks: [10, 20]}")
BETTER, WORSE, UNDECIDED = 1, -1, 0
WORDS = {
    "better": BETTER, "better (small)": BETTER, "worse": WORSE, "worse (small)": WORSE, "cannot tell": UNDECIDED,
    "equivalent": UNDECIDED, "no evidence of a difference": UNDECIDED, "too few seeds": UNDECIDED,
    "too few seeds to tell": UNDECIDED, "undecided": UNDECIDED,
}  # fmt: skip
FILES = ((4, 3, TUNED), (10, 4, TUNED), (12, 8, TUNED), (10, 5, UNTUNED), (10, 4, LOOKS))
TROUBLES = (
    {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None},
    {"outcome": "failed", "cause": "MemoryError", "test_correct_count": None, "test_loss": None},
    {"test_prediction_counts": (0, 10_000, *[0] * 8), "test_correct_count": 1135},
)
NAME = rf"(?:{'|'.join(ARMS)})"
NAMES = rf"{NAME}(?: \([^)]*\))?(?:(?:, | and ){NAME}(?: \([^)]*\))?)*"
Said = tuple[str, str, str, int]


def expected(seeds: int, arms: int, text: str) -> str:
    return text.replace("[relu, tanh]", f"[{', '.join(ARMS[:arms])}]").replace("seeds: 10", f"seeds: {seeds}")


@pytest.fixture(scope="module", params=FILES, ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A folder with every trial; the counts are made up again and again."""
    seeds, arms, text = request.param
    counts = dict.fromkeys(ARMS[:arms], [9780] * seeds)
    return planted(tmp_path_factory.mktemp("folder"), counts, expected(seeds, arms, text))


def made_up(results: Results, rng: np.random.Generator) -> Results:
    """The folder with other counts: gaps and noise of all sizes, ties, trials that went wrong or are missing.

    Trials of further looks are made up too, as long as the plan asks for them.
    """
    gap, noise, step = rng.choice([0, 5, 15, 60]), rng.choice([0, 3, 10, 40]), rng.choice([1, 1, 10])
    missing, wrong = rng.choice([0, 0, 0.1]), rng.choice([0, 0, 0, 0.05, 0.3])
    levels = {arm.label(): 9780 + rng.normal(0, gap) for arm, _ in results.plan.arms}
    records = {key: record for key, record in results.records.items() if record.phase == "tune"}
    plan = make_plan(results.experiment, records)
    while True:
        asked_for = [(arm, trial) for arm, trials in plan.arms for trial in trials if trial.id not in records]
        for arm, trial in asked_for:
            count = int(np.clip(step * round((levels[arm.label()] + rng.normal(0, noise)) / step), 0, 10_000))
            change = TROUBLES[rng.integers(3)] if rng.random() < wrong else {}
            if rng.random() >= missing:
                records[trial.id] = record_of(trial, **{"test_correct_count": count} | change)
        plan = make_plan(results.experiment, records)
        if not results.experiment.looks or missing or not asked_for:
            return replace(results, records=records, plan=plan)


def names_in(text: str) -> list[str]:
    return re.findall(rf"\b{NAME}\b", re.sub(r"\([^)]*\)", "", text))


def read_sentences(text: str) -> Iterator[Said]:
    """What the sentences say of pairs, each with its family."""
    text = " ".join(text.split())
    for word, sign in (("better", BETTER), ("worse", WORSE)):
        for firsts, second in re.findall(rf"({NAMES}) (?:is|are) {word} than ({NAME})(?!\w)(?! \(a[ts] )", text):
            for first in names_in(firsts):
                if first != second:
                    yield "baseline", first, second, sign
        for firsts, second in re.findall(
            rf"({NAMES}) (?:is|are) {word} than ({NAME}) \((?:at .*, Bonferroni|as the verdicts)", text
        ):
            yield from (("best set", first, second, sign) for first in names_in(firsts))
    for firsts, second in re.findall(rf"Cannot tell ({NAMES}) from ({NAME})", text):
        yield from (("baseline", first, second, UNDECIDED) for first in names_in(firsts))
    for first, second in re.findall(rf"says that ({NAME}) beats ({NAME}) by [^;]*; all \S+ together cannot tell", text):
        yield "baseline", first, second, UNDECIDED
    for best, others in re.findall(rf"Best: ({NAME})\. Not distinguishable from it: ({NAMES})", text):
        yield from (("best set", other, best, UNDECIDED) for other in names_in(others))


def without_pairs(text: str) -> tuple[str, list[Said]]:
    """The text without its sentence on all pairs, and what that says."""
    found: list[Said] = []
    for sentence in re.findall(r"Of all \d+ pairs \(Holm over these\):? [^.]*\.", text):
        for above, below in re.findall(rf"({NAME}) is better than ({NAMES})", sentence):
            found += [("pairs", above, under, BETTER) for under in names_in(below)]
        text = text.replace(sentence, "")
    return text, found


def read_rows(rows: list[list[str]], baseline: str) -> Iterator[Said]:
    """What a table says: an arm in the first cell and a verdict in another."""
    for first, *cells in rows:
        if cells and cells[0].strip() in ARMS:  # a row of all pairs
            continue
        for cell in cells:
            word = re.sub(r" (within|after|\(could|: |\(p).*", "", cell.strip())
            if first.strip() in ARMS and word in WORDS:
                yield "baseline", first.strip(), baseline, WORDS[word]


def read_picture(comparison: Comparison, results: Results, baseline: str) -> Iterator[Said]:
    """What the first picture says in words and draws at the ends of its rows."""
    picture = differences_picture(results, comparison)
    if picture is None:
        return
    words = re.findall(rf"({NAME}) [-+\d.]+(?:, 95 % interval [^;:]*)?: ([a-z ()]+?)[;.]", picture.description)
    yield from read_rows([list(row) for row in words], baseline)
    drawn = drawn_texts(picture, PAGE)
    yield from read_rows([[name, word] for name, _, word in zip(drawn, drawn[1:], drawn[2:], strict=False)], baseline)


def read_gate(comparison: Comparison, baseline: str) -> Iterator[Said]:
    """What the lines of the gate say of the arms that it names."""
    lines = gate_on_arms(comparison, "exit").lines()
    found = re.findall(rf"(?m)^  (worse|undecided): ({NAME}): (?!.*not judged)", "\n".join(lines))
    yield from read_rows([[name, word] for word, name in found], baseline)


def everything_said(comparison: Comparison, results: Results) -> dict[str, list[Said]]:
    """What the terminal, the page, its first picture, the gate and JSON say of pairs of arms, read from their texts."""
    base, said = comparison.baseline_label(), {}
    sections = answer_sections(comparison, [results], explains=True)
    terminal, pairs = without_pairs(" ".join("\n".join(section_lines(sections, io.StringIO())).split()))
    rows = [list(row) for section in sections for row in section.rows]
    said["terminal"] = [*read_sentences(terminal), *pairs, *read_rows(rows, base)]
    root = read(page(results, comparison, {}))
    text, pairs = without_pairs(" ".join(root.text().split()))
    cells = [[cell.text() for cell in row.all("th", "td")] for row in root.all("tr")]
    said["page"] = [*read_sentences(text), *pairs, *read_rows([row for row in cells if row], base)]
    document = json.loads(json.dumps(whole_document(report_document(comparison, results))))["comparison"]
    text, pairs = without_pairs(" ".join([document["answer"], *(one["text"] for one in document["statements"])]))
    verdicts = [[arm["label"], arm["verdict"] or ""] for arm in document["arms"]]
    said["json"] = [*read_sentences(text), *pairs, *read_rows(verdicts, base)]
    explained = {arm for one in document["statements"] if one["kind"] == "adjusted" for arm in one["arms"]}
    for arm in document["arms"]:
        word = arm["verdict"] or ""
        if word.startswith(("better", "worse")):
            low, high = arm["difference_ci_adjusted"]
            assert arm["p_holm"] < 0.05
            assert low > 0 or high < 0
        elif word.startswith(("no evidence", "too few", "equivalent", "undecided")) and arm["difference_ci"]:
            low, high = arm["difference_ci"]
            assert (arm["label"] in explained) == (low > 0 or high < 0), arm
    said["picture"] = list(read_picture(comparison, results, base))
    said["gate"] = list(read_gate(comparison, base))
    return said


@pytest.mark.parametrize("count", [FOLDERS, pytest.param(MORE_FOLDERS, marks=pytest.mark.slow)])
def test_no_two_statements_about_a_pair_disagree(count: int, folder: Results) -> None:
    rng = np.random.default_rng(len(folder.records))
    decided = 0
    for _ in range(count):
        results = made_up(folder, rng)
        baseline = str(rng.choice([arm.label() for arm, _ in results.plan.arms])) if rng.random() < 0.3 else None
        said = everything_said(asked(results, all_pairs=bool(rng.random() < 0.3), baseline=baseline), results)
        directions: dict[frozenset[str], set[str]] = {}
        words: dict[tuple[str, frozenset[str]], set[int]] = {}
        for one in (each for place in said.values() for each in place):
            family, first, second, sign = one
            pair = frozenset((first, second))
            towards = sign if first < second else -sign
            words.setdefault((family, pair), set()).add(towards)
            if sign:
                directions.setdefault(pair, set()).add(first if sign == BETTER else second)
        assert all(len(winners) == 1 for winners in directions.values()), said
        assert all(len(found) == 1 for found in words.values()), {k: v for k, v in words.items() if len(v) > 1}
        decided += len(directions)
        by_place = {place: {one[1] for one in found if one[0] == "baseline"} for place, found in said.items()}
        assert by_place["terminal"] == by_place["json"], said
        assert by_place["page"] <= by_place["json"], said
        assert by_place["picture"] <= by_place["json"], said
        assert by_place["gate"] <= by_place["json"], said
    can_decide = folder.plan.tunings and len(folder.plan.arms[0][1]) > 9
    assert decided >= count / 2 or not can_decide


def test_the_reader_of_sentences_sees_contradictions() -> None:
    words = "tanh (+0.2 points) and elu are better than relu (p = 0.01)."
    assert set(read_sentences(words)) == {
        ("baseline", "tanh", "relu", BETTER), ("baseline", "elu", "relu", BETTER),
    }  # fmt: skip
    assert set(read_sentences("tanh and elu are worse than gelu (at 5 %, Bonferroni over 7).")) == {
        ("best set", "tanh", "gelu", WORSE), ("best set", "elu", "gelu", WORSE),
    }  # fmt: skip
    assert set(read_sentences("Cannot tell mish and selu from relu: after 10 seeds")) == {
        ("baseline", "mish", "relu", UNDECIDED), ("baseline", "selu", "relu", UNDECIDED),
    }  # fmt: skip
    assert set(read_sentences("Best: gelu. Not distinguishable from it: mish, relu (at 5 %")) == {
        ("best set", "mish", "gelu", UNDECIDED), ("best set", "relu", "gelu", UNDECIDED),
    }  # fmt: skip
    assert list(read_rows([["mish", "+0.1", "better (small)"]], "relu")) == [("baseline", "mish", "relu", BETTER)]
