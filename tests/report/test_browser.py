"""The report opened in a real browser: nothing is asked of any network, nothing fails, nothing is cut off or hidden."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.comparison import compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.report.figures.pictures import pictures
from actbench.report.files import drawing
from actbench.report.page import page
from actbench.store.results import load_results
from places import ROOT
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
    found["names"] = folder / "names.html"
    found["names"].write_text(page_of_hostile_names(folder / "results" / "hostile"), encoding="utf-8")
    return found


def page_of_hostile_names(folder: Path) -> str:
    """The page as it would be if arms were called what no catalogue allows."""
    results = load_results(folder, folder.parent)
    comparison = compare(results.plan, results.records, question_of(results.experiment, parse_metric("test_accuracy")))
    rows = tuple(
        replace(row, sample=replace(row.sample, label=name))
        for row, name in zip(comparison.rows, HOSTILE, strict=False)
    )
    renamed = replace(comparison, rows=rows, best=())
    return page(results, renamed, [drawing(picture) for picture in pictures(results, renamed)])


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
@pytest.mark.parametrize("name", ["mnist-tuned", "hostile", "names"])
def test_the_page_is_whole_at_any_width_and_in_any_light(
    name: str, width: int, scheme: str, browser: Any, pages: dict[str, Path]
) -> None:
    requests = opened(browser, pages[name], width, scheme)
    assert {one["url"] for one in requests} == {pages[name].as_uri()}
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    hidden = browser.execute_script(
        "document.querySelectorAll('details').forEach(one => one.open = true);"
        "return [...document.querySelectorAll('figure svg, table')].filter(one => {"
        "const box = one.getBoundingClientRect(); return box.width < 50 || box.height < 20}).length"
    )
    assert hidden == 0
    assert browser.execute_script("return document.querySelectorAll('figure svg').length") >= 4
    contrasts = browser.execute_script(CONTRAST)
    assert len(contrasts) > 100
    assert contrasts[0][0] >= 4.5, contrasts[0]
    assert contrasts[0][0] < 21


@pytest.mark.parametrize("name", ["hostile", "names"])
def test_what_a_file_says_is_text_and_does_nothing(name: str, browser: Any, pages: dict[str, Path]) -> None:
    opened(browser, pages[name], 1600, "light")
    text = browser.execute_script("return document.body.textContent")
    assert sum(one in text for one in HOSTILE) >= 4
    assert browser.title != "owned"
    assert browser.execute_script("return document.querySelectorAll('img, script, iframe, object').length") == 0
    assert "{{7*7}}" in text


def test_tables_and_what_is_folded_away_can_be_reached_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(browser, pages["mnist-tuned"], 380, "light")
    wanted = browser.execute_script(
        "return [...document.querySelectorAll('summary')].length + [...document.querySelectorAll('table')]"
        ".filter(one => one.scrollWidth > one.parentElement.clientWidth && one.checkVisibility()).length"
    )
    reached = set()
    for _ in range(200):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(
            browser.execute_script(
                "const one = document.activeElement;"
                "const counts = one.tagName === 'SUMMARY' || one.querySelector(':scope > table');"
                "return counts ? [...document.querySelectorAll('*')].indexOf(one) : -1"
            )
        )
    assert len(reached - {-1}) >= wanted > 3
