"""What a paper needs: pictures, table, methods and references, which LaTeX compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.render.latex import escaped
from actbench.report.files import pictures
from actbench.report.paper import (
    TESTS,
    PaperKit,
    known_publications,
    methods_paragraph,
    paper_table,
    printed,
    references_of,
    require_paper_sense,
    write_paper,
)
from actbench.store.results import Results, load_results
from custom_files import custom_file, entries_of
from places import ROOT
from planted import FIVE_ACTIVATIONS, MUCH, NOTHING, RELU, UNTUNED, above, asked, five_arms, planted

TEX = [shutil.which(name) for name in ("pdflatex", "bibtex", "kpsewhich")]
SAID: list[str] = []
HOSTILE = r"labels {x} \\input{/etc/passwd} $x$ 100% #1 _a_ ~ ^"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return planted(tmp_path_factory.mktemp("run"), five_arms(), FIVE_ACTIVATIONS)


def written(results: Results, kit: PaperKit) -> dict[str, Path]:
    comparison = asked(results)
    paths = write_paper(comparison, results, pictures(results, comparison), require_paper_sense(kit), SAID.append)
    return {path.name: path for path in paths}


def test_the_kit_holds_pictures_table_methods_and_references(results: Results, tmp_path: Path) -> None:
    found = written(results, PaperKit(tmp_path / "paper"))
    assert set(found) == {"table.tex", "methods.tex", "references.bib", "paper.tex", "differences.pdf"}
    assert found["differences.pdf"].read_bytes().startswith(b"%PDF")
    cited = set(re.findall(r"[a-z]+\d{4}", found["methods.tex"].read_text()))
    keys = set(re.findall(r"@\w+\{(\w+),", found["references.bib"].read_text()))
    assert {"nair2010", "hendrycks2016", "he2015", "kingma2015", "holm1979", "student1908"} <= cited == keys


def test_the_methods_have_the_true_numbers(results: Results) -> None:
    text = methods_paragraph(asked(results), results, require_paper_sense(PaperKit(Path())).names)
    assert "We compared 5 activations: ReLU~\\cite{nair2010}" in text
    assert "784--4--10 units) on MNIST (50,000 training, 10,000 validation and 10,000 test images)" in text
    assert "test images); initialiser: Kaiming normal~\\cite{he2015}; output: log-softmax~\\cite{bridle1990};" in text
    assert "optimizer: Adam~\\cite{kingma2015}; batch size: 128." in text
    assert "The learning rate of each was chosen from the grid 0.001, 0.003, 0.01, by validation accuracy" in text
    assert "Final training took 1 epoch and was repeated with 10 seeds" in text
    assert "4 comparisons" in text


def test_the_methods_tell_the_grid_from_its_extension(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": RELU}, best_rates={"tanh": 0.03})
    text = methods_paragraph(asked(results), results, {})
    assert "from the grid 0.001, 0.003, 0.01, extended to 0.0333 and 0.111 where the best was at its edge" in text


def test_the_methods_have_the_formula_of_a_custom_function(tmp_path: Path) -> None:
    with entries_of(custom_file(tmp_path)):
        text = UNTUNED.replace("[relu, tanh]", "[relu, tent]")
        results = planted(tmp_path / "run", {"relu": RELU, "tent": RELU}, text)
        methods = methods_paragraph(asked(results), results, {})
    assert "Custom functions: tent(x) = max(0, 1 - abs(x))." in methods


def test_a_line_may_break_before_parameters() -> None:
    assert escaped("soft_bent(beta=2.0) and P(better)") == r"soft\_bent\allowbreak(beta=2.0) and P(better)"


def test_the_methods_of_looks_and_of_an_extended_grid_have_the_true_numbers() -> None:
    results = load_results(ROOT / "results" / "mnist-settled", ROOT)
    comparison, names = asked(results), require_paper_sense(PaperKit(Path())).names
    text = methods_paragraph(comparison, results, names)
    assert comparison.looks is not None
    assert "Looks were planned after 11, 20, 40 and 80 seeds, which spend 0.0125 each" in text
    assert "was repeated with 20 to 80 seeds" in text
    assert "95\\,\\%" not in text
    settled = paper_table(comparison, names, ("arm", "interval", "p", "verdict"))
    assert "Test accuracy over 20 to 80 seeds" in settled
    assert "95 \\%" not in settled
    assert "Cannot tell" not in settled
    lacking = [one.values for tuning in results.plan.tunings for one in tuning.candidates]
    assert all(f"{rate:g}" in text for values in lacking for _, rate in values)


def test_the_table_has_the_chosen_columns_names_in_print_and_what_is_bold_elsewhere(tmp_path: Path) -> None:
    results = planted(tmp_path / "run", {"relu": RELU, "tanh": above(RELU, MUCH)})
    names = require_paper_sense(PaperKit(Path())).names
    table = paper_table(asked(results), names, ("arm", "mean", "verdict"))
    assert "\\textbf{tanh} & \\textbf{98.07} & better" in table
    assert "ReLU & 97.86 & baseline" in table
    assert "sd" not in table.split("\\midrule")[0].split("\\toprule")[1]
    assert table.count("\\\\\n") == 3
    (caption,) = re.findall(r"\\caption\{(.*)\}", table)
    assert len(caption) < 140


def test_functions_of_several_factors_are_cited_too(tmp_path: Path) -> None:
    text = UNTUNED.replace("[relu, tanh]", "[relu, gelu], train.optimizer: [adam, sgd]")
    arms = {f"activation={one}, optimizer={other}": RELU for one in ("relu", "gelu") for other in ("adam", "sgd")}
    results = planted(tmp_path / "run", arms, text)
    found = written(results, PaperKit(tmp_path / "paper"))
    methods = found["methods.tex"].read_text()
    assert (
        "4 settings: 2 activations (ReLU~\\cite{nair2010} and GELU~\\cite{hendrycks2016}); and 2 optimizers (Adam"
        in methods
    )
    keys = re.findall(r"@\w+\{(\w+),", found["references.bib"].read_text())
    assert {"nair2010", "hendrycks2016", "kingma2015"} <= set(keys)
    assert all(key in methods for key in keys)


def test_a_label_with_an_underscore_stays_as_it_is_and_bold(tmp_path: Path) -> None:
    results = planted(tmp_path / "run", {"relu": RELU, "tanh": above(RELU, MUCH)})
    (tmp_path / "labels.yaml").write_text("tanh: Tan_H\nrleu: ReLU\ngelu: G\n")
    SAID.clear()
    table = written(results, PaperKit(tmp_path / "paper", tmp_path / "labels.yaml"))["table.tex"].read_text()
    assert "\\textbf{Tan\\_H} & " in table
    assert SAID == ["warning: --labels: nothing here is called 'rleu'; did you mean relu, relu6 or prelu?"]


def test_labels_of_a_file_are_used_and_are_only_text(results: Results, tmp_path: Path) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text(f"gelu: GaussELU\nrelu: '{HOSTILE}'\n", encoding="utf-8")
    found = written(results, PaperKit(tmp_path / "paper", labels))
    table = found["table.tex"].read_text()
    assert "GaussELU" in table
    assert "\\input" not in table
    assert b"GaussELU" in found["differences.pdf"].read_bytes() or found["differences.pdf"].stat().st_size > 1000


@pytest.mark.parametrize(
    ("kit", "said"),
    [
        ({"columns": ("arm", "maen")}, "--columns: no column is called 'maen'; did you mean mean"),
        ({"labels": Path("missing.yaml")}, "missing.yaml: no such file"),
        ({"pictures": ("diferences",)}, "--picture: no picture is called 'diferences'; did you mean differences"),
    ],
)
def test_what_there_is_not_is_said(kit: dict[str, object], said: str, results: Results, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        written(results, PaperKit(tmp_path / "paper", **kit))  # type: ignore[arg-type]


def test_labels_that_are_no_names_are_refused_and_so_is_a_folder_that_cannot_be_made(
    results: Results, tmp_path: Path
) -> None:
    (tmp_path / "labels.yaml").write_text("[a, b]")
    with pytest.raises(ConfigurationError, match="expected names and how they are printed"):
        written(results, PaperKit(tmp_path / "paper", tmp_path / "labels.yaml"))
    with pytest.raises(UnusableEnvironmentError, match=r"labels\.yaml: cannot be written"):
        written(results, PaperKit(tmp_path / "labels.yaml"))


def test_names_are_printed_word_by_word() -> None:
    names = require_paper_sense(PaperKit(Path())).names
    assert printed("leaky_relu(negative_slope=0.1)", names) == "Leaky ReLU(slope=0.1)"
    assert printed("relu, kaiming_normal", names) == "ReLU, Kaiming normal"
    assert printed("my_function", names) == "my function"


def test_every_reference_by_authors_and_year_has_an_entry_by_these_authors_and_no_other_is_kept() -> None:
    from actbench.catalogue.lookup import find, names
    from actbench.catalogue.registry import Kind

    kinds: tuple[Kind, ...] = ("activation", "output", "initialiser", "loss", "optimizer")
    texts = [*(find(kind, name).reference for kind in kinds for name in names(kind)), *TESTS.values()]
    named = {key: one for text in texts for key, one in references_of(text).items()}
    assert set(known_publications()) == set(named)
    for key, one in named.items():
        entry = re.sub(r"\\\W|[{}]", "", known_publications()[key])
        [authors], [year] = re.findall(r"author = (.*),\n", entry), re.findall(r"year = (\d+)", entry)
        plain = unicodedata.normalize("NFKD", one["authors"]).encode("ascii", "ignore").decode()
        last_names = [name.split()[-1] for name in authors.split(" and ") if name != "others"]
        assert year == one["year"]
        assert last_names[: 1 if "et al." in plain else None] == re.split(", | & ", plain.removesuffix(" et al."))
    assert list(references_of("Ramachandran, Zoph & Le 2017; Elfwing, Uchibe & Doya 2018")) == [
        "ramachandran2017", "elfwing2018",
    ]  # fmt: skip
    assert references_of("torch.nn.LogSigmoid") == {}


@pytest.mark.skipif(not all(TEX), reason="needs pdflatex and bibtex")
@pytest.mark.parametrize("width", ["column", "page"])
def test_plain_latex_compiles_it(width: str, tmp_path: Path) -> None:
    if subprocess.run([str(TEX[2]), "booktabs.sty"], capture_output=True, check=False).returncode:
        pytest.skip("needs booktabs")
    results = planted(tmp_path / "run", {"relu": RELU, "tanh": above(RELU, NOTHING)})
    folder = tmp_path / "paper"
    labels = tmp_path / "labels.yaml"
    labels.write_text(f"tanh: '{HOSTILE}'\n", encoding="utf-8")
    written(results, PaperKit(folder, labels, width=width, font="sans"))  # type: ignore[arg-type]
    latex = [str(TEX[0]), "-interaction=nonstopmode", "-halt-on-error", "paper"]
    draft = [latex[0], "-draftmode", *latex[1:]]
    for command in (draft, [str(TEX[1]), "paper"], draft, latex):
        finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stdout[-2000:]
    log = (folder / "paper.log").read_text(encoding="latin-1")
    assert "undefined" not in log
    assert (folder / "paper.pdf").stat().st_size > 10_000
