"""An experiment as a verb or a notebook asks for it: by file or name, with settings changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from actbench.config.bundled import find_experiment
from actbench.config.reader import Loaded, load_experiment
from actbench.experiment.definition import smoke_version


def open_experiment(config: Path, overrides: Sequence[str], say: Callable[[str], None], *, smoke: bool) -> Loaded:
    """Read an experiment and say its warnings; raises `ConfigurationError` with every mistake in it."""
    loaded = load_experiment(find_experiment(config), overrides)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    return replace(loaded, experiment=smoke_version(loaded.experiment)) if smoke else loaded
