from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clfa.cli.flags import flags
from clfa.data import read_corpus, validate
from clfa.errors import DataError
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.require_samples import require_splits
from posts import make_posts


def _load(rows: list[dict[str, Any]], *overrides: str) -> None:
    require_splits(load_corpus(load_recipe("offline", overrides), source=rows))


@pytest.fixture
def posts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """24 posts whose pictures are in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_posts(tmp_path, 24)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"split": "2"},
            r"all 24 rows were left out\. Left out: 24 x unknown split\. The first with unknown split: .*row 1: '2' is "
            r"not the name of a split\. The splits are read from the column 'split', which has '2'; its cells must be",
        ),
        (
            {"label": ""},
            r"column 'label': no row has a label; name the column of the labels with label=\.\.\., or the classes",
        ),
        ({"text": " "}, r"has no train and no validation samples.*24 x empty text.*read from the column 'text'; name"),
        (
            {"image": "no.png"},
            r"24 x missing image\. .*no\.png.* relative to the table's folder; image_root",
        ),
        ({"image": ""}, r"has no images: all cells of the column 'image' are empty, and the recipe's model reads them"),
        ({"split": "train"}, r"^(?!.*validation)"),
        ({"split": "test"}, r"^table has no train and no validation samples; it has: test 24\. Give rows of the split"),
    ],
    ids=["splits", "no label", "texts", "images", "no image", "drawn", "only test"],
)
def test_the_reason_is_named(posts: list[dict[str, Any]], change: dict[str, str], message: str) -> None:
    if change == {"split": "train"}:
        _load([{**row, **change} for row in posts])
        return
    with pytest.raises(DataError, match=message):
        _load([{**row, **change} for row in posts])


def test_all_labels_are_of_no_class(posts: list[dict[str, Any]]) -> None:
    with pytest.raises(
        DataError, match=r"all 24 rows were left out\. Left out: 24 x unknown label.* is not one of y, n"
    ):
        _load(posts, "data.options.label_names=[y, n]")


def test_rows_without_a_label_column(posts: list[dict[str, Any]]) -> None:
    rows = [{key: value for key, value in row.items() if key != "label"} for row in posts]
    with pytest.raises(DataError, match=r"^<data frame>: no row has a label; name the column"):
        _load(rows)
    names = "data.options.label_names=[good, bad]"
    with pytest.raises(
        DataError, match=r"none of 24 rows has a label, and no column has a usual name of labels; name it"
    ):
        _load(rows, names)
    with pytest.raises(
        DataError, match=r"none of 24 rows has a label; the labels are read from the column 'label'; name"
    ):
        _load([{**row, "label": None} for row in posts], names)


def test_posts_that_are_all_the_same_are_kept_together(posts: list[dict[str, Any]]) -> None:
    rows = [{key: value for key, value in posts[n % 2].items() if key != "split"} | {"text": "same"} for n in range(10)]
    with pytest.raises(DataError, match=r"no validation samples; it has: train 10\. The splits were drawn .*group_by="):
        _load([{**row, "id": f"p{n}"} for n, row in enumerate(rows)])


@pytest.mark.parametrize("classes", [2, 40])
def test_few_rows_are_enough(posts: list[dict[str, Any]], classes: int) -> None:
    size = 10 if classes == 2 else 120
    picture = posts[0]["image"]
    rows = [{"text": f"post {n}", "label": f"c{n % classes}", "image": picture} for n in range(size)]
    corpus = read_corpus("table", rows, group_by="text")
    require_splits(validate(corpus, progress=False))
    assert len(corpus.splits["validation"]) == size // 10


def test_arguments_become_options_of_the_command_line(posts: list[dict[str, Any]]) -> None:
    import typer

    from clfa.cli.main import app

    with pytest.raises(DataError) as raised:
        _load([{**row, "label": ""} for row in posts])
    spelled = raised.value.spelled(flags(typer.main.get_command(app), ["train"]))
    assert spelled.endswith("with data.options.label=..., or the classes with data.options.label_names=...")


def test_a_model_that_allows_missing_images_needs_none(posts: list[dict[str, Any]]) -> None:
    rows = [{key: value for key, value in row.items() if key != "image"} for row in posts]
    _load(rows, "model.allow_missing_modalities=true")


def test_classes_that_are_all_different(posts: list[dict[str, Any]]) -> None:
    rows = [{"text": row["text"], "image": row["image"], "label": f"c{n}"} for n, row in enumerate(posts)]
    with pytest.raises(DataError, match=r"No two rows have the same class: 24 classes in as many rows; the labels"):
        _load(rows)
