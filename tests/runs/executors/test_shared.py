"""Arrays in memory that workers share."""

from __future__ import annotations

import os
from multiprocessing import Pipe
from pathlib import Path

import numpy
import pytest

from actbench.catalogue.datasets import DATASETS, load
from actbench.runs.executors.worker import CAN_SHARE, receive_shared, send_shared, share

pytestmark = pytest.mark.skipif(not CAN_SHARE, reason="this system has no files in memory")


def test_what_is_received_is_what_was_sent_and_writing_to_it_changes_nothing_for_others() -> None:
    arrays = load(DATASETS["digits"], Path())
    shared = share(arrays)
    ours, theirs = Pipe()
    for _ in range(2):
        send_shared(ours, shared, os.getpid())
        received = receive_shared(theirs)
        for name in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
            array = getattr(received, name)
            assert numpy.array_equal(array, getattr(arrays, name))
            assert array.ctypes.data % 64 == 0
            array[:] = 0
    os.close(shared.file)


@pytest.mark.parametrize("value", [None, "text", [1, 2.5]])
def test_an_object_without_arrays_is_sent_as_well(value: object) -> None:
    shared = share(value)
    ours, theirs = Pipe()
    send_shared(ours, shared, os.getpid())
    os.close(shared.file)
    assert receive_shared(theirs) == value
