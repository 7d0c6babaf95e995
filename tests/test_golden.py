"""Whole screens, compared with the files under tests/golden.

`pytest tests/test_golden.py --rewrite-golden` writes the files anew. Each is a transcript: command lines with standard
output, standard error and exit code. Tests elsewhere assert numbers, exit codes and structure: a better sentence then
costs a look at one diff.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from actbench.cli.app import FETCH, VERBS
from custom_files import custom_file
from pages import Element, read
from places import ROOT
from program import TINY, actbench

GOLDEN = ROOT / "tests" / "golden"
RESULTS = ("results/mnist", "results/mnist-tuned", "results/documents/d4-network")
TENT = """
import torch
from actbench.catalogue import activation

@activation(formula="max(0, 1 - abs(x))", bounds=(0, 1), reference="this file")
def tent(x):
    \"\"\"Triangle of height 1 over [-1, 1].\"\"\"
    return torch.relu(1 - x.abs())
"""
MISTAKES = """name: mistakes
data: {dataset: mnst, train: many}
model: {activation: rellu, hidden: [0], init: {kaiming_normal: {mode: fan}}}
train: {loss: nll, epochs: 2.5, optimizer: {sgd: {momentun: 0.9}}}
vary: {model.activation: [relu, relu]}
seed: 3
baseline: {model.activation: relu}
"""
FILES = {
    "tiny.yaml": TINY,
    "tent.py": TENT,
    "wrong_bounds.py": TENT.replace("bounds=(0, 1)", "bounds=(0, 0.5)"),
    "broken.py": "raise ValueError('no such table')\n",
    "mistakes.yaml": MISTAKES,
    "impossible.yaml": "model: {output: tanh}\ntrain: {loss: bce}\n",
    "doubtful.yaml": "data: {dataset: digits}\nmodel: {output: softmax}\ntrain: {loss: nll}\n",
}
VARYING = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d, .* ago", "<date>, <time> ago"),
    (r"(?m)^(actbench|device|cores|bf16|compiled functions|disk for \w+)( +)(ok|note) .*$", r"\1\2<this machine>"),
    (r"(?m)^(\w+ +ok +)\d+\.\S+$", r"\1<version>"),
    (r"(?m)^(cuda +)\w+ .*$", r"\1<this machine>"),
    (r"\d+(\.\d+)? times (\w+)'s time", r"<number> times \2's time"),
    (r"within [\d.e-]+ of", "within <number> of"),
    (r"could not be downloaded \(.*?\)", "could not be downloaded (<reason>)"),
)
LONG_NUMBER = re.compile(r"\d\.\d{7,}(e-?\d+)?")


def stable(text: str) -> str:
    """The text without what differs between machines: times, versions, devices, the last digits of numbers."""
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return LONG_NUMBER.sub(lambda number: f"{float(number[0]):.6g}", text)


FORMATS = ("table", "markdown", "csv", "json", "latex")
SCREENS: dict[str, tuple[str, ...]] = {
    "help": ("--help", ""),
    **{f"help-{verb.name}": (f"{verb.name} --help",) for verb in VERBS},
    "help-data-fetch": (f"{FETCH.name} --help",),
    "doctor": ("doctor --data-dir datasets",),
    "data": ("data --data-dir datasets",),
    "list": ("list",),
    "list-experiments": ("list experiment",),
    "show": ("show relu", "show swish gelu", "show 'leaky_relu: {negative_slope: 0.2}'"),
    "show-other-kinds": ("show log_softmax", "show kaiming_normal"),
    "check": ("check tent.py", "check wrong_bounds.py"),
    "challenge": ("challenge tent.py --dataset digits --dry-run",),
    "validate": ("validate configs/mnist-tuned.yaml", "validate doubtful.yaml"),
    "summary": ("summary configs/mnist.yaml", "summary configs/documents/d4-network.yaml"),
    "plan": ("plan configs/mnist-tuned.yaml", "plan configs/mnist.yaml"),
    "dry-run": ("run configs/mnist-tuned.yaml --data-dir datasets --dry-run", "run tiny.yaml --dry-run"),
    "status": ("status results/mnist-tuned",),
    "verify": ("verify results/mnist-tuned", "verify damaged"),
    **{f"compare-{name}": (f"compare results/mnist-tuned --format {name}",) for name in FORMATS},
    "compare-all-pairs": ("compare results/mnist-tuned --all-pairs",),
    "compare-folders": ("compare results/mnist-tuned results/mnist",),
    "compare-gate": ("compare results/mnist-tuned --gate", "compare results/mnist --baseline tanh --gate"),
    "compare-untuned": ("compare results/mnist", "compare results/mnist --metric validation_loss"),
    "report": ("report results/mnist-tuned", "report results/documents/d4-network"),
    "report-markdown": ("report results/mnist-tuned --format markdown",),
    "errors-usage": (
        "trian", "run", "run tiny.yaml --jbos 2", "run tiny.yaml --jobs 0 --device gpu --max-time soon --shard 3/2",
        "run missing.yaml", "compare results/mnist --metric acc", "compare results/mnist --baseline sine",
        "list activatoin", "show rellu", "data fetch mnst", "compare configs", "status nowhere",
        "merge results/mnist results/mnist-tuned",
    ),
    "errors-experiment": (
        "validate mistakes.yaml", "validate impossible.yaml",
        "validate tiny.yaml --set train.epochs=many --set model.activatoin=relu",
    ),
    "errors-custom-functions": ("check missing.py", "check broken.py", "run tiny.yaml --use broken.py"),
    "errors-environment": ("run configs/smoke.yaml --data-dir datasets", "init missing/starter.yaml"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with committed configs and results, custom functions, and files with mistakes."""
    folder = tmp_path_factory.mktemp("golden")
    for name in ("configs", *RESULTS):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".lock"))
    for name, text in FILES.items():
        custom_file(folder, text, name)
    shutil.copytree(folder / "results/mnist", folder / "damaged")
    journal = folder / "damaged" / "trials.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([lines[0].replace('"seed":', '"sead":'), *lines[1:]])[:-20], encoding="utf-8")
    (folder / "damaged" / "table.csv").unlink()
    return folder


