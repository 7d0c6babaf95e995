"""Large journals are read fast."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from actbench.experiment.choices import Choice
from actbench.experiment.identity import determining_settings
from actbench.experiment.records import TRAINING_CODE_VERSION
from actbench.plan.plan import make_plan
from actbench.plan.trials import make_trial
from actbench.store import folder as store
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from stopwatch import time_limit

MANY = TWO_ACTIVATIONS.replace("[relu, tanh]", "[relu, tanh, elu, gelu, mish]").replace("seeds: 3", "seeds: 2000")
MAX_SECONDS = 3.0


def test_ten_thousand_trials_are_read_and_planned_within_three_seconds(tmp_path: Path) -> None:
    plan = make_plan(experiment_from(MANY, tmp_path))
    store.append(tmp_path, [record_of(trial) for trial in plan.trials().values()])
    with time_limit(MAX_SECONDS):
        results = load_results(tmp_path, tmp_path.parent)
    assert len(results.records) == 10_000
    assert results.missing() == 0


def test_a_trials_id_is_the_hash_of_all_that_determines_its_numbers(tmp_path: Path) -> None:
    def plain(value: Any) -> Any:
        return {value.name: dict(value.parameters)} if isinstance(value, Choice) else dict(value)

    for arm in experiment_from(TWO_ACTIVATIONS, tmp_path).arms():
        for seed in (0, 2**63 - 1):
            identity = {
                "training_code": TRAINING_CODE_VERSION,
                "phase": "tune",
                "seed": seed,
                "settings": determining_settings(arm.settings),
            }
            text = json.dumps(identity, sort_keys=True, separators=(",", ":"), default=plain)
            assert make_trial(arm.settings, seed, "tune").id == hashlib.sha256(text.encode()).hexdigest()[:16]
