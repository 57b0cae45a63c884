from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from class_indices import class_indices
from clfa.data import READERS, read_corpus, validate
from clfa.errors import DataError, RecipeError
from clfa.prediction.post import Post
from clfa.prediction.table_posts import table_posts
from clfa.tables.access import Access
from clfa.tables.columns import Columns
from clfa.tables.pictures import pictures_of


def frame(size: int = 20) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"p{n}" for n in range(size)],
            "text": [f"post {n}" for n in range(size)],
            "image": [f"img/{n}.jpg" for n in range(size)],
            "label": ["odd" if n % 2 else "plain" for n in range(size)],
        }
    )


def write(data: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".jsonl":
        data.to_json(path, orient="records", lines=True)
    elif path.suffix == ".json":
        data.to_json(path, orient="records")
    elif path.suffix == ".parquet":
        data.to_parquet(path)
    else:
        data.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def rows(corpus: Any) -> dict[str, dict[str, Any]]:
    return {row["id"]: {**row, "split": name} for name, split in corpus.splits.items() for row in split}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_every_format_gives_the_same_corpus(tmp_path: Path, suffix: str) -> None:
    corpus = read_corpus("table", write(frame(), tmp_path / f"posts{suffix}"))
    assert corpus.name == "posts"
    assert corpus.label_names == ["odd", "plain"]
    assert {name: Counter(class_indices(split)) for name, split in corpus.splits.items()} == {
        "train": {0: 8, 1: 8},
        "validation": {0: 1, 1: 1},
        "test": {0: 1, 1: 1},
    }
    sample = rows(corpus)["p3"]
    assert sample["text"] == "post 3"
    assert sample["targets"] == [0]
    assert sample["image"] == {"bytes": None, "path": str(tmp_path / "img" / "3.jpg")}
    assert (corpus.facts["split"], corpus.facts["lines"]) == ("stratified 0.8:0.1:0.1, seed 0", {"all": 20})
    columns = corpus.facts["columns"]
    separator = {".csv": ",", ".tsv": "\t"}.get(suffix)
    assert {name: value for name, value in columns.items() if value} == {
        **{name: name for name in ("id", "text", "image", "label")},
        **({"separator": separator} if separator else {}),
    }


def test_frames_and_datasets_are_taken_as_they_are() -> None:
    of_frame = read_corpus("table", frame(), as_split="test", name="mine")
    of_dataset = read_corpus("table", datasets.Dataset.from_pandas(frame()), as_split="test")
    assert of_frame.name == "mine"
    assert of_frame.splits["test"][:] == of_dataset.splits["test"][:]
    assert list(of_frame.splits) == ["test"]


def test_address(tmp_path: Path) -> None:
    with fsspec.open("memory://clfa-table/posts.csv", "w") as file:
        frame(4).to_csv(file, index=False)
    corpus = read_corpus("table", "memory://clfa-table/posts.csv", as_split="test")
    assert corpus.splits["test"][0]["image"]["path"] == "memory://clfa-table/img/0.jpg"


def test_columns_by_option_and_by_usual_name(tmp_path: Path) -> None:
    data = frame(4).rename(columns={"text": "Tweet", "label": "mood", "id": "key"}).assign(ocr=["a", "", "c", None])
    path = write(data, tmp_path / "x.csv")
    corpus = read_corpus("table", path, label="mood", id="key", knowledge="ocr", as_split="test")
    split = corpus.splits["test"]
    assert split["text"][:] == ["post 0", "post 1", "post 2", "post 3"]
    assert split["knowledge"][:] == ["a", None, "c", None]
    assert split["id"][:] == ["p0", "p1", "p2", "p3"]


def test_absent_columns_are_named_with_those_present(tmp_path: Path) -> None:
    path = write(frame(2), tmp_path / "x.csv")
    with pytest.raises(
        DataError, match=r"x\.csv: no column 'tweet' \(given as text=\.\.\.\); .* id, text, image, label"
    ):
        read_corpus("table", path, text="tweet")
    with pytest.raises(DataError, match=r"<data frame>: no text column; name it with text=\.\.\.; columns there: a"):
        read_corpus("table", pd.DataFrame({"a": [1]}))


def test_ids_are_row_numbers_where_missing(tmp_path: Path) -> None:
    data = frame(4)
    data.loc[1, "id"] = None
    corpus = read_corpus("table", data, as_split="test")
    assert corpus.splits["test"]["id"][:] == ["p0", "2", "p2", "p3"]
    parts = {"train": frame(2).drop(columns="id"), "test": frame(2).drop(columns="id"), "val": frame(2)}
    corpus = read_corpus("table", parts)
    assert corpus.splits["train"]["id"][:] == ["1", "2"]
    assert corpus.splits["test"]["id"][:] == ["1", "2"]


def test_label_names_integers_and_unknown_labels() -> None:
    data = frame(4).assign(label=[1, 0, 7, 1])
    corpus = read_corpus("table", data, label_names=["plain", "odd"], as_split="train")
    assert class_indices(corpus.splits["train"]) == [1, 0, 1]
    assert [(d.id, d.split, d.source, d.reason, d.detail) for d in corpus.dropped] == [
        ("p2", "train", "<data frame>:row 3", "unknown label", "'7' is not one of plain, odd")
    ]


def test_rows_without_label_are_unlabelled_pairs() -> None:
    data = frame(6).assign(label=["a", "b", None, "a", float("nan"), ""])
    corpus = read_corpus("table", data, as_split="train")
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == ["p2", "p4", "p5"]
    assert corpus.splits["train"]["id"][:] == ["p0", "p1", "p3"]
    only = read_corpus("table", frame(3).drop(columns="label"), label_names=["a", "b"])
    assert only.unlabelled is not None
    assert len(only.unlabelled) == 3
    assert len(only.splits) == 0
    with pytest.raises(DataError, match=r"<data frame>: no row has a label; name"):
        read_corpus("table", frame(3).drop(columns="label"))


def test_a_guessed_id_that_is_not_unique_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    data = frame(6).rename(columns={"id": "image_id"})
    corpus = read_corpus("table", data.assign(image_id=list("aabbcc")), as_split="test")
    assert corpus.splits["test"]["id"][:] == ["1", "2", "3", "4", "5", "6"]
    assert (corpus.facts["columns"]["id"], corpus.facts["columns"]["unused"]) == (None, ["image_id"])
    (record,) = caplog.records
    assert "column 'image_id' is not used as the id: 3 of 6 rows have the id of another sample" in record.getMessage()
    # A column given by the caller is used.
    named = read_corpus("table", data.assign(image_id=list("aabbcc")), id="image_id", as_split="test")
    assert named.splits["test"]["id"][:] == list("aabbcc")
    # The same sample twice is no reason, nor are empty cells, nor splits that each count from 1.
    twice = pd.concat([data, data[:1]]).assign(image_id=["1", "2", "3", None, None, "6", "1"])
    assert read_corpus("table", twice, as_split="test").splits["test"]["id"][:] == ["1", "2", "3", "4", "5", "6", "1"]
    split = data.assign(image_id=[1, 2, 3, 1, 2, 3], split=["train"] * 3 + ["test"] * 3)
    assert read_corpus("table", split).splits["test"]["id"][:] == ["1", "2", "3"]


@pytest.mark.parametrize("repeated", [1, 3, 39])
@pytest.mark.parametrize("same", [[], ["text"], ["image"], ["text", "image"]])
def test_no_row_is_left_out_for_a_guessed_id(repeated: int, same: list[str]) -> None:
    data = frame(40).assign(id=["p0"] * (repeated + 1) + [f"p{number}" for number in range(repeated + 1, 40)])
    for column in same:
        data.loc[: repeated + 1, column] = data[column][0]
    corpus = validate(read_corpus("table", data, as_split="test"), check_images=False)
    ids = corpus.splits["test"]["id"][:]
    if len(same) < 2:
        assert ids == [str(number) for number in range(1, 41)]
        assert corpus.dropped == []
    else:
        # They are the same sample.
        assert ids == ["p0", *(f"p{number}" for number in range(repeated + 1, 40))]
        assert corpus.dropped_counts() == {"duplicate id": repeated}
    # A column given by the caller contains ids.
    named = validate(read_corpus("table", data, id="id", as_split="test"), check_images=False)
    assert named.dropped_counts() == {"duplicate id": repeated}


def test_one_part_without_unique_ids_decides_for_all() -> None:
    parts = {"train": frame(4), "test": frame(4).assign(id=["x", "x", "y", "z"])}
    corpus = read_corpus("table", parts, ratios=(1.0, 0.0, 0.0))
    assert [split["id"][:] for split in corpus.splits.values()] == [["1", "2", "3", "4"]] * 2


def test_split_column_is_honoured() -> None:
    data = frame(6).assign(split=["train", "dev", "test", "unlabelled", "holdout", None])
    corpus = read_corpus("table", data)
    assert {name: split["id"][:] for name, split in corpus.splits.items()} == {
        "train": ["p0"],
        "validation": ["p1"],
        "test": ["p2"],
    }
    assert corpus.unlabelled is not None
    assert corpus.unlabelled[0]["id"] == "p3"
    assert corpus.unlabelled[0]["targets"] is None
    assert [(d.id, d.reason, d.detail) for d in corpus.dropped] == [
        ("p4", "unknown split", "'holdout' is not the name of a split"),
        ("p5", "unknown split", "'' is not the name of a split"),
    ]
    assert corpus.facts["split"] == "as given"


def test_missing_splits_are_dealt_from_train() -> None:
    corpus = read_corpus("table", {"train": frame(90), "test": frame(4).assign(id=list("abcd"))}, split_seed=3)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 80, "validation": 10, "test": 4}
    assert corpus.splits["test"]["id"][:] == list("abcd")
    assert corpus.facts["split"] == "as given, validation a stratified 11.1% of train, seed 3"
    lone = read_corpus("table", {"train": frame(20)}, ratios=(0.5, 0.25, 0.25))
    assert {name: len(split) for name, split in lone.splits.items()} == {"train": 12, "validation": 4, "test": 4}


