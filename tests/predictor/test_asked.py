from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from clfa.data.images import image_key, load_image
from clfa.errors import DataError
from clfa.prediction.post import Post
from clfa.predictor import CLFAPredictor
from clfa.predictor.answers import label_series
from clfa.predictor.asked import Asked, as_table, asked
from clfa.processing.processor import CLFAProcessor


@pytest.fixture(scope="module")
def loaded(tiny_run: Path, posts_csv: Path) -> CLFAPredictor:
    return CLFAPredictor.load(tiny_run, image_root=posts_csv.parent)


@pytest.fixture(scope="module")
def rows(posts_csv: Path) -> list[dict[str, Any]]:
    return pd.read_csv(posts_csv)[["text", "image"]].head(4).to_dict("records")


def _pairs(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["text"], row["image"]) for row in rows]


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


KINDS: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "dictionaries": lambda rows, folder: rows,
    "tuple": lambda rows, folder: tuple(rows),
    "columns": lambda rows, folder: _columns(rows),
    "columns of arrays": lambda rows, folder: {k: np.array(v) for k, v in _columns(rows).items()},
    "pairs": lambda rows, folder: _pairs(rows),
    "lists of two": lambda rows, folder: list(map(list, _pairs(rows))),
    "posts": lambda rows, folder: [Post(row["text"], str(folder / row["image"])) for row in rows],
    "frame": lambda rows, folder: pd.DataFrame(rows),
    "data set": lambda rows, folder: datasets.Dataset.from_list(rows),
}


@pytest.mark.parametrize("kind", KINDS)
def test_posts_in_any_form(loaded: CLFAPredictor, rows: list[dict[str, Any]], posts_csv: Path, kind: str) -> None:
    given = KINDS[kind](rows, posts_csv.parent)
    expected = loaded.predict_proba(str(posts_csv)).head(4)
    found = loaded.predict_proba(given)
    pd.testing.assert_frame_equal(found, expected, atol=1e-5)
    assert loaded.predict(given) == list(expected.idxmax(axis=1))
    assert loaded.embed(given).shape == (4, 16)


def test_one_post_as_a_row_of_a_frame_or_as_a_tuple(loaded: CLFAPredictor, rows: list[dict[str, Any]]) -> None:
    expected = loaded.predict(rows)
    frame = pd.DataFrame(rows, index=["a", "b", "c", "d"])
    assert [loaded.predict(row) for _, row in frame.iterrows()] == expected
    assert [loaded.predict(pair) for pair in _pairs(rows)] == expected
    assert asked(pd.Series({"words": "so", "photo": "a.jpg"})).table == [{"words": "so", "photo": "a.jpg"}]
    # A series of texts, and two texts for a model that needs no picture, are several posts.
    assert asked(pd.Series(["so", "sunny"], index=["x", "y"]), needs_image=False).table == [
        {"text": "so"},
        {"text": "sunny"},
    ]
    assert not asked(("so", "sunny"), needs_image=False).single
    assert asked(("so", Image.new("RGB", (2, 2))), needs_image=False).single


def test_a_frame_and_a_series_keep_their_index(loaded: CLFAPredictor, rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows, index=[7, 3, 9, 1])
    labels = loaded.predict(frame, as_pandas=True)
    assert labels.to_dict() == dict(zip([7, 3, 9, 1], loaded.predict(rows), strict=True))
    assert labels.name == "label"
    columns = {"text": frame["text"], "image": frame["image"]}
    assert loaded.predict_proba(columns).index.tolist() == [7, 3, 9, 1]
    pairs = pd.Series(_pairs(rows), index=[7, 3, 9, 1])
    assert loaded.predict_proba(pairs).index.tolist() == [7, 3, 9, 1]
    assert loaded.predict(rows, as_pandas=True).index.tolist() == [0, 1, 2, 3]


