"""The gate: which pictures the rows of a table may name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.prediction.post import Post
from clfa.prediction.table_posts import rows_of
from clfa.tables.access import Access
from clfa.tables.columns import Columns
from clfa.tables.gate import ADDRESS, OUTSIDE, PermittedAddress, PictureGate, callers_pictures, table_folders
from clfa.tables.paths import is_address
from clfa.tables.pictures import refusal, refused_picture, unusable_reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture, links within and out of it, and a secret picture beside it."""
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (tmp_path / "data-2").mkdir()
    inner = tmp_path / "data" / "images"
    inner.mkdir(parents=True)
    (inner / "a.jpg").write_bytes(b"x")
    (inner / "link.jpg").symlink_to(inner / "a.jpg")
    (inner / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (inner / "far").symlink_to(tmp_path)
    (inner / "circle").symlink_to(inner / "circle")
    return tmp_path / "data"


def reason(found: Any) -> str | None:
    return (refusal(found["bytes"]) or ("unusable",))[0] if isinstance(found, dict) else None


INSIDE = ["images/a.jpg", "images/link.jpg", "./images/../images/a.jpg", "images/missing.jpg", "~/a.jpg", "a:b.jpg"]
OUT = [
    "../secret.jpg",
    "images/../../secret.jpg",
    "images/out.jpg",
    "images/far/secret.jpg",
    "images/far/missing.jpg",
    "/etc/passwd",
    "//etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
    "../data-2/a.jpg",
    "\\\\host\\share\\a.jpg",
    "..",
]


@pytest.mark.parametrize("path", INSIDE)
def test_paths_in_the_folder(folder: Path, path: str) -> None:
    for gate in (PictureGate(str(folder)), PictureGate(f"file://{folder}")):
        assert gate(path) == os.path.normpath(folder / path)
    assert PictureGate("/none", folders=[str(folder)])(str(folder / path)) == str(folder / path)


@pytest.mark.parametrize("path", OUT)
def test_paths_out_of_the_folder(folder: Path, path: str) -> None:
    found = PictureGate(str(folder), Access(urls=True))(path)
    assert isinstance(found, dict)
    kind, message = refusal(found["bytes"]) or ("", "")
    assert kind == OUTSIDE
    name = os.path.basename(path).strip(".")
    for part in (name, str(folder), "image_root", "data.allow_outside=true", "--allow-outside"):
        assert part in message
    assert not isinstance(PictureGate(str(folder), Access(outside=True))(path), dict)


def test_folders_may_be_links(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "linked").symlink_to(folder)
    for root in (tmp_path / "linked", tmp_path / "linked" / "images" / ".."):
        assert PictureGate(str(root))("images/a.jpg") == str(root.absolute() / "images/a.jpg").replace("/images/..", "")
        assert PictureGate(str(root))(str(folder / "images" / "a.jpg")) == str(folder / "images" / "a.jpg")
        assert reason(PictureGate(str(root))("images/out.jpg")) == OUTSIDE
    # The working directory is the folder of tables in memory.
    monkeypatch.chdir(folder)
    assert PictureGate("")("images/a.jpg") == "images/a.jpg"
    assert reason(PictureGate("")("../secret.jpg")) == OUTSIDE
    assert PictureGate("/")("/etc/passwd") == "/etc/passwd"


def test_pictures_beside_a_folder_of_tables(folder: Path, tmp_path: Path) -> None:
    tables, linked = tmp_path / "data" / "tables", tmp_path / "tables"
    tables.mkdir()
    linked.symlink_to(tables)
    for place in (tables, linked):
        gate = PictureGate(str(place), folders=table_folders(str(place)))
        assert gate(str(tables / "../images/a.jpg")) == str(tables / "../images/a.jpg")
        assert [reason(gate(path)) for path in (str(folder / "a.jpg"), "../images/out.jpg")] == [OUTSIDE] * 2
    assert PictureGate(str(tables), folders=table_folders(str(tables)))("../images/a.jpg") == str(
        folder / "images/a.jpg"
    )
    # A link beside the folder may lead anywhere.
    (tmp_path / "img").symlink_to("/")
    assert table_folders(str(folder)) == (str(folder),)
    assert table_folders("") == table_folders("s3://bucket/x") == ()


def test_nul() -> None:
    found = PictureGate("/data", Access(True, outside=True))("a.jpg\0")
    assert isinstance(found, dict)
    assert unusable_reason(found["bytes"]) == r"'a.jpg\x00': a path with a NUL character is no file name"


def test_circles_of_links_are_left_to_the_system(folder: Path) -> None:
    assert PictureGate(str(folder))("images/circle") == str(folder / "images" / "circle")


ADDRESSES = {
    "http://h/a.jpg": "http",
    "HTTPS://h/a.jpg": "https",
    "ftp://h/a.jpg": "ftp",
    "s3://bucket/a.jpg": "s3",
    "memory://a.jpg": "memory",
    "data:image/png;base64,AAAA": "data",
    "DATA:,x": "data",
    "file:///etc/passwd": "file",
    "local:///etc/passwd": "local",
    "simplecache::https://h/a.jpg": "simplecache",
    "zip://a.jpg::https://h/a.zip": "zip",
    "zip://a.jpg::a.zip": "zip",
    "://x": "?",
    "c://x": "c",
    "reference://x::y.json": "reference",
}


@pytest.mark.parametrize(("path", "scheme"), ADDRESSES.items())
def test_addresses_are_refused(path: str, scheme: str) -> None:
    for gate in (PictureGate("/data"), PictureGate("/data", Access(outside=True)), PictureGate("s3://b/images")):
        found = gate(path)
        assert isinstance(found, dict)
        kind, message = refusal(found["bytes"]) or ("", "")
        assert kind == ADDRESS
        for part in (path, repr(scheme), "data.allow_urls", "--allow-urls"):
            assert part in message


@pytest.mark.parametrize(
    ("urls", "path", "expected"),
    [
        (["https"], "https://h/a.jpg", "https://h/a.jpg"),
        (["https"], "http://h/a.jpg", ADDRESS),
        (["https"], "simplecache::https://h/a.jpg", ADDRESS),
        (["https", "simplecache"], "simplecache::https://h/a.jpg", "simplecache::https://h/a.jpg"),
        (["zip"], "zip://a.jpg::https://h/a.zip", ADDRESS),
        (True, "zip://a.jpg::https://h/a.zip", "zip://a.jpg::https://h/a.zip"),
        # Files of this machine stay in the folder, whatever leads to them.
        (["zip"], "zip://a.jpg::b/a.zip", "zip://a.jpg::/data/b/a.zip"),
        (["zip"], "zip://a.jpg::/etc/a.zip", OUTSIDE),
        (["zip"], "zip://a.jpg::../a.zip", OUTSIDE),
        (["zip", "file"], "zip://a.jpg::file:///etc/a.zip", OUTSIDE),
        (True, "file:///etc/passwd", ADDRESS),
        (["file"], "file:///etc/passwd", OUTSIDE),
        (["file"], "file:///data/a.jpg", "/data/a.jpg"),
        (["file"], "simplecache::file:///data/a.jpg", ADDRESS),
        (True, "data:,x", "data:,x"),
        (True, "reference://x::https://h/y.json", ADDRESS),
        (True, "c://x", ADDRESS),
    ],
)
def test_permitted_addresses(urls: Any, path: str, expected: str) -> None:
    found = PictureGate("/data", Access.of(urls))(path)
    assert (reason(found) or found) == expected
    assert isinstance(found, PermittedAddress) == is_address(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jpg", "s3://b/images/a.jpg"),
        ("x/a b.jpg", "s3://b/images/x/a b.jpg"),
        ("../a.jpg", ADDRESS),
        ("x/%2e%2E/a.jpg", ADDRESS),
        ("x\\..\\a.jpg", ADDRESS),
        ("/etc/passwd", OUTSIDE),
    ],
)
def test_a_folder_at_an_address_is_named_by_the_user(path: str, expected: str) -> None:
    found = PictureGate("s3://b/images")(path)
    assert (reason(found) or found) == expected


