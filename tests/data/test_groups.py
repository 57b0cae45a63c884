from __future__ import annotations

import logging
from pathlib import Path

import pytest

from clfa.data.assemble import SampleFields, to_dataset
from clfa.data.groups import column_groups, connected, duplicate_groups, normalised_text


def row(text: str, image: dict[str, object] | None = None) -> SampleFields:
    return {"id": "x", "text": text, "image": image, "knowledge": None, "label": 0}  # type: ignore[typeddict-item]


def test_normalised_text() -> None:
    assert normalised_text(" So  SUNNY\n") == "so sunny"
    assert normalised_text("ｆｕｌｌ　width") == "full width"
    assert normalised_text(None) == ""


def test_connected_also_through_other_samples() -> None:
    assert connected(["a", "b", "c", None], ["x", "y", "y", None]) == [0, 1, 1, 3]
    assert connected(["a", "b", "c", "a"], ["x", "x", "y", "y"]) == [0, 0, 0, 0]
    assert connected([None, None]) == [0, 1]


def test_groups_of_a_column() -> None:
    assert column_groups(["a", " a", None, "", 7, "7", float("nan")]) == [0, 0, 2, 3, 4, 4, 6]


def test_equal_texts_and_images(tmp_path: Path) -> None:
    for name, content in {"a": b"one", "b": b"one", "c": b"two", "d": b"longer"}.items():
        (tmp_path / name).write_bytes(content)

    def at(name: str) -> dict[str, object]:
        return {"bytes": None, "path": str(tmp_path / name)}

    rows = [
        row("first", at("a")),
        row("second", at("b")),
        row("third", at("c")),
        row("fourth", {"bytes": b"two", "path": None}),
        row("", at("d")),
        row("", at("gone")),
        row("", at("gone")),
        row("remote", {"bytes": None, "path": "memory://x.jpg"}),
        row("elsewhere", {"bytes": None, "path": "memory://x.jpg"}),
        row("FIRST", None),
    ]
    assert duplicate_groups(to_dataset(rows, ["a"])) == [0, 0, 2, 2, 4, 5, 6, 7, 7, 0]


def test_a_stock_text_connects_nothing(caplog: pytest.LogCaptureFixture) -> None:
    texts = ["same"] * 11 + ["pair", "pair"] + [str(n) for n in range(17)]
    with caplog.at_level(logging.WARNING):
        groups = duplicate_groups(to_dataset([row(text) for text in texts], ["a"]))
    assert groups == [*range(12), 11, *range(13, 30)]
    assert "11 samples are connected by equal texts or images" in caplog.text
    caplog.clear()
    assert duplicate_groups(to_dataset([row(text) for text in texts[1:]], ["a"]))[:10] == [0] * 10
    assert not caplog.text
    # Of 200 samples 11 are no large share.
    many = texts + [f"other {n}" for n in range(170)]
    assert duplicate_groups(to_dataset([row(text) for text in many], ["a"]))[:11] == [0] * 11
