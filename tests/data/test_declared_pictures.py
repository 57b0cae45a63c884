"""Parquet files and data sets that declare columns of pictures: nothing is opened but what the gate lets through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Audio, Dataset, Features, Image, LargeList, List, Value

from clfa.data import read_corpus
from clfa.prediction.table_posts import rows_of
from clfa.tables.columns import Columns
from clfa.tables.gate import OUTSIDE
from clfa.tables.pictures import pictures_of, refusal
from posts import make_posts

SHAPES: dict[str, tuple[Any, Any]] = {
    "one": (Image(), lambda picture: picture),
    "list": (List(Image()), lambda picture: [picture]),
    "large list": (LargeList(Image()), lambda picture: [picture, picture]),
    "list of lists": (List(List(Image())), lambda picture: [[picture]]),
    "struct": ({"inner": Image()}, lambda picture: {"inner": picture}),
    "sound": (Audio(), lambda picture: picture),
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The cells that ``datasets`` has decoded, which opens their paths."""
    found: list[Any] = []
    for kind in (Image, Audio):
        monkeypatch.setattr(kind, "decode_example", lambda self, value, **options: found.append(value))
    return found


@pytest.mark.parametrize("source", ["file", "data set"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("column", ["image", "text", "id", "knowledge", "unused"])
def test_declared_pictures_are_not_opened(
    tmp_path: Path, column: str, shape: str, source: str, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    secret = tmp_path / "elsewhere" / make_posts(tmp_path / "elsewhere", 1)[0]["image"]
    kind, wrap = SHAPES[shape]
    cells: dict[str, list[Any]] = {"text": [f"post {n}" for n in range(6)], "label": ["a", "b"] * 3}
    cells |= {column: [wrap({"bytes": None, "path": str(secret)})] * 6}
    features = Features({name: kind if name == column else Value("string") for name in cells})
    schema = features.arrow_schema
    columns = {name: pa.array(values, schema.field(name).type) for name, values in cells.items()}
    pq.write_table(pa.table(columns, schema=schema), "t.parquet")
    table: Any = "t.parquet" if source == "file" else Dataset.from_parquet("t.parquet")

    corpus = read_corpus("table", table, as_split="test")
    rows = list(rows_of(table, Columns(), ()))
    assert opened == []
    assert (len(corpus.splits["test"]), len(rows)) == (6, 6)
    if column == "image" and shape in ("one", "list", "large list"):
        for picture in pictures_of(corpus.splits["test"][0]["image"]):
            assert (refusal(picture["bytes"]) or [""])[0] == OUTSIDE
