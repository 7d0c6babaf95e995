"""The report opened in a real browser: nothing is asked of any network, nothing fails, nothing is cut off or hidden."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from actbench.analysis.comparison import compare, question_of
from actbench.analysis.samples import Sample
from actbench.experiment.metrics import parse_metric
from actbench.report.files import page, pictures_by_chapter
from actbench.store.results import load_results
from places import ROOT
from planted import FIVE_ACTIVATIONS, RELU, TUNED, planted
from program import actbench

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WIDTHS = (380, 1600)
SCHEMES = ("light", "dark")
HOSTILE = [
    "</script><img src=x onerror=document.title='owned'>",
    "<script>document.title='owned'</script>",
    "{{7*7}} {% raw %}",
    r"$\foo$ \input{x}",
    "=cmd()",
]
CONTRAST = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
    for (let one = element; one; one = one.parentElement) {
        const colour = parse(getComputedStyle(one).backgroundColor);
        if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
};
return [...document.querySelectorAll('p, li, td, th, caption, figcaption, summary, a, h1, h2, h3')]
    .filter(one => one.textContent.trim() && one.checkVisibility())
    .map(one => {
        const [a, b] = [luminance(parse(getComputedStyle(one).color)), luminance(behind(one))];
        return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.tagName, one.textContent.trim().slice(0, 40)];
    })
    .sort(([a], [b]) => a - b);
"""

pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a committed reference, and that of an experiment whose author means no good."""
    folder = tmp_path_factory.mktemp("pages")
    claims = "\n".join(f"  - {{claim: {json.dumps(text)}, above: 0.1}}" for text in HOSTILE)
    (folder / "hostile.yaml").write_text(
        "data: {dataset: digits, train: 200, test: 100}\nmodel: {hidden: [8]}\ntrain: {epochs: 2, batch_size: 32}\n"
        "vary: {model.activation: [relu, tanh], model.init: [he_normal, xavier_normal]}\n"
        f"baseline: {{model.activation: relu}}\nseeds: 3\nexpect:\n{claims}\n",
        encoding="utf-8",
    )
    assert actbench("run", "hostile.yaml", folder=folder).returncode == 0
    found = {}
    for name, results in (("hostile", "results/hostile"), ("mnist-tuned", ROOT / "results" / "mnist-tuned")):
        finished = actbench("report", results, "--html", f"{name}.html", folder=folder)
        assert finished.returncode == 0, finished.stderr
        found[name] = folder / f"{name}.html"
    equal = planted(folder / "equal", {"relu": RELU, "tanh": RELU}, TUNED)
    comparison = compare(equal.plan, equal.records, question_of(equal.experiment, parse_metric("test_accuracy")))
    found["equal"] = folder / "equal.html"
    found["equal"].write_text(page(equal, comparison, pictures_by_chapter(equal, comparison)), encoding="utf-8")
    found["names"] = folder / "names.html"
    found["names"].write_text(page_of_hostile_names(folder / "results" / "hostile"), encoding="utf-8")
    return found


def page_of_hostile_names(folder: Path) -> str:
    """The page as it would be if arms were called what no catalogue allows."""
    results = load_results(folder, folder.parent)
    comparison = compare(results.plan, results.records, question_of(results.experiment, parse_metric("test_accuracy")))
    names = {row.sample.label: name for row, name in zip(comparison.rows, HOSTILE, strict=False)}

    def called(sample: Sample) -> Sample:
        return replace(sample, label=names[sample.label])

    rows = tuple(
        replace(
            row,
            sample=called(row.sample),
            contrast=row.contrast
            and replace(row.contrast, first=called(row.contrast.first), second=called(row.contrast.second)),
        )
        for row in comparison.rows
    )
    renamed = replace(comparison, rows=rows, best=())
    return page(results, renamed, pictures_by_chapter(results, renamed))


def opened(browser: Any, page: Path, width: int, scheme: str) -> list[dict[str, Any]]:
    """Open a page at a width and in a colour scheme; every request that the browser made for it."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("performance")
    browser.get(page.as_uri())
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [one["params"]["request"] for one in messages if one["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "name", ["mnist-tuned", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hostile", "names"))]
)
def test_the_page_is_whole_at_any_width_and_in_any_light(
    name: str, width: int, scheme: str, browser: Any, pages: dict[str, Path]
) -> None:
    requests = opened(browser, pages[name], width, scheme)
    assert {one["url"] for one in requests} == {pages[name].as_uri()}
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    shown = "narrow" if width < 640 else "wide"
    hidden = browser.execute_script(
        "document.querySelectorAll('details').forEach(one => one.open = true);"
        f"return [...document.querySelectorAll('.{shown} svg, table')].filter(one => {{"
        "const box = one.getBoundingClientRect(); return box.width < 50 || box.height < 20}).length"
    )
    assert hidden == 0
    assert browser.execute_script("return document.querySelectorAll('figure svg').length") >= 4
    contrasts = browser.execute_script(CONTRAST)
    assert len(contrasts) > 100
    assert contrasts[0][0] >= 4.5, contrasts[0]
    assert contrasts[0][0] < 21