@pytest.mark.parametrize(
    ("urls", "path", "expected"),
    [
        (False, "a.jpg", ADDRESS),
        (["http"], "a.jpg", ADDRESS),
        (["s3"], "a.jpg", "s3://b/images/a.jpg"),
        (["s3"], "../a.jpg", "s3://b/images/../a.jpg"),
        (False, "/etc/passwd", OUTSIDE),
    ],
)
def test_a_folder_at_an_address_that_comes_with_a_model(urls: Any, path: str, expected: str) -> None:
    """Otherwise somebody else's model decides what a table opens, also in a private network."""
    found = PictureGate("s3://b/images", Access.of(urls), named=False)(path)
    assert (reason(found) or found) == expected


def test_a_private_host_that_comes_with_a_model() -> None:
    root = "http://127.0.0.1/images"
    assert PictureGate(root)("a.jpg") == f"private::{root}/a.jpg"
    assert PictureGate(root, Access.of(["http"]), named=False)("a.jpg") == f"{root}/a.jpg"
    assert PictureGate(root, Access.of(["http", "private"]), named=False)("a.jpg") == f"private::{root}/a.jpg"


def test_a_row_of_a_table_for_a_model_with_a_folder_at_an_address() -> None:
    columns, rows = Columns(image_root="http://127.0.0.1/x"), [{"text": "a", "image": "a.jpg"}]
    (found,) = rows_of(rows, columns, ())
    assert isinstance(found.post, Post)
    assert reason(found.post.image) == ADDRESS
    (found,) = rows_of(rows, columns, (), image_root="http://127.0.0.1/y")
    assert isinstance(found.post, Post)
    assert found.post.image == "private::http://127.0.0.1/y/a.jpg"


