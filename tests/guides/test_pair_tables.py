from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data.images import image_key
from clfa.errors import DataError
from clfa.guides import pair_tables
from clfa.guides.pair_tables import PairTables, content_keys
from clfa.store import text_key
from clfa.tables.access import Access
from clfa.tables.columns import Columns
from posts import picture, write_csv, write_jsonl


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for number in range(4):
        picture(tmp_path / f"{number}.jpg", "red", number)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    rows = [{"id": f"p{n}", "caption": f"day {n}", "photo": f"{n}.jpg"} for n in range(4)]
    rows += [
        {"id": "empty", "caption": " ", "photo": "0.jpg"},
        {"id": "none", "caption": "no picture", "photo": ""},
        {"id": "gone", "caption": "gone", "photo": "gone.jpg"},
        {"id": "broken", "caption": "broken", "photo": "broken.jpg"},
    ]
    return write_csv(tmp_path / "pairs.csv", rows)


def texts(tables: PairTables) -> list[str]:
    return [text for pairs in tables for text in pairs.texts]


def test_bad_rows_are_left_out_and_listed(table: Path) -> None:
    tables = PairTables([table])
    (pairs,) = tables
    assert pairs.texts == ["day 0", "day 1", "day 2", "day 3"]
    assert pairs.images == [str(table.parent / f"{n}.jpg") for n in range(4)]
    assert pairs.text_keys == [text_key(text) for text in pairs.texts]
    assert pairs.image_keys == [image_key(image) for image in pairs.images]
    assert tables.count == 4
    reasons = {"empty": "empty text", "none": "missing image", "gone": "missing image", "broken": "unreadable image"}
    assert {dropped.id: dropped.reason for dropped in tables.dropped} == reasons
    assert {dropped.source for dropped in tables.dropped} == {f"{table}:{line}" for line in (6, 7, 8, 9)}
    assert tables.dropped_counts() == {"missing image": 2, "empty text": 1, "unreadable image": 1}
    # A second reading begins again.
    assert texts(tables) == pairs.texts
    assert len(tables.dropped) == 4


def test_several_images(table: Path) -> None:
    def at(*names: str) -> list[str]:
        return [str(table.parent / f"{name}.jpg") for name in names]

    cells = [["0", "broken", "1"], ["broken", "2"], ["gone", "broken"], ["2", "3"], ["broken"], ["1"] * 11]
    rows = [{"id": f"r{n}", "text": f"day {n}", "image": at(*cell)} for n, cell in enumerate(cells)]
    path = write_jsonl(table.parent / "several.jsonl", rows)
    keys = {name: image_key(at(name)[0]) for name in "0123"}
    tables = PairTables([path], held_out={keys["3"]})
    (pairs,) = tables
    assert pairs.images == [at("0", "1"), at("2")[0], at("1") * 9]
    assert pairs.image_keys == [keys["0"] + keys["1"], keys["2"], keys["1"] * 9]
    reasons = {"r2": "unreadable image", "r3": "held out", "r4": "unreadable image"}
    assert {dropped.id: dropped.reason for dropped in tables.dropped} == reasons
    found = content_keys([path])
    assert {*keys.values(), text_key("day 0")} <= found
    assert all(len(key) == 16 for key in found)


def test_an_unreadable_row(tmp_path: Path) -> None:
    picture(tmp_path / "0.jpg", "red")
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "day", "image": "0.jpg"}\n{"text": \n', encoding="utf-8")
    tables = PairTables([path])
    assert texts(tables) == ["day"]
    assert [(dropped.id, dropped.reason) for dropped in tables.dropped] == [("2", "unreadable row")]


def test_a_text_or_an_image_that_is_held_out(table: Path) -> None:
    held_out = {text_key("day 1"), image_key(str(table.parent / "2.jpg"))}
    tables = PairTables([table], held_out=held_out)
    assert texts(tables) == ["day 0", "day 3"]
    found = {dropped.id: dropped.detail for dropped in tables.dropped if dropped.reason == "held out"}
    assert found == {
        "p1": "the text is one of those that must not be fitted on",
        "p2": "the image is one of those that must not be fitted on",
    }


def test_images_with_cached_features_are_not_decoded(table: Path) -> None:
    key = image_key(str(table.parent / "broken.jpg"))
    assert texts(PairTables([table], decodable={key}))[-1] == "broken"


def test_chunks_places_and_columns(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_tables, "_ROWS", 3)
    (tmp_path / "more").mkdir()
    other = write_jsonl(
        tmp_path / "more" / "a.jsonl", [{"text": "usual", "words": "named", "image": str(table.parent / "0.jpg")}]
    )
    access = Access(outside=True)
    chunks = list(PairTables([str(table), other.parent], access=access))
    assert [pairs.texts for pairs in chunks] == [["day 0", "day 1", "day 2"], ["day 3"], ["usual"]]
    # The run's columns where a table has them; columns that the caller names in every table.
    assert texts(PairTables([table, other], columns=Columns(text="words"), access=access))[-1] == "named"
    assert texts(PairTables([other], {"text": "words"}, access=access)) == ["named"]
    with pytest.raises(DataError, match=r"no column 'words' \(given as text=...\); columns there: id, caption, photo"):
        list(PairTables([table], {"text": "words"}))


def test_a_table_without_images(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "texts.csv", [{"text": "a"}])
    with pytest.raises(DataError, match=r"no image column; name it with image=...; columns there: text"):
        list(PairTables([path]))
    assert content_keys([path]) == {text_key("a")}


def test_content_keys(table: Path) -> None:
    found = content_keys([table])
    assert {text_key("day 3"), text_key("gone"), image_key(str(table.parent / "broken.jpg"))} <= found
    assert len(found) == 7 + 5
