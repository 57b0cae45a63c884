from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.tables.cells import (
    Cells,
    _warn_of_lost_digits,
    as_text,
    is_missing,
    read_cells,
    read_id,
    read_image,
    read_text,
)
from clfa.tables.columns import Columns
from clfa.tables.gate import PictureGate
from clfa.tables.pictures import pictures_of
from clfa.tables.row import Row


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("so\tsunny ", "so sunny"),
        (5, "5"),
        (5.0, "5"),
        (5.25, "5.25"),
        (Decimal("5.00"), "5"),
        (Decimal("5.20"), "5.20"),
        (Decimal(2**60 + 1), "1152921504606846977"),
        (Decimal("NaN"), None),
        (np.int64(5), "5"),
        (True, "True"),
        (b"caf\xc3\xa9", "café"),
        ("so sad \ud83d", "so sad"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\x00b", "a b"),
        (["neg", "é"], '["neg", "é"]'),
        (None, None),
        (float("nan"), None),
        (" \n", None),
    ],
)
def test_texts(value: Any, text: str | None) -> None:
    assert read_text(value) == text


def test_text_as_it_stands() -> None:
    assert as_text(" 5.0 ") == " 5.0 "
    # Too large to be a whole number for certain.
    assert as_text(2.0**53) == "9007199254740992.0"


def test_missing_cells() -> None:
    assert [is_missing(value) for value in (None, float("nan"), "", " ", 0, "0", [], b"")] == [True] * 4 + [False] * 4


def test_ids() -> None:
    assert [read_id(value, 7) for value in (" a ", 3, 3.0, None, "", float("nan"))] == ["a", "3", "3", "7", "7", "7"]


@pytest.mark.parametrize("value", [1234567890123456789.0, np.float64(1e18), -1e300, 2.0**53])
def test_floats_that_have_lost_digits_of_an_id(value: float, caplog: pytest.LogCaptureFixture) -> None:
    _warn_of_lost_digits.cache_clear()
    assert [read_id(value, 7), read_id(value, 8)] == [str(float(value))] * 2
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "An id is a floating-point number of more than 15 digits, as spreadsheets and pandas store long numbers"
    ]


@pytest.mark.parametrize("value", [1234567890123456789, "1234567890123456789.0", 2.0**53 - 1, float("inf"), 0.5])
def test_ids_with_all_digits_have_no_warning(value: object, caplog: pytest.LogCaptureFixture) -> None:
    _warn_of_lost_digits.cache_clear()
    read_id(value, 7)
    assert not caplog.records


def test_images() -> None:
    picture = object()
    assert read_image("a.jpg", PictureGate("/data")) == "/data/a.jpg"
    assert read_image(Path("b/a.jpg"), PictureGate("/data")) == "/data/b/a.jpg"
    assert read_image(" x/../a.jpg ", PictureGate("/data")) == "/data/a.jpg"
    assert read_image(7, PictureGate("/data")) == "/data/7"
    assert read_image("/data/b/a.jpg", PictureGate("/data")) == "/data/b/a.jpg"
    assert read_image({"bytes": None, "path": "a.jpg"}, PictureGate("/data")) == {"bytes": None, "path": "/data/a.jpg"}
    assert read_image({"bytes": b"x", "path": None}, PictureGate("/data")) == {"bytes": b"x", "path": None}
    assert read_image(b"x", PictureGate("/data")) == b"x"
    assert read_image(picture, PictureGate("/data")) is picture
    missing = (None, "", " ", float("nan"), b"", {"bytes": None, "path": None})
    assert [read_image(value, PictureGate("/data")) for value in missing] == [None] * 6


PLACES = ["/etc/passwd", "../a.jpg", "file:///etc/passwd", "https://h/a.jpg", "a.jpg", '["/etc/passwd"]', ""]
SHAPES = st.recursive(
    st.sampled_from([*PLACES, *map(Path, PLACES[:2]), None, 7, b"/etc/passwd"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(lambda cells: np.array([*cells, None], object)[:-1])
        | st.dictionaries(st.sampled_from(["path", "bytes"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(SHAPES)
def test_no_shape_of_a_cell_leads_past_the_gate(cell: Any) -> None:
    for picture in pictures_of(read_image(cell, PictureGate("/data"))):
        # All that is opened later: a path, or that of a mapping without content.
        assert isinstance(picture, str | bytes | dict)
        if isinstance(picture, dict) and picture.get("bytes") is not None:
            assert isinstance(picture["bytes"], bytes)
        elif not isinstance(picture, bytes):
            place = picture["path"] if isinstance(picture, dict) else picture
            assert isinstance(place, str)
            assert place.startswith("/data/")


def test_cells_of_a_row() -> None:
    gate = PictureGate("/data")
    row = Row(4, {"tweet": "so  sunny", "img": "1.png", "ocr": "", "label": "x"})
    assert read_cells(row, Columns(text="tweet", image="img", knowledge="ocr"), gate) == Cells(
        "4", "so sunny", "/data/1.png", None
    )
    assert read_cells(row, Columns(id="absent"), gate) == Cells("4", None, None, None)
