"""The documents' claims about functions, as `show` finds them."""

from __future__ import annotations

import subprocess
import sys

from actbench.checks.claims import claims_about


def test_claims_are_found_by_function() -> None:
    assert [claim.id for claim in claims_about(["softmax"])] == ["D1.5", "D5.3"]
    assert [claim.id for claim in claims_about(["mish", "prelu", "mish"])] == ["D3.6", "D3.13"]
    assert claims_about(["snake"]) == claims_about([]) == []


def test_knowing_the_claims_takes_no_torch() -> None:
    script = "import sys, actbench.report.functions; print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout == "False\n"
