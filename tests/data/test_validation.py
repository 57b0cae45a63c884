from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import DatasetDict

from clfa.data.assemble import SampleFields, to_dataset
from clfa.data.image_check import ImageChecker
from clfa.data.schema import Corpus
from clfa.data.validation import check_classes, validate
from clfa.errors import DataError
from clfa.targets.default_label import default_label


def sample(id: str, text: str = "a post", label: int | None = 0, path: str | None = None) -> SampleFields:
    image = {"bytes": None, "path": path} if path else None
    return {"id": id, "text": text, "image": image, "knowledge": None, "label": label}  # type: ignore[typeddict-item]


def corpus_of(
    names: list[str] | None = None, unlabelled: list[SampleFields] | None = None, **splits: list[SampleFields]
) -> Corpus:
    names = names or ["plain", "odd"]
    data = DatasetDict({name: to_dataset(rows, names) for name, rows in splits.items()})
    return Corpus("synthetic", data, [default_label(names)], to_dataset(unlabelled, names) if unlabelled else None)


def kept(corpus: Corpus) -> dict[str, list[str]]:
    return {name: split["id"][:] for name, split in corpus.splits.items()}


def test_a_sound_corpus_is_left_alone(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(unlabelled=2)
    checked = validate(corpus)
    assert checked.dropped == []
    assert all(checked.splits[name] is split for name, split in corpus.splits.items())
    assert checked.unlabelled is corpus.unlabelled


def test_texts_labels_and_ids() -> None:
    corpus = corpus_of(
        train=[sample("1"), sample("2", "  "), sample("3", label=None), sample("1", "again"), sample("")],
        validation=[sample("4"), sample("1")],
        unlabelled=[sample("5", label=None), sample("4", label=None), sample("6", "", None)],
    )
    checked = validate(corpus)
    assert kept(checked) == {"train": ["1"], "validation": ["4"]}
    assert checked.unlabelled is not None
    assert checked.unlabelled["id"][:] == ["5"]
    assert [(d.id, d.split, d.reason) for d in checked.dropped] == [
        ("2", "train", "empty text"),
        ("3", "train", "unknown label"),
        ("1", "train", "duplicate id"),
        ("", "train", "missing id"),
        ("1", "validation", "duplicate id"),
        ("4", "", "duplicate id"),
        ("6", "", "empty text"),
    ]
    assert checked.dropped[4].detail == "the first one, in train, is kept"
    assert checked.dropped_counts()["duplicate id"] == 3


def test_images_that_are_missing_broken_or_truncated(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=5, validation=1, test=0, unlabelled=2)
    paths = [row["image"]["path"] for split in (*corpus.splits.values(), corpus.unlabelled) for row in split]
    os.unlink(paths[0])
    Path(paths[1]).write_text("not a picture")
    Path(paths[2]).write_bytes(Path(paths[2]).read_bytes()[:-20])
    os.unlink(paths[6])
    checked = validate(corpus)
    assert kept(checked) == {"train": ["s3", "s4"], "validation": ["s5"], "test": []}
    assert checked.unlabelled is not None
    assert checked.unlabelled["id"][:] == ["s7"]
    assert [(d.id, d.reason, d.source) for d in checked.dropped] == [
        ("s0", "missing image", paths[0]),
        ("s1", "unreadable image", paths[1]),
        ("s2", "unreadable image", paths[2]),
        ("s6", "missing image", paths[6]),
    ]
    assert validate(corpus, check_images=False).dropped == []


def test_a_sample_without_image_among_images(make_corpus: Callable[..., Corpus]) -> None:
    good = make_corpus(train=1, validation=0, test=0).splits["train"][0]["image"]["path"]
    checked = validate(corpus_of(train=[sample("1", path=good), sample("2")]))
    assert [(d.id, d.reason, d.source) for d in checked.dropped] == [("2", "missing image", "row 1")]


def test_text_only_corpora_are_not_asked_for_images() -> None:
    assert validate(corpus_of(train=[sample("1"), sample("2")])).dropped == []


def test_strict_raises_at_the_first() -> None:
    with pytest.raises(DataError, match=r"synthetic: sample '2' \(train, row 1\): empty text"):
        validate(corpus_of(train=[sample("1"), sample("2", ""), sample("1")]), strict=True)


def test_progress_bar_does_not_change_the_result(
    make_corpus: Callable[..., Corpus], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    validate(make_corpus())
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert validate(make_corpus(), progress=True).dropped == validate(make_corpus(), progress=False).dropped == []


def test_cache_remembers_by_path_size_and_time(
    make_corpus: Callable[..., Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(train=3, validation=0, test=0)
    paths = [row["image"]["path"] for row in corpus.splits["train"]]
    Path(paths[1]).write_text("broken")
    cache = tmp_path / "cache.json"
    assert validate(corpus, cache=cache).dropped_counts() == {"unreadable image": 1}

    # A file written anew is another one.
    written = cache.stat().st_ino
    decoded: list[str] = []
    import clfa.data.image_check as image_check

    real = image_check.load_image
    monkeypatch.setattr(image_check, "load_image", lambda image: decoded.append(image["path"]) or real(image))
    assert validate(corpus, cache=cache).dropped_counts() == {"unreadable image": 1}
    assert decoded == []
    assert cache.stat().st_ino == written
    Path(paths[1]).write_bytes(Path(paths[0]).read_bytes())
    assert validate(corpus, cache=cache).dropped == []
    assert decoded == [paths[1]]


def test_a_broken_cache_is_made_anew(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("{broken")
    corpus = make_corpus(train=2, validation=0, test=0)
    assert validate(corpus, cache=tmp_path / "cache.json").dropped == []
    assert len(ImageChecker(cache=tmp_path / "cache.json")._known) == 2


def test_check_classes() -> None:
    with pytest.raises(DataError, match="synthetic: no training sample of class 'odd'"):
        check_classes(corpus_of(train=[sample("1", label=0)]))
    check_classes(corpus_of(train=[sample("1", label=0), sample("2", label=1)], test=[sample("3", label=1)]))


def test_has_images(make_corpus: Callable[..., Corpus]) -> None:
    assert make_corpus().has_images
    assert not make_corpus(images=False).has_images
    rows = [sample(str(n)) for n in range(100)]
    assert not corpus_of(train=rows).has_images
    assert corpus_of(train=[*rows, sample("x", path="/a.jpg")]).has_images
