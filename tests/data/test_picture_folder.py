from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data.picture_folder import PictureFolder
from clfa.errors import DataError
from clfa.targets.cells import UnusableCell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.png", "b.txt", "c.1.jpg", "below/a.PNG"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_bytes(b"")
    (tmp_path / "secret.jpg").write_bytes(b"")
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "a.jpg"),
        ("a.png", "a.jpg"),
        (" a ", "a.jpg"),
        ("b.jpg", "b.png"),
        ("c.1", "c.1.jpg"),
        ("c.1.png", "c.1.jpg"),
        ("./a.jpg", "a.jpg"),
        ("below/a.jpg", "below/a.PNG"),
        ("missing.png", "missing.png"),
        ("absent/a.png", "absent/a.png"),
    ],
)
def test_pictures_are_found_by_name_else_by_stem(folder: Path, name: str, found: str) -> None:
    assert PictureFolder(folder).of(name) == {"bytes": None, "path": str(folder.resolve() / found)}


@pytest.mark.parametrize(
    "name",
    ["", None, ".", "../secret.jpg", "below/../../secret.jpg", "/etc/passwd", "..\\secret.jpg", "file:///a.jpg",
     "zip://a.jpg::b.zip", "a.jpg\0"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(folder: Path, name: object) -> None:
    with pytest.raises(UnusableCell, match="is not the name of a file in the folder of pictures") as caught:
        PictureFolder(folder).of(name)
    assert caught.value.reason == "bad picture name"
    with pytest.raises(UnusableCell):
        PictureFolder(None).of(name)


def test_the_folder_is_the_first_that_exists_or_the_given_one(folder: Path) -> None:
    root = folder.parent
    picture = PictureFolder.find(root, ("images", "pictures"), None).of("a.jpg")
    assert picture == {"bytes": None, "path": str(folder.resolve() / "a.jpg")}
    assert PictureFolder.find(root, ("images",), None).of("a.jpg") is None
    picture = PictureFolder.find(root, ("pictures",), str(root)).of("secret.png")
    assert picture == {"bytes": None, "path": str(root.resolve() / "secret.jpg")}
    with pytest.raises(DataError, match="gone: no such folder of pictures; give another images_dir"):
        PictureFolder.find(root, ("pictures",), str(root / "gone"))


def test_those_of_several_pictures_that_exist(folder: Path) -> None:
    pictures = PictureFolder(folder)
    assert pictures.all_of(["gone.jpg", "b.jpg", "a.jpg"]) == [pictures.of("b.png"), pictures.of("a.jpg")]
    assert pictures.all_of(["gone.jpg", "lost.jpg"]) == [pictures.of("gone.jpg")]
    assert pictures.all_of([]) == []
    assert PictureFolder(None).all_of(["a.jpg"]) == []
