"""No cell of a CSV file is a formula, and every text comes back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clfa.sheets import SheetWriter, guarded, unguarded, write_frame

# Characters with which formulas begin, and those that spreadsheets skip or end a cell with.
texts = st.text(st.sampled_from("=+-@\t\r\n;,'\" \u00a0\ufeff0.5eaé＝"), max_size=12) | st.text(max_size=12)


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet computes something: written without the module's expressions."""
    start = cell.lstrip(' \t\r\n\u00a0\ufeff"')
    return start[:1] in tuple("=+-@＝＋－＠") and not re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", cell, re.IGNORECASE)


def as_file(rows: list[list[Any]], **options: Any) -> str:
    file = io.StringIO()
    writer = SheetWriter(file, **options)
    for row in rows:
        writer.row(row)
    return file.getvalue()


@given(st.lists(st.lists(texts, min_size=2, max_size=3), min_size=1, max_size=3))
@example([["=1+1", "@SUM(A1)"], ["\t=1", "\r+1"], [" \"'=1", "x;=1"], ["a\n-1+1", "-0.5"]])
def test_no_cell_is_a_formula_whatever_separates_the_cells(rows: list[list[str]]) -> None:
    written = as_file(rows)
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    assert [cell for cell in cells if is_formula(cell)] == []
    # Where the comma does not separate cells, quotes inside of a line mean nothing. Numbers are whole cells.
    pieces = [piece for piece in re.split(r"[;\t\r\n]", written) if not piece.startswith(("+", "-"))]
    assert [piece for piece in pieces if is_formula(piece) and is_formula(piece.partition(",")[0])] == []


@given(texts)
@example("'=1")
@example("''=1")
@example("'-5")
@example("\t=1;-x")
def test_texts_come_back(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize(
    "text", ["", "p1", "-0.5", "+1", "-1e-5", "-.5", "a-b", "a=b", "me@x.org", "2020-01-01", "'tis"]
)
def test_plain_texts_and_numbers_stay(text: str) -> None:
    assert guarded(text) == text


@pytest.mark.parametrize("text", ["-", "-x", "-5+1", "-0x1", "-1,5", "+49 30 1", "-٣"])
def test_what_only_begins_like_a_number_is_a_text(text: str) -> None:
    assert guarded(text) == f"'{text}"


def test_only_texts_are_guarded() -> None:
    assert as_file([["=a", -0.5, -1, None, True]]) == "'=a,-0.5,-1,,True\n"
    assert as_file([["=a"]], raw=True, line_end="\r\n") == "=a\r\n"


def test_a_data_frame_keeps_its_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"row": ["=a", None], "=x": [-1.5, 2], "n": pd.array([-1, None], "Int64"), "any": ["-b", -3]})
    with open(tmp_path / "x.csv", "w", encoding="utf-8", newline="") as file:
        write_frame(file, frame)
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "row,'=x,n,any\n'=a,-1.5,-1,'-b\n,2.0,,-3\n"
