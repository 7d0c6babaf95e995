"""A gate for CI: whether an arm is worse than its baseline, with a summary where the CI system wants one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from actbench.analysis.comparison import Comparison, Contrast
from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.contents import comparison_sections
from actbench.report.markdown import section_to_markdown
from actbench.results import Results

DECIDED = ("better", "worse", "equivalent")
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


def close_gate(
    comparison: Comparison, results: Sequence[Results], *, fails_undecided: bool, say: Callable[[str], None]
) -> bool:
    """Whether the gate closes: an arm is worse, or has no verdict where that is to fail.

    Writes the comparison to the file that `GITHUB_STEP_SUMMARY` names. Raises `ConfigurationError` where nothing is
    compared with a baseline.
    """
    made = [row.contrast for row in comparison.rows if row.contrast]
    if not made:
        raise ConfigurationError("--gate: no arm is compared with a baseline; name one with --baseline ARM or FOLDER")
    worse = [one for one in made if (one.verdict or "").startswith("worse")]
    undecided = [one for one in made if not (one.verdict or "").startswith(DECIDED)]
    closed = bool(worse) or (fails_undecided and bool(undecided))
    line = f"gate: {'failed' if closed else 'passed'}; {_listed('worse', worse)}; {_listed('undecided', undecided)}"
    say(line)
    if path := os.environ.get(SUMMARY_VARIABLE):
        sections = comparison_sections(comparison, results)
        text = "\n".join(section_to_markdown(section, heading="##") for section in sections)
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(f"{text}\n**{line}**\n")
        except OSError as problem:
            message = f"{SUMMARY_VARIABLE}={path}: cannot be written ({problem.strerror})"
            raise UnusableEnvironmentError(message) from None
    return closed


def _listed(word: str, contrasts: Sequence[Contrast]) -> str:
    names = ", ".join(one.first.label for one in contrasts)
    return f"{len(contrasts)} {word}" + (f" ({names})" if names else "")
