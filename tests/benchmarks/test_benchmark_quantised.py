from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.quantised import FP32, INT8, TORCH, labelled, table_lines
from datasets import ClassLabel, Dataset, Features, Value

from clfa.errors import DataError
from posts import make_posts, write_csv


def test_the_table() -> None:
    labels = ["a", "b", "a", "b"]

    def rounds(seconds: list[float], found: list[str | None]) -> list[dict[str, object]]:
        return [{"seconds": s, "processor": s / 2, "labels": found, "peak_memory_mb": 100 * s} for s in seconds]

    reports = {
        TORCH: rounds([2.0, 3.0, 4.0], labels),
        FP32: rounds([1.0, 1.0, 2.0], labels),
        INT8: rounds([1.0, 0.5, 1.0], ["a", "b", "b", None]),
    }
    assert table_lines(reports, labels)[2:] == [
        "| PyTorch, fp32 | 1.3 | 1.00 | 375.0 ms | 400 MB | 100.0% | 100.00 | 100.00 |",
        "| ONNX Runtime, fp32 | 4.0 | 2.00 | 125.0 ms | 200 MB | 100.0% | 100.00 (+0.00) | 100.00 (+0.00) |",
        "| ONNX Runtime, int8 | 4.0 | 4.00 | 125.0 ms | 100 MB | 50.0% | 50.00 (-50.00) | 58.33 (-41.67) |",
    ]


def test_labelled_posts_of_a_split(tmp_path: Path) -> None:
    rows = make_posts(tmp_path, 32)
    rows[24]["label"] = ""
    path = str(write_csv(tmp_path / "posts.csv", rows))
    posts, labels = labelled(path, "test")
    assert [post.text for post in posts] == [row["text"] for row in rows[25:]]
    assert labels == [row["label"] for row in rows[25:]]
    assert len(labelled(path, None)[0]) == 31
    with pytest.raises(DataError, match=r"posts.csv has no labelled posts of the split 'none'"):
        labelled(path, "none")


def test_labels_are_names_where_the_file_has_numbers_of_classes(tmp_path: Path) -> None:
    rows = make_posts(tmp_path, 32)
    names = sorted({row["label"] for row in rows})
    columns = {name: [row[name] for row in rows] for name in ("id", "text", "image", "label", "split")}
    kind = Features({**{name: Value("string") for name in columns}, "label": ClassLabel(names=names)})
    Dataset.from_dict(columns, features=kind).to_parquet(tmp_path / "posts.parquet")
    _, labels = labelled(str(tmp_path / "posts.parquet"), "test")
    assert labels == [row["label"] for row in rows if row["split"] == "test"]