def test_pictures_of_callers() -> None:
    local = ["/etc/a.jpg", "../a.jpg", None, b"x", {"bytes": b"x", "path": "http://h/a.jpg"}, {"path": "b.jpg"}]
    assert callers_pictures(local) == local
    refused, kept = callers_pictures(("http://h/a.jpg", "a.jpg"))
    assert (reason(refused), kept) == (ADDRESS, "a.jpg")
    assert reason(callers_pictures({"bytes": None, "path": "http://h/a.jpg"})) == ADDRESS
    for cell in ("http://h/a.jpg", {"bytes": None, "path": "http://h/a.jpg"}):
        assert callers_pictures(cell, Access.of("http")) == cell
    # What has passed the gate of a table passes.
    permitted = PictureGate("", Access.of("http"))("http://h/a.jpg")
    assert callers_pictures(permitted) is permitted
    assert reason(callers_pictures("file:///etc/passwd", Access(urls=True))) == ADDRESS


STEPS = st.sampled_from(["..", ".", "images", "far", "out.jpg", "a.jpg", "", "~", "\\", "x"])


@given(st.lists(STEPS, max_size=8), st.booleans())
def test_no_path_leads_out(parts: list[str], absolute: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        inner = Path(place, "data", "images")
        inner.mkdir(parents=True)
        (inner / "far").symlink_to(place)
        (inner / "out.jpg").symlink_to(Path(place, "secret.jpg"))
        root = str(inner.parent)
        found = PictureGate(root)(("/" if absolute else "") + "/".join(parts))
        inside = isinstance(found, str) and Path(found).resolve().is_relative_to(Path(root).resolve())
        assert inside or reason(found) == OUTSIDE


def test_a_refusal_is_kept_in_the_content() -> None:
    assert refusal(refused_picture("why", "é: no")["bytes"]) == ("why", "é: no")
    assert refusal(b"\x89PNG") is None
