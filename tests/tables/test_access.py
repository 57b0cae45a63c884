"""What rows may open: permissions."""

from __future__ import annotations

from typing import Any

import pytest

from clfa.errors import RecipeError
from clfa.recipe import load_recipe
from clfa.tables.access import CLOSED, Access, current_reading, reading


@pytest.mark.parametrize(
    ("urls", "allowed", "refused"),
    [
        (False, "", "http https file data memory"),
        ([], "", "http"),
        ("https", "https", "http file HTTPS"),
        (["HTTPS://", "s3"], "https s3", "http"),
        (True, "http https s3 zip simplecache data memory", "file local reference git dir generic c ? ht_tp"),
        (["file"], "file", "local https"),
    ],
)
def test_schemes(urls: Any, allowed: str, refused: str) -> None:
    access = Access.of(urls)
    assert [scheme for scheme in f"{allowed} {refused}".split() if access.allows(scheme)] == allowed.split()


@pytest.mark.parametrize("wrong", ["", "a b", "c", "http:/x"])
def test_what_is_no_scheme(wrong: str) -> None:
    with pytest.raises(RecipeError, match="is no scheme; give one such as https or s3"):
        Access.of([wrong])
    with pytest.raises(RecipeError, match=r"data\.allow_urls: .*is no scheme"):
        load_recipe("offline", [f"data.allow_urls=['{wrong}']"])


def test_recipe() -> None:
    data = load_recipe("offline", ["data.allow_urls=[S3, https]", "data.allow_outside=true"]).data
    assert data.allow_urls == ["https", "s3"]
    assert data.access == Access(("https", "s3"), outside=True)
    assert load_recipe("offline").data.access == CLOSED
    assert load_recipe("offline", ["data.allow_urls=true"]).data.access == Access(urls=True)
    assert load_recipe("offline", ["data.allow_urls=https"]).data.with_access(data.access).access == data.access
    for wrong in ("data.allow_urls=3", "data.allow_urls=[3]", "data.allow_outside=maybe"):
        with pytest.raises(RecipeError, match=r"data\.allow_"):
            load_recipe("offline", [wrong])


def test_permissions_end_with_the_reading() -> None:
    with reading(Access(urls=True), ["/d"]):
        with reading(CLOSED):
            assert current_reading().access == CLOSED
        assert (current_reading().access.urls, current_reading().folders) == (True, ("/d",))
    assert current_reading().access == CLOSED
