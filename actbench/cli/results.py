"""The verbs that say what results mean."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from actbench import errors
from actbench.cli import options as shared
from actbench.cli.completion import factors
from actbench.cli.options import with_custom_files, with_own_data
from actbench.render import printing
from actbench.text import said_if_slow, say

if TYPE_CHECKING:
    from actbench.report.request import Request

USUAL_SIZE = 8.0


def compare(
    folders: shared.Folders = None,
    results: shared.ResultsRoot = Path("results"),
    baseline: shared.Baseline = None,
    metric: shared.MetricName = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FACTOR", help="Compare a factor's values, averaged over the others.", autocompletion=factors
        ),
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Compare every arm with every other.")] = False,
    across: Annotated[
        bool,
        typer.Option("--across", help="Give each arm one verdict over several folders; n counts the folders."),
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", help="With --across: save ranks, differences and profile as files."),
    ] = None,
    figure_format: shared.FigureFormat = "svg",
    shared_lr: shared.SharedRate = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit code 1 where an arm is worse than its baseline, 5 where undecided.")
    ] = False,
    gate_undecided: shared.GateUndecided = "exit",
    gate_reports: shared.GateReports = None,
    images: Annotated[
        bool,
        typer.Option("--images", help="Show misclassified test images, and the standard error for new images."),
    ] = False,
    explain: shared.Explain = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Of the table format, print only the answer.")] = False,
    output_format: shared.ComparisonFormat = "table",
) -> None:
    """Compare arms: mean, interval, paired difference to the baseline, exact p, and a verdict in plain words."""
    from actbench.analysis.comparison import separable
    from actbench.report.comparison import arms_table, pairs_table
    from actbench.report.contents import answer_sections, comparison_document, comparison_sections
    from actbench.report.images import images_document, images_sections
    from actbench.report.request import Request, load_folders, requested_comparison

    shared.require_gate(is_wanted=gate, undecided=gate_undecided, reports=gate_reports)
    shared.require_owner("--figures", figures, {"--figure-format": figure_format != "svg"})
    request = Request(baseline, metric, by, shared_lr, all_pairs)
    if quiet and (explain or images):
        raise errors.ConfigurationError("--quiet goes with neither --explain nor --images")
    if across:
        if gate or by or explain or images:
            raise errors.ConfigurationError("--across goes with none of --gate, --by, --explain and --images")
        _compare_across(folders or [], results, request, quiet, output_format, figures, figure_format)
        return
    if figures:
        raise errors.ConfigurationError("--figures goes with --across; of one folder: `actbench report --figures DIR`")
    found, reference = load_folders(folders or [], results, request, has_short_names=output_format == "table")
    comparison = requested_comparison(found, reference, request, say)
    everything = [*found, reference] if reference else found
    if images and len(everything) > 1:
        raise errors.ConfigurationError("--images: the images of one result folder at a time")
    found_by_gate = None
    if gate:
        from actbench.report.gate import gate_on_arms

        found_by_gate = gate_on_arms(comparison, gate_undecided)
    judged = {"gate": found_by_gate.to_json()} if found_by_gate else {}
    printing.print_answer(
        output_format,
        lambda: [
            *(
                answer_sections(comparison, everything, explains=explain)[: 1 if quiet else None]
                if output_format == "table"
                else comparison_sections(comparison, everything)
            ),
            *(images_sections(comparison, found[0]) if images else ()),
        ],
        lambda: (
            comparison_document(comparison, everything)
            | judged
            | ({"images": images_document(comparison, found[0])} if images else {})
        ),
        csv=(pairs_table if all_pairs else arms_table)(comparison).to_csv,
        bold=separable(comparison),
    )
    if found_by_gate:
        from actbench.report.gate import publish

        publish(found_by_gate, comparison_sections(comparison, everything), gate_reports or (), say)
        raise typer.Exit(found_by_gate.exit_code())


def _compare_across(
    folders: list[Path],
    root: Path,
    request: Request,
    quiet: bool,
    output_format: shared.ComparisonFormat,
    figures: Path | None,
    figure_format: str,
) -> None:
    from actbench.report.across import across_document, across_sections, across_table, answer_across
    from actbench.report.request import with_short_names
    from actbench.store.results import load_results

    everything = [load_results(folder, root) for folder in folders]
    shown = map(with_short_names, everything) if output_format == "table" else everything
    found = answer_across(list(shown), request)
    shown_sections = slice(1 if quiet else None) if output_format == "table" else slice(1, None)
    printing.print_answer(
        output_format,
        lambda: across_sections(found)[shown_sections],
        lambda: across_document(found),
        csv=across_table(found).to_csv,
    )
    if figures:
        from actbench.report.across import across_pictures
        from actbench.report.files import save_pictures

        say(*map(str, save_pictures(across_pictures(found), figures, figure_format)))


@with_custom_files
def report(
    folder: shared.Folder = None,
    results: shared.ResultsRoot = Path("results"),
    metric: shared.MetricName = None,
    shared_lr: shared.SharedRate = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write one self-contained page instead of printing.", dir_okay=False
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page of --html in the browser.")] = False,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Save every figure as a file.")
    ] = None,
    figure_format: shared.FigureFormat = "svg",
    paper: Annotated[
        Path | None,
        typer.Option(
            "--paper", metavar="DIR", help="Write what a paper needs: PDF figures, LaTeX table, methods, .bib."
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="How --paper prints names: YAML such as `relu: ReLU`.")
    ] = None,
    picture: Annotated[
        list[str] | None, typer.Option("--picture", metavar="NAME", help="A figure for --paper; may be repeated.")
    ] = None,
    columns: Annotated[str | None, typer.Option(metavar="NAMES", help="The columns of the table of --paper.")] = None,
    width: Annotated[Literal["column", "page"], typer.Option(help="How wide the figures of --paper are.")] = "column",
    font: Annotated[Literal["serif", "sans"], typer.Option(help="Font of --paper.")] = "serif",
    font_size: Annotated[float, typer.Option(min=4, max=20, help="Its size in points.")] = USUAL_SIZE,
    explain: shared.Explain = False,
    output_format: shared.ReportFormat = "table",
) -> None:
    """Report comparison, claims, tuning, effects of factors and learning curves: printed, as a page, or in pictures."""
    from actbench.analysis.comparison import separable
    from actbench.report.contents import report_document, report_sections
    from actbench.report.files import Files, write_files
    from actbench.report.request import Request, requested_comparison, with_short_names
    from actbench.store.results import load_results

    shared.require_owner("--figures", figures, {"--figure-format": figure_format != "svg"})
    letters = {"--width": width != "column", "--font": font != "serif", "--font-size": font_size != USUAL_SIZE}
    shared.require_owner("--paper", paper, {"--labels": labels, "--picture": picture, "--columns": columns, **letters})
    kit = None
    if paper is not None:
        from actbench.report.paper import USUAL_COLUMNS, USUAL_PICTURES, PaperKit, require_paper_sense

        chosen = columns.replace(" ", "").split(",") if columns else USUAL_COLUMNS
        kit = require_paper_sense(PaperKit(paper, labels, width, font, font_size, picture or USUAL_PICTURES, chosen))
    files = Files(html, open_page, figures, figure_format, kit)
    files.require_sense(output_format, explains=explain)
    writes = files.are_wanted()
    with said_if_slow("Reading the results and drawing the pictures ...") if writes else nullcontext():
        found = load_results(folder, results, metrics=None if writes else (metric,) if metric else ())
        found = with_short_names(found) if output_format == "table" else found
        comparison = requested_comparison([found], None, Request(metric=metric, shared_lr=shared_lr), say)
        written = write_files(comparison, found, files, say) if writes else []
    if writes:
        print(*written, sep="\n")
        return
    printing.print_answer(
        output_format,
        lambda: report_sections(comparison, found, explains=explain if output_format == "table" else None),
        lambda: report_document(comparison, found),
        title=found.experiment.name,
        bold=separable(comparison),
    )


@with_own_data
def predictions(
    folder: shared.Folder = None,
    results: shared.ResultsRoot = Path("results"),
    every_image: Annotated[
        bool, typer.Option("--all", help="Also the images that were classified correctly, which takes the data set.")
    ] = False,
    hardest: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1000, help="Instead, draw the N images that most networks got wrong, as text."
        ),
    ] = None,
    data_dir: shared.DataFolder = None,
) -> None:
    """Print what every final network predicted as CSV: one row for each test image that it got wrong."""
    from actbench.catalogue.datasets import data_folder, load
    from actbench.report.images import hardest_pictures, predictions_table
    from actbench.report.request import say_what_is_missing
    from actbench.store.results import load_results

    shared.require_one({"--all": every_image, "--hardest": hardest})
    found = load_results(folder, results, metrics=("test_accuracy",))
    say_what_is_missing(found, say)
    if hardest is not None:
        dataset = found.experiment.settings.data.dataset
        print(*hardest_pictures(found, dataset, load(dataset, data_folder(data_dir)), hardest), sep="\n")
        return
    used = {dataset.name: dataset for one in found.records.values() for dataset in [one.settings.data.dataset]}
    labels = {
        name: load(facts, data_folder(data_dir)).test_labels.tolist() for name, facts in used.items() if every_image
    }
    print(predictions_table(found, labels).to_csv(), end="")


def export(
    folder: shared.NamedFolder,
    tool: Annotated[Literal["tensorboard", "mlflow"], typer.Option("--to", help="For which tool.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to: runs/ for TensorBoard, mlflow/ for MLflow when left out."),
    ] = None,
    output_format: shared.TableOrJson = "table",
) -> None:
    """Write every trial as a run of TensorBoard or MLflow: parameters, curves, final numbers."""
    from actbench.report.export.export import export_results, export_section
    from actbench.report.request import say_what_is_missing
    from actbench.store.results import load_results

    found = load_results(folder)
    say_what_is_missing(found, say)
    exported = export_results(found, tool, out)
    printing.print_answer(output_format, export_section, dict, exported)
    say(f"Next: {shlex.join(exported['opens_with'])}")


def verify(folder: shared.NamedFolder, output_format: shared.TableOrJson = "table") -> None:
    """Say what is damaged or missing in a result folder, and change nothing; exit code 1 where anything is."""
    from actbench.runs.verify import is_whole, verify_document, verify_folder, verify_section

    findings = verify_folder(folder)
    printing.print_answer(output_format, verify_section, verify_document, folder, findings)
    if not is_whole(findings):
        raise typer.Exit(errors.EXIT_CHECK_FAILED)
