"""Student features of the validation split before and after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from clfa.evaluation.inference import infer
from clfa.files import save_tensors
from clfa.guides import RetrievalReport, retrieval_report
from clfa.processing.dataset import EncodedDataset
from clfa.recipe import Recipe

MAX_SAMPLES = 1000


class AlignmentRecord:
    """Student features of a run before training, for comparison with those after it.

    Args:
        dataset: The validation split.
        recipe: The run's recipe.
        text: Text features before training (N, D).
        image: Image features before training (N, D).
    """

    def __init__(self, dataset: EncodedDataset, recipe: Recipe, text: np.ndarray, image: np.ndarray) -> None:
        self._dataset, self._recipe = dataset, recipe
        self.before: RetrievalReport = retrieval_report(text, image)
        # Evenly spaced, so that a sorted split is covered.
        self.samples = np.unique(np.linspace(0, len(text) - 1, min(len(text), MAX_SAMPLES)).round().astype(np.int64))
        self._arrays = {
            "text_before": _directions(text[self.samples]),
            "image_before": _directions(image[self.samples]),
        }

    @classmethod
    def of_run(cls, recipe: Recipe, model: Any, dataset: EncodedDataset) -> AlignmentRecord | None:
        """Record the untrained model. Keep the state of the random number generators.

        Args:
            recipe: ``training.save_alignment`` asks for the record.
            model: An untrained :class:`clfa.modeling.CLFAForClassification`.
            dataset: The validation split.

        Returns:
            ``None`` if the recipe does not ask for it or the model has one modality.
        """
        if not recipe.training.save_alignment:
            return None
        with torch.random.fork_rng():
            embeds = _embed(recipe, model, dataset)
        return None if embeds is None else cls(dataset, recipe, *embeds)

    def save(self, path: Path, model: Any) -> None:
        """Write the features before and after training, atomically.

        ``text_before``, ``image_before``, ``text_after`` and ``image_after`` (n, D): float16 directions (length 1, as
        the retrieval compares them) of at most 1,000 samples; ``samples`` (n,): their rows in the validation split.

        Args:
            path: safetensors file.
            model: The trained model.
        """
        embeds = _embed(self._recipe, model, self._dataset)
        assert embeds is not None, "a model does not lose a modality in training"
        text, image = (_directions(array[self.samples]) for array in embeds)
        save_tensors(path, {**self._arrays, "text_after": text, "image_after": image, "samples": self.samples})


def _embed(recipe: Recipe, model: Any, dataset: EncodedDataset) -> tuple[np.ndarray, np.ndarray] | None:
    training = recipe.training
    inference = infer(
        model,
        dataset,
        batch_size=training.eval_batch_size,
        num_workers=training.num_workers,
        description="alignment",
    )
    if inference.text_embeds is None or inference.image_embeds is None:
        return None
    return inference.text_embeds, inference.image_embeds


def _directions(embeds: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(embeds, axis=1, keepdims=True)
    return np.ascontiguousarray((embeds / np.maximum(lengths, 1e-12)).astype(np.float16))
