"""Where this checkout has what tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SUPPORT = TESTS / "support"
CONFIGS = ROOT / "configs"
EXPERIMENT_FILES = sorted(CONFIGS.rglob("*.yaml"))
