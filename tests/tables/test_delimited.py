from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.errors import DataError
from clfa.tables import delimited
from clfa.tables.lines import TextFile
from clfa.tables.row import Row, TableOptions
from clfa.tables.rows import open_rows


def rows_of(path: Path, content: str | bytes, options: TableOptions | None = None) -> list[Row]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_rows(path, options))


def texts(rows: list[Row]) -> list[str | None]:
    return [row.values.get("text") for row in rows]


PLAIN = "".join(f"{n},img/{n}.png,post number {n},{'pos' if n % 2 else 'neg'}\n" for n in range(2, 13))


def test_a_quote_that_never_closes_takes_nothing_with_it(tmp_path: Path) -> None:
    content = 'id,image,text,label\n1,img/1.png,"so it begins,pos\n' + PLAIN
    rows = rows_of(tmp_path / "t.csv", content)
    assert texts(rows) == ['"so it begins', *(f"post number {n}" for n in range(2, 13))]
    assert [row.line for row in rows] == list(range(2, 14))


@pytest.mark.parametrize(
    "closing",
    ['13,img/13.png,"well, here",pos\n', "13,img/13.png,he is 5'10\",pos\n", '13,img/13.png,5" of rain,pos\n'],
)
def test_a_quote_closed_by_a_later_row(tmp_path: Path, closing: str) -> None:
    """The second is closed as it should be, the text of eleven rows in it."""
    content = 'id,image,text,label\n1,img/1.png,"so it begins,pos\n' + PLAIN + closing
    rows = rows_of(tmp_path / "t.csv", content)
    assert [row.error for row in rows] == [None] * 13
    assert [row.values["id"] for row in rows] == [str(n) for n in range(1, 14)]


def test_an_open_quote_with_a_separator_behind_it_is_a_bad_line(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "t.csv", 'text,label\na,x\n"b, c,y\nd,x\n')
    assert [(row.values, row.error) for row in rows] == [
        ({"text": "a", "label": "x"}, None),
        ({}, '3 fields instead of 2: "b |  c | y'),
        ({"text": "d", "label": "x"}, None),
    ]


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "well,\nyes, no,\nmaybe", 'he said ""no""\nand left', "\n\n", 'a ""\n"" b', "1,2\n3,4\n5,6\n"],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_texts_with_line_breaks(tmp_path: Path, text: str, position: int) -> None:
    names = ["id", "label"]
    names.insert(position, "text")
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    writer.writerow(names)
    for n in range(20):
        cells = [f"p{n}", "pos" if n % 2 else "neg"]
        cells.insert(position, text.replace('""', '"') if n == 7 else f"post {n}")
        writer.writerow(cells)
    rows = rows_of(tmp_path / "t.csv", body.getvalue())
    assert [row.error for row in rows] == [None] * 20
    assert texts(rows)[7] == text.replace('""', '"')
    assert rows[7].lines == text.count("\n") + 1


def test_each_line_of_a_row_with_too_many_fields_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = rows_of(path, 'id,text,label\n1,a,x\n2,"b\nand\nc",x,y,z\n3,d,y\n4,e,x\n')
    assert [row.error is None for row in rows] == [True, False, False, False, True, True]
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7]
    table = open_rows(path)
    assert [part.rows for part in table.stretches(2)] == [4, 2]
    assert [row for part in table.stretches(1) for row in table.stretch(part)] == rows


def test_many_lines_in_one_text_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_QUOTED_LINES", 50)
    content = 'text,label\n"begins,x\n' + "a,x\n" * 200 + 'he said 5",y\n'
    rows = rows_of(tmp_path / "t.csv", content)
    assert len(rows) == 202
    assert rows[0].values == {"text": '"begins', "label": "x"}


def test_one_tab_in_one_text_does_not_change_the_others(tmp_path: Path) -> None:
    lines = [f'p{n}\t"said ""no"" {n}"\tx' for n in range(5)]
    lines.insert(2, 'q\t"so\tsunny"\ty')
    rows = rows_of(tmp_path / "t.tsv", "id\ttext\tlabel\n" + "\n".join(lines))
    assert texts(rows) == ['said "no" 0', 'said "no" 1', "so\tsunny", 'said "no" 2', 'said "no" 3', 'said "no" 4']


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".CSV"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, suffix: str, separator: str) -> None:
    content = "\n".join(separator.join(row) for row in (("id", "text", "label"), ("1", "so, so; | sunny"[:2], "x")) * 1)
    content += "\n" + separator.join(("2", '"well, I; said | no"', "y")) + "\n"
    table = open_rows(_written(tmp_path / f"t{suffix}", content))
    assert table.separator == separator
    assert table.columns == ("id", "text", "label")
    assert texts(list(table)) == ["so", "well, I; said | no"]


