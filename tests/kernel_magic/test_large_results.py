"""Large arrays and frames in stored results: beside the pickle, whole, and as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headrace.core.errors import UntrustedResultError
from headrace.kernel_magic.results import cache
from headrace.kernel_magic.results.hashing import CHUNK_BYTES, digest
from headrace.kernel_magic.results.shelf import Shelf
from headrace.store import get_store


def test_arrays_come_back_equal_shared_and_writable_where_they_were(data_dir: Path) -> None:
    big = np.arange(CHUNK_BYTES // 4, dtype="f8")
    fixed = np.arange(20_000)
    fixed.setflags(write=False)
    value = {
        "big": big,
        "again": big,
        "fixed": fixed,
        "small": np.arange(3),
        "fortran": np.asfortranarray(np.arange(20_000).reshape(100, 200)),
        "strided": np.arange(40_000)[::2],
        "frame": pd.DataFrame({"n": np.arange(20_000), "t": ["a", "b"] * 10_000}),
        "arrow": pa.table({"n": np.arange(20_000)}),
    }
    record = cache.save(Shelf(get_store()), value, key="k", definition="d", definition_key="d", run_id=None)
    found = cache.open_result(record["storage"], "pickle")
    assert digest(found) == digest(value)
    assert found["again"] is found["big"]
    arrays = {name: each for name, each in found.items() if isinstance(each, np.ndarray)}
    assert {name for name, each in arrays.items() if not each.flags.writeable} == {"fixed"}
    assert found["fortran"].flags.f_contiguous
    found["frame"].loc[0, "n"] = 7
    assert record["size_bytes"] == Path(record["storage"]).stat().st_size


@pytest.mark.parametrize("place", [-1, -CHUNK_BYTES - 1], ids=["last chunk", "a chunk between"])
def test_a_changed_byte_of_a_large_array_is_seen(data_dir: Path, place: int) -> None:
    value = np.zeros(CHUNK_BYTES // 4)
    record = cache.save(Shelf(get_store()), value, key="k", definition="d", definition_key="d", run_id=None)
    path = Path(record["storage"])
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(UntrustedResultError):
        cache.open_result(record["storage"], "pickle")
