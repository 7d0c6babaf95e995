"""Many cases of one test, of which the default suite tries a share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def one_in(step: int, cases: Mapping[str, Any]) -> list[Any]:
    """Parameters by their names, a tuple for several arguments; all but every `step`-th are slow."""
    parameters = []
    for number, (name, case) in enumerate(cases.items()):
        values = case if isinstance(case, tuple) else (case,)
        parameters.append(pytest.param(*values, id=name, marks=pytest.mark.slow if number % step else ()))
    return parameters
