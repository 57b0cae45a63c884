from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from sklearn.neighbors import KNeighborsClassifier

from clfa.data import read_corpus
from clfa.data.check import check_corpus
from clfa.data.check_view import render
from clfa.data.order_leak import OrderLeak, order_leaks
from clfa.data.schema import Corpus


def corpus_of(ids: list[str], labels: list[str], splits: list[str]) -> Corpus:
    return read_corpus("table", pd.DataFrame({"id": ids, "text": ids, "label": labels, "split": splits}))


def splits_of(count: int) -> list[str]:
    return [("train", "train", "validation", "test")[n % 4] for n in range(count)]


def test_ids_that_tell_the_label() -> None:
    # Ids of 18 digits that differ in the last ones only, so that float64 cannot tell them apart.
    ids = [str(900_000_000_000_000_000 + 2 * n) for n in range(400)]
    labels = ["old" if n < 200 else "new" for n in range(400)]
    order = sorted(range(400), key=lambda n: (n * 7919) % 400)
    corpus = corpus_of([ids[n] for n in order], [labels[n] for n in order], splits_of(400))
    leaks = order_leaks(corpus.splits, corpus.targets)
    assert [(leak.split, leak.by, leak.samples) for leak in leaks] == [
        ("validation", "ids", 100),
        ("test", "ids", 100),
    ]
    for leak in leaks:
        split = corpus.splits[leak.split]
        knn = KNeighborsClassifier(15).fit(
            [[int(id) % 10**6] for id in corpus.splits["train"]["id"]], corpus.labels("train")
        )
        assert leak.accuracy == pytest.approx(
            knn.score([[int(id) % 10**6] for id in split["id"]], corpus.labels(leak.split)), abs=0.02
        )
        assert leak.accuracy >= 0.97
        assert leak.clear


def test_file_order_that_tells_the_label() -> None:
    ids = [f"p{n}" for n in range(400)]
    corpus = corpus_of(ids, ["a" if n < 200 else "b" for n in range(400)], splits_of(400))
    leaks = order_leaks(corpus.splits, corpus.targets)
    assert [(leak.by, leak.accuracy, leak.majority) for leak in leaks] == [("file order", 1.0, 0.5)] * 2


def test_order_that_tells_nothing() -> None:
    labels = ["a" if (n * 7919) % 400 < 240 else "b" for n in range(400)]
    corpus = corpus_of([f"p{n}" for n in range(400)], labels, splits_of(400))
    assert not any(leak.clear for leak in order_leaks(corpus.splits, corpus.targets))


def test_votes_by_hand() -> None:
    # Two training ids below the neighbours asked for: all of them vote.
    corpus = corpus_of(["1", "2", "9", "5"], ["a", "a", "b", "b"], ["train", "train", "train", "test"])
    assert OrderLeak("test", "ids", 0.0, 0.0, 1) in order_leaks(corpus.splits, corpus.targets)


def test_row_numbers_of_two_files_are_places() -> None:
    def part(size: int) -> pd.DataFrame:
        text = [f"{size} {n}" for n in range(size)]
        return pd.DataFrame({"text": text, "label": ["a"] * (size // 2) + ["b"] * (size // 2)})

    corpus = read_corpus("table", {"train": part(400), "validation": part(40), "test": part(40)})
    leaks = order_leaks(corpus.splits, corpus.targets)
    assert [(leak.by, leak.accuracy) for leak in leaks] == [("file order", 1.0)] * 2


def test_ids_too_large_for_whole_numbers_count_as_names() -> None:
    corpus = corpus_of(["9" * 25, "1", "2"], ["a", "a", "b"], ["train", "test", "train"])
    assert [leak.by for leak in order_leaks(corpus.splits, corpus.targets)] == ["file order"]


def test_clear_means_three_standard_errors() -> None:
    assert OrderLeak("test", "ids", 0.66, 0.5, 100).clear
    assert not OrderLeak("test", "ids", 0.65, 0.5, 100).clear


def test_the_check_warns(tmp_path: Path) -> None:
    data = pd.DataFrame({"text": [f"post {n}" for n in range(400)], "label": ["a"] * 200 + ["b"] * 200})
    report = check_corpus("table", data)
    console = Console(width=200, file=StringIO())
    console.print(render(report))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Ids or file order give labels away" in text
    assert "! test: the 15 nearest training ids vote right for 100.0%, the majority class for 50.0%" in text
    assert report.to_dict()["leaks"][0] == {
        "split": "validation",
        "by": "ids",
        "accuracy": report.leaks[0].accuracy,
        "majority": 0.5,
        "samples": 40,
        "clear": True,
    }


@pytest.mark.real_data
@pytest.mark.parametrize(("reader", "shown"), [("mmsd", ["95.6%", "93.4%"]), ("mmsd2", ["92.6%", "90.8%"])])
def test_real_mmsd_is_told_by_its_ids(real_data_dir: Path, reader: str, shown: list[str]) -> None:
    corpus = read_corpus(reader, real_data_dir / "mmsd")
    leaks = order_leaks(corpus.splits, corpus.targets)
    assert [f"{leak.accuracy:.1%}" for leak in leaks] == shown
    assert all(leak.by == "ids" and leak.clear for leak in leaks)
