"""A gate for CI: whether an arm is worse than its baseline, with a summary for GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from actbench.analysis.comparison import Comparison, Contrast
from actbench.analysis.samples import MAX_FAILED
from actbench.errors import ConfigurationError
from actbench.render.markdown import section_to_markdown
from actbench.report.contents import comparison_sections
from actbench.statistics.multiple import ALPHA
from actbench.statistics.sign_flip import smallest_p
from actbench.store.results import Results

DECIDED = ("better", "worse", "equivalent")
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


def close_gate(
    comparison: Comparison, results: Sequence[Results], *, fails_undecided: bool, say: Callable[[str], None]
) -> bool:
    """Whether the gate closes: an arm is worse or broken (`_is_broken`), or has no verdict and that is to fail.

    Appends the comparison to the file that `GITHUB_STEP_SUMMARY` names; one that cannot be written changes no verdict.
    Raises `ConfigurationError` where nothing is compared with a baseline.
    """
    contrasts = [row.contrast for row in comparison.rows if row.contrast]
    if not contrasts:
        raise ConfigurationError("--gate: no arm is compared with a baseline; name one with --baseline ARM or FOLDER")
    worse = [contrast.first.label for contrast in contrasts if (contrast.verdict or "").startswith("worse")]
    broken = [contrast.first.label for contrast in contrasts if _is_broken(contrast)]
    undecided = [
        contrast.first.label
        for contrast in contrasts
        if not (contrast.verdict or "").startswith(DECIDED) and contrast.first.label not in broken
    ]
    undecided += _without_counterpart(comparison)
    closed = bool(worse or broken) or (fails_undecided and bool(undecided))
    parts = [_named("worse", worse), *([_named("broken", broken)] if broken else []), _named("undecided", undecided)]
    line = f"gate: {'failed' if closed else 'passed'}; {'; '.join(parts)}"
    say(line)
    if len(comparison.losses) > 1 and undecided:
        say(f"gate: {comparison.metric.name} cannot compare arms that train on different losses")
    if (
        all(contrast.is_paired for contrast in contrasts)
        and smallest_p(max(contrast.difference.n for contrast in contrasts), len(contrasts)) > ALPHA
    ):
        say("gate: with so few seeds no difference can make it fail; `actbench plan` says how many it takes")
    if path := os.environ.get(SUMMARY_VARIABLE):
        sections = comparison_sections(comparison, results)
        text = "\n".join(section_to_markdown(section, heading="##") for section in sections)
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(f"{text}\n**{line}**\n")
        except OSError as problem:
            say(f"warning: {SUMMARY_VARIABLE}={path}: cannot be written ({problem.strerror}); there is no summary")
    return closed


def _is_broken(contrast: Contrast) -> bool:
    """Whether too many trials failed for a verdict, and a larger share than of the baseline."""
    now, before = contrast.first, contrast.second
    return now.failed > MAX_FAILED * now.trials and now.failed * before.trials > before.failed * now.trials


def _without_counterpart(comparison: Comparison) -> list[str]:
    """Arms of the baseline's folder without a counterpart: removed, or never trained."""
    compared = {id(row.contrast.second) for row in comparison.rows if row.contrast}
    return [row.sample.label for row in comparison.rows if row.is_baseline and id(row.sample) not in compared]


def _named(word: str, labels: Sequence[str]) -> str:
    return f"{len(labels)} {word}" + (f" ({', '.join(labels)})" if labels else "")
