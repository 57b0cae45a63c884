"""Tables with cells of any type, as training reads them."""

from __future__ import annotations

import datetime
import fractions
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clfa.data import read_corpus
from clfa.prediction.post import Post
from clfa.prediction.table_posts import rows_of
from clfa.tables.columns import Columns

OBJECTS: list[Any] = [
    uuid.UUID(int=7),
    [uuid.UUID(int=7)],
    datetime.datetime(818, 1, 1),
    datetime.date(2020, 1, 1),
    datetime.time(3),
    datetime.timedelta(1),
    pd.Timestamp("2020-01-01", tz="UTC"),
    pd.Interval(0, 1),
    pd.Period("2020-01"),
    Decimal("5.00"),
    Decimal("sNaN"),
    fractions.Fraction(1, 3),
    1j,
    (1, 2),
    {3},
    np.array([1, 2]),
    {"k": 1},
    [Path("a.png")],
    [{"path": "a.png"}],
    np.zeros((2, 2)),
    Image.new("L", (2, 2)),
    b"bytes",
    memoryview(b"bytes"),
    2**70,
    True,
    5,
    "text",
    None,
    pd.NA,
    object,
]


@pytest.mark.parametrize("one", OBJECTS, ids=lambda cell: type(cell).__name__)
def test_any_two_objects_in_columns_are_read_as_in_prediction(one: Any) -> None:
    for other in OBJECTS:
        cells = pd.Series([one, other, "last"], dtype=object)
        data = pd.DataFrame({"id": cells, "text": cells, "label": ["x", "y", "x"], "unused": cells})
        corpus = read_corpus("table", data, as_split="test")
        found = corpus.splits["test"]
        rows = list(rows_of(data, Columns.from_dict(corpus.facts["columns"]), ()))
        assert found["text"][:] == [row.post.text or "" for row in rows if isinstance(row.post, Post)]
        assert found["id"][:] == [row.id for row in rows]


def test_columns_of_types_that_a_data_set_does_not_have(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["a", "b"],
            "label": ["x", "y"],
            "extra": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert len(read_corpus("table", tmp_path / "t.parquet", as_split="test").splits["test"]) == 2
