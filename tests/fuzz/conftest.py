"""How hypothesis searches: without a clock and without files of its own beside the project's."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir

from fuzz_settings import EXAMPLES, IN_THE_SUITE

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "actbench-hypothesis")
settings.register_profile(
    "actbench",
    max_examples=EXAMPLES or IN_THE_SUITE,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("actbench")
