from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data import read_corpus
from clfa.errors import DataError

HEADER = ",image_name,text_ocr,text_corrected,humour,sarcasm,offensive,motivational,overall_sentiment\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    grades = ["hilarious,general,not_offensive,motivational,very_positive", "not_funny,very_twisted,slight,not_motivational,negative"]  # fmt: skip # noqa: E501
    rows = [f"{n},image_{n}.jpg,ocr {n},{'' if n == 2 else f'text {n}'},{grades[n % 2]}\n" for n in range(20)]
    rows += ["20,image_20.jpg,x,x,odd,general,slight,motivational,neutral\n", "21,../21.jpg,x,x," + grades[0] + "\n"]
    (tmp_path / "labels.csv").write_text(HEADER + "".join(rows))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "image_0.JPEG").write_bytes(b"")
    return tmp_path


def test_five_targets(root: Path) -> None:
    corpus = read_corpus("memotion", root, ratios=(1.0, 0.0, 0.0))
    assert [(target.name, target.problem_type) for target in corpus.targets] == [
        ("sentiment", "single_label_classification"),
        ("humour", "ordinal"),
        ("sarcasm", "ordinal"),
        ("offensive", "ordinal"),
        ("motivational", "single_label_classification"),
    ]
    rows = dict(zip(corpus.splits["train"]["id"], corpus.labels("train"), strict=True))
    assert rows["image_0"] == {
        "sentiment": "positive",
        "humour": "hilarious",
        "sarcasm": "general",
        "offensive": "not_offensive",
        "motivational": "motivational",
    }
    texts = dict(zip(corpus.splits["train"]["id"], corpus.splits["train"]["text"], strict=True))
    assert (texts["image_1"], texts["image_2"]) == ("text 1", "ocr 2")
    assert corpus.splits["train"][0]["image"]["path"] == str(root.resolve() / "images" / "image_0.JPEG")
    assert [(d.source, d.reason) for d in corpus.dropped] == [
        ("labels.csv:row 21", "unknown label"),
        ("labels.csv:row 22", "bad picture name"),
    ]
    assert corpus.facts["lines"] == {"all": 22}


def test_the_parts_of_the_task(root: Path) -> None:
    sentiment = read_corpus("memotion", root, task="sentiment")
    assert [target.label_names for target in sentiment.targets] == [("negative", "neutral", "positive")]
    assert {name: len(data) for name, data in sentiment.splits.items()} == {"train": 16, "validation": 2, "test": 2}
    emotions = read_corpus("memotion", root, task="emotions", ratios=(1.0, 0.0, 0.0))
    assert emotions.labels("train")[:2] == [["humour", "sarcasm", "motivational"], ["sarcasm", "offensive"]]
    assert len(read_corpus("memotion", root, task="grades").targets) == 4
    with pytest.raises(DataError, match="task of memotion must be one of sentiment, emotions, grades, all, got 'b'"):
        read_corpus("memotion", root, task="b")


def test_wrong_layout(root: Path) -> None:
    (root / "labels.csv").rename(root / "other.csv")
    with pytest.raises(DataError, match=r"memotion reader expects labels\.csv and a folder images/"):
        read_corpus("memotion", root)
