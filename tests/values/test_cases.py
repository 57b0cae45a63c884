"""Small tables that other software reads wrongly: every row is kept or listed, in training and in prediction."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from clfa import CLFAPredictor
from clfa.data import Corpus, read_corpus
from clfa.data.validation import validate
from clfa.errors import DataError
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.tables.rows import open_rows
from posts import make_posts, read_jsonl

FIRST = 862902619928506300


@pytest.fixture
def posts(tmp_path: Path) -> list[dict[str, Any]]:
    """12 posts with long ids, and their pictures beside the tables of the test."""
    rows = make_posts(tmp_path, 12, with_split=False)
    return [{**row, "id": str(FIRST + number)} for number, row in enumerate(rows)]


def read(source: Any, **options: Any) -> Corpus:
    return validate(read_corpus("table", source, **options), progress=False)


def ids(corpus: Corpus) -> list[str]:
    return [id for split in corpus.splits.values() for id in split["id"][:]]


def predicted(run: Path, source: Path) -> list[dict[str, Any]]:
    output = source.parent / f"{source.name}.out.jsonl"
    predict_file(run, source, output)
    return read_jsonl(output)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("order", [["id", "image", "label", "text"], ["text", "id", "label", "image"]])
@pytest.mark.parametrize("place", [0, 2, 11])
def test_a_quote_that_never_closes(
    tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]], suffix: str, order: list[str], place: int
) -> None:
    separator = "," if suffix == ".csv" else "\t"
    posts[place]["text"] = f'"{posts[place]["text"]}'
    path = tmp_path / f"posts{suffix}"
    path.write_text(
        "".join(
            separator.join(row[name] for name in order) + "\n" for row in [dict(zip(order, order, strict=True)), *posts]
        )
    )
    corpus = read(path, as_split="test")
    assert ids(corpus) == [row["id"] for row in posts]
    assert corpus.dropped == []
    assert [record["id"] for record in predicted(tiny_run, path)] == [row["id"] for row in posts]


@pytest.mark.parametrize(
    ("suffix", "separator", "odd"),
    [(".tsv", "\t", "\t"), (".tsv", "\t", ","), (".csv", ",", ";"), (".csv", ",", "\t|;")],
)
def test_a_separator_in_one_text_does_not_change_that_of_the_table(
    tmp_path: Path, posts: list[dict[str, Any]], suffix: str, separator: str, odd: str
) -> None:
    posts[4]["text"] = f"so{odd}sad{odd}today"
    path = tmp_path / f"posts{suffix}"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(posts[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(posts)
    table = open_rows(path)
    assert table.separator == separator
    assert [row.values["text"] for row in table] == [row["text"] for row in posts]


def test_an_odd_text_in_every_row_does_not_change_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "posts.tsv"
    path.write_text("id\ttext\n" + "".join(f"{number}\ta, b, c; d\n" for number in range(9)))
    assert open_rows(path).separator == "\t"
    path.write_text("id;text, or so;label\n" + "".join(f"{number};a, b;x\n" for number in range(9)))
    assert open_rows(path).separator == ";"


def test_ids_that_restart_in_each_file(tmp_path: Path, posts: list[dict[str, Any]]) -> None:
    for split, rows in {"train": posts[:6], "validation": posts[6:9], "test": posts[9:]}.items():
        frame = pd.DataFrame(rows).assign(id=range(len(rows)), image=[f"../{row['image']}" for row in rows])
        (tmp_path / "table").mkdir(exist_ok=True)
        frame.to_csv(tmp_path / "table" / f"{split}.csv", index=False)
    corpus = read(tmp_path / "table")
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 6, "validation": 3, "test": 3}
    assert corpus.dropped == []


@pytest.mark.parametrize("column", ["tweet_id", "ID", "image_id", "Post_ID"])
def test_prediction_finds_the_ids_that_training_finds(
    tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]], column: str
) -> None:
    path = tmp_path / "new.csv"
    pd.DataFrame(posts).rename(columns={"id": column}).to_csv(path, index=False)
    assert [record["id"] for record in predicted(tiny_run, path)] == [row["id"] for row in posts]
    assert ids(read(path, as_split="test")) == [row["id"] for row in posts]


def test_rows_without_an_id_column_count_from_one_everywhere(
    tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]]
) -> None:
    path = tmp_path / "new.csv"
    pd.DataFrame(posts).drop(columns="id").to_csv(path, index=False)
    expected = [str(number) for number in range(1, 13)]
    assert [record["id"] for record in predicted(tiny_run, path)] == expected
    assert ids(read(path, as_split="test")) == expected
    assert ids(read(pd.read_csv(path), as_split="test", image_root=str(tmp_path))) == expected


def test_a_row_without_an_id_does_not_take_that_of_another(
    tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]]
) -> None:
    path = tmp_path / "new.csv"
    numbered = [{**row, "id": "" if number in (2, 3) else str(number)} for number, row in enumerate(posts)]
    pd.DataFrame(numbered).to_csv(path, index=False)
    corpus = read(path, as_split="test")
    assert (ids(corpus), corpus.dropped) == ([str(number) for number in range(1, 13)], [])
    posts[2]["id"] = ""
    pd.DataFrame(posts).to_csv(path, index=False)
    expected = [row["id"] or "3" for row in posts]
    assert ids(read(path, as_split="test")) == [record["id"] for record in predicted(tiny_run, path)] == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("form", ["lines.jsonl", "lines.json", "array.jsonl", "array.json"])
def test_json_in_every_shape_and_encoding(
    tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]], form: str, encoding: str
) -> None:
    path = tmp_path / form
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in posts)
    path.write_text(lines if form.startswith("lines") else json.dumps(posts), encoding=encoding)
    assert ids(read(path, as_split="test")) == [row["id"] for row in posts]
    if encoding == "utf-16":
        assert [record["id"] for record in predicted(tiny_run, path)] == [row["id"] for row in posts]


def test_half_an_emoji_a_long_cell_and_a_line_that_is_no_text(
    tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]]
) -> None:
    posts[4]["text"] = "so sad \ud83d"
    posts[5]["text"] = "so long " + "x" * 200_000
    path = tmp_path / "posts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in posts))
    corpus = read(path, as_split="test")
    texts = dict(zip(ids(corpus), corpus.splits["test"]["text"][:], strict=True))
    assert texts[str(FIRST + 4)] == "so sad"
    assert len(texts[str(FIRST + 5)]) == 200_008
    table = tmp_path / "posts.csv"
    posts[4]["text"] = "so sad"
    pd.DataFrame(posts).to_csv(table, index=False)
    table.write_bytes(table.read_bytes() + b"\x00\x01\x02\x03\xff\xfe\x81,\x8d\x8f,\x90\x9d,\x00\x02\n")
    corpus = read(table, as_split="test")
    assert ids(corpus) == [row["id"] for row in posts]
    assert [(sample.source, sample.reason) for sample in corpus.dropped] == [(f"{table}:14", "bad line")]
    records = predicted(tiny_run, table)
    assert [record["prediction"] is None for record in records] == [False] * 12 + [True]


def test_when_all_rows_are_left_out_the_reason_is_said(tmp_path: Path, posts: list[dict[str, Any]]) -> None:
    path = tmp_path / "posts.csv"
    pd.DataFrame(posts).assign(fold=[number % 5 for number in range(12)]).to_csv(path, index=False)
    recipe = load_recipe("offline", [f"data.dir={path}"])
    message = r"all 12 rows were left out\. .*12 x unknown split.*posts.csv:row 1: '0' is not .* from the column 'fold'"
    with pytest.raises(DataError, match=message):
        load_corpus(recipe)
    pd.DataFrame(posts).assign(label="new").to_csv(path, index=False)
    recipe = load_recipe("offline", [f"data.dir={path}", "data.options.label_names=[bad, good]"])
    with pytest.raises(DataError, match=r"12 x unknown label.* 'new' is not one of bad, good"):
        load_corpus(recipe)
    pd.DataFrame(posts)[:0].to_csv(path, index=False)
    with pytest.raises(DataError, match=r"has no samples"):
        load_corpus(load_recipe("offline", [f"data.dir={path}", "data.options.label_names=[bad, good]"]))
    with pytest.raises(DataError, match=r"posts\.csv: there are no rows\.$"):
        load_corpus(load_recipe("offline", [f"data.dir={path}"]))
    frame = pd.DataFrame(posts).assign(label=None)
    with pytest.raises(DataError, match=r"^table: none of 12 rows has a label") as told:
        load_corpus(load_recipe("offline", ["data.options.label_names=[bad, good]"]), source={"train": frame})
    assert "p1" not in str(told.value)


def test_a_model_that_allows_missing_pictures_needs_no_column_of_them(
    tmp_path: Path, tiny_overrides: list[str], posts: list[dict[str, Any]]
) -> None:
    overrides = [*tiny_overrides, "guide={name: none}", "training.epochs=1", "model.allow_missing_modalities=true"]
    frame = pd.DataFrame(posts)
    predictor = CLFAPredictor(path=tmp_path / "run", overrides=overrides, image_root=tmp_path)
    predictor.fit(frame[:8], validation=frame[8:])
    answers = predictor.predict(frame[["text"]])
    assert set(answers) <= {"bad", "good"}
    assert len(answers) == 12
    path = tmp_path / "new.csv"
    frame[["text"]].to_csv(path, index=False)
    assert [record["prediction"] for record in predicted(tmp_path / "run", path)] == answers


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_predicts(
    tiny_run: Path, dtype: torch.dtype, posts: list[dict[str, Any]], tmp_path: Path
) -> None:
    whole = PostClassifier.load(tiny_run)
    given = [Post(row["text"], str(tmp_path / row["image"])) for row in posts[:3]]
    expected = whole(given)
    half = PostClassifier(PostClassifier.load(tiny_run).model.to(dtype), whole.processor)
    for one, other in zip(half(given), expected, strict=True):
        assert one.error is None
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.05)


def test_a_batch_with_unequal_numbers_is_refused(tiny_run: Path, tmp_path: Path, posts: list[dict[str, Any]]) -> None:
    processor = PostClassifier.load(tiny_run).processor
    picture = str(tmp_path / posts[0]["image"])
    for pictures in (picture, [picture], [picture] * 3):
        with pytest.raises(ValueError, match=r"unequal numbers of inputs \(texts: 2, images: \d\)"):
            processor(text=["one", "two"], images=pictures)
