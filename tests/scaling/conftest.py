from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from posts import make_posts


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three Parquet files with 40 synthetic posts (16, 16, 8), 8 to a row group, and their pictures.

    Posts 3 (no text), 18 (no picture) and 33 (no picture file) cannot be predicted on.
    """
    folder = tmp_path_factory.mktemp("shards")
    rows: list[dict[str, Any]] = [{k: post[k] for k in ("id", "text", "image")} for post in make_posts(folder, 40)]
    rows[3]["text"] = ""
    rows[18]["image"] = None
    (folder / rows[33]["image"]).write_bytes(b"no picture")
    for number, start in enumerate((0, 16, 32)):
        pq.write_table(pa.Table.from_pylist(rows[start : start + 16]), folder / f"{number}.parquet", row_group_size=8)
    return folder
