"""``clfa predict --image ... --text ...``: prediction on one post, with a fast start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from clfa.errors import CLFAError
from clfa.targets.target_prediction import NO_LABEL
from clfa.terminal import echo


def predict_one(
    run: str,
    text: str | None,
    images: Sequence[str],
    engine: str = "torch",
    asked: Mapping[str, Any] | None = None,
    **computing: Any,
) -> None:
    """Predict on one post and print the prediction.

    Args:
        run: Run folder, model directory or hub id; for ``onnx`` and ``openvino`` also an export.
        text: The post's text.
        images: Images of the post: paths, or addresses that are allowed.
        engine: A name in :data:`clfa.prediction.engines.ENGINES`.
        asked: Arguments of :class:`clfa.targets.rules.Rules`.
        computing: ``batch_size``, ``precision`` and ``allow_urls``.

    Raises:
        BadParameter: If the engine does not predict on single posts.
        CLFAError: When there is no model, the post cannot be read, or the model cannot follow what is asked.
    """
    from clfa.cli.lean_start import lean_transformers, without_torch
    from clfa.prediction.engines import ENGINES, WITHOUT_TORCH

    with without_torch() if engine in WITHOUT_TORCH and not _makes_knowledge(run) else lean_transformers():
        from clfa.prediction.post import Post
        from clfa.prediction.post_classifier import PostClassifier
        from clfa.targets.rules import Rules

        rules = Rules(**(asked or {}))
        if ENGINES.get(engine).distributed:
            raise typer.BadParameter(f"--engine {engine} needs an INPUT.")
        classifier = PostClassifier.load(run, engine=engine, **computing)
    prediction = classifier([Post(text, list(images))], rules)[0]
    if prediction.error is not None:
        raise CLFAError(f"cannot predict on this post: {prediction.error}")
    for name, found in (prediction.targets or {}).items():
        if len(classifier.targets) > 1:
            echo(f"{name}:")
        _show(NO_LABEL if found.abstained else found.value, found.probabilities or {})
        if found.confidence is not None:
            echo(f"confidence: {found.confidence:.1%}")
        if found.set is not None:
            within = "{} to {}".format(*(f"{v:.4g}" for v in found.set)) if found.probabilities is None else None
            echo(f"with probability {rules.sets:g}: {within or ', '.join(map(str, found.set)) or '(none)'}")
    if prediction.agreement is not None:
        echo(f"agreement of text and image: {prediction.agreement:.2f}")


def _makes_knowledge(run: str) -> bool:
    """Return whether the model reads knowledge texts; what writes them, such as a model of captions, needs PyTorch."""
    for folder in (Path(run, "onnx"), Path(run)):
        with suppress(OSError, ValueError, AttributeError):
            settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
            return settings.get("knowledge") is not None
    return False


def _show(label: Any, probabilities: Mapping[str, float]) -> None:
    if isinstance(label, list):
        echo(", ".join(map(str, label)) or "(none)")
    else:
        echo(f"{label:.4g}" if isinstance(label, float) else label)
    for name, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        echo(f"  {probability:6.1%}  {name}")
