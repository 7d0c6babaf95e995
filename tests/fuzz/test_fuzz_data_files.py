"""Thousands of broken data files: each is the array that was published, or refused."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actbench.catalogue.image_files import read_idx
from actbench.errors import UnusableEnvironmentError
from corpus.bad_data_files import idx

pytestmark = pytest.mark.fuzz

SHAPE = (3, 4, 5)
ARRAY = numpy.arange(60, dtype=numpy.uint8).reshape(SHAPE)
GOOD = idx(ARRAY)


@st.composite
def changed(draw: st.DrawFn, contents: bytes) -> bytes:
    """The contents with some bytes replaced, taken out or put in."""
    found = bytearray(contents)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(found)))
        found[start : start + draw(st.sampled_from([0, 0, 1, 1, 8, 60]))] = draw(st.binary(max_size=4))
    return bytes(found)


def packed(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "file.gz"


@given(changed(packed(GOOD)))
def test_with_the_digest_of_the_good_file_only_the_good_file_is_read(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)
    digest = hashlib.md5(packed(GOOD)).hexdigest()
    if contents == packed(GOOD):
        assert numpy.array_equal(read_idx(path, digest, SHAPE), ARRAY)
    else:
        with pytest.raises(UnusableEnvironmentError, match="truncated or changed"):
            read_idx(path, digest, SHAPE)
