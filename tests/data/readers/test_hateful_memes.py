from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clfa.data import read_corpus
from clfa.errors import DataError


def row(number: str, label: Any = 0, **others: Any) -> dict[str, Any]:
    return {"id": int(number), "img": f"img/{number}.png", "label": label, "text": f"text {number}"} | others


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "train": [row("01", 1), row("02", 2), row("03", text="x", img="img/../../a.png"), row("04")],
        "dev_seen": [row("05")],
        "dev_unseen": [row("06", 1)],
        "test_seen": [row("07", 1)],
        "test_unseen": [row("08"), {"id": 9, "img": "img/09.png", "text": "no label"}],
    }
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in rows))
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "01.png").write_bytes(b"")
    return tmp_path


def test_seen_and_unseen_splits(root: Path) -> None:
    corpus = read_corpus("hateful-memes", root)
    assert {name: list(zip(data["id"], corpus.labels(name), strict=True)) for name, data in corpus.splits.items()} == {
        "train": [("01", "hateful"), ("04", "not hateful")],
        "validation": [("05", "not hateful")],
        "test": [("07", "hateful")],
    }
    assert corpus.splits["train"][0]["image"]["path"] == str(root.resolve() / "img" / "01.png")
    assert [(d.source, d.reason) for d in corpus.dropped] == [
        ("train.jsonl:row 2", "unknown label"),
        ("train.jsonl:row 3", "bad picture name"),
    ]
    assert corpus.facts == {"split": "published files", "lines": {"train": 4, "validation": 1, "test": 1}}
    unseen = read_corpus("hateful-memes", root, validation="dev_unseen", test="test_unseen")
    assert [unseen.splits[name]["id"][:] for name in ("validation", "test")] == [["06"], ["08"]]
    assert [d.detail for d in unseen.dropped if d.split == "test"] == ["label must be 0 or 1, got None"]


def test_first_release_and_wrong_layout(root: Path) -> None:
    (root / "dev_seen.jsonl").rename(root / "dev.jsonl")
    (root / "test_seen.jsonl").rename(root / "test.jsonl")
    assert len(read_corpus("hateful-memes", root).splits["validation"]) == 1
    with pytest.raises(DataError, match=r"hateful-memes reader expects train\.jsonl, dev_seen\.jsonl, gone\.jsonl"):
        read_corpus("hateful-memes", root, test="gone")