def test_folder_of_splits(tmp_path: Path) -> None:
    write(frame(4), tmp_path / "train.csv")
    write(frame(2), tmp_path / "dev.jsonl")
    write(frame(2), tmp_path / "test.parquet")
    corpus = read_corpus("table", tmp_path)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 4, "validation": 2, "test": 2}
    write(frame(2), tmp_path / "valid.csv")
    with pytest.raises(DataError, match=r"dev\.jsonl and valid\.csv are both validation; keep one"):
        read_corpus("table", tmp_path)


def test_folder_with_one_table_and_folder_with_none(tmp_path: Path) -> None:
    write(frame(), tmp_path / "anything.csv")
    assert sum(map(len, read_corpus("table", tmp_path).splits.values())) == 20
    write(frame(), tmp_path / "more.csv")
    with pytest.raises(DataError, match=r"expects a table file, or files named train.*found anything\.csv, more\.csv"):
        read_corpus("table", tmp_path)
    with pytest.raises(DataError, match="no such file or directory; the table reader expects a file ending in"):
        read_corpus("table", tmp_path / "gone.csv")


def test_image_columns_of_bytes_and_structs() -> None:
    table = pa.table(
        {
            "text": ["a", "b", "c"],
            "label": ["x", "y", "x"],
            "image": [{"bytes": b"1", "path": "1.png"}, {"bytes": None, "path": "2.png"}, None],
        }
    )
    data = datasets.Dataset(datasets.table.InMemoryTable(table))
    split = read_corpus("table", data, as_split="test", image_root="/root").splits["test"]
    assert split["image"][:] == [
        {"bytes": b"1", "path": "1.png"},
        {"bytes": None, "path": "/root/2.png"},
        None,
    ]
    raw = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"], "image": [b"1", b""]})
    assert read_corpus("table", raw, as_split="test").splits["test"]["image"][:] == [
        {"bytes": b"1", "path": None},
        None,
    ]


