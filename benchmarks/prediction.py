"""Prediction on new posts, from encoded picture and text to class probabilities."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Literal

import torch

from benchmarks.architectures import RandomGuide
from benchmarks.machine import synchronise
from benchmarks.probe import Channel
from clfa.prediction.onnx_export import export_onnx
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.model import build_model
from clfa.targets.fields import LABEL
from clfa.targets.target import Target


def predict(
    channel: Channel,
    recipe: str,
    overrides: list[str],
    cache: str,
    posts: str,
    batch_size: int,
    engine: Literal["torch", "onnx"] = "torch",
    precision: Literal["fp32", "bf16"] = "fp32",
) -> None:
    """A round predicts on all posts of a folder.

    Args:
        channel: To the caller.
        recipe: Name of a recipe.
        overrides: Its overrides.
        cache: Cache directory.
        posts: Folder of :func:`benchmarks.material.write_posts`.
        batch_size: Posts per forward pass; 1 measures how long one person waits.
        engine: PyTorch, or ONNX Runtime on the model exported before the first round.
        precision: In PyTorch.
    """
    settings = load_recipe(recipe, overrides)
    corpus = load_corpus(settings, cache=Path(cache))
    encoders = load_encoders(settings, Path(cache))
    guide = RandomGuide(settings.model.hidden_size)
    targets = [Target(LABEL, label_names=tuple(corpus.label_names))]
    model = build_model(settings.model, encoders, targets, guide)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        if engine == "onnx":
            model.save_pretrained(folder)
            encoders.processor.save_pretrained(folder)
            export_onnx(folder, Path(folder) / "onnx")
            predictor = PostClassifier.load(folder, batch_size, engine="onnx")
        else:
            predictor = PostClassifier(model, encoders.processor, batch_size, precision)
    rows = [json.loads(line) for line in (Path(posts) / "posts.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = [Post(row["text"], str(Path(posts) / row["image"])) for row in rows]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for _ in channel.rounds():
        start = time.perf_counter()
        found = predictor(wanted)
        synchronise(device)
        seconds = time.perf_counter() - start
        failed = [prediction.error for prediction in found if prediction.error is not None]
        if failed:
            raise RuntimeError(f"{len(failed)} of {len(found)} posts failed: {failed[0]}")
        channel.report(seconds=seconds, samples=len(found))
