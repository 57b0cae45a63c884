"""Ids that are 1 here and "1" there are the same id, and never in silence."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.prediction.table_posts import rows_of
from clfa.tables.columns import Columns


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1, "1"], "1 in row 1 and '1' in row 2"),
        ([7, 2.0, "3"], "7 in row 1 and 2.0 in row 2"),
        (["x", "10", 9], "'10' in row 2 and 9 in row 3"),
        ([1, 2, 3], ""),
        (["1", "2", None], ""),
        ([1, "a", "02", "1.0", True, 2.5], ""),
    ],
)
def test_ids_in_several_forms(tmp_path: Path, ids: list[Any], said: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"id": id, "text": "a"}) for id in ids))
    for _ in range(2):
        assert len(list(rows_of(str(path), Columns(), ()))) == len(ids)
    assert caplog.text.count("whole numbers in several forms") == bool(said)
    if said:
        assert f"{path}: the ids in column 'id' are whole numbers in several forms, for instance {said}." in caplog.text


def test_ids_of_numpy_and_decimals_are_numbers(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"post": cell, "text": "a"} for cell in (np.int64(1), Decimal(2), 3)]
    found = list(rows_of(rows, Columns(id="post"), ()))
    assert [row.id for row in found] == ["1", "2", "3"]
    assert not caplog.records
