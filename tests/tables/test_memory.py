from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from clfa.errors import DataError
from clfa.tables.memory import MemoryTable
from clfa.tables.row import Row


def test_frames() -> None:
    data = pd.DataFrame({" text ": ["a", None], "n": [1.0, np.nan], 7: [[1], "x"]}, index=[5, 6])
    table = MemoryTable(data)
    assert table.columns == ("text", "n", "7")
    assert list(table) == [Row(1, {"text": "a", "n": 1.0, "7": [1]}), Row(2, {"text": None, "n": None, "7": "x"})]
    assert list(table.rows(1)) == list(table)[1:]
    assert (table.known_length(), table.folder) == (2, "")


def test_data_sets() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "image": datasets.Image()})
    data: Any = datasets.Dataset.from_dict(
        {"text": ["a", ""], "image": [{"bytes": b"no picture", "path": None}, None]}, features=features
    )
    for kind in (data, data.with_format("numpy")):
        assert list(MemoryTable(kind)) == [
            Row(1, {"text": "a", "image": {"bytes": b"no picture", "path": None}}),
            Row(2, {"text": None, "image": None}),
        ]


def test_what_is_no_table() -> None:
    with pytest.raises(DataError, match=r"a table must be the path of a table file, .* got list"):
        MemoryTable([1])
    with pytest.raises(DataError, match=r"<data frame>: a column name occurs twice in its header: 'a'"):
        MemoryTable(pd.DataFrame([[1, 2]], columns=["a", "a "]))