def test_a_caption_on_a_phone_widens_no_column(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["mnist-tuned"], 420, "light")
    above, first, second, third = browser.execute_script(
        "const table = document.querySelector('#comparison ~ .scroll table');"
        "return [table.caption.getBoundingClientRect().bottom,"
        " ...[...table.tHead.rows[0].cells].slice(0, 3).map(one => one.getBoundingClientRect())]"
    )
    assert above <= first["top"]
    assert first["right"] < second["right"] < third["right"] < 420


@pytest.mark.parametrize("name", ["hostile", "names"])
def test_what_a_file_says_is_text_and_does_nothing(name: str, browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages[name], 1600, "light")
    text = browser.execute_script("return document.body.textContent")
    assert sum(one in text for one in HOSTILE) >= 4
    assert browser.title != "owned"
    assert browser.execute_script("return document.querySelectorAll('img, iframe, object').length") == 0
    assert browser.execute_script("return document.querySelectorAll('script').length") == 2
    assert browser.get_log("browser") == []
    assert "{{7*7}}" in text


@pytest.mark.slow
def test_tables_and_what_is_folded_away_can_be_reached_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(browser, pages["mnist-tuned"], 380, "light")
    wanted = browser.execute_script(
        "return [...document.querySelectorAll('summary')].length + [...document.querySelectorAll('table')]"
        ".filter(one => one.scrollWidth > one.parentElement.clientWidth && one.checkVisibility()).length"
    )
    reached = set[int]()
    for _ in range(200):
        if len(reached - {-1}) >= wanted:
            break
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(
            browser.execute_script(
                "const one = document.activeElement;"
                "const counts = one.tagName === 'SUMMARY' || one.querySelector(':scope > table');"
                "return counts ? [...document.querySelectorAll('*')].indexOf(one) : -1"
            )
        )
    assert len(reached - {-1}) >= wanted > 3


