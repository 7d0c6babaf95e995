"""actbench: which activation, initialiser, loss or output function is better on MNIST, by how much, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actbench.version import __version__

__all__ = [
    "ComparisonView",
    "ConfigurationError",
    "ExpectedError",
    "ResultFolder",
    "UnusableEnvironmentError",
    "__version__",
    "compare",
    "load",
    "run",
]

if TYPE_CHECKING:
    from actbench.api import compare, load, run
    from actbench.errors import ConfigurationError, ExpectedError, UnusableEnvironmentError
    from actbench.views import ComparisonView, ResultFolder
else:

    def __getattr__(name: str) -> object:
        """Import the API at its first use, so that the command line does not wait for it."""
        if name in __all__:
            from actbench import api, errors

            return getattr(api if hasattr(api, name) else errors, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
