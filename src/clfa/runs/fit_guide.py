"""A guide by itself: fitted on tables of pairs, and checked on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from clfa.errors import Argument, DataError, RecipeError
from clfa.files import atomic_folder, require_writable, write_jsonl
from clfa.guides import GuideContext, RetrievalReport, retrieval_report
from clfa.guides.base import Pairs
from clfa.guides.fitted import FittedGuide
from clfa.guides.fitted_on import write_fitted_on
from clfa.guides.pair_tables import PairTables, content_keys
from clfa.recipe import Recipe, load_recipe
from clfa.runs.encoders import load_encoders
from clfa.store import single_keys

RECIPE_FILE = "recipe.yaml"
DROPPED_FILE = "dropped.jsonl"


def fit_guide(
    recipe: Recipe,
    places: Sequence[str | Path],
    output: str | Path,
    *,
    exclude: Sequence[str | Path] = (),
    text: str | None = None,
    image: str | None = None,
    cache: Path | None = None,
) -> PairTables:
    """Fit a guide on tables of pairs and save it, for use as ``guide.path``.

    Args:
        recipe: Its encoders, seed and guide section, and what rows may open; nothing else of it is used.
        places: Tables: files, folders of them or patterns. Labels in them are not read.
        output: Folder to make: the guide, the content keys of its pairs, ``recipe.yaml``, and ``dropped.jsonl`` with
            the rows left out.
        exclude: Tables whose texts and images must not be fitted on, for instance validation and test data.
        text: Text column; found by its usual names when not given.
        image: Image column; found by its usual names when not given.
        cache: Cache directory.

    Returns:
        The tables, with the number of pairs and the rows left out.

    Raises:
        RecipeError: If the recipe's guide is not a fitted one or lacks an encoder, or ``output`` is not empty.
        DataError: If a table cannot be read, there are not enough pairs, or ``output`` cannot be written.
        ModelError: If an encoder cannot be loaded.
    """
    target = Path(output)
    if recipe.guide.name != FittedGuide.name:
        problem = f"recipe {recipe.name!r} has the guide {recipe.guide.name!r}, which is not fitted on pairs; "
        raise RecipeError(f"{problem}set guide={{name: fitted}}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RecipeError(f"{target} exists and is not an empty folder; give another ", Argument("output"), ".")
    require_writable(target, folder=True)
    names = {"text": text, "image": image}
    access = recipe.data.access
    held_out = content_keys(exclude, access=access)
    context = _context(recipe, cache)
    assert context.image_features is not None
    tables = PairTables(places, names, held_out=held_out, decodable=context.image_features.pooled, access=access)
    keys = bytearray()

    def recorded() -> Iterator[Pairs]:
        for pairs in tables:
            keys.extend(b"".join((*pairs.text_keys, *pairs.image_keys)))
            yield pairs

    context.other_pairs = recorded()
    guide = FittedGuide.from_context(context, **recipe.guide.options)
    with atomic_folder(target) as folder:
        guide.write(folder)
        write_fitted_on(folder, bytes(keys))
        recipe.save(folder / RECIPE_FILE)
        write_jsonl(folder / DROPPED_FILE, map(asdict, tables.dropped))
    return tables


@dataclass(frozen=True)
class GuideCheck:
    """Retrieval of a guide on pairs.

    Args:
        pairs: Number of usable pairs that were read.
        text_to_image: Rank of each text's own image.
        image_to_text: Rank of each image's own text.
        dropped: Number of rows left out by reason.
    """

    pairs: int
    text_to_image: RetrievalReport
    image_to_text: RetrievalReport
    dropped: Mapping[str, int]


def check_saved_guide(
    directory: str | Path,
    places: Sequence[str | Path],
    *,
    recipe: Recipe | None = None,
    limit: int = 1000,
    text: str | None = None,
    image: str | None = None,
    cache: Path | None = None,
) -> GuideCheck:
    """Measure the retrieval of a saved guide on pairs, which it should not have been fitted on.

    Every text and every image counts once, with the first pair it occurs in: of several sentences about one picture,
    the first.

    Args:
        directory: Folder of :func:`fit_guide`, or the ``guide`` folder of a run.
        places: Tables of pairs.
        recipe: The recipe with the guide's encoders; by default the one saved with the guide or in its run folder.
        limit: Largest number of pairs; the first ones are used. Ranks depend on it.
        text: Text column; found by its usual names when not given.
        image: Image column; found by its usual names when not given.
        cache: Cache directory.

    Raises:
        ModelError: If the folder holds no guide, or the guide was fitted on other encoders.
        RecipeError: If no recipe is given or found.
        DataError: If a table cannot be read, or there are fewer than two pairs.
    """
    folder = Path(directory)
    settings = recipe or _saved_recipe(folder)
    context = _context(settings, cache)
    guide = FittedGuide.load(folder, context)
    assert context.image_features is not None
    names = {"text": text, "image": image}
    tables = PairTables(places, names, decodable=context.image_features.pooled, access=settings.data.access)
    parts = list(_distinct(tables, limit))
    count = sum(map(len, parts))
    if count < 2:
        raise DataError(f"a check needs at least two pairs with different texts and images; found {count}.")
    embeds = [guide.embed_pairs(pairs, context.cache) for pairs in parts]
    texts, images = (np.concatenate(side) for side in zip(*embeds, strict=True))
    return GuideCheck(
        tables.count, retrieval_report(texts, images), retrieval_report(images, texts), tables.dropped_counts()
    )


def _context(recipe: Recipe, cache: Path | None) -> GuideContext:
    model = recipe.model
    if model.text_encoder is None or model.vision_encoder is None:
        raise RecipeError("the fitted guide needs both a text and a vision encoder.")
    encoders = load_encoders(recipe, cache)
    return GuideContext(
        cache=encoders.cache,
        text_encoder=model.text_encoder,
        vision_encoder=model.vision_encoder,
        text_features=encoders.text,
        image_features=encoders.image,
        seed=recipe.seed,
    )


def _saved_recipe(folder: Path) -> Recipe:
    for path in (folder / RECIPE_FILE, folder.absolute().parent / RECIPE_FILE):
        if path.is_file():
            return load_recipe(path)
    problem = f"there is no {RECIPE_FILE} in {folder} or above it; name the recipe with the guide's encoders with "
    raise RecipeError(problem, Argument("recipe"), ".")


def _distinct(chunks: PairTables, limit: int) -> Iterator[Pairs]:
    """Yield the first ``limit`` pairs whose text and image occur in no earlier pair."""
    seen: set[bytes] = set()
    left = limit
    for pairs in chunks:
        positions: list[int] = []
        for position, (text, image) in enumerate(zip(pairs.text_keys, pairs.image_keys, strict=True)):
            keys = text, *single_keys(image)
            if len(positions) < left and seen.isdisjoint(keys):
                seen.update(keys)
                positions.append(position)
        if positions:
            yield pairs.select(positions)
        left -= len(positions)
        if not left:
            return
