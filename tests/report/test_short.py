"""The terminal's answer: one line, a short table with the differences as a picture, at most three notes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from actbench.render.sections import Section, without_constants, without_sparks
from actbench.render.terminal import _print_section, section_lines
from actbench.report.contents import EXPLAIN, answer_sections, report_sections
from actbench.report.files import page
from actbench.report.short import KINDS_BY_URGENCY, short_notes
from actbench.report.statement import Statement
from actbench.store.results import Results
from pages import read
from planted import FIVE_ACTIVATIONS, MUCH, NOTHING, RELU, above, asked, five_arms, planted
from program import actbench

TWO_FACTORS = """
name: planted
data: {dataset: mnist}
model: {hidden: [4]}
train: {epochs: 1}
vary: {model.activation: [relu, {leaky_relu: {negative_slope: 0.25}}], model.init: [kaiming_uniform, xavier_uniform]}
seeds: 10
baseline: {model.init: kaiming_uniform}
"""


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)


def screen(results: Results, columns: int, *, explains: bool = False, **request: Any) -> list[str]:
    """What a terminal of this width shows."""
    console = Console(file=io.StringIO(), width=columns)
    for section in answer_sections(asked(results, **request), [results], explains=explains):
        _print_section(console, section)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_at_80_columns_everything_fits_with_the_picture(results: Results) -> None:
    lines = screen(results, 80)
    assert max(map(len, lines)) <= 80
    header = next(line for line in lines if line.startswith("arm"))
    assert header.split()[:5] == ["arm", "mean", "difference", "won", "picture:"]
    rows = {line.split()[0]: line for line in lines[lines.index(header) + 1 :][:5]}
    assert rows["tanh"].split()[1:6] == ["98.07", "+0.21", "10", "of", "10"]
    assert rows["tanh"].endswith("better")
    assert rows["relu"].split()[-1] == "baseline"
    assert rows["mish"].endswith("cannot tell")
    assert sum(row.count("●") for row in rows.values()) == 4


def test_the_picture_has_both_intervals_the_margin_and_the_line_at_0(results: Results) -> None:
    """Tanh lies right of 0; mish crosses it; the baseline shows the margin alone."""
    _, table = answer_sections(asked(results), [results])
    at = next(index for index, name in enumerate(table.header) if name.startswith("picture"))
    drawn = {row[0]: row[at] for row in table.rows}
    middle = len(drawn["relu"]) // 2
    assert drawn["relu"].strip() == drawn["relu"].strip()[::-1]
    assert set(drawn["relu"].strip()) == {"·", "│"}
    assert drawn["relu"][middle] == "│"
    assert drawn["tanh"].index("●") > middle
    assert drawn["tanh"][middle] == "│"
    assert drawn["mish"][middle] in "┼●"
    assert "━" in drawn["mish"]
    assert "─" in drawn["mish"]
    assert len({len(one) for one in drawn.values()}) == 1


def test_at_most_three_notes_and_then_where_the_rest_is(results: Results) -> None:
    _, short = answer_sections(asked(results), [results])
    assert len(short.notes) <= 4
    assert short.notes[-1] == EXPLAIN
    explained = "\n".join(screen(results, 200, explains=True))
    assert "p (Holm)" in explained
    assert "sign-flip test" in explained
    assert "The picture: ●" in explained
    assert "The picture: ●" not in "\n".join(screen(results, 50, explains=True))  # where there is no room for it
    assert "picture: ●" in " ".join(screen(results, 14, explains=True))  # where every column is a list


def test_what_limits_a_conclusion_the_most_is_among_the_three_notes(results: Results) -> None:
    said = [Statement(kind, "caveats", kind) for kind in reversed(KINDS_BY_URGENCY)]
    assert short_notes(said)[:2] == list(KINDS_BY_URGENCY[:2])


def test_two_factors_have_their_difference_at_80_columns(tmp_path: Path) -> None:
    """Long names are wrapped at their spaces; no word is broken and no difference is left out."""
    labels = [arm.label() for arm, _ in planted(tmp_path / "none", {}, TWO_FACTORS).plan.arms]
    results = planted(tmp_path / "all", {label: above(RELU, MUCH) for label in labels}, TWO_FACTORS)
    for columns in (60, 80, 120):
        lines = screen(results, columns)
        assert max(map(len, lines)) <= columns
        header = next(line for line in lines if line.startswith("activation, init"))
        assert {"difference", "verdict"} <= set(header.split())
        words = " ".join(lines).split()
        assert {"kaiming_uniform", "xavier_uniform", "leaky_relu(negative_slope=0.25),"} <= set(words)


CLAIMS = """expect:
  - {claim: "leaky is above a long threshold", arm: {model.activation: relu, model.init: kaiming_uniform}, above: 0.97}
  - {claim: "xavier wins", better: {model.init: xavier_uniform}, than: {model.init: kaiming_uniform}}
