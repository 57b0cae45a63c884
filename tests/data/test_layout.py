from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.data.layout import guess_reader, layout_error


def touch(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"labelResultAll.txt": "ID\ttext,image\n"}, "mvsa-single"),
        ({"labelResultAll.txt": "ID\ttext,image\ttext,image\ttext,image\n"}, "mvsa-multiple"),
        ({"text/valid2.txt": ""}, "mmsd"),
        ({"text_json_final/valid.json": ""}, "mmsd2"),
        ({"metadata.csv": ""}, "image-folder"),
        ({"dev.tsv": ""}, "table"),
        ({"happy/1.JPG": "", "sad/1.txt": ""}, "image-folder"),
        ({"train/happy/1.jpg": ""}, "image-folder"),
        ({"data/shard-0.parquet": "", "README.md": ""}, "hub"),
        ({"notes.docx": ""}, None),
        ({}, None),
    ],
)
def test_guess_reader(tmp_path: Path, files: dict[str, str], expected: str | None) -> None:
    for name, content in files.items():
        touch(tmp_path / name, content)
    assert guess_reader(tmp_path) == expected


def test_guess_reader_of_files(tmp_path: Path) -> None:
    touch(tmp_path / "x.CSV")
    touch(tmp_path / "x.docx")
    assert guess_reader(tmp_path / "x.CSV") == "table"
    assert guess_reader(tmp_path / "x.docx") is None
    assert guess_reader(tmp_path / "gone") is None


def test_guesses_for_synthetic_data_sets(mmsd_dir: Path, make_mvsa: Callable[..., Path]) -> None:
    assert guess_reader(mmsd_dir) == "mmsd"
    assert guess_reader(mmsd_dir / "mmsd2") == "mmsd2"
    assert guess_reader(make_mvsa({"1": ["neutral,neutral"]})) == "mvsa-single"


def test_layout_error_shows_some_entries(tmp_path: Path) -> None:
    for number in range(12):
        touch(tmp_path / f"f{number:02}.txt")
    message = str(layout_error("mmsd", tmp_path, "original/"))
    assert message.endswith(
        "expects original/; found f00.txt, f01.txt, f02.txt, f03.txt, f04.txt, f05.txt, f06.txt, f07.txt, "
        "... (12 entries)."
    )
    assert "found a file." in str(layout_error("mmsd", tmp_path / "f00.txt", "original/"))
