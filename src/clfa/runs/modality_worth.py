"""Scores of a model without one of its modalities."""

from __future__ import annotations

from datasets import Dataset

from clfa.evaluation.inference import infer
from clfa.modeling import CLFAForClassification
from clfa.processing.dataset import EncodedDataset
from clfa.targets.default_label import logged_metrics
from clfa.targets.target import label_matrix


def removable_modalities(model: CLFAForClassification) -> tuple[str, ...]:
    """Return the modalities that the model does not require."""
    modalities = model.config.modalities if model.config.allow_missing_modalities else ()
    both = modalities if len(modalities) > 1 else ()
    return (*both, "knowledge") if model.config.use_knowledge else both


def modality_worth(
    model: CLFAForClassification, dataset: EncodedDataset, split: Dataset, batch_size: int, num_workers: int
) -> dict[str, dict[str, float]]:
    """Return the headline figures of a split without each modality that the model does not require.

    Args:
        model: The trained model.
        dataset: The split as the model reads it.
        split: Its rows in the schema.
        batch_size: Samples per forward pass.
        num_workers: Loader processes.

    Returns:
        Scores by removed modality; empty for a model that requires all of its modalities.
    """
    worth = {}
    for modality in removable_modalities(model):
        inference = infer(
            model,
            dataset,
            batch_size=batch_size,
            num_workers=num_workers,
            description=f"without {modality}",
            without=modality,
        )
        worth[modality] = logged_metrics(model.config.target_list, label_matrix(split), inference.logits)
    return worth
