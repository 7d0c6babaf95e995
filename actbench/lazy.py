"""Modules that are imported at their first use, so that the catalogue can be read in milliseconds."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any


class LazyModule(ModuleType):
    """A stand-in for a module that imports it when an attribute is first asked for.

    `importlib.util.LazyLoader` does the same but puts the unloaded module into `sys.modules`, which torch's own
    start-up and every "is torch loaded?" check stumble over; this stand-in stays out of it. What has been asked for
    once is kept.
    """

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import numpy as numpy
    import pandas as pandas
    import torch as torch
    from numpy.typing import NDArray as NDArray
    from scipy import special as special
    from scipy import stats as stats
    from torch import Generator as Generator
    from torch import Tensor as Tensor
else:
    numpy, pandas, torch = LazyModule("numpy"), LazyModule("pandas"), LazyModule("torch")
    special, stats = LazyModule("scipy.special"), LazyModule("scipy.stats")  # stats takes half a second to import
    Generator = NDArray = Tensor = Any  # for annotations, which are not evaluated