def _written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_separators_that_are_said(tmp_path: Path) -> None:
    assert open_rows(_written(tmp_path / "a.csv", "text:label\na:b\n"), TableOptions(":")).columns == ("text", "label")
    excel = open_rows(_written(tmp_path / "b.csv", "sep=;\ntext;label, if any\na;b\n"))
    assert (excel.columns, [row.values["text"] for row in excel]) == (("text", "label, if any"), ["a"])
    one = open_rows(_written(tmp_path / "c.csv", "text\nwell; I said | no\n"))
    assert [row.values for row in one] == [{"text": "well; I said | no"}]
    likely = TableOptions(likely_separator=":")
    assert open_rows(_written(tmp_path / "d.csv", "text:label\na:b\n"), likely).separator == ":"
    assert open_rows(_written(tmp_path / "e.csv", "text,label\na,b\n"), likely).separator == ","
    with pytest.raises(DataError, match="separator must be one character, got '::'"):
        open_rows(tmp_path / "a.csv", TableOptions("::"))


def test_headers(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.csv", '\ufeff\n Text , "label"," the\nid "\n\na,b,c\n')
    assert rows == [Row(1, {"Text": "a", "label": "b", "the\nid": "c"})]
    # As pandas writes its index, and Excel columns that were emptied.
    assert rows_of(tmp_path / "b.csv", ",text,,\n0,a,,\n") == [
        Row(1, {"Unnamed: 0": "0", "text": "a", "Unnamed: 2": None, "Unnamed: 3": None})
    ]
    with pytest.raises(DataError, match=r"c.csv: a column name occurs twice in line 1: 'text'; rename one of them"):
        rows_of(tmp_path / "c.csv", "text,label, text\na,b,c\n")
    with pytest.raises(DataError, match=r"d.csv: the file is empty; expected a line with column names"):
        rows_of(tmp_path / "d.csv", "\n \n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    content = end.join(["text,label", 'naïve,"x"', "很好\u2028吃,y", '"a"' + f',"b{end}c"', ""])
    rows = rows_of(tmp_path / "t.csv", content.encode(encoding))
    assert [row.values for row in rows] == [
        {"text": "naïve", "label": "x"},
        {"text": "很好\u2028吃", "label": "y"},
        {"text": "a", "label": f"b{end}c"},
    ]


def test_bytes_no_text_has(tmp_path: Path) -> None:
    content = b"id,text\na,caf\xc3\xa9\nb,caf\xe9 at night\nc,so\x00 sad \xed\xa0\xbd\nd,\xed\xa0\xbd\xed\xb8\x80 ok\n"
    assert texts(rows_of(tmp_path / "t.csv", content)) == ["café", "café at night", "so sad ", "\U0001f600 ok"]


def test_blanks_between_separator_and_quote(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "t.csv", 'id, text, label\n1, "well, yes", x\n2, "no", y\n')
    assert [(row.values["text"], row.values["label"]) for row in rows] == [("well, yes", " x"), ("no", " y")]
    rows = rows_of(tmp_path / "t.csv", 'id, text, label\n1, "a, b", "x"\n2, "c", "x"\n3, "d" e, "x"\n')
    assert [row.values["label"] for row in rows] == ["x", "x", ' "x"']


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("stray", ['"pos', 'pos"', ' "pos"', '"pos "'])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_stray_quote_makes_no_class(tmp_path: Path, place: str, stray: str, quoting: int) -> None:
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["label", "text", "kind"])
    for number in range(12):
        writer.writerow([("neg", "pos")[number % 2], f"text, number {number}", ("neg", "pos")[number % 2]])
    lines = body.getvalue().splitlines()
    whole = '"pos"' if quoting == csv.QUOTE_ALL else "pos"
    assert lines[8].count(whole) == 2
    lines[8] = lines[8].replace(whole, stray, 1) if place == "first" else lines[8][: -len(whole)] + stray
    rows = rows_of(tmp_path / "t.csv", "\n".join(lines))
    readable = [row for row in rows if row.error is None]
    # A quote that opens and does not close takes the separator with it: such a line is listed.
    assert len(rows) == 12
    assert len(readable) >= 11
    assert {row.values["label"] for row in readable} | {row.values["kind"] for row in readable} == {"neg", "pos"}
    assert all(row.values["text"] == f"text, number {row.number - 1}" for row in readable)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("stray", ['"joy', 'joy"'])
@pytest.mark.parametrize("others", [["joy"], ["fear", "joy"], ["fear", "joy", "fear"]])
def test_a_stray_quote_in_few_rows(tmp_path: Path, suffix: str, stray: str, others: list[str]) -> None:
    separator = "\t" if suffix == ".tsv" else ","
    for place in range(len(others) + 1):
        labels = [*others[:place], stray, *others[place:]]
        lines = [["id", "text", "label"], *([str(n), f"post {n}", label] for n, label in enumerate(labels))]
        rows = rows_of(tmp_path / f"t{suffix}", "\n".join(map(separator.join, lines)))
        assert [row.values["label"] for row in rows] == [*others[:place], "joy", *others[place:]]
        assert texts(rows) == [f"post {n}" for n in range(len(labels))]


def test_quotes_in_few_rows_that_belong_to_a_cell(tmp_path: Path) -> None:
    body = io.StringIO()
    cells = ['say "hi"', "hi", '"hi"', 'hi" and', '"odd']
    csv.writer(body, lineterminator="\n").writerows([("id", "text", "label"), *((1, cell, "x") for cell in cells)])
    assert texts(rows_of(tmp_path / "t.csv", body.getvalue())) == cells


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(st.sampled_from(list("ab 'é\"")), min_size=1, max_size=12), min_size=1, max_size=8))
def test_quotes_escaped_by_backslashes(cells: list[str]) -> None:
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n", quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\")
    writer.writerows([("id", "text", "label"), *((n, f"so, {cell}", "x") for n, cell in enumerate(cells))])
    with tempfile.TemporaryDirectory() as folder:
        assert texts(rows_of(Path(folder) / "t.csv", body.getvalue())) == [f"so, {cell}" for cell in cells]


