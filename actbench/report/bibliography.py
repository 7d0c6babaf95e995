"""References as BibTeX: of the functions that an experiment uses, as the catalogue names them, and of the tests."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from actbench.catalogue.registry import Entry
from actbench.experiment.layers import resolve_layers
from actbench.render.latex import escaped
from actbench.store.results import Results

NAMED = re.compile(r"(?P<authors>[^,;]+?(?:, [A-Z][^,;]+?)*) (?P<year>[12]\d{3})(?:, (?P<title>.+))?")
TESTS = {
    "t interval": "Student 1908",
    "sign-flip test": "Fisher 1935",
    "Holm": "Holm 1979",
    "equivalence": "Schuirmann 1987",
    "share of seeds won": "Wilson 1927",
}
# The titles of what the catalogue and the tests name by authors and year.
TITLES = {
    "Barron 2017": "Continuously Differentiable Exponential Linear Units",
    "Barron 2021": "Squareplus: A Softplus-Like Algebraic Rectifier",
    "Bergstra et al. 2009": "Quadratic Polynomials Learn Better Image Features",
    "Bridle 1990": "Probabilistic Interpretation of Feedforward Classification Network Outputs, with Relationships to "
    "Statistical Pattern Recognition",
    "Brier 1950": "Verification of Forecasts Expressed in Terms of Probability",
    "Clevert, Unterthiner & Hochreiter 2016": "Fast and Accurate Deep Network Learning by Exponential Linear Units "
    "(ELUs)",
    "Collobert 2004": "Large Scale Machine Learning",
    "Cox 1958": "The Regression Analysis of Binary Sequences",
    "Donoho & Johnstone 1994": "Ideal Spatial Adaptation by Wavelet Shrinkage",
    "Dugas et al. 2001": "Incorporating Second-Order Functional Knowledge for Better Option Pricing",
    "Elfwing, Uchibe & Doya 2018": "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in "
    "Reinforcement Learning",
    "Fisher 1935": "The Design of Experiments",
    "Glorot & Bengio 2010": "Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    "He, Zhang, Ren & Sun 2015": "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet "
    "Classification",
    "Hendrycks & Gimpel 2016": "Gaussian Error Linear Units (GELUs)",
    "Holm 1979": "A Simple Sequentially Rejective Multiple Test Procedure",
    "Howard et al. 2019": "Searching for MobileNetV3",
    "Kingma & Ba 2015": "Adam: A Method for Stochastic Optimization",
    "Klambauer et al. 2017": "Self-Normalizing Neural Networks",
    "Krizhevsky 2010": "Convolutional Deep Belief Networks on CIFAR-10",
    "LeCun, Bottou, Orr & Müller 1998": "Efficient BackProp",
    "Loshchilov & Hutter 2019": "Decoupled Weight Decay Regularization",
    "Maas, Hannun & Ng 2013": "Rectifier Nonlinearities Improve Neural Network Acoustic Models",
    "Misra 2019": "Mish: A Self Regularized Non-Monotonic Activation Function",
    "Nair & Hinton 2010": "Rectified Linear Units Improve Restricted Boltzmann Machines",
    "Ramachandran, Zoph & Le 2017": "Searching for Activation Functions",
    "Robbins & Monro 1951": "A Stochastic Approximation Method",
    "Rumelhart, Hinton & Williams 1986": "Learning Representations by Back-Propagating Errors",
    "Saxe, McClelland & Ganguli 2014": "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear "
    "Neural Networks",
    "Schuirmann 1987": "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the "
    "Equivalence of Average Bioavailability",
    "Sitzmann et al. 2020": "Implicit Neural Representations with Periodic Activation Functions",
    "So et al. 2021": "Primer: Searching for Efficient Transformers for Language Modeling",
    "Student 1908": "The Probable Error of a Mean",
    "Sutskever et al. 2013": "On the Importance of Initialization and Momentum in Deep Learning",
    "Tieleman & Hinton 2012": "Lecture 6.5: RMSProp, Divide the Gradient by a Running Average of Its Recent Magnitude",
    "Wilson 1927": "Probable Inference, the Law of Succession, and Statistical Inference",
    "Ziyin, Hartwig & Ueda 2020": "Neural Networks Fail to Learn Periodic Functions and How to Fix It",
}


@dataclass(frozen=True)
class Reference:
    """A publication: its key in BibTeX, its authors, year and title."""

    key: str
    authors: str
    year: str
    title: str

    def to_bibtex(self) -> str:
        """The entry; its texts are escaped for LaTeX."""
        names = self.authors.replace(" et al.", ", others").replace(" & ", ", ").split(", ")
        authors = " and ".join(f"{{{escaped(name)}}}" if name != "others" else name for name in names)
        fields = {"author": authors, "title": f"{{{escaped(self.title)}}}", "year": self.year}
        return f"@misc{{{self.key},\n" + ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items()) + "\n}\n"


def references_of(text: str) -> list[Reference]:
    """The publications that a catalogue entry names; none for what is named otherwise, such as `torch.nn.Linear`."""
    found = []
    for part in text.split(";"):
        if named := NAMED.fullmatch(part.strip().removeprefix("the argument of ").partition(" with ")[0]):
            name = f"{named['authors']} {named['year']}"
            title = TITLES.get(name) or named["title"] or name
            found.append(Reference(_key(named["authors"], named["year"]), named["authors"], named["year"], title))
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
