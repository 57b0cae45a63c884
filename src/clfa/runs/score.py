"""Evaluation of a trained model on one split, with the files in the run folder."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from clfa.data import Corpus
from clfa.evaluation.inference import Inference, infer
from clfa.guides import retrieval_report
from clfa.modeling import CLFAForClassification
from clfa.processing.dataset import EncodedDataset
from clfa.recipe import Recipe
from clfa.runs.modality_worth import modality_worth
from clfa.runs.run_folder import RunFolder
from clfa.runs.target_report import report_targets
from clfa.tables.pictures import pictures_of


def score_split(
    model: CLFAForClassification,
    dataset: EncodedDataset,
    name: str,
    corpus: Corpus,
    folder: RunFolder,
    recipe: Recipe,
) -> dict[str, Any]:
    """Evaluate one split and write its predictions and a picture of each target.

    Args:
        model: The trained model.
        dataset: The split as the model reads it.
        name: Name of the split.
        corpus: Corpus with the rows of the split.
        folder: Output folder.
        recipe: Its training section says how many samples go into a forward pass.

    Returns:
        Metrics, with the alignment of the two students (text-to-image retrieval) where there are two.
    """
    inference = infer_split(model, dataset, name, recipe)
    split = corpus.splits[name]
    report = report_targets(model.config.target_list, inference, split, folder, name, recipe.name)
    report |= _student_retrieval(inference, split)
    t = recipe.training
    without = modality_worth(model, dataset, split, t.eval_batch_size, t.num_workers)
    return {**report, "without": without} if without else report


def infer_split(model: CLFAForClassification, dataset: EncodedDataset, name: str, recipe: Recipe) -> Inference:
    """Return the model outputs for one split."""
    return infer(
        model,
        dataset,
        batch_size=recipe.training.eval_batch_size,
        num_workers=recipe.training.num_workers,
        description=f"{name} split",
    )


def _student_retrieval(inference: Inference, split: Dataset) -> dict[str, Any]:
    if inference.text_embeds is None or inference.image_embeds is None:
        return {}
    complete = [
        bool(text) and bool(pictures_of(image)) for text, image in zip(split["text"][:], split["image"][:], strict=True)
    ]
    if not any(complete):
        return {}
    students = inference.text_embeds[complete], inference.image_embeds[complete]
    return {"student_retrieval": retrieval_report(*students).to_dict()}