"""


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
@pytest.mark.parametrize("explains", [False, True])
def test_no_word_is_broken_at_any_width(columns: int, explains: bool, tmp_path: Path) -> None:
    one = planted(tmp_path / "one", five_arms(), FIVE_ACTIVATIONS)
    arms = [arm.label() for arm, _ in planted(tmp_path / "none", {}, TWO_FACTORS).plan.arms]
    two = planted(tmp_path / "two", dict.fromkeys(arms, RELU), TWO_FACTORS + CLAIMS)
    for results in (one, two):
        for section in report_sections(asked(results), results, explains=explains):
            console = Console(file=io.StringIO(), width=columns)
            _print_section(console, section)
            assert isinstance(console.file, io.StringIO)
            texts = [section.title, *section.header, *section.notes, *section.legends.values()]
            texts += [cell for row in section.rows for cell in row]
            whole = {word for text in texts for word in text.split()} | {
                f"{name.split()[-1]}:" for name in section.header
            }
            shown, dropped = console.file.getvalue().partition("Not shown at this width")[::2]
            assert set(shown.split()) <= whole
            assert not dropped or "difference" not in dropped


def test_columns_that_say_the_same_in_every_row_are_a_note(results: Results) -> None:
    shown = screen(results, 200, explains=True)
    assert any(line.startswith("The same in every row: ") and "n (failed) 10 (0)" in line for line in shown)
    assert not any("n (failed)" in line and "mean %" in line for line in shown)
    rows = [["a", "1", "+1", "-"], ["b", "1", "+1", "-"]]
    found = without_constants(Section("t", ["arm", "n", "difference", "p"], rows, importance=(0, 2, 1, 3)), ("diff",))
    assert (found.header, found.notes, found.importance) == (
        ["arm", "difference"],
        ["The same in every row: n 1."],
        [0, 1],
    )
    single = Section("t", ["arm", "n"], [["a", "1"]])
    assert without_constants(single, ()) is single


def test_two_factors_have_main_effects_with_verdicts_and_the_luck_of_the_seed_on_top(tmp_path: Path) -> None:
    text = TWO_FACTORS.replace("baseline:", "tune: {train.lr: [0.001, 0.003, 0.01]}\ntuning_seeds: 1\nbaseline:")
    arms = [arm for arm, _ in planted(tmp_path / "none", {}, text).plan.arms]
    gains = {arm.label(): MUCH if "xavier" in arm.label() else NOTHING for arm in arms}
    results = planted(tmp_path / "all", {label: above(RELU, gain) for label, gain in gains.items()}, text)
    sections = {one.title.split(",")[0]: one for one in report_sections(asked(results), results, explains=False)}
    effects = sections["what explains the differences"]
    assert effects.rows[0][0] == "luck of the seed"
    shares = [float(row[1].rstrip("%")) for row in effects.rows]
    assert effects.rows[1][0] == "model.init"
    assert len(effects.rows[1][2]) == round(shares[1] / 5)
    init = {row[0]: row[-1] for row in sections["main effect of init"].rows}
    assert init == {"xavier_uniform": "better", "kaiming_uniform": "baseline"}
    activation = {row[0]: row[-1] for row in sections["main effect of activation"].rows}
    assert activation == {"relu": "baseline", "leaky_relu(negative_slope=0.25)": "equivalent"}
    assert not any("main effect" in one.title for one in report_sections(asked(results), results))
    root = read(page(results, asked(results), {}))
    (chapter,) = [one for one in root.all("section") if one.attributes["aria-labelledby"] == "factors"]
    first, second, *_ = chapter.all("table")
    assert first.all("caption")[0].text().startswith("main effect of activation,")
    assert second.all("caption")[0].text().startswith("main effect of init,")
    assert not any(first in folded.all("table") for folded in chapter.all("details"))


def test_an_arm_far_away_is_an_arrow_and_leaves_the_others_their_room(tmp_path: Path) -> None:
    counts = five_arms() | {"tanh": [count - 5000 for count in RELU]}
    results = planted(tmp_path, counts, FIVE_ACTIVATIONS)
    _, table = answer_sections(asked(results), [results])
    row = next(row for row in table.rows if row[0] == "tanh")
    assert any(cell.startswith("◀") for cell in row)
    assert row[-1] == "worse"


def test_verdicts_have_colours(results: Results) -> None:
    _, table = answer_sections(asked(results), [results])
    tones = dict(zip([row[0] for row in table.rows], table.tones, strict=True))
    assert tones == {"tanh": "good", "elu": "good", "mish": "", "gelu": "", "relu": ""}
    worse = answer_sections(asked(results, baseline="tanh"), [results])[1]
    assert "bad" in worse.tones
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard", no_color=False)
    _print_section(console, worse)
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[31mworse" in console.file.getvalue()


def test_piped_output_is_whole_unless_columns_says_how_wide(results: Results) -> None:
    whole = actbench("compare", results.folder, folder=results.folder).stdout.splitlines()
    assert max(map(len, whole)) > 80
    narrow = actbench("compare", results.folder, folder=results.folder, environment={"COLUMNS": "80"}).stdout
    assert max(map(len, narrow.splitlines())) <= 80


def test_only_what_is_read_in_a_terminal_or_pipe_has_the_picture(results: Results) -> None:
    formats = {"compare": ("table", "markdown", "csv", "json", "latex"), "report": ("table", "markdown", "latex")}
    drawn = [
        (verb, output_format)
        for verb, known in formats.items()
        for output_format in known
        if "●" in actbench(verb, results.folder, "--format", output_format, folder=results.folder).stdout
    ]
    assert drawn == [("compare", "table"), ("report", "table")]


def test_what_cannot_draw_boxes_gets_plain_ones(results: Results) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    text = "\n".join(section_lines(answer_sections(asked(results), [results]), stream))
    assert text.isascii()
    assert "=o=" in text


def test_curves_in_characters_are_dropped_and_importance_follows() -> None:
    section = Section("t", ["arm", "curve", "last"], [["relu", "▁▅█", "1"]], importance=(0, 2, 1), prose=(2,))
    kept = without_sparks(section)
    assert (list(kept.header), list(kept.importance), list(kept.prose)) == (["arm", "last"], [0, 1], [1])
    assert without_sparks(Section("t", ["arm", "note"], [["relu", ""]])).header == ["arm", "note"]
