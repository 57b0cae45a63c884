"""Posts with several images, from the table to the validated corpus."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Features, Value
from datasets import Image as ImageFeature
from datasets import List as ListFeature
from PIL import Image

from clfa.data.check import check_corpus
from clfa.data.check_view import render
from clfa.data.duplicates import find_duplicates
from clfa.data.export import write_parquet
from clfa.data.groups import duplicate_groups
from clfa.data.images import image_key, load_image, pictures_key
from clfa.data.overview import overview
from clfa.data.readers import read_corpus
from clfa.data.schema import Corpus
from clfa.data.unlabelled import add_unlabelled, without_evaluated
from clfa.data.validation import validate
from clfa.store import single_keys
from clfa.tables.access import Access
from posts import picture, write_csv, write_jsonl

# Posts with two pictures, one in a list, one on its own, and none.
CELLS: list[Any] = [["0.jpg", "1.jpg"], ["2.jpg"], "3.jpg", None]
COUNTS = [2, 1, 1, 0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        picture(tmp_path / f"{number}.jpg", ("red", "green", "blue", "white")[number], number)
    return tmp_path


def rows(cells: list[Any]) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": "ab"[n % 2], "image": cell} for n, cell in enumerate(cells)]


def content(folder: Path, cell: Any) -> Any:
    """The cell with encoded images in the place of paths."""
    if isinstance(cell, list):
        return [content(folder, one) for one in cell]
    return None if cell is None else (folder / cell).read_bytes()


def sources(folder: Path) -> dict[str, Any]:
    """The same posts in every form that a table may have."""
    import json

    embedded = [content(folder, cell) for cell in CELLS]
    lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in CELLS]
    texts = {"text": [f"text {n}" for n in range(4)], "label": list("abab")}
    as_json = [
        {**row, "image": json.dumps(cell) if isinstance(cell, list) else cell or ""}
        for row, cell in zip(rows(CELLS), CELLS, strict=True)
    ]
    byte_lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in embedded]
    structs = [None if cell is None else [{"bytes": one, "path": None} for one in cell] for cell in byte_lists]
    for name, column in (
        ("paths", pa.array(lists)),
        ("bytes", pa.array(byte_lists)),
        ("structs", pa.array(structs)),
    ):
        pq.write_table(pa.table({**texts, "image": column}), folder / f"{name}.parquet")
    decoded = [[Image.open(io.BytesIO(one)).convert("RGB") for one in cell] if cell else None for cell in byte_lists]
    features = Features({"text": Value("string"), "label": Value("string"), "image": ListFeature(ImageFeature())})
    return {
        "csv": write_csv(folder / "a.csv", as_json),
        "jsonl, mixed": write_jsonl(folder / "mixed.jsonl", rows(CELLS)),
        "jsonl, lists": write_jsonl(folder / "lists.jsonl", rows(lists)),
        "parquet, paths": folder / "paths.parquet",
        "parquet, bytes": folder / "bytes.parquet",
        "parquet, structs": folder / "structs.parquet",
        "frame, paths": pd.DataFrame({**texts, "image": [_absolute(folder, cell) for cell in CELLS]}),
        "frame, bytes": pd.DataFrame({**texts, "image": embedded}),
        "frame, images": pd.DataFrame({**texts, "image": decoded}),
        "frame from parquet": pd.read_parquet(folder / "bytes.parquet"),
        "dataset": Dataset.from_dict({**texts, "image": structs}, features=features),
        "dataset, images": Dataset.from_dict({**texts, "image": decoded}),
    }


def _absolute(folder: Path, cell: Any) -> Any:
    return [str(folder / one) for one in cell] if isinstance(cell, list) else cell and str(folder / cell)


FORMS = [
    "csv",
    "jsonl, mixed",
    "jsonl, lists",
    "parquet, paths",
    "parquet, bytes",
    "parquet, structs",
    "frame, paths",
    "frame, bytes",
    "frame, images",
    "frame from parquet",
    "dataset",
    "dataset, images",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_list(form: str, folder: Path) -> None:
    corpus = read_corpus("table", sources(folder)[form], as_split="train", image_root=str(folder))
    split = corpus.splits["train"]
    assert corpus.several_images
    assert corpus.has_images
    cells = split["image"][:]
    assert [len(cell or ()) for cell in cells] == COUNTS
    expected = [load_image(folder / f"{number}.jpg").tobytes() for number in range(4)]
    assert [load_image(one).tobytes() for cell in cells for one in cell or ()] == expected


def test_lists_of_one_are_plain_images(folder: Path) -> None:
    schemas = []
    for name, cells in (("plain", ["0.jpg", "1.jpg", None]), ("lists", [["0.jpg"], ["1.jpg"], []])):
        corpus = read_corpus("table", write_jsonl(folder / f"{name}.jsonl", rows(cells)), as_split="train")
        assert not corpus.several_images
        schemas.append((corpus.splits["train"].features, corpus.splits["train"][:]))
    assert schemas[0] == schemas[1]


def test_one_split_with_lists_makes_all_of_them_lists(folder: Path) -> None:
    write_jsonl(folder / "train.jsonl", rows(["0.jpg", "1.jpg"]))
    write_jsonl(folder / "test.jsonl", rows([["2.jpg", "3.jpg"], None]))
    corpus = read_corpus("table", folder, ratios=(1.0, 0.0, 0.0))
    assert corpus.splits["train"].features == corpus.splits["test"].features
    assert [[len(cell or ()) for cell in split["image"][:]] for split in corpus.splits.values()] == [[1, 1], [2, 0]]


def several(folder: Path, cells: list[Any], **options: Any) -> Corpus:
    corpus = read_corpus("table", write_jsonl(folder / "posts.jsonl", rows(cells)), as_split="train")
    return validate(corpus, progress=False, **options)


def test_unreadable_images_among_several_are_left_out(folder: Path) -> None:
    (folder / "bad.jpg").write_bytes(b"no picture")
    cells = [
        ["bad.jpg", "0.jpg", "absent.jpg", "1.jpg"],
        ["bad.jpg", "absent.jpg"],
        ["2.jpg", "bad.jpg"],
        "3.jpg",
        None,
    ]
    corpus = several(folder, cells)
    split = corpus.splits["train"]
    names = [[Path(one["path"]).name for one in cell] for cell in split["image"][:]]
    assert names == [["0.jpg", "1.jpg"], ["2.jpg"], ["3.jpg"]]
    assert [(sample.id, sample.reason) for sample in corpus.dropped] == [
        ("2", "unreadable image"),
        ("5", "missing image"),
    ]
    assert corpus.facts["pictures"] == {"several": 1, "ignored": 0, "unreadable": 3}
    assert "several images: 1 samples; 3 unreadable images left out" in overview(corpus)


def test_images_beyond_the_largest_number_are_ignored(folder: Path) -> None:
    cells = [["0.jpg", "1.jpg", "2.jpg"], ["3.jpg", "absent.jpg", "0.jpg"], "1.jpg"]
    corpus = several(folder, cells, max_images=2)
    names = [[Path(one["path"]).name for one in cell] for cell in corpus.splits["train"]["image"][:]]
    assert names == [["0.jpg", "1.jpg"], ["3.jpg"], ["1.jpg"]]
    assert corpus.facts["pictures"] == {"several": 1, "ignored": 2, "unreadable": 1}
    line = "several images: 1 samples; 1 unreadable images left out; 2 images beyond data.max_images ignored"
    assert line in overview(corpus)
    eleven = several(folder, [["0.jpg"] * 11, "1.jpg"])
    assert [len(cell) for cell in eleven.splits["train"]["image"][:]] == [9, 1]


def test_missing_images_are_kept_where_the_model_allows_it(folder: Path) -> None:
    corpus = several(folder, [["0.jpg", "1.jpg"], ["absent.jpg", "lost.jpg"], None], allow_missing=True)
    assert [len(cell or ()) for cell in corpus.splits["train"]["image"][:]] == [2, 0, 0]
    assert corpus.facts["incomplete"] == {"missing image": 2}


def test_many_posts_are_checked_in_windows(folder: Path) -> None:
    cells = [["0.jpg", "absent.jpg", "1.jpg"][: 1 + n % 3] for n in range(400)]
    corpus = several(folder, cells, threads=2)
    assert [len(cell) for cell in corpus.splits["train"]["image"][:]] == [(1, 1, 2)[n % 3] for n in range(400)]


def test_duplicates_are_posts_with_the_same_images_in_any_order(folder: Path) -> None:
    corpus = several(folder, [["0.jpg", "1.jpg"], ["1.jpg", "0.jpg"], ["0.jpg"], "0.jpg", ["0.jpg", "0.jpg"]])
    found = {one.kind: one.samples for one in find_duplicates(corpus.splits, images=True)}
    assert found == {"text and image": 0, "image": 4, "text": 0}
    # One shared image keeps posts in one part of a drawn split.
    sharing = several(folder, [["0.jpg", "1.jpg"], ["2.jpg", "1.jpg"], "3.jpg", "2.jpg"])
    assert duplicate_groups(sharing.splits["train"]) == [0, 0, 2, 0]


def test_the_check_counts_posts_with_images(folder: Path, capsys: Any) -> None:
    from rich.console import Console

    table = write_jsonl(folder / "posts.jsonl", rows([["0.jpg", "1.jpg"], "2.jpg", ["3.jpg", "absent.jpg"]]))
    report = check_corpus("table", table, as_split="train", progress=False)
    assert report.splits["train"].images == 3
    Console(width=200).print(render(report))
    assert "several images: 1 samples; 1 unreadable images left out" in capsys.readouterr().out


@pytest.mark.parametrize("embed", [False, True])
def test_a_cleaned_copy_is_read_back(embed: bool, folder: Path) -> None:
    corpus = several(folder, [["0.jpg", "1.jpg"], "2.jpg"])
    write_parquet(corpus, folder / "out" / "clean.parquet", embed_images=embed)
    copy = read_corpus("table", folder / "out" / "clean.parquet", access=Access(outside=True))
    again = copy.splits["train"]["image"][:]
    keys = [pictures_key(cell) for cell in again]
    assert keys == [pictures_key(cell) for cell in corpus.splits["train"]["image"][:]]
    assert all((one["bytes"] is not None) == embed for cell in again for one in cell)


def test_the_key_of_a_list_is_its_pictures_keys(folder: Path) -> None:
    one, two = (image_key(folder / f"{number}.jpg") for number in range(2))
    assert pictures_key([folder / "0.jpg", None, folder / "1.jpg"]) == one + two
    assert pictures_key(folder / "0.jpg") == pictures_key([folder / "0.jpg"]) == one
    assert pictures_key(None) == pictures_key([]) == b""
    assert single_keys(one + two) == [one, two]


def test_unlabelled_posts_with_lists(folder: Path) -> None:
    """A table of plain images and one of lists become one corpus; a shared image is held out of the unlabelled."""
    labelled = write_jsonl(folder / "labelled.jsonl", [{**row, "split": "test"} for row in rows(["0.jpg", "1.jpg"])])
    further = [{"text": f"more {n}", "image": cell} for n, cell in enumerate([["2.jpg", "1.jpg"], ["2.jpg", "3.jpg"]])]
    corpus = read_corpus("table", labelled)
    corpus = add_unlabelled(corpus, [str(write_jsonl(folder / "further.jsonl", further))], {})
    assert corpus.unlabelled is not None
    assert corpus.splits["test"].features == corpus.unlabelled.features
    kept = without_evaluated(corpus)
    assert kept.unlabelled is not None
    assert kept.unlabelled["text"][:] == ["more 1"]
    assert [(sample.source, sample.detail[:9]) for sample in kept.dropped] == [(str(folder / "2.jpg"), "the image")]