def test_backslashes_that_escape_nothing(tmp_path: Path) -> None:
    body = io.StringIO()
    found = ["C:\\", '\\"', 'a\\" b', "\\\\", '{"a": "x\\"y"}']
    csv.writer(body, lineterminator="\n").writerows([("id", "text", "label"), *((1, text, "x") for text in found)])
    assert texts(rows_of(tmp_path / "t.csv", body.getvalue())) == found


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    import gzip

    content = gzip.compress(b"text,label\n" + b"".join(b"%d,x\n" % n for n in range(100_000)))
    path = tmp_path / "t.csv.gz"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"t.csv.gz is damaged after row \d+: Compressed file ended"):
        list(open_rows(path))


CHARACTERS = st.text(st.sampled_from(list("ab1 ,;\t|\"'\n\r\x00é很\ufeff\U0001f600")), max_size=120)


@settings(deadline=None, max_examples=400)
@given(CHARACTERS, st.sampled_from([".csv", ".tsv"]), st.integers(1, 4))
def test_every_line_is_accounted_for(body: str, suffix: str, size: int) -> None:
    """Lines = those of the header + of rows + of rows with an error + blank ones; stretches hold the rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{suffix}"
        path.write_bytes(body.encode())
        try:
            table = open_rows(path)
        except DataError:
            return
        rows = list(table)
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        taken = {line for row in rows for line in range(row.line, row.line + row.lines)}
        assert len(taken) == sum(row.lines for row in rows), "no line in two rows"
        lines = re.split("\n" if TextFile(str(path)).newline else "\r\n|\r|\n", body)
        first = min(taken, default=None)
        for number, line in enumerate(lines, start=1):
            blank = not line.replace("\x00", "").strip("\ufeff").strip() and table.separator not in line
            assert number in taken or blank or first is None or number < first
        again = [row for stretch in table.stretches(size) for row in table.stretch(stretch)]
        assert again == rows
        assert list(table.rows(2)) == rows[2:]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\ufeff"), max_size=20)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12), st.sampled_from([",", ";", "\t", "|"]))
def test_what_a_csv_writer_writes_is_read_back(cells: list[tuple[str, str]], separator: str) -> None:
    body = io.StringIO()
    writer = csv.writer(body, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *cells])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(body.getvalue(), encoding="utf-8", newline="")
        rows = list(open_rows(path, TableOptions(separator)))
    assert [(row.values["text"] or "", row.values["label"] or "") for row in rows] == cells