def shown_arms(browser: Any, chart: str = "explore-chart") -> list[str]:
    """The arms of a chart that the script draws, from top to bottom."""
    names: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} g[data-arm]`)]"
        ".filter(one => one.style.display !== 'none')"
        ".sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)"
        ".map(one => one.querySelector('text').textContent)",
        chart,
    )
    return names


def choose(browser: Any, element: str, value: str, event: str = "change") -> None:
    script = "const one = document.getElementById(arguments[0]); one.value = arguments[1]; "
    browser.execute_script(
        script + "one.dispatchEvent(new Event(arguments[2], {bubbles: true}))", element, value, event
    )


def still(browser: Any) -> None:
    """Wait for no movement: all transitions jump to their end."""
    browser.execute_script("document.getAnimations().forEach(one => one.finish())")


def click(browser: Any, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def test_arms_can_be_hidden_isolated_and_found_in_all_pictures_at_once(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["mnist-tuned"], 1400, "light")

    def visible(query: str) -> list[bool]:
        shown: list[bool] = browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].filter(one => one.closest('.wide') &&"
            "!one.closest('details')).map(one => getComputedStyle(one))"
            ".map(style => style.display !== 'none' && style.opacity === '1')",
            query,
        )
        return shown

    assert len(visible('[data-arm="0"]')) > 8
    assert all(visible("[data-arm]"))
    click(browser, "#show-0")
    assert not any(visible('[data-arm="0"]'))
    assert all(visible('[data-arm]:not([data-arm="0"])'))
    click(browser, "#show-0")
    click(browser, "#only-5")
    assert all(visible('[data-arm="5"]'))
    assert not any(visible('[data-arm]:not([data-arm="5"])'))
    click(browser, "#only-none")
    assert all(visible("[data-arm]"))
    choose(browser, "find-arm", "gel", "input")
    assert all(visible('[data-arm="5"]'))
    assert not any(visible('[data-arm="0"]'))
    choose(browser, "find-arm", "", "input")
    assert all(visible("[data-arm]"))
    assert browser.get_log("browser") == []


def first_of(seeds: Iterable[int]) -> str:
    """The arm with the highest accuracy on these seeds of mnist-tuned, and how far it is from relu in points."""
    results = load_results(ROOT / "results" / "mnist-tuned", ROOT)
    comparison = compare(results.plan, results.records, question_of(results.experiment, parse_metric("test_accuracy")))
    means = {row.sample.label: fmean(row.sample.by_seed[seed] for seed in seeds) for row in comparison.rows}
    best = max(means, key=lambda label: means[label])
    return f"{best} is first, {100 * abs(means[best] - means['relu']):.2f}"


def test_the_comparison_is_made_again_with_other_seeds_baselines_and_metrics(
    browser: Any, pages: dict[str, Path]
) -> None:
    opened(browser, pages["mnist-tuned"], 1400, "light")
    still(browser)
    assert shown_arms(browser) == ["gelu", "mish", "swish", "leaky_relu", "sigmoid", "tanh", "elu"]
    said = "return document.getElementById('explore-said').textContent"
    assert browser.execute_script(said) == (
        f"With 10 seeds: {first_of(range(10))} points above relu; 0 of 7 thin intervals exclude 0."
    )
    choose(browser, "explore-count", "1", "input")
    still(browser)
    assert browser.execute_script(said) == (
        f"With seed 0: {first_of([0])} points above relu; fewer than 3 seeds have no interval."
    )
    assert shown_arms(browser)[0] == first_of([0]).split()[0]
    click(browser, "#explore-seeds input[value='0']")
    assert browser.execute_script(said).startswith(f"With seed 1: {first_of([1])} points above relu;")
    browser.execute_script("let next = 0.1; Math.random = () => (next = (next * 7.3) % 1)")
    winners = set()
    for _ in range(12):
        click(browser, "#explore-again")
        winners.add(browser.execute_script(said).split(": ")[1].split(" is first")[0])
    assert len(winners) > 2
    click(browser, "#explore-seeds input[value='0']")
    choose(browser, "explore-count", "10", "input")
    choose(browser, "explore-baseline", "5")
    still(browser)
    assert "relu" in shown_arms(browser)
    assert "gelu" not in shown_arms(browser)
    assert browser.execute_script(said).startswith("With 10 seeds: gelu is first;")
    choose(browser, "explore-metric", "1")
    assert "test loss minus gelu" in browser.execute_script(
        "return document.getElementById('explore-chart').textContent"
    )
    assert browser.get_log("browser") == []
    assert browser.get_log("performance") is not None


def test_no_baseline_is_chosen_where_each_arm_has_its_own(browser: Any) -> None:
    opened(browser, ROOT / "results" / "documents" / "d4-initialisers" / "report.html", 1400, "light")
    still(browser)
    shown = "return document.getElementById('chosen-baseline').selectedOptions[0].textContent"
    assert browser.execute_script(shown) == "each arm's own"
    choose(browser, "chosen-baseline", "5")
    assert browser.execute_script(shown) != "each arm's own"
    click(browser, "#as-planned")
    assert browser.execute_script(shown) == "each arm's own"


def test_the_first_picture_follows_the_chosen_baseline_and_metric(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["mnist-tuned"], 1400, "light")
    seen = (
        "return [...document.querySelectorAll('#figure-differences, #chosen-figure')].map(one => one.checkVisibility())"
    )
    assert sorted(browser.execute_script(seen)) == [False, True]
    planned = browser.execute_script(seen)
    choose(browser, "chosen-baseline", "5")
    still(browser)
    assert browser.execute_script(seen) == [not one for one in planned]
    assert "relu" in shown_arms(browser, "chosen-chart")
    assert "gelu" not in shown_arms(browser, "chosen-chart")
    assert shown_arms(browser, "chosen-chart") == shown_arms(browser)  # the other menu follows
    said = "return document.getElementById('chosen-said').textContent"
    assert browser.execute_script(said).startswith("test accuracy minus gelu, every seed, to explore: the verdicts")
    choose(browser, "explore-metric", "1")
    still(browser)
    assert browser.execute_script(said).startswith("test loss minus gelu")
    assert "worse than gelu \u2192" in browser.execute_script(
        "return document.getElementById('chosen-chart').textContent"
    )
    click(browser, "#as-planned")
    assert browser.execute_script(seen) == planned
    assert browser.execute_script("return document.getElementById('explore-metric').value") == "0"
    assert browser.get_log("browser") == []


def test_measures_that_need_no_loss_are_metrics_to_choose(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["hostile"], 1400, "light")
    names = browser.execute_script(
        "return [...document.getElementById('chosen-metric').options].map(one => one.textContent)"
    )
    assert {"test NLL", "test Brier score", "test calibration error", "validation NLL", "test top-2 accuracy"} <= set(
        names
    )
    choose(browser, "chosen-metric", str(names.index("test Brier score")))
    still(browser)
    assert "test Brier score minus" in browser.execute_script(
        "return document.getElementById('chosen-chart').textContent"
    )
    assert len(shown_arms(browser, "chosen-chart")) == 3
    assert browser.get_log("browser") == []


def test_no_rule_of_the_style_looks_at_the_whole_page_once_the_script_has_run(
    browser: Any, pages: dict[str, Path]
) -> None:
    opened(browser, pages["mnist-tuned"], 1400, "light")
    rules = browser.execute_script(
        "return [...document.styleSheets].flatMap(sheet => [...sheet.cssRules]).map(rule => rule.cssText)"
    )
    assert len(rules) > 50
    assert [rule for rule in rules if ":has(" in rule] == []


def test_an_axis_of_equal_values_has_room_for_the_last_digit(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["equal"], 1400, "light")
    words = browser.execute_script("return document.getElementById('explore-chart').textContent")
    assert "+0.01" in words
    assert "\u22120.01" in words
    assert browser.get_log("browser") == []


def test_the_script_prints_differences_as_the_table_does(browser: Any, tmp_path: Path) -> None:
    halves = {"tanh": 115, "elu": 125, "gelu": 145, "mish": 385}  # in 10 seeds: means between two printed numbers
    more = {arm: [total // 10] * 5 + [total // 10 + 1] * 5 for arm, total in halves.items()}
    counts = {"relu": RELU} | {arm: [a + b for a, b in zip(RELU, more[arm], strict=True)] for arm in more}
    results = planted(tmp_path / "halves", counts, FIVE_ACTIVATIONS)
    comparison = compare(results.plan, results.records, question_of(results.experiment, parse_metric("test_accuracy")))
    file = tmp_path / "halves.html"
    file.write_text(page(results, comparison, pictures_by_chapter(results, comparison)), encoding="utf-8")
    opened(browser, file, 1400, "light")
    cells = "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent.trim())"
    arms = browser.execute_script(cells, "#comparison ~ .scroll tbody th")
    printed = browser.execute_script(cells, "#comparison ~ .scroll tbody td:nth-child(3)")
    drawn = "#explore-chart g[data-arm] > text"
    texts = browser.execute_script(cells, drawn)
    found = dict(zip(texts[::2], texts[1::2], strict=True))
    table = {arm: cell.replace("-", "\u2212") for arm, cell in zip(arms, printed, strict=True) if arm != "relu"}
    assert {arm: found[arm] for arm in table} == table
    assert f"mish is first, {table['mish'][1:]} points above relu" in browser.execute_script(
        "return document.getElementById('explore-said').textContent"
    )


def test_a_table_sorts_by_its_columns_and_has_more_of_them(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["mnist-tuned"], 1400, "light")
    first = "return [...document.querySelectorAll('#comparison ~ .scroll tbody th')].map(one => one.textContent.trim())"
    before = browser.execute_script(first)
    assert before[0] == "gelu"
    click(browser, "#comparison ~ .scroll thead th:nth-child(2) button")
    assert browser.execute_script(first) == before
    click(browser, "#comparison ~ .scroll thead th:nth-child(2) button")
    means = browser.execute_script(first.replace("tbody th", "tbody td:nth-child(2)"))
    assert means == sorted(means)  # arms with equal means keep their order
    assert (len(means), browser.execute_script(first)[-1]) == (len(before), before[0])
    columns = (
        "return [...document.querySelectorAll('#comparison ~ .scroll thead th')]"
        ".filter(one => one.checkVisibility()).length"
    )
    assert browser.execute_script(columns) == 5
    click(browser, "label.more input")
    assert browser.execute_script(columns) > 8
    assert browser.get_log("browser") == []


def test_a_value_is_shown_where_one_points(browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages["mnist-tuned"], 1400, "light")
    tip = browser.execute_script(
        "const dot = document.querySelector('#figure-differences .wide circle');"
        "dot.dispatchEvent(new PointerEvent('pointerover', {bubbles: true, clientX: 50, clientY: 50}));"
        "const tip = document.getElementById('tip'); return tip.hidden ? '' : tip.textContent"
    )
    assert ", seed " in tip
    assert ": +" in tip or ": -" in tip


def test_without_script_arms_can_be_hidden_and_nothing_needs_one(browser: Any, pages: dict[str, Path]) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, pages["mnist-tuned"], 1400, "light")
        assert not browser.execute_script("return document.getElementById('explore').checkVisibility()")
        assert not browser.execute_script("return document.getElementById('find-arm').checkVisibility()")
        click(browser, "#show-0")
        hidden = (
            "return [...document.querySelectorAll('[data-arm=\"0\"]')]"
            ".every(one => getComputedStyle(one).display === 'none')"
        )
        assert browser.execute_script(hidden)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