def test_one_post_has_one_answer(loaded: CLFAPredictor, rows: list[dict[str, Any]], posts_csv: Path) -> None:
    first, picture = rows[0], posts_csv.parent / rows[0]["image"]
    label, row = loaded.predict(rows)[0], loaded.predict_proba(rows).iloc[0]
    for given, more in (
        (first, {}),
        ({"Tweet": first["text"], "image": first["image"]}, {}),
        ({"text": first["text"], "image": [first["image"]], "tags": ["a", "b"]}, {}),
        (Post(first["text"], picture), {}),
        (first["text"], {"image": picture}),
        (first["text"], {"image": [picture]}),
        (first["text"], {"image": load_image(picture)}),
    ):
        assert loaded.predict(given, **more) == label
        pd.testing.assert_series_equal(loaded.predict_proba(given, **more), row, atol=1e-5, check_names=False)
        assert loaded.embed(given, **more).shape == (16,)
        assert len(loaded.predictions(given, **more)) == 1
    assert loaded.predict(first["text"], image="nowhere.jpg") is None
    with pytest.raises(DataError, match=r"nowhere\.jpg: image file not found"):
        loaded.predict(first["text"], image="nowhere.jpg", errors="raise")


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        (None, {}, "nothing to predict on; give a table, a text with image=, or a list of dictionaries, texts, "),
        ("so sunny", {}, "'so sunny' is no table file; for one post give its picture with image="),
        (["so", "sunny"], {}, "the model reads a picture beside each text; give \\(text, picture\\) pairs"),
        (["so", {"text": "sunny"}], {}, "item 1 of the list is of type dict"),
        ([("so", "a.jpg"), 3], {}, "item 1 of the list is of type int"),
        ({}, {}, "an empty mapping is no post"),
        ({"text": ["a", "b"], "image": ["a.jpg"]}, {}, "as many values each; here are 'text' 2, 'image' 1"),
        ({"text": ["a", "b"], "image": "a.jpg"}, {}, "here are 'text' 2, 'image' one"),
        ([{"text": "a"}], {"image": "a.jpg"}, "image= is the picture of one text; got list beside it"),
        (
            {"text": pd.Series(["a", "b"]), "image": pd.Series(["a.jpg", "b.jpg"], index=[1, 0])},
            {},
            "the series 'text' and 'image' have different indexes",
        ),
        ("posts.txt", {}, "unknown suffix '.txt'"),
        ("posts.csv", {}, "input file posts.csv does not exist"),
    ],
)
def test_what_is_refused(loaded: CLFAPredictor, given: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        loaded.predict(given, **more)


def test_lists_for_models_of_one_modality() -> None:
    for missing in (None, float("nan"), pd.NA, np.float32("nan")):
        assert asked(["a", missing], needs_image=False) == Asked([{"text": "a"}, {"text": None}])
        series = pd.Series(["a", missing], index=[7, 3], dtype=object)
        assert asked(series, needs_image=False).table == [{"text": "a"}, {"text": None}]
    assert asked(np.array(["a", "b"]), needs_image=False).table == [{"text": "a"}, {"text": "b"}]
    picture = Image.new("RGB", (2, 2))
    for item in ("a.jpg", picture, ["a.jpg", "b.jpg"], b"x"):
        assert asked([item, "b.jpg"], reads_text=False).table == [{"image": item}, {"image": "b.jpg"}]
    assert asked({"image": ["a.jpg", "b.jpg"]}, reads_text=False).table == [{"image": "a.jpg"}, {"image": "b.jpg"}]
    assert asked({"image": "a.jpg"}, reads_text=False) == Asked([{"image": "a.jpg"}], single=True)
    assert asked([("so", "a.jpg")], reads_text=True).table == [{"text": "so", "image": "a.jpg"}]
    assert asked([]) == Asked([])


def test_columns_are_a_table_for_training_too() -> None:
    assert as_table({"text": ["a", "b"], "label": [0, 1]}) == [{"text": "a", "label": 0}, {"text": "b", "label": 1}]
    assert as_table("posts.csv") == "posts.csv"
    splits = {"train": "a.csv", "dev": "b.csv"}
    assert as_table(splits) is splits
    with pytest.raises(DataError, match="this one has the values of one post"):
        as_table({"text": "a", "label": 0})


def _same(array: np.ndarray) -> dict[str, Any]:
    tensor = torch.from_numpy(array.copy())
    return {
        "array": array,
        "channels first": np.moveaxis(array, 2, 0),
        "float array": array / 255,
        "tensor": tensor,
        "tensor, channels first": tensor.permute(2, 0, 1),
        "float tensor with gradient": (tensor.double() / 255).requires_grad_(),
        "Pillow": Image.fromarray(array),
    }


def test_a_picture_is_the_same_in_any_form(
    loaded: CLFAPredictor, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    array = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    forms = {**_same(array), "path": path, "text": str(path), "bytes": path.read_bytes()}
    forms["Datasets"] = {"bytes": path.read_bytes(), "path": None}
    processor = CLFAProcessor.from_pretrained(tiny_run / "model")
    pixels = processor(text="so", images=path)["pixel_values"]
    text = "what a great red day"
    there = CLFAPredictor.load(tiny_run)
    expected = there.predict_proba(text, image=path)
    for name, picture in forms.items():
        assert torch.equal(processor(text="so", images=picture)["pixel_values"], pixels), name
        for given in ([(text, picture)], {"text": [text], "image": [picture]}, [{"text": text, "image": [picture]}]):
            found = there.predict_proba(given, errors="raise").iloc[0]
            pd.testing.assert_series_equal(found, expected, check_names=False, atol=1e-6)
        pd.testing.assert_series_equal(there.predict_proba(text, image=picture), expected, atol=1e-6)
    assert len({image_key(forms[name]) for name in _same(array)}) == 1


def test_half_precision_tensors_and_what_no_picture_can_be(loaded: CLFAPredictor) -> None:
    half = torch.tensor([[[0.0, 1.0, 0.0, 0.0, 0.0]]] * 3, dtype=torch.bfloat16)
    assert load_image(half).getpixel((1, 0)) == (255, 255, 255)
    complex_numbers = torch.zeros(2, 2, dtype=torch.complex64)
    (found,) = loaded.predictions([("so", complex_numbers)])
    assert found.error == "<torch.complex64 array 2x2>: an array of complex64 is no image; give numbers"
    (found,) = loaded.predictions([("so", torch.zeros(2, 2).to_sparse())])
    assert found.error is not None
    assert "<torch.float32 array 2x2>" in found.error


def test_files_with_other_separators_and_sheets(loaded: CLFAPredictor, posts_csv: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(posts_csv).head(4)
    expected = loaded.predict(rows[["text", "image"]])
    rows.to_csv(tmp_path / "posts.csv", sep="~", index=False)
    assert loaded.predict(tmp_path / "posts.csv", separator="~") == expected
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "posts.xlsx") as book:
        pd.DataFrame({"notes": ["none"]}).to_excel(book, sheet_name="notes", index=False)
        rows.to_excel(book, sheet_name="posts", index=False)
    assert loaded.predict(tmp_path / "posts.xlsx", sheet="posts") == expected


def test_progress(loaded: CLFAPredictor, rows: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    loaded.predict(rows)
    assert "Predict" not in capsys.readouterr().err
    loaded.predict(rows, progress=True)
    assert "Predict" in (shown := capsys.readouterr().err)
    assert "4/4" in shown


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([1, 0, 1], "int64"),
        ([True, False], "bool"),
        ([0.5, None], "float64"),
        ([1, 0, None], "object"),
        ([True, None], "object"),
    ],
)
def test_a_series_keeps_the_type_of_its_labels(labels: list[Any], dtype: str) -> None:
    found = label_series(labels, range(len(labels)), "mood")
    assert (str(found.dtype), found.name) == (dtype, "mood")
    for one, label in zip(found, labels, strict=True):
        assert (label is None and pd.isna(one)) or (one == label and isinstance(one, type(label) | np.generic))
