from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.jobs import process
from clfa.jobs.plan import PLAN, RECORDS
from clfa.prediction.engines.base import RuntimeOutput
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from posts import make_posts, read_jsonl, write_csv, write_jsonl


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> PostClassifier:
    return PostClassifier.load(tiny_run, batch_size=4)


@pytest.fixture
def posts(tmp_path: Path) -> list[dict[str, Any]]:
    return [{k: row[k] for k in ("id", "text", "image")} for row in make_posts(tmp_path, 10)]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(("suffix", "write"), [("jsonl", write_jsonl), ("csv", write_csv), ("parquet", write_parquet)])
def test_a_file_row_by_row(predictor: PostClassifier, posts: Any, tmp_path: Path, suffix: str, write: Any) -> None:
    posts[2]["image"] = "images/absent.jpg"
    posts[3]["text"] = ""
    (tmp_path / "images" / "5.jpg").write_bytes(b"no picture")
    posts[7]["image"] = ""
    source = write(tmp_path / f"posts.{suffix}", posts)
    output = tmp_path / "new folder" / "out.jsonl"
    summary = predict_file(predictor, source, output)
    rows = read_jsonl(output)
    assert [row["id"] for row in rows] == [f"p{n}" for n in range(10)]
    failed = {row["id"]: row["error"] for row in rows if "error" in row}
    assert failed["p2"].endswith("absent.jpg: image file not found")
    assert failed["p3"] == "empty text"
    assert "5.jpg: not an image" in failed["p5"]
    assert failed["p7"] == "missing image"
    direct = predictor([Post(row["text"], str(tmp_path / row["image"])) for row in posts])
    for row, prediction in zip(rows, direct, strict=True):
        assert ("error" in row) != ("probabilities" in row)
        if row["id"] not in failed:
            assert row["prediction"] == prediction.label
            assert row["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-5)
        else:
            assert row["prediction"] is None
    assert summary.rows == 10
    assert sum(summary.labels.values()) == 6
    # Counted by kind, whatever the files are called.
    assert summary.failures == {"missing image": 2, "empty text": 1, "unreadable image": 1}
    assert summary.examples[1] == "row 4 (id p3): empty text"
    assert not list(tmp_path.rglob("*.tmp"))


def test_strict_names_the_row_and_leaves_no_output(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    posts[6]["text"] = ""
    source = write_jsonl(tmp_path / "posts.jsonl", posts)
    with pytest.raises(DataError, match=r"posts.jsonl row 7 \(id p6\): empty text"):
        predict_file(predictor, source, tmp_path / "out" / "out.jsonl", strict=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_output_appears_only_when_it_is_whole(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Equal posts would be computed once.
    rows = [{**row, "text": f"{row['text']} {n}"} for n in range(5) for row in posts]
    source = write_jsonl(tmp_path / "posts.jsonl", rows)
    output = tmp_path / "out.jsonl"
    output.write_text("an earlier result\n")
    sizes = []
    forward = TorchRuntime.__call__

    def fails_late(self: TorchRuntime, inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if len(sizes) == 10:
            raise RuntimeError("out of memory")
        return forward(self, inputs)

    monkeypatch.setattr(TorchRuntime, "__call__", fails_late)
    with pytest.raises(RuntimeError, match="out of memory"):
        predict_file(predictor, source, output, commit_rows=1)
    assert sizes == [4] * 10
    assert output.read_text() == "an earlier result\n"
    assert not list(tmp_path.glob(".*"))
    # The first window of eight batches stays for the same call.
    assert json.loads((tmp_path / "out.jsonl.partial" / PLAN).read_text())["summary"]["rows"] == 32
    assert len(read_jsonl(tmp_path / "out.jsonl.partial" / RECORDS)) == 32
    sizes.clear()
    assert predict_file(predictor, source, output).resumed == 32
    assert sizes == [4] * 4 + [2]
    assert [row["id"] for row in read_jsonl(output)] == [row["id"] for row in posts] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out.jsonl", "posts.jsonl"]


def test_memory_does_not_grow_with_the_file(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Equal posts would be computed once.
    rows = [{**row, "text": f"{row['text']} {n}"} for n in range(9) for row in posts]
    source = write_jsonl(tmp_path / "posts.jsonl", rows)
    read, predicted = [0], []
    rows_of = process.piece_rows

    def counted(*arguments: Any) -> Any:
        for row in rows_of(*arguments):
            read[0] += 1
            yield row

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        predicted.append((len(inputs["input_ids"]), read[0]))
        return RuntimeOutput(np.zeros((len(inputs["input_ids"]), 2)), np.zeros((len(inputs["input_ids"]), 16)))

    monkeypatch.setattr(process, "piece_rows", counted)
    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    predict_file(predictor, source, tmp_path / "out.jsonl")
    # Of the 32 rows of a window, the next one is read when two batches are left to compute.
    windows = [32] * 6 + [64] * 8 + [90] * 9
    assert predicted == [(4 if n < 22 else 2, seen) for n, seen in enumerate(windows)]


def test_odd_rows_and_ids(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    lines = [
        json.dumps({"id": "half \ud83d", "text": "so sunny", "image": image}),
        "{broken",
        json.dumps({"text": "no id", "image": image}),
        json.dumps({"id": {"nested": [1]}, "text": 17, "image": image}),
        json.dumps({"id": "no picture", "text": "so"}),
    ]
    source = tmp_path / "posts.jsonl"
    source.write_text("\n".join(lines) + "\n")
    summary = predict_file(predictor, source, tmp_path / "out.jsonl")
    rows = read_jsonl(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == ["half", "2", "3", '{"nested": [1]}', "no picture"]
    assert rows[1]["error"].startswith("not valid JSON: ")
    # A text that is a number is a text.
    assert summary.failures == {"unreadable row": 1, "missing image": 1}

    day = datetime.date(2024, 2, 1)
    table = [{"id": day, "text": "so sunny", "image": {"bytes": Path(image).read_bytes(), "path": "p.jpg"}}]
    predict_file(predictor, write_parquet(tmp_path / "t.parquet", table), tmp_path / "out.jsonl")
    (row,) = read_jsonl(tmp_path / "out.jsonl")
    assert row["id"] == "2024-02-01"
    assert "error" not in row


def test_only_the_first_failures_are_quoted(predictor: PostClassifier, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": n, "text": "", "image": ""} for n in range(15)])
    summary = predict_file(predictor, source, tmp_path / "out.jsonl")
    assert summary.failures == {"empty text": 15}
    assert len(summary.examples) == 10


def test_other_column_names(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    renamed = [{"tweet": row["text"], "file": row["image"], "key": row["id"]} for row in posts]
    source = write_csv(tmp_path / "posts.csv", renamed)
    with pytest.raises(DataError, match=r"posts.csv: no image column; name it with image=...; columns there: tweet"):
        # The text is found by another usual name.
        predict_file(predictor, source, tmp_path / "out.jsonl")
    with pytest.raises(DataError, match=r"posts.csv: no column 'tweeet' \(given as text=...\); columns there: tweet"):
        predict_file(predictor, source, tmp_path / "out.jsonl", text="tweeet")
    with pytest.raises(DataError, match=r"no column 'absent' \(given as identifier=...\)"):
        predict_file(predictor, source, tmp_path / "out.jsonl", image="file", identifier="absent")
    assert not (tmp_path / "out.jsonl").exists()
    summary = predict_file(predictor, source, tmp_path / "out.jsonl", text="tweet", image="file", identifier="key")
    assert (summary.rows, summary.failures) == (10, {})
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == [row["id"] for row in posts]


def test_a_file_that_cannot_be_opened(predictor: PostClassifier, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="is not a Parquet file"):
        predict_file(predictor, tmp_path / "t.parquet", tmp_path / "out.jsonl")
    with pytest.raises(DataError, match="does not exist"):
        predict_file(predictor, tmp_path / "absent.parquet", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
