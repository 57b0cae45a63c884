from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.errors import ModelError, RecipeError
from clfa.guides import GUIDES
from clfa.guides.base import Guide, GuideContext, Pairs
from clfa.guides.create import create_guide


class Mine(Guide):
    name = "mine"
    dim = 4
    fingerprint = "1"

    @classmethod
    def from_context(cls, context: GuideContext, **options: Any) -> Guide:
        return cls(**options)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 4))

    def embed_images(self, images: Sequence[Any]) -> np.ndarray:
        return np.ones((len(images), 4))


@pytest.fixture
def create(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def made(guide: Any, **options: Any) -> Guide:
        monkeypatch.setitem(GUIDES._entries, "mine", guide)
        return create_guide("mine", GuideContext(tmp_path), options)

    return made


def changed(**attributes: Any) -> type[Guide]:
    return type("Changed", (Mine,), attributes)


def test_a_guide_of_another_package(create: Any) -> None:
    assert isinstance(create(Mine), Mine)


def test_one_without_from_context_is_not_left_out_silently(create: Any) -> None:
    class Half(Guide):
        name, dim, fingerprint = "half", 4, "1"
        embed_texts = Mine.embed_texts
        embed_images = Mine.embed_images

    with pytest.raises(
        RecipeError, match=r"^the guide 'mine' does not define from_context; see clfa\.guides\.base\.Guide"
    ):
        create(Half)


def test_from_context_returns_the_guide(create: Any) -> None:
    nothing = changed(from_context=classmethod(lambda cls, context: None))
    with pytest.raises(RecipeError, match=r"^from_context of the mine guide returned None; it has to return the guide"):
        create(nothing)


@pytest.mark.parametrize(("attribute", "value"), [("name", None), ("dim", 4.0), ("fingerprint", 1)])
def test_what_a_guide_sets(create: Any, attribute: str, value: Any) -> None:
    said = rf"^the mine guide has {attribute} {value!r}; a guide sets name, dim \(a whole number\) and fingerprint"
    with pytest.raises(RecipeError, match=said):
        create(changed(**{attribute: value}))


def test_options_that_it_does_not_take(create: Any) -> None:
    with pytest.raises(RecipeError, match=r"^the mine guide cannot be created with guide\.scale: .*argument"):
        create(Mine, scale=2)


def test_its_own_type_errors_stay(create: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required"):
        create(changed(from_context=classmethod(lambda cls, context, path: None)))


@pytest.mark.parametrize(
    ("rows", "shape"), [(np.ones((2, 3)), r"\(2, 3\)"), (np.ones((1, 4)), r"\(1, 4\)"), (np.ones(4), r"\(4,\)")]
)
def test_embeddings_of_another_shape(create: Any, tmp_path: Path, rows: np.ndarray, shape: str) -> None:
    guide = create(changed(embed_texts=lambda self, texts: rows))
    said = (
        rf"^embed_texts of the guide 'mine' returned an array of shape {shape} for 2 texts; it has to return \(2, 4\)"
    )
    with pytest.raises(ModelError, match=said):
        guide.embed_pairs(Pairs(["a", "b"], [None, None]), tmp_path)


def test_embeddings_that_are_no_numbers_are_not_kept(create: Any, tmp_path: Path) -> None:
    bad = np.array([[1, 1, 1, 1], [1, np.nan, 1, 1]])
    guide = create(changed(embed_texts=lambda self, texts: bad))
    with pytest.raises(ModelError, match=r"'mine' returned NaN or infinite numbers for 1 of 2 texts; it has to return"):
        guide.embed_pairs(Pairs(["a", "b"], [None, None]), tmp_path)
    texts, _ = create(Mine).embed_pairs(Pairs(["a", "b"], [None, None]), tmp_path)
    np.testing.assert_array_equal(texts, np.ones((2, 4)))


def test_lists_are_taken(create: Any, tmp_path: Path) -> None:
    guide = create(changed(embed_texts=lambda self, texts: [[1, 2, 3, 4] for _ in texts]))
    texts, _ = guide.embed_pairs(Pairs(["a"], [None]), tmp_path)
    assert texts.tolist() == [[1, 2, 3, 4]]
