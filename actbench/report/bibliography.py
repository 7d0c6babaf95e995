"""References as BibTeX: of the functions that an experiment uses, as the catalogue names them, and of the tests."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from actbench.catalogue.registry import Entry
from actbench.experiment.layers import resolve_layers
from actbench.render.html import source
from actbench.render.latex import escaped
from actbench.store.results import Results

NAMED = re.compile(r"(?P<authors>[^,;]+?(?:, [A-Z][^,;]+?)*) (?P<year>[12]\d{3})(?:, (?P<title>.+))?")
ENTRY = re.compile(r"^@\w+\{(\w+),$.*?^\}$\n", re.MULTILINE | re.DOTALL)
TESTS = {
    "t interval": "Student 1908",
    "sign-flip test": "Fisher 1935",
    "Holm": "Holm 1979",
    "equivalence": "Schuirmann 1987",
    "share of seeds won": "Wilson 1927",
}


@dataclass(frozen=True)
class Reference:
    """A publication: its key in BibTeX, its authors and year, and the title that a custom function gives it."""

    key: str
    authors: str
    year: str
    title: str

    def to_bibtex(self) -> str:
        """The entry of `references.bib`, else one of what is known; its texts are escaped for LaTeX."""
        if known := known_publications().get(self.key):
            return known
        names = self.authors.replace(" et al.", ", others").replace(" & ", ", ").split(", ")
        authors = " and ".join(f"{{{escaped(name)}}}" if name != "others" else name for name in names)
        fields = {"author": authors, "title": f"{{{escaped(self.title)}}}", "year": self.year}
        return f"@misc{{{self.key},\n" + ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items()) + "\n}\n"


@cache
def known_publications() -> dict[str, str]:
    """The BibTeX entries, by key, of what the catalogue and the tests name by authors and year."""
    return {entry[1]: entry[0] for entry in ENTRY.finditer(source("references.bib"))}


def references_of(text: str) -> list[Reference]:
    """The publications that a catalogue entry names; none for what is named otherwise, such as `torch.nn.Linear`."""
    found = []
    for part in text.split(";"):
        if named := NAMED.fullmatch(part.strip().removeprefix("the argument of ").partition(" with ")[0]):
            key = _key(named["authors"], named["year"])
            title = named["title"] or f"{named['authors']} {named['year']}"
            found.append(Reference(key, named["authors"], named["year"], title))
    return found


def used_entries(results: Results) -> Iterator[Entry]:
    """The functions that the arms of an experiment use, each once."""
    seen: dict[tuple[str, str], Entry] = {}
    for arm, _ in results.plan.arms:
        layers = resolve_layers(arm.settings)
        choices = [layer.activation for layer in layers] + [layer.init for layer in layers]
        model, train = arm.settings.model, arm.settings.train
        for choice in (*choices, model.output, train.loss, train.optimizer):
            if choice is not None:
                seen.setdefault((choice.kind, choice.name), choice.entry)
    yield from seen.values()


def bibliography(results: Results) -> list[Reference]:
    """The references of the functions that are used, and of the tests."""
    texts = [*(entry.reference for entry in used_entries(results)), *TESTS.values()]
    return unique(one for text in texts for one in references_of(text))


def unique(references: Iterable[Reference]) -> list[Reference]:
    """Each key once."""
    return list({one.key: one for one in references}.values())


def _key(authors: str, year: str) -> str:
    first = re.split(r"[,& ]", authors)[0]
    plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode().lower()
    return f"{re.sub('[^a-z0-9]', '', plain) or 'reference'}{year}"
