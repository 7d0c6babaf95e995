"""Names and sentences from files are text wherever they are shown: one list of hostile ones, every renderer."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
from markdown_it import MarkdownIt

from actbench.render.latex import section_to_latex
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.render.terminal import print_sections
from actbench.report.claims import claims_sections, judge_results
from actbench.report.files import page
from actbench.store.results import Results
from actbench.store.tables import Table
from actbench.text import listed, visible
from hostile import HOSTILE
from pages import problems, read
from planted import RELU, UNTUNED, asked, planted

pytestmark = pytest.mark.oldest

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def section(text: str) -> Section:
    return Section(text, ["name", text], [[text, text], ["plain", "1"]], [text], prose=(1,))


@pytest.fixture
def poisoned(tmp_path: Path) -> Results:
    """Results whose claims, causes and environment are all hostile."""
    claims = "".join(
        f"  - {{claim: {json.dumps(text)}, arm: {{model.activation: relu}}, above: 0.1}}\n" for text in HOSTILE
    )
    causes = dict(enumerate(HOSTILE))
    results = planted(
        tmp_path,
        {"relu": RELU, "tanh": RELU},
        f"{UNTUNED}expect:\n{claims}",
        change=lambda label, seed: {
            "outcome": "failed", "cause": causes[seed + 10 * (label == "tanh")], "test_correct_count": None,
            "environment": "evil",
        },
    )  # fmt: skip
    keys = ("id", "commit", "processor", "device", "device_name", "torch")
    return replace(results, environments={"evil": dict(zip(keys, HOSTILE, strict=False))})


def test_what_cannot_be_seen_is_shown_and_what_can_be_seen_stays() -> None:
    assert visible("Größe → 漢字 $x$") == "Größe → 漢字 $x$"
    assert visible("a\nb\tc\u00a0d") == "a b c d"
    assert visible("\x1b[0m\u202e\u200b\ud800") == "\\x1b[0m\\u202e\\u200b\\ud800"


def test_names_are_listed_so_that_their_own_commas_do_not_confuse() -> None:
    assert listed([]) == ""
    assert listed(["relu"]) == "relu"
    assert listed(["relu", "swish", "mish"]) == "relu, swish and mish"
    assert listed(["lr=1, init=zeros", "lr=2, init=ones"]) == "lr=1, init=zeros; and lr=2, init=ones"


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    shown = " ".join(visible(text).split())
    root = read(MARKDOWN.render(section_to_markdown(section(text), heading="##")))
    assert {one.tag for one in root.walk()} - {""} <= {"h2", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    cells = [" ".join(cell.text().split()) for cell in root.all("th", "td")]
    assert cells == ["name", shown, shown, shown, "plain", "1"]
    assert [" ".join(one.text().split()) for one in root.all("li")] == [shown]
    assert re.sub(r" #+$", "", shown) == " ".join(root.all("h2")[0].text().split())


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_starts_no_mathematics_and_no_template(text: str) -> None:
    escaped = section_to_markdown(section(text), heading="##")
    assert not re.search(r"(?<!\\)\$", escaped)
    assert not re.search(r"\{[{%#]", escaped)
    assert not UNSEEN.search(escaped)


def test_markdown_leaves_names_as_they_are_written() -> None:
    names = ["leaky_relu", "+0.13 [-0.01 to +0.28]", "layer1.dead_share", "model.hidden", "z = x * y"]
    text = section_to_markdown(Section("t", names, []), heading=None)
    assert text.splitlines()[0] == "| " + " | ".join([*names[:4], "z = x \\* y"]) + " |"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_is_not_steered(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_sections([section(text)])
    printed = capsys.readouterr().out
    assert not UNSEEN.search(printed)
    words = visible(text).split()
    assert all(word in printed for word in words)
    assert len(printed.splitlines()) == 5


@pytest.mark.parametrize("text", HOSTILE)
def test_a_spreadsheet_computes_nothing_and_pandas_reads_the_text(text: str) -> None:
    row = {"claim": text, "n": -3, "mean": -0.5, "lr": "-0.5", "none": None}
    written = Table(list(row), [row]).to_csv()
    ((claim, *numbers),) = list(csv.reader(io.StringIO(written)))[1:]
    assert not claim.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert claim.removeprefix("'") == visible(text)
    assert numbers == ["-3", "-0.5", "-0.5", ""]
    assert len(written.splitlines()) == 2
    table = pandas.read_csv(io.StringIO(written), keep_default_na=False)
    assert table["claim"][0] == claim
    assert (table["n"][0], table["mean"][0], table["lr"][0]) == (-3, -0.5, -0.5)


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_is_given_no_command_but_its_own(text: str) -> None:
    written = section_to_latex(section(text))
    assert not UNSEEN.search(written)
    ours = re.compile(
        r"\\(begin|end|centering|footnotesize|caption|label|smallskip|parbox|par|resizebox|ifdim|width|linewidth|else|fi|toprule|"
        r"midrule|bottomrule|raggedright|arraybackslash|shortstack|textbackslash|text(less|greater|bar|ascii\w+)|pm)\b"
    )
    rest = ours.sub("", written).replace("\\\\", "")
    assert not re.search(r"\\(?![{}$&#%_])", rest)
    bare = re.sub(r"\\[{}$&#%_\\]", "", written)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[#^~|<\"`]", re.sub(r">\{|@\{|\\width>", "", bare))
    assert all(line.count("&") == 1 for line in bare.splitlines() if "&" in line)


def test_a_page_shows_hostile_texts_and_runs_none(poisoned: Results) -> None:
    text = page(poisoned, asked(poisoned), {})
    assert problems(text) == []
    assert not UNSEEN.search(text)
    root = read(text)
    assert root.all("img", "b") == []
    assert len(root.all("script")) <= 2
    (table,) = [one for one in root.all("table") if one.all("caption")[0].text() == "claims"]
    assert [row.all("th")[0].text() for row in table.all("tbody")[0].all("tr")] == [visible(one) for one in HOSTILE]
    (wrong,) = [one for one in root.all("table") if one.all("caption")[0].text() == "trials that went wrong"]
    causes = [row.all("td")[-1].text() for row in wrong.all("tbody")[0].all("tr")]
    assert causes == [visible(one) for one in HOSTILE[:20]]
    assert "49" not in root.all("table")[-1].text()


def test_a_page_shows_hostile_names_of_arms(poisoned: Results) -> None:
    comparison = asked(poisoned)
    for hostile in HOSTILE:
        rows = tuple(replace(row, sample=replace(row.sample, label=hostile)) for row in comparison.rows)
        text = page(poisoned, replace(comparison, rows=rows), {})
        assert problems(text) == []
        tables = {one.all("caption")[0].attributes["id"]: one for one in read(text).all("table")}
        first = tables["comparison-table-1"].all("tbody")[0].all("th")[0]
        assert first.text() == visible(hostile)


def test_a_command_to_repeat_a_run_is_one_command_whatever_the_commit_says(poisoned: Results) -> None:
    root = read(page(poisoned, asked(poisoned), {}))
    commands = root.all("pre")[0].text().splitlines()
    assert commands[0] == "git checkout '<b>bold</b> & &lt; &#60;'"
    assert len(commands) == 4


def test_claims_in_a_terminal_are_not_steered_either(poisoned: Results, capsys: pytest.CaptureFixture[str]) -> None:
    print_sections(claims_sections(judge_results(poisoned)))
    assert not UNSEEN.search(capsys.readouterr().out)
