"""`compare --across`: one verdict for each arm over several folders."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from places import ROOT
from program import actbench

FOLDERS = [str(ROOT / "results" / name) for name in ("mnist-settled", "mnist")]


def test_two_folders_are_too_few_and_untuned_ones_are_not_judged(tmp_path: Path) -> None:
    answer = actbench("compare", "--across", *FOLDERS, "--shared-lr", folder=tmp_path)
    assert answer.returncode == 0
    assert "too few folders" in answer.stdout
    words = " ".join(answer.stdout.split())
    assert "Folders are counted, not seeds (n = 2)" in words
    assert re.search(r"results/mnist: Same learning rate for all arms: ranks confound an arm with", words)
    document = json.loads(actbench("compare", "--across", *FOLDERS, "--format", "json", folder=tmp_path).stdout)
    why = "nothing was tuned for each arm in"
    assert re.search(rf"over 2 folders\? Not judged: swish, .* and elu \({why} \S+\)\.", document["answer"])
    assert {arm["verdict"] for arm in document["arms"]} == {None, "not judged"}
    assert all("nothing was tuned" in arm["reason"] for arm in document["arms"] if arm["verdict"])


def test_what_across_cannot_do_is_said(tmp_path: Path) -> None:
    alone = actbench("compare", "--across", FOLDERS[0], folder=tmp_path)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "--across: name at least two result folders" in alone.stderr
    twice = actbench("compare", "--across", FOLDERS[0], FOLDERS[1], FOLDERS[0], folder=tmp_path)
    assert (twice.returncode, twice.stdout) == (2, "")
    assert "mnist-settled have 380 final trials in common, which would count twice" in twice.stderr
    partly = actbench("compare", "--across", str(ROOT / "results" / "mnist-tuned"), FOLDERS[1], folder=tmp_path)
    assert (partly.returncode, partly.stdout) == (2, "")
    assert re.search(r"mnist-tuned and \S+mnist have 30 final trials in common, which would count twice", partly.stderr)
    gated = actbench("compare", "--across", *FOLDERS, "--gate", folder=tmp_path)
    assert gated.returncode == 2
    assert "--across goes with none of --gate, --by, --explain and --images" in gated.stderr
    timed = actbench("compare", "--across", *FOLDERS, "--metric", "step_seconds", folder=tmp_path)
    assert (timed.returncode, timed.stdout) == (2, "")
    assert re.search(
        r"mnist-settled: no final trial has a \S+.*, since trials of one stack share their time", timed.stderr
    )
    alone = actbench("compare", FOLDERS[0], "--figures", "drawn", folder=tmp_path)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "--figures goes with --across" in alone.stderr


def test_pictures_are_saved_and_pairs_are_printed(tmp_path: Path) -> None:
    rows = actbench("compare", "--across", *FOLDERS, "--all-pairs", "--format", "csv", folder=tmp_path).stdout
    assert rows.splitlines()[0].startswith("arm,against,folders,difference,")
    assert rows.count("\n") == 1 + 28
    table = actbench("compare", "--across", *FOLDERS, "--format", "markdown", folder=tmp_path).stdout
    assert table.startswith("| arm | difference (points) |")
    words = ["--shared-lr", "--all-pairs", "--figures", "drawn"]
    answer = actbench("compare", "--across", *FOLDERS, *words, folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.split() == ["drawn/ranks.svg", "drawn/folders.svg", "drawn/profile.svg"]
    assert "critical difference" in (tmp_path / "drawn" / "ranks.svg").read_text(encoding="utf-8")
    _, _, pairs, ranks, _ = answer.stdout.split("\n\n")
    assert pairs.startswith("all pairs\n")
    assert "2 folders cannot decide 28 comparisons, 11 can." in pairs
    assert "less than 7.42 (Nemenyi" in ranks


def test_the_committed_folders_are_judged_by_the_command_of_the_protocol() -> None:
    command = "actbench compare --across results/across/*"
    assert command in (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    folders = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "results" / "across").iterdir())
    answer = actbench("compare", "--across", *folders, "--format", "json", folder=ROOT)
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert len(folders) == 8
    assert {arm["folders"] for arm in document["arms"]} == {8}
    assert {arm["verdict"].split(" (")[0] for arm in document["arms"] if arm["verdict"]} == {
        "no evidence of a difference"
    }
    shown = " ".join(actbench("compare", "--across", *folders, folder=ROOT).stdout.split())
    assert re.search(r"after 6 comparisons .*: elu \(-\d\.\d\d to \+\d\.\d\d, p 0\.141\)\.", shown)
    answered = actbench("compare", "--across", "--quiet", *folders, folder=ROOT).stdout
    assert answered == f"{document['answer']}\n"
    assert "Cannot tell gelu, leaky_relu, tanh, swish, elu and sigmoid from relu: the mean difference" in answered


def test_equivalence_over_folders_holds_within_the_smallest_of_their_margins(tmp_path: Path) -> None:
    for name, margin in (("mnist-tuned", "0.002"), ("mnist-settled", "0.003")):
        shutil.copytree(ROOT / "results" / name, tmp_path / name)
        kept = tmp_path / name / "experiment.yaml"
        text = re.sub(r"(?m)^margin: .*\n", "", kept.read_text(encoding="utf-8"))
        kept.write_text(f"{text}margin: {margin}\n", encoding="utf-8")
    answers = [
        json.loads(actbench("compare", "--across", *names, "--format", "json", folder=tmp_path).stdout)
        for names in (("mnist-tuned", "mnist-settled"), ("mnist-settled", "mnist-tuned"))
    ]
    assert [answer["margin"] for answer in answers] == [0.002, 0.002]
