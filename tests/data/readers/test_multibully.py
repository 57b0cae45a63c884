from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from clfa.data import read_corpus
from clfa.errors import DataError


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = [(f"{n}.jpg", f"text {n}", ["Bully", "Nonbully"][n % 2], "Bully", "Nonbully") for n in range(20)]
    rows += [("20.jpg", "text", None, "Bully", "Bully"), ("../21.jpg", "text", "Bully", "Bully", "Bully")]
    return pd.DataFrame(rows, columns=["Img-Name", "Img-Text", "Img-Text-Label", "Img-Label", "Text-Label"])


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_labels_of_both_or_one(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    file = tmp_path / f"Cyberbully_corrected_emotion_sentiment{suffix}"
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_excel(file, index=False, sheet_name="cyberbully")
    (tmp_path / "bully_data").mkdir()
    (tmp_path / "bully_data" / "0.png").write_bytes(b"")
    corpus = read_corpus("multibully", tmp_path, ratios=(1.0, 0.0, 0.0))
    assert corpus.label_names == ["nonbully", "bully"]
    assert corpus.labels("train")[:2] == ["bully", "nonbully"]
    first = corpus.splits["train"][0]
    assert (first["id"], first["text"]) == ("0", "text 0")
    assert first["image"]["path"] == str(tmp_path.resolve() / "bully_data" / "0.png")
    assert [(d.source, d.reason) for d in corpus.dropped] == [
        (f"{file.name}:row 21", "unknown label"),
        (f"{file.name}:row 22", "bad picture name"),
    ]
    assert corpus.facts["lines"] == {"all": 22}
    judged = {
        name: read_corpus("multibully", tmp_path, judged=name, ratios=(1.0, 0.0, 0.0)) for name in ("image", "text")
    }
    assert {name: set(corpus.labels("train")[:20]) for name, corpus in judged.items()} == {
        "image": {"bully"},
        "text": {"nonbully"},
    }
    with pytest.raises(DataError, match="judged of multibully must be one of both, image, text, got 'all'"):
        read_corpus("multibully", tmp_path, judged="all")


def test_wrong_layout(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(DataError, match=r"multibully reader expects Cyberbully_corrected_emotion_sentiment\.xlsx"):
            read_corpus("multibully", folder)
