"""JSON lines, CSV and Parquet."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clfa.jobs.outputs import OUTPUTS
from clfa.jobs.outputs.base import FileOutput
from clfa.prediction.post import Post, Prediction
from clfa.prediction.predict import predict_file
from clfa.prediction.records import flat_prediction
from clfa.sheets import unguarded
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction
from jobs.stand_in import StandIn, make_rows, names, read_parquet, write_parquet
from posts import read_jsonl, write_csv, write_jsonl


@pytest.fixture
def stand_in() -> Any:
    return StandIn()


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("suffix", "write"), [("jsonl", write_jsonl), ("csv", write_csv), ("parquet", write_parquet)])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_every_format_in_and_out(stand_in: Any, tmp_path: Path, suffix: str, write: Any, kind: str) -> None:
    rows = make_rows(100)
    source = write(tmp_path / f"posts.{suffix}", rows)
    output = tmp_path / "out" / f"predictions.{kind}"
    summary = predict_file(stand_in, source, output)
    expected = [stand_in.predict(Post(row["text"])) for row in rows]
    assert (summary.rows, summary.resumed) == (100, 0)
    assert summary.labels == Counter(prediction.label for prediction in expected if prediction.label)
    assert sum(summary.failures.values()) == 14
    assert names(tmp_path / "out") == [f"predictions.{kind}"]
    if kind == "jsonl":
        found = [{"id": r["id"], **flat_prediction(r), "error": r.get("error")} for r in read_jsonl(output)]
    else:
        found = read_csv(output) if kind == "csv" else read_parquet(output)
        assert list(found[0]) == ["id", "prediction", "probability_bad", "probability_good", "error"]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, prediction in zip(found, expected, strict=True):
        assert (row["prediction"] or None) == prediction.label
        assert (row["error"] or None) == prediction.error
        if prediction.error is None:
            assert float(row["probability_good"]) == prediction.probabilities["good"]
        else:
            assert not row.get("probability_good")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_several_targets_as_a_table(stand_in: Any, tmp_path: Path, kind: str) -> None:
    emotions = Target("emotions", "multi_label_classification", ("joy", "fear"))
    strength = Target("strength", "regression", ())

    def predict(post: Post) -> Prediction:
        if post.text == "fail":
            return Prediction(None, {}, error="no", reason="no")
        found = TargetPrediction(["joy"], {"joy": 0.75, "fear": 0.25}), TargetPrediction(1.5)
        return Prediction(None, {}, targets=dict(zip(("emotions", "strength"), found, strict=True)))

    stand_in.targets, stand_in.predict = (emotions, strength), predict
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": 7, "text": "so"}, {"id": {"a": "ä"}, "text": "fail"}])
    output = tmp_path / f"out.{kind}"
    predict_file(stand_in, source, output)
    found = read_csv(output) if kind == "csv" else read_parquet(output)
    first = {
        "id": "7",
        "emotions.prediction": ["joy"],
        "emotions.probability_joy": 0.75,
        "emotions.probability_fear": 0.25,
        "strength.prediction": 1.5,
        "error": None,
    }
    second = {**dict.fromkeys(first), "id": '{"a": "ä"}', "error": "no"}
    if kind == "csv":
        texts = {"emotions.prediction": '["joy"]', "error": ""}
        assert found == [
            {name: texts.get(name, str(value)) for name, value in first.items()},
            {name: value or "" for name, value in second.items()},
        ]
    else:
        assert found == [first, second]


def test_half_an_emoji_in_an_id(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": "half \ud83d", "text": "so"}])
    predict_file(stand_in, source, tmp_path / "out.parquet")
    assert read_parquet(tmp_path / "out.parquet")[0]["id"] == "half"


@pytest.mark.parametrize("raw", [False, True])
def test_ids_and_errors_are_no_formulas_and_come_back(stand_in: Any, tmp_path: Path, raw: bool) -> None:
    ids = ["=HYPERLINK(1)", '"@a', "-5", "'=b", "c"]
    texts = ["ab", "ab", "ab", "ab", "fail;=d"]
    rows = [{"id": row_id, "text": text} for row_id, text in zip(ids, texts, strict=True)]
    predict_file(stand_in, write_jsonl(tmp_path / "posts.jsonl", rows), tmp_path / "out.csv", raw=raw)
    found = read_csv(tmp_path / "out.csv")
    if raw:
        assert [row["id"] for row in found] == ids
        return
    assert [row["id"] for row in found] == ["'=HYPERLINK(1)", "'\"@a", "-5", "''=b", "c"]
    assert [unguarded(row["id"]) for row in found] == ids
    assert found[4]["error"] == "cannot read fail;'=d"


def test_an_empty_file(stand_in: Any, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("")
    assert predict_file(stand_in, tmp_path / "posts.jsonl", tmp_path / "out.parquet").rows == 0
    assert read_parquet(tmp_path / "out.parquet") == []
    assert predict_file(stand_in, tmp_path / "posts.jsonl", tmp_path / "out.csv").rows == 0
    assert (tmp_path / "out.csv").read_text() == "id,prediction,probability_bad,probability_good,error\n"


def test_another_format_is_one_class_and_one_line(
    stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class IdOutput(FileOutput):
        def write(self, lines: Iterator[str]) -> None:
            self.path.write_text("".join(f"{row['id']} {row['prediction']}\n" for row in self.flat(lines)))

    monkeypatch.setattr(OUTPUTS, "_entries", dict(OUTPUTS._entries))
    OUTPUTS.register(".txt", IdOutput)
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(2))
    predict_file(stand_in, source, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == "p0 good\np1 bad\n"
    assert names(tmp_path) == ["out.txt", "posts.jsonl"]