def transcript(command: str, folder: Path) -> str:
    """A command line with all that it prints, at a width of 80 and without network, and its exit code."""
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    estimates = {"ACTBENCH_DENSE": "1"} if command.startswith(("run", "plan", "challenge")) else {}  # none compiles
    environment = {"COLUMNS": "80", "NO_COLOR": "1"} | estimates | no_network
    finished = actbench(*shlex.split(command), folder=folder, environment=environment)
    parts = [f"$ actbench {command}".rstrip(), finished.stdout.rstrip("\n")]
    parts += ["--- standard error", finished.stderr.rstrip("\n")] if finished.stderr else []
    parts += [f"--- exit code {finished.returncode}"] if finished.returncode else []
    return "\n".join(line.rstrip() for part in parts for line in part.splitlines()) + "\n"


def compared(name: str, text: str, is_rewritten: bool) -> None:
    """Compare a screen with its golden file, or write the file."""
    path = GOLDEN / f"{name}.txt"
    if is_rewritten:
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing: pytest tests/test_golden.py --rewrite-golden"
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("_uncompiled")
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_its_golden_file(name: str, folder: Path, is_golden_rewritten: bool) -> None:
    text = "\n".join(transcript(command, folder) for command in SCREENS[name])
    compared(name, stable(text), is_golden_rewritten)


def page_text(element: Element) -> str:
    """What a page says, one line for every heading, paragraph, list item and row; pictures by their titles."""
    if element.tag in ("style", "head", "script") or element.attributes.get("aria-hidden") == "true":
        return ""
    if element.attributes.get("class") == "narrow":
        return ""
    if element.tag == "svg":
        return f"\n[picture: {element.all('title')[0].text().strip()}]\n"
    blocks = {"h1", "h2", "h3", "p", "li", "caption", "summary", "figcaption", "dt", "dd", "div", "section", "pre"}
    inner = "".join(child if isinstance(child, str) else page_text(child) for child in element.children)
    if element.tag in ("td", "th"):
        return f"{inner} |"
    if element.tag == "tr":
        return f"\n{' '.join(inner.split())}\n"
    return f"\n{inner}\n" if element.tag in blocks else inner


def test_the_pages_text_is_its_golden_file(folder: Path, is_golden_rewritten: bool) -> None:
    finished = actbench("report", "results/mnist-tuned", "--html", "page.html", folder=folder)
    assert finished.returncode == 0, finished.stderr
    lines = page_text(read((folder / "page.html").read_text(encoding="utf-8"))).splitlines()
    compared("page", "".join(f"{' '.join(line.split())}\n" for line in lines if line.strip()), is_golden_rewritten)


def test_every_golden_file_belongs_to_a_screen() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {*SCREENS, "page"}
