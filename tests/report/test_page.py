"""The page: complete, alone, in order, the same bytes for the same results."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from actbench.experiment.records import LayerProbe
from actbench.plan.plan import make_plan
from actbench.report.figures.layout import Picture
from actbench.report.files import MAX_ROWS, page
from actbench.report.method import repeat_commands
from actbench.store.results import Results
from builders import experiment_from, record_of
from custom_files import custom_file, entries_of
from pages import problems, read
from places import ROOT
from planted import FIVE_ACTIVATIONS, MUCH, RELU, TUNED, UNTUNED, above, asked, five_arms, planted
from stopwatch import time_limit

pytestmark = pytest.mark.oldest

STYLE = ROOT / "actbench" / "render" / "templates" / "style.css"
CLAIM = "expect:\n  - {claim: tanh wins, better: {model.activation: tanh}, than: {model.activation: relu}}\n"
FACTORS = UNTUNED.replace("[relu, tanh]}", "[relu, tanh], model.init: [zeros, ones]}")
EACH_FACTOR = {f"activation={name}, init={init}": RELU for name in ("relu", "tanh") for init in ("zeros", "ones")}
DRAWINGS = {"comparison": ["differences"], "curves": ["curves", "seeds"], "tuning": ["sensitivity"]}
PROBE = LayerProbe(
    epoch=1, layer=1, mean=0.5, sd=0.1, zero_share=0.25, dead_share=0.125, saturated_share=0.0,
    weight_gradient_norm=0.01, bias_gradient_norm=0.02,
)  # fmt: skip


def drawn(name: str) -> Picture:
    return Picture(name, f"Title of {name}", lambda _canvas: 10.0, "What it shows.", "A picture")


def html(results: Results, drawings: Mapping[str, Sequence[str]] | None = None, **request: Any) -> str:
    by_chapter = {chapter: [drawn(name) for name in names] for chapter, names in (drawings or {}).items()}
    return page(results, asked(results, **request), by_chapter)


ONE_CLASS = {"test_prediction_counts": (0, 10_000, *[0] * 8), "test_correct_count": 1135}


def headings(text: str) -> list[str]:
    return [one.text() for one in read(text).all("h2")]


def test_a_page_stands_alone_and_can_be_read_by_everyone(tmp_path: Path) -> None:
    text = html(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS), DRAWINGS)
    assert problems(text) == []
    assert text.count("<script") == 2
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")


def test_nothing_may_be_loaded_and_one_script_run_by_the_pages_own_policy(tmp_path: Path) -> None:
    root = read(html(planted(tmp_path, {"relu": RELU}, UNTUNED)))
    (script,) = root.all("script")
    (policy,) = [one for one in root.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(part.strip().split(" ", 1) for part in (policy.attributes["content"] or "").split(";"))
    assert allowed["default-src"] == "'none'"
    digest = base64.b64encode(hashlib.sha256(script.text().encode()).digest()).decode()
    assert allowed["script-src"] == f"'sha256-{digest}'"
    assert set(allowed) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}


def test_sections_appear_only_where_there_are_data(tmp_path: Path) -> None:
    always = ["Contents", "The question and the answer", "The comparison"]
    plain = html(planted(tmp_path / "plain", {"relu": RELU, "tanh": RELU}, UNTUNED))
    assert headings(plain) == [*always, "The lottery", "Learning curves", "How it was run"]
    empty = html(planted(tmp_path / "empty", {}, UNTUNED))
    assert headings(empty) == [*always, "How it was run"]
    full = planted(
        tmp_path / "full",
        EACH_FACTOR,
        FACTORS + CLAIM,
        change=lambda _, seed: {"probes": (PROBE,)} | (ONE_CLASS if seed == 3 else {}),
    )
    assert headings(html(full)) == [
        *always[:2], "Claims", "The comparison", "The lottery", "Factors together", "Learning curves",
        "Inside the networks", "What went wrong", "How it was run",
    ]  # fmt: skip
    assert "Tuning" in headings(html(planted(tmp_path / "tuned", {"relu": RELU, "tanh": RELU}, TUNED)))


def test_every_chapter_can_be_reached_from_the_contents(tmp_path: Path) -> None:
    root = read(html(planted(tmp_path, {"relu": RELU, "tanh": RELU}, TUNED), DRAWINGS))
    (nav,) = root.all("nav")
    linked = [(one.attributes["href"] or "")[1:] for one in nav.all("a")]
    (main,) = root.all("main")
    assert linked == [one.attributes["id"] for one in main.all("h2")]
    assert root.all("a")[0].attributes["href"] == f"#{main.attributes['id']}"


def test_the_answer_comes_first_and_the_verdicts_are_words_beside_the_names(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)})
    root = read(html(results))
    (answer,) = [one for one in root.all("p") if one.attributes.get("class") == "answer"]
    assert answer.text().startswith("tanh (+0.21 points) is better than relu")
    assert any(one.text().startswith("Tuned for each arm: train.lr from") for one in root.all("details")[1].all("li"))
    table = root.all("table")[0]
    heads = table.all("thead")[0].all("th")
    assert [one.text() for one in heads][:5] == ["arm", "mean", "difference", "won", "verdict"]
    assert ["extra" in (one.attributes.get("class") or "") for one in heads] == [False] * 5 + [True] * (len(heads) - 5)
    rows = [[cell.text() for cell in row.all("th", "td")][:5] for row in table.all("tbody")[0].all("tr")]
    assert [(row[0], row[4]) for row in rows] == [("tanh", "better"), ("relu", "baseline")]


def test_pictures_stand_in_their_chapters_with_captions_and_every_seed_is_folded(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": RELU})
    root = read(html(results, DRAWINGS))
    places = {}
    for section in root.all("section"):
        for figure in section.all("figure"):
            places[figure.attributes["id"]] = section.attributes["aria-labelledby"]
            assert figure.all("figcaption")[0].text().startswith("Title of ")
    assert places == {
        "figure-differences": "comparison",
        "figure-curves": "curves",
        "figure-seeds": "curves",
        "figure-sensitivity": "tuning",
    }
    folded = [one.attributes["id"] for details in root.all("details") for one in details.all("figure")]
    assert folded == ["figure-seeds"]
    summaries = [one.all("summary")[0].text() for one in root.all("details") if one.all("figure")]
    assert summaries == ["Every seed"]


def test_trials_that_went_wrong_are_listed_with_their_cause(tmp_path: Path) -> None:
    def change(label: str, seed: int) -> dict[str, Any]:
        if label == "relu" or seed > 2:
            return {}
        troubles: list[dict[str, Any]] = [
            {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None},
            {"outcome": "failed", "cause": "MemoryError: no room", "test_correct_count": None},
            ONE_CLASS,
        ]
        return troubles[seed]

    root = read(html(planted(tmp_path, {"relu": RELU, "tanh": RELU}, UNTUNED, change=change)))
    (table,) = [one for one in root.all("table") if one.all("caption")[0].text() == "trials that went wrong"]
    assert [[cell.text() for cell in row.all("th", "td")] for row in table.all("tbody")[0].all("tr")] == [
        ["tanh", "final", "0", "-", "diverged", "1", "the loss was no longer finite"],
        ["tanh", "final", "1", "-", "failed", "-", "MemoryError: no room"],
        ["tanh", "final", "2", "-", "collapsed", "-", "predicts one class for every test image"],
    ]


def test_the_page_says_how_to_run_it_again(tmp_path: Path) -> None:
    root = read(html(planted(tmp_path, {"relu": RELU, "tanh": RELU}, TUNED)))
    commands, settings = (one.text() for one in root.all("pre"))
    assert commands.splitlines() == [
        "actbench data fetch mnist",
        "actbench run planted.yaml --results again",
        "actbench report again/planted --html planted.html",
    ]
    assert experiment_from(settings, tmp_path) == planted(tmp_path / "same", {}, TUNED).experiment


def test_the_file_of_a_custom_function_is_named_to_run_it_again_or_asked_for(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]", "[relu, tent]")
    with entries_of(custom_file(tmp_path, name="my tent.py")):
        results = planted(tmp_path / "run", {"relu": RELU, "tent": RELU}, text)
        assert "actbench run planted.yaml --results again --use 'my tent.py'" in repeat_commands(results)
    assert "actbench run planted.yaml --results again --use FILE" in repeat_commands(results)


def test_a_long_table_is_folded_and_a_very_long_one_is_shortened(tmp_path: Path) -> None:
    rates = [round(1e-4 * number, 6) for number in range(1, 61)]
    text = UNTUNED.replace("model.activation: [relu, tanh]", f"train.lr: {rates}").replace(
        "baseline: {model.activation: relu}", "baseline: {train.lr: 0.0001}"
    )
    results = planted(
        tmp_path,
        {f"lr={rate}": RELU for rate in rates},
        text,
        change=lambda *_: {"outcome": "failed", "cause": "x", "test_correct_count": None},
    )
    root = read(html(results))
    (folded,) = [one for one in root.all("details") if "went wrong" in one.all("summary")[0].text()]
    assert len(folded.all("tbody")[0].all("tr")) == MAX_ROWS
    assert f"The first {MAX_ROWS} of 600 rows" in folded.text()
    assert len(root.all("table")[0].all("tbody")[0].all("tr")) == 60


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (
        html(planted(tmp_path / place / "run", five_arms(), FIVE_ACTIVATIONS), DRAWINGS) for place in ("one", "other")
    )
    assert one == other


def test_a_thousand_trials_make_a_page_in_a_moment(tmp_path: Path) -> None:
    rates = [round(1e-4 * number, 6) for number in range(1, 101)]
    text = f"name: large\nmodel: {{hidden: [4]}}\ntrain: {{epochs: 50}}\nvary: {{train.lr: {rates}}}\nseeds: 10\n"
    experiment = experiment_from(text, tmp_path)
    plan = make_plan(experiment)
    records = {trial.id: record_of(trial, 300 + number % 17) for number, trial in enumerate(plan.trials().values())}
    results = Results(tmp_path, experiment, plan, records, 0, {}, 0, {})
    comparison = asked(results)
    with time_limit(2):
        text = page(results, comparison, {})
    assert len(text) < 1_000_000
    assert problems(text) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme: str) -> None:
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in STYLE.read_text().split("}")[:2])
    colours = light if scheme == "light" else light | dark
    for ground in ("page", "band"):
        for ink, least in (("ink", 4.5), ("quiet", 4.5), ("link", 4.5), ("focus", 3)):
            assert contrast(colours[ink], colours[ground]) >= least, (ink, ground)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
