"""Terminal, page and JSON are read as text: over hundreds of made-up folders no two statements disagree on a pair."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from actbench.analysis.comparison import Comparison
from actbench.render.printing import whole_document
from actbench.render.terminal import section_lines
from actbench.report.contents import answer_sections
from actbench.report.document import report_document
from actbench.report.page import page
from actbench.store.results import Results
from pages import read
from planted import TUNED, UNTUNED, asked, planted

ARMS = ("relu", "tanh", "elu", "gelu", "mish", "selu", "softplus", "sigmoid")
FOLDERS = 60  # of each of the four files
BETTER, WORSE, UNDECIDED = 1, -1, 0
WORDS = {
    "better": BETTER, "better (small)": BETTER, "worse": WORSE, "worse (small)": WORSE, "cannot tell": UNDECIDED,
    "equivalent": UNDECIDED, "no evidence of a difference": UNDECIDED, "too few seeds": UNDECIDED,
    "too few seeds to tell": UNDECIDED,
}  # fmt: skip
NAME = rf"(?:{'|'.join(ARMS)})"
NAMES = rf"{NAME}(?: \([^)]*\))?(?:(?:, | and ){NAME}(?: \([^)]*\))?)*"
Said = tuple[str, str, str, int]


def expected(seeds: int, arms: int, text: str) -> str:
    return text.replace("[relu, tanh]", f"[{', '.join(ARMS[:arms])}]").replace("seeds: 10", f"seeds: {seeds}")


@pytest.fixture(scope="module", params=[(4, 3, TUNED), (10, 4, TUNED), (12, 8, TUNED), (10, 5, UNTUNED)], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A folder with every trial; the counts are made up again and again."""
    seeds, arms, text = request.param
    counts = dict.fromkeys(ARMS[:arms], [9780] * seeds)
    return planted(tmp_path_factory.mktemp("folder"), counts, expected(seeds, arms, text))


def made_up(results: Results, rng: np.random.Generator) -> Results:
    """The folder with other counts: gaps and noise of all sizes, ties, trials that diverged or are missing."""
    gap, noise, missing = rng.choice([0, 5, 15, 60]), rng.choice([0, 3, 10, 40]), rng.choice([0, 0, 0.1])
    records = dict(results.records)
    for _, trials in results.plan.arms:
        level = 9780 + rng.normal(0, gap)
        for trial in trials:
            count = int(np.clip(round(level + rng.normal(0, noise)), 0, 10_000))
            records[trial.id] = records[trial.id].model_copy(update={"test_correct_count": count})
            if rng.random() < missing:
                del records[trial.id]
    return replace(results, records=records)


def names_in(text: str) -> list[str]:
    return re.findall(rf"\b{NAME}\b", re.sub(r"\([^)]*\)", "", text))


def read_sentences(text: str) -> Iterator[Said]:
    """What the sentences say of pairs, each with its family."""
    text = " ".join(text.split())
    for word, sign in (("better", BETTER), ("worse", WORSE)):
        for firsts, second in re.findall(
            rf"({NAMES}) (?:is|are) {word} than (?:the baseline )?({NAME})(?!\w)(?! \(at)", text
        ):
            for first in names_in(firsts):
                if first != second:
                    yield "baseline", first, second, sign
        for firsts, second in re.findall(rf"({NAMES}) (?:is|are) {word} than ({NAME}) \(at 5 %, Bonferroni", text):
            yield from (("best set", first, second, sign) for first in names_in(firsts))
    for firsts, second in re.findall(rf"Cannot tell ({NAMES}) from ({NAME})", text):
        yield from (("baseline", first, second, UNDECIDED) for first in names_in(firsts))
    for firsts, second in re.findall(
        rf"[Ff]or ({NAMES}) there (?:is no evidence|are too few)[^.]* to (?:the baseline )?({NAME})", text
    ):
        yield from (("baseline", first, second, UNDECIDED) for first in names_in(firsts))
    for best, others in re.findall(rf"Best: ({NAME})\. Not distinguishable from it: ({NAMES})", text):
        yield from (("best set", other, best, UNDECIDED) for other in names_in(others))
    for best, others in re.findall(rf"belongs to ({NAME}), but ({NAMES}) cannot be distinguished", text):
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
            word = re.sub(r" (within|\(could|: |\(p).*", "", cell.strip())
            if first.strip() in ARMS and word in WORDS:
                yield "baseline", first.strip(), baseline, WORDS[word]


def everything_said(comparison: Comparison, results: Results) -> dict[str, list[Said]]:
    """What the terminal, the page and JSON say of pairs of arms, each read from its text."""
    base, said = "relu", {}
    sections = answer_sections(comparison, [results], explains=True)
    terminal, pairs = without_pairs(" ".join("\n".join(section_lines(sections, io.StringIO())).split()))
    rows = [list(row) for section in sections for row in section.rows]
    said["terminal"] = [*read_sentences(terminal), *pairs, *read_rows(rows, base)]
    root = read(page(results, comparison, []))
    text, pairs = without_pairs(" ".join(root.text().split()))
    cells = [[cell.text() for cell in row.all("th", "td")] for row in root.all("tr")]
    said["page"] = [*read_sentences(text), *pairs, *read_rows([row for row in cells if row], base)]
    document = json.loads(json.dumps(whole_document(report_document(comparison, results))))["comparison"]
    text, pairs = without_pairs(" ".join([document["answer"], *(one["text"] for one in document["statements"])]))
    verdicts = [[arm["label"], arm["verdict"] or ""] for arm in document["arms"]]
    said["json"] = [*read_sentences(text), *pairs, *read_rows(verdicts, base)]
    for arm in document["arms"]:
        if (arm["verdict"] or "").startswith(("better", "worse")):
            low, high = arm["difference_ci_adjusted"]
            assert arm["p_holm"] < 0.05
            assert low > 0 or high < 0
    return said


def test_no_two_statements_about_a_pair_disagree(folder: Results) -> None:
    rng = np.random.default_rng(len(folder.records))
    decided = 0
    for _ in range(FOLDERS):
        results = made_up(folder, rng)
        said = everything_said(asked(results, all_pairs=bool(rng.random() < 0.3)), results)
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
    can_decide = folder.plan.tunings and len(folder.plan.arms[0][1]) > 9
    assert decided > FOLDERS / 2 or not can_decide


def test_the_reader_of_sentences_sees_contradictions() -> None:
    words = "There is evidence that tanh (+0.2 points, x) and elu are better than the baseline relu."
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
