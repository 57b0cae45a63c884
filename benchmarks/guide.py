"""Guide embeddings: CLIP over texts and pictures, or the guide fitted on training pairs."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from pathlib import Path

from benchmarks.probe import Channel
from clfa.guides.clip import CLIPGuide
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import cache_features
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import make_guide, split_pairs


def clip(channel: Channel, model: str, posts: str, cache: str) -> None:
    """A round embeds all texts and pictures of a folder, with nothing cached.

    Args:
        channel: To the caller.
        model: CLIP's directory.
        posts: Folder of :func:`benchmarks.material.write_posts`.
        cache: Not used; every task has one.
    """
    guide = CLIPGuide(model)
    rows = [json.loads(line) for line in (Path(posts) / "posts.jsonl").read_text(encoding="utf-8").splitlines()]
    # The vocabulary of a random CLIP spells; letters alone are tokens, so that lengths are the posts' own.
    texts = [" ".join("a" for _ in row["text"].split()) for row in rows]
    pictures = [str(Path(posts) / row["image"]) for row in rows]
    for _ in channel.rounds():
        start = time.perf_counter()
        guide.embed_texts(texts)
        halfway = time.perf_counter()
        guide.embed_images(pictures)
        end = time.perf_counter()
        channel.report(
            seconds=end - start, text_seconds=halfway - start, image_seconds=end - halfway, samples=len(rows)
        )


def fitted(channel: Channel, recipe: str, overrides: list[str], cache: str) -> None:
    """A round fits the recipe's guide on pooled features that are cached, and embeds the training split with it.

    Args:
        channel: To the caller.
        recipe: Name of a recipe with a fitted guide.
        overrides: Its overrides.
        cache: Cache directory.
    """
    settings = load_recipe(recipe, overrides)
    corpus = load_corpus(settings, cache=Path(cache))
    encoders = load_encoders(settings, Path(cache))
    cache_features(settings, corpus, encoders)
    train = corpus.splits["train"]
    # Once before, so that pooled features are there.
    make_guide(settings, corpus, encoders)
    # A fit is kept under its seed, also that of an earlier benchmark; another seed is a fit anew.
    settings.seed = secrets.randbelow(2**30)
    for _ in channel.rounds():
        settings.seed += 1
        with tempfile.TemporaryDirectory() as fresh:
            start = time.perf_counter()
            guide = make_guide(settings, corpus, encoders)
            assert guide is not None
            guide.embed_pairs(split_pairs(train, encoders), Path(fresh))
            seconds = time.perf_counter() - start
        channel.report(seconds=seconds, samples=len(train))
