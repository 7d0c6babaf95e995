"""LaTeX tables: they compile, and bold says what the statistics say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actbench.analysis.comparison import Comparison, separable
from actbench.render.latex import escaped, section_to_latex, sections_to_latex
from actbench.render.sections import Section
from actbench.report.contents import comparison_sections, report_sections
from actbench.store.results import Results
from actbench.text import visible
from hostile import HOSTILE
from planted import (
    FIVE_ACTIVATIONS,
    LITTLE,
    MUCH,
    NOISE,
    RATE_OUT_OF_REACH,
    RELU,
    TUNED,
    UNTUNED,
    above,
    asked,
    five_arms,
    planted,
)

pytestmark = pytest.mark.oldest


def latex_of(results: Results, comparison: Comparison) -> str:
    return sections_to_latex(comparison_sections(comparison, [results]), separable(comparison))


def test_arms_keep_their_small_letters() -> None:
    table = section_to_latex(Section("tried", ["arm"], [["tanh"]], ["tanh is better than relu.", "lr=0.1 is worse."]))
    assert r"\caption{Tried.}" in table
    assert "{tanh is better than relu. lr=0.1 is worse.}" in table.replace(r"\footnotesize ", "")


def bold_in(text: str) -> list[str]:
    return re.findall(r"\\textbf\{(.*?)\}", text)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("leaky_relu", r"leaky\_relu"),
        ("-0.13 [-0.01 to +0.28]", r"$-$0.13 {[}$-$0.01 to +0.28{]}"),
        ("equivalent within +-0.10 pp", r"equivalent within $\pm$0.10 pp"),
        ("<0.001", r"\textless{}0.001"),
        ("sign-flip", "sign-flip"),
        ("--gate", "-{}-gate"),
        ("50 %", r"50 \%"),
        ("$\\foo$", r"\$\textbackslash{}foo\$"),
    ],
)
def test_text_is_set_as_it_stands(text: str, latex: str) -> None:
    assert escaped(text) == latex


def test_a_table_has_rules_a_caption_notes_below_and_columns_by_kind() -> None:
    section = Section("the arms", ["arm", "mean %", "verdict"], [["relu", "97.9", "-"]], ["one note.", "another one"])
    text = section_to_latex(section)
    assert r"\caption{The arms.}" in text
    assert text.index(r"\end{tabular}") < text.index("One note. Another one.")
    assert r"\label{tab:the-arms}" in text
    assert r"\begin{tabular}{@{}lrl@{}}" in text
    assert re.findall(r"\\(\w+rule)", text) == ["toprule", "midrule", "bottomrule"]
    assert r"    relu & 97.9 & - \\" in text


def test_columns_that_do_not_fit_are_left_out_by_importance_and_named_in_a_comment(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    text = latex_of(results, asked(results))
    assert r"95 \% interval" in text
    (comment,) = [line for line in text.splitlines() if line.startswith("% Left out")]
    assert comment.endswith("P(better).")
    assert "arm" not in comment.removeprefix("% Left out, to fit the line: ").split(", ")


def test_an_arm_that_is_better_is_bold_with_its_mean_and_no_other(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    assert separable(asked(results)) == ("tanh", "elu")
    assert bold_in(latex_of(results, asked(results))) == ["tanh", "98.07", "elu", "97.91"]


@pytest.mark.parametrize(
    ("text", "gains", "rates"),
    [(UNTUNED, MUCH, {}), (TUNED, NOISE, {}), (TUNED.replace("seeds: 10", "seeds: 4"), MUCH, {}),
     (TUNED, MUCH, {"tanh": RATE_OUT_OF_REACH})],
    ids=["untuned", "no evidence", "too few seeds", "in doubt"],
)  # fmt: skip
def test_nothing_is_bold_that_cannot_be_told_apart(
    text: str, gains: list[int], rates: dict[str, float], tmp_path: Path
) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, gains)}, text, best_rates=rates)
    assert separable(asked(results)) == ()
    assert bold_in(latex_of(results, asked(results))) == []


def test_the_baseline_is_bold_where_every_other_arm_is_told_from_it(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, [-gain for gain in MUCH])})
    assert separable(asked(results)) == ("relu",)


def test_curves_in_characters_are_left_to_the_terminal(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, LITTLE)})
    text = sections_to_latex(report_sections(asked(results), results), separable(asked(results)))
    assert text.isascii()
    assert "Learning curve" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_it_compiles_with_hostile_names_too(tmp_path: Path) -> None:
    results = planted(tmp_path / "run", five_arms(), FIVE_ACTIVATIONS)
    comparison = asked(results, all_pairs=True)
    texts = [text for text in HOSTILE if visible(text).isascii()]  # the others take XeLaTeX
    hostile = Section(texts[0], ["name", *texts[1:4]], [[text] * 4 for text in texts], texts, prose=(1,))
    sections = [*report_sections(comparison, results), hostile]
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{array,booktabs,graphicx}\n\\begin{document}\n"
        + sections_to_latex(sections, separable(comparison))
        + "\\end{document}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stdout.decode(errors="replace")[-2000:]
