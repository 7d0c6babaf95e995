"""How many cases the fuzzing tries: a fixed choice, and thousands more where `ACTBENCH_FUZZ_EXAMPLES` asks for them.

`ACTBENCH_FUZZ_EXAMPLES=200000 pytest tests/fuzz` is the soak: as many as that for each test, others in every run.
"""

from __future__ import annotations

import os

IN_THE_SUITE = 50
EXAMPLES = int(os.environ.get("ACTBENCH_FUZZ_EXAMPLES", "0"))