def test_image_root_and_absolute_paths() -> None:
    data = frame(3).assign(image=["a.jpg", "/abs/b.jpg", "s3://bucket/c.jpg"])
    access = Access.of("s3", outside=True)
    found = read_corpus("table", data, as_split="test", image_root="s3://mine/", access=access).splits["test"]["image"]
    assert [image["path"] for image in found] == ["s3://mine/a.jpg", "/abs/b.jpg", "s3://bucket/c.jpg"]


def test_mixed_encodings_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"text,label\n" + "café,a\n".encode() + "d\u00e9j\u00e0 vu,b\n".encode("cp1252"))
    assert read_corpus("table", path, as_split="test").splits["test"]["text"][:] == ["café", "déjà vu"]
    path.write_bytes("text,label\nné,a\nb,b\n".encode("utf-16"))
    assert read_corpus("table", path, as_split="test").splits["test"]["text"][:] == ["né", "b"]


def test_tsv_with_bare_quotes(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text('text\tlabel\n"so it begins\ta\nfine\tb\nsaid "no\ta\n')
    assert read_corpus("table", path, as_split="test").splits["test"]["text"][:] == [
        '"so it begins',
        "fine",
        'said "no',
    ]


def test_bad_lines_are_dropped_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text,label\na,x\nb\nc,y\nd,x,extra\n\n")
    corpus = read_corpus("table", path, as_split="test")
    assert corpus.splits["test"]["text"][:] == ["a", "c"]
    assert [(d.source, d.detail) for d in corpus.dropped] == [
        (f"{path}:3", "1 fields instead of 2: b"),
        (f"{path}:5", "3 fields instead of 2: d | x | extra"),
    ]
    path = tmp_path / "y.jsonl"
    path.write_text('{"text": "a", "label": 0}\n{broken\n[1]\n\n{"text": "b", "label": "1"}\n')
    corpus = read_corpus("table", path, as_split="test")
    assert class_indices(corpus.splits["test"]) == [0, 1]
    assert [(d.source, d.reason) for d in corpus.dropped] == [(f"{path}:2", "bad line"), (f"{path}:3", "bad line")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "", "the file is empty"),
        ("x.csv", "text,text\na,b\n", "a column name occurs twice"),
        ("x.json", "{}", "the file contains no objects"),
        ("x.json", "{broken", "the file contains no objects; not valid JSON: Expecting property name"),
        ("x.jsonl", "\n", "the file contains no objects"),
        ("x.parquet", "no parquet", "is not a Parquet file"),
        ("x.xlsx", "", "is not an Excel file: "),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=rf"{name}:? {message}"):
        read_corpus("table", tmp_path / name)


