from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clfa.tables.cells import read_image
from clfa.tables.gate import PictureGate
from clfa.tables.pictures import as_cell, listed, pictures_of


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("a.jpg", ["a.jpg"]),
        (b"x", [b"x"]),
        (["a.jpg", None, "", "b.jpg"], ["a.jpg", "b.jpg"]),
        (("a.jpg",), ["a.jpg"]),
        ({"bytes": b"x", "path": None}, [{"bytes": b"x", "path": None}]),
    ],
)
def test_pictures_of_a_cell(cell: Any, expected: list[Any]) -> None:
    assert pictures_of(cell) == expected


def test_a_cell_of_pictures() -> None:
    assert (as_cell([]), as_cell(["a"]), as_cell(["a", "b"])) == (None, "a", ["a", "b"])


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('["a.jpg", "b.jpg"]', ["/d/a.jpg", "/d/b.jpg"]),
        (' [ "a.jpg" , "/d/x/b.jpg" ] ', ["/d/a.jpg", "/d/x/b.jpg"]),
        ('["a.jpg"]', "/d/a.jpg"),
        ('["", null, "a.jpg"]', "/d/a.jpg"),
        ("[]", None),
        ('[{"path": "a.jpg"}, "b.jpg"]', [{"bytes": None, "path": "/d/a.jpg"}, "/d/b.jpg"]),
        # No JSON list of texts: one path.
        ("[a].jpg", "/d/[a].jpg"),
        ('["a.jpg"', '/d/["a.jpg"'),
        ("[1, 2]", "/d/[1, 2]"),
        ('{"path": "a.jpg"}', '/d/{"path": "a.jpg"}'),
        (["a.jpg", {"bytes": b"x"}, b"y", "c.jpg"], ["/d/a.jpg", {"bytes": b"x"}, b"y", "/d/c.jpg"]),
        (["a.jpg", ""], "/d/a.jpg"),
        ([], None),
        ([None], None),
        (np.array(["a.jpg", "b.jpg"], object), ["/d/a.jpg", "/d/b.jpg"]),
        (np.array([b"x"], object), b"x"),
    ],
)
def test_image_cells_with_lists(cell: Any, expected: Any) -> None:
    assert read_image(cell, PictureGate("/d")) == expected


def test_what_is_no_list() -> None:
    assert [listed(cell) for cell in ("a.jpg", None, 3, b"[]", {"path": "a"}, np.zeros((2, 2)))] == [None] * 6
    # As deep as the parser's recursion goes.
    assert listed("[" * 100_000) is None
