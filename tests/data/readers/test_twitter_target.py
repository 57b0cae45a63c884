from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data import read_corpus
from clfa.data.check import check_corpus
from clfa.errors import DataError

SAMPLES = {
    "train": "$T$ meets Bo\nAn Li\n1\n7.jpg\nAn Li meets $T$\nBo\n-1\n7.jpg\n"
    "no place\nBo\n0\n7.jpg\n$T$ sings\nBo\n2\n8.jpg\n"
    "$T$ sings\nBo\n0\n../8.jpg\n$T$ is cut off\nBo\n",
    "dev": "so $T$\nrain\n0\n9.jpg\n",
    "test": "$T$ meets Bo\nAn Li\n1\n7.jpg\n\n",
}


@pytest.mark.parametrize(("year", "beside"), [("2015", True), ("2017", False)])
def test_the_text_begins_with_the_phrase(tmp_path: Path, year: str, beside: bool) -> None:
    root = tmp_path / f"twitter{year}"
    root.mkdir()
    for name, content in SAMPLES.items():
        (root / f"{name}.txt").write_text(content)
    images = (tmp_path if beside else root) / f"twitter{year}_images"
    images.mkdir()
    (images / "7.jpg").write_bytes(b"")
    reader = f"twitter-{year}"
    corpus = read_corpus(reader, root)
    assert corpus.label_names == ["negative", "neutral", "positive"]
    assert {
        name: list(zip(data["text"], corpus.labels(name), strict=True)) for name, data in corpus.splits.items()
    } == {
        "train": [("An Li: An Li meets Bo", "positive"), ("Bo: An Li meets Bo", "negative")],
        "validation": [("rain: so rain", "neutral")],
        "test": [("An Li: An Li meets Bo", "positive")],
    }
    assert corpus.splits["train"]["id"][:] == ["train-7-1", "train-7-2"]
    assert corpus.splits["train"][0]["image"]["path"] == str(images.resolve() / "7.jpg")
    assert [(d.source, d.reason, d.detail) for d in corpus.dropped] == [
        ("train.txt:row 3", "bad line", "the tweet has no $T$: 'no place'"),
        ("train.txt:row 4", "unknown label", "the sentiment must be -1, 0 or 1, got '2'"),
        ("train.txt:row 5", "bad picture name", "'../8.jpg' is not the name of a file in the folder of pictures"),
        ("train.txt:row 6", "bad line", "the file ends after 2 of 4 lines of a sample"),
    ]
    assert corpus.facts == {"split": "published files", "lines": {"train": 6, "validation": 1, "test": 1}}
    # A tweet in two splits is kept in both, as published counts have it.
    assert len(check_corpus(reader, root, check_images=False, progress=False).corpus.splits["test"]) == 1


def test_wrong_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"twitter-2017 reader expects train\.txt, .* and twitter2017_images/"):
        read_corpus("twitter-2017", tmp_path)