def test_bad_arguments() -> None:
    with pytest.raises(DataError, match="as_split must be one of train, validation, test, got 'dev'"):
        read_corpus("table", frame(), as_split="dev")
    with pytest.raises(DataError, match="'holdout' is not the name of a split"):
        read_corpus("table", {"holdout": frame()})
    with pytest.raises(DataError, match=r"a table must be a path, a mapping .* got list"):
        read_corpus("table", [1])


def test_frames_with_mixed_columns_and_half_emojis() -> None:
    data = frame(3).assign(extra=[np.array([1]), 2, "x"], text=["so sad \ud83d", 5, None])
    split = read_corpus("table", data, as_split="test").splits["test"]
    assert split["text"][:] == ["so sad", "5", ""]
    with pytest.raises(DataError, match=r"<data frame>: a column name occurs twice in its header: 'text'"):
        read_corpus("table", pd.concat([frame(2), frame(2)[["text"]]], axis=1))


posts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Zl", "Zp"]), min_size=1, max_size=30
)


@given(st.lists(posts, min_size=1, max_size=10))
def test_jsonl_keeps_texts(texts: list[str]) -> None:
    from clfa.tables.encoding import clean_text
    from clfa.tables.missing import is_missing

    content = "\n".join(json.dumps({"text": text, "label": "a", "id": str(n)}) for n, text in enumerate(texts))
    with fsspec.open("memory://clfa-table/h.jsonl", "w") as file:
        file.write(content)
    corpus = read_corpus("table", "memory://clfa-table/h.jsonl", as_split="test")
    assert corpus.splits["test"]["text"][:] == ["" if is_missing(text) else clean_text(text) for text in texts]


def test_equal_posts_stay_in_one_drawn_split(tmp_path: Path) -> None:
    data = frame(40)
    before = read_corpus("table", data)
    data.loc[3, "text"] = " POST  4"
    data.loc[30, "text"] = "post 7"
    (tmp_path / "img").mkdir()
    for number, content in {8: b"same", 17: b"same", 9: b"four"}.items():
        (tmp_path / f"img/{number}.jpg").write_bytes(content)
    for seed in range(5):
        corpus = read_corpus("table", data, image_root=str(tmp_path), split_seed=seed)
        found = rows(corpus)
        for one, other in (("p3", "p4"), ("p7", "p30"), ("p8", "p17")):
            assert found[one]["split"] == found[other]["split"]
        assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 32, "validation": 4, "test": 4}
        assert corpus.facts["split"] == (f"stratified 0.8:0.1:0.1, seed {seed}, 6 samples in 3 groups kept together")
    # A column of distinct values keeps nothing together: the draw of a table without equal posts.
    alone = read_corpus("table", data, group_by="id")
    assert {id: row["split"] for id, row in rows(alone).items()} == {id: r["split"] for id, r in rows(before).items()}
    assert alone.facts["split"] == "stratified 0.8:0.1:0.1, seed 0"


