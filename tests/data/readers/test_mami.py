from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data import read_corpus
from clfa.errors import DataError

HEADER = "file_name\tmisogynous\tshaming\tstereotype\tobjectification\tviolence\tText Transcription\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = [f"{n}.jpg\t{n % 2}\t{n % 2}\t0\t{n % 2}\t0\ttext {n}\n" for n in range(20)]
    rows += [
        "20.jpg\t2\t0\t0\t0\t0\ttext\n",
        "../21.jpg\t1\t0\t0\t0\t0\ttext\n",
        '22.jpg\t0\t0\t0\t0\t0\t"a ""b""\nc"\n',
    ]
    (tmp_path / "TRAINING").mkdir()
    (tmp_path / "TRAINING" / "training.csv").write_text(HEADER + "".join(rows))
    (tmp_path / "TRAINING" / "0.png").write_bytes(b"")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "Test.csv").write_text(
        "file_name\tText Transcription\nt1.jpg\tone\nt2.jpg\ttwo\nt3.jpg\tthree\n"
    )
    (tmp_path / "test_labels.txt").write_text("t1.jpg\t1\t0\t1\t0\t1\nt2.jpg\t0\t0\t0\t0\t0\n")
    return tmp_path


def test_both_targets(root: Path) -> None:
    corpus = read_corpus("mami", root, ratios=(0.9, 0.1, 0.0))
    assert [(target.name, target.label_names) for target in corpus.targets] == [
        ("misogynous", ("not misogynous", "misogynous")),
        ("kinds", ("shaming", "stereotype", "objectification", "violence")),
    ]
    assert {name: len(data) for name, data in corpus.splits.items()} == {"train": 19, "validation": 2, "test": 2}
    assert corpus.labels("test") == [
        {"misogynous": "misogynous", "kinds": ["stereotype", "violence"]},
        {"misogynous": "not misogynous", "kinds": []},
    ]
    train = {row["id"]: row for split in ("train", "validation") for row in corpus.splits[split]}
    assert train["22"]["text"] == 'a "b" c'
    assert train["1"]["targets"] == [1.0, 1.0, 0.0, 1.0, 0.0]
    assert train["0"]["image"]["path"] == str(root.resolve() / "TRAINING" / "0.png")
    assert [(d.split, d.source, d.reason) for d in corpus.dropped] == [
        ("train", "training.csv:row 21", "unknown label"),
        ("train", "training.csv:row 22", "bad picture name"),
        ("test", "Test.csv:row 3", "missing label"),
    ]
    assert corpus.facts["lines"] == {"train": 23, "test": 3}
    assert corpus.facts["split"].startswith("as given, validation a stratified 10.0% of train")


def test_one_target_and_no_test_labels(root: Path) -> None:
    corpus = read_corpus("mami", root, kinds=False)
    assert corpus.labels("test") == ["misogynous", "not misogynous"]
    (root / "test_labels.txt").unlink()
    corpus = read_corpus("mami", root)
    assert sum(map(len, corpus.splits.values())) == 21
    assert not any(id.startswith("t") for id in corpus.splits["test"]["id"])


def test_wrong_layout(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(DataError, match=r"mami reader expects training/training\.csv"):
            read_corpus("mami", folder)
