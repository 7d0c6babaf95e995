"""From a result folder to another tool's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actbench.errors import UnusableEnvironmentError
from actbench.render.sections import Section
from actbench.report.export.runs import runs_of
from actbench.store.results import Results

Tool = Literal["tensorboard", "mlflow"]

DEFAULT_FOLDERS: dict[Tool, Path] = {"tensorboard": Path("runs"), "mlflow": Path("mlflow")}


@dataclass(frozen=True)
class Exported:
    """What was written where: runs in all, those written now, and the command that opens them."""

    tool: Tool
    place: Path
    runs: int
    written: int
    opens_with: tuple[str, ...]


def export_results(results: Results, tool: Tool, out: Path | None) -> Exported:
    """Write every recorded trial as a run.

    Raises `UnusableEnvironmentError` where the tool's library is not installed.
    """
    folder, name = out or DEFAULT_FOLDERS[tool], results.experiment.name
    try:
        if tool == "tensorboard":
            from actbench.report.export import to_tensorboard
        else:
            from actbench.report.export import to_mlflow
    except ModuleNotFoundError as missing:
        raise UnusableEnvironmentError(
            f"--to {tool}: {missing.name} is not installed; pip install 'actbench[{tool}]'"
        ) from None
    runs = runs_of(results)
    if tool == "tensorboard":
        to_tensorboard.write_runs(runs, folder / name)
        return Exported(tool, folder / name, len(runs), len(runs), ("tensorboard", "--logdir", str(folder)))
    written = to_mlflow.write_runs(runs, folder, name)
    place = folder / to_mlflow.DATABASE
    return Exported(tool, place, len(runs), written, ("mlflow", "ui", "--backend-store-uri", f"sqlite:///{place}"))


def export_section(exported: Exported) -> Section:
    """What was written, for people."""
    rows = [[exported.tool, str(exported.runs), str(exported.written), str(exported.place)]]
    return Section("export", ["to", "runs", "written now", "place"], rows, is_complete=True)


def export_document(exported: Exported) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "to": exported.tool,
        "place": str(exported.place),
        "runs": exported.runs,
        "written": exported.written,
        "opens_with": list(exported.opens_with),
    }