def test_groups_by_a_column(tmp_path: Path) -> None:
    data = frame(40).assign(author=[f"a{n // 4}" if n < 36 else None for n in range(40)])
    path = write(data, tmp_path / "posts.csv")
    for seed in range(5):
        corpus = read_corpus("table", path, group_by="author", split_seed=seed)
        found = rows(corpus)
        assert all(len({found[f"p{n}"]["split"] for n in range(a, a + 4)}) == 1 for a in range(0, 36, 4))
        assert corpus.facts["split"].endswith("36 samples in 9 groups kept together")
    only_validation = read_corpus("table", {"train": data[:30], "test": data[30:]}, group_by="author")
    found = rows(only_validation)
    assert {found[f"p{n}"]["split"] for n in range(30, 40)} == {"test"}
    assert all(len({found[f"p{n}"]["split"] for n in range(a, a + 4)}) == 1 for a in range(0, 28, 4))


def test_a_group_column_that_is_missing() -> None:
    with pytest.raises(
        DataError, match=r"no column 'author' \(given as .*group_by.*columns there: id, text, image, label"
    ):
        read_corpus("table", frame(), group_by="author")


def test_class_names_of_other_types(tmp_path: Path) -> None:
    path = write(frame(4).assign(label=[0, 1, 0, 1]), tmp_path / "x.csv")
    corpus = read_corpus("table", path, as_split="test", label_names=[0, 1])
    assert (corpus.label_names, corpus.labels("test")) == (["0", "1"], ["0", "1", "0", "1"])
    with pytest.raises(DataError, match=r"x\.csv|booleans") as refusal:
        read_corpus("table", path, as_split="test", label_names=[False, True])
    assert "label" in str(refusal.value)


PICTURES: list[Any] = [
    b"png",
    bytearray(b"png"),
    memoryview(b"png"),
    "a.png",
    Path("a.png"),
    {"bytes": b"png"},
    {"path": "a.png"},
    ["a.png", "b.png"],
    [["/etc/passwd"]],
    io.BytesIO(b"png"),
    {"/etc/passwd"},
    None,
]


def opened(cell: Any) -> list[str | bytes]:
    """Return the contents and paths that are opened for an image cell; ``""`` for what is none."""
    found = []
    for picture in pictures_of(cell):
        content = (picture.get("bytes") or picture["path"]) if isinstance(picture, dict) else picture
        content = bytes(content) if isinstance(content, memoryview | bytearray) else content
        usable = isinstance(content, str) or (isinstance(content, bytes) and not content.startswith(b"clfa: "))
        found.append(content if usable else "")
    return found


@pytest.mark.parametrize("one", PICTURES, ids=lambda one: type(one).__name__)
def test_pictures_of_any_two_kinds_in_a_column_are_those_of_prediction(one: Any, tmp_path: Path) -> None:
    """A column of Arrow has one type, cells of a frame and of JSON have any."""
    for other in PICTURES:
        cells = pd.Series([one, other], dtype=object)
        tables: list[Any] = [pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"], "image": cells})]
        with contextlib.suppress(TypeError):
            (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, tables[0].to_dict("records"))))
            tables.append(tmp_path / "t.jsonl")
        for table in tables:
            trained = read_corpus("table", table, as_split="test").splits["test"]["image"][:]
            posts = [post for post in table_posts(table, Columns(), ()) if isinstance(post, Post)]
            assert list(map(opened, trained)) == [opened(post.image) for post in posts], (one, other)
            assert not any("passwd" in str(place) for cell in trained for place in opened(cell))


def test_a_reader_of_another_package_returns_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS._entries, "mine", lambda data_dir: None)
    with pytest.raises(RecipeError, match=r"^the mine reader returned None; a reader has to return a clfa\.Corpus\.$"):
        read_corpus("mine", "posts")
