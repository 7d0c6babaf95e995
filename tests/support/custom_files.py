"""Files with custom functions: one that is what it says, and how to write more of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actbench.catalogue.custom_files import custom_files_in_use
from actbench.catalogue.registry import Entry
from actbench.experiment.choices import choices_from

TENT = '''\
import torch

from actbench.catalogue import activation


@activation(formula="max(0, 1 - abs(x))", bounds=(0, 1), reference="this file")
def tent(x):
    """Triangle of height 1 over [-1, 1]."""
    return torch.relu(1 - x.abs())
'''
HEADER = """\
from math import inf

import torch

from actbench.catalogue import activation, initialiser, loss, output

calls = []
"""
EXPERIMENT = """
name: own
data: {dataset: digits, train: 60, test: 40}
model: {hidden: [8]}
train: {epochs: 1, batch_size: 32}
vary: {model.activation: [relu, tent]}
seeds: 2
baseline: {model.activation: relu}
"""


def custom_file(folder: Path, text: str = TENT, name: str = "tent.py") -> Path:
    """The text as a file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def function_text(decorator: str, signature: str, *body: str) -> str:
    """A file with one function of a sentence."""
    return "\n".join(
        [HEADER, f"@{decorator}", f"def {signature}:", '    """Made for a test."""', *(f"    {one}" for one in body)]
    )


@contextmanager
def entries_of(path: Path) -> Iterator[list[Entry]]:
    """What a file adds, while it is loaded."""
    with custom_files_in_use([path]) as (file,):
        yield [choice.entry for choice in choices_from(file.origin())]
