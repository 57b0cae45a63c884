"""The blend of a run: its network, or its members, with the yardsticks that are linear models."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.blending.agreement import agreement_map, weights_with_agreement
from clfa.blending.fold import folded
from clfa.blending.weights import PULL, blend_weights
from clfa.data import Corpus
from clfa.errors import DataError
from clfa.evaluation.inference import Inference
from clfa.modeling import CLFAForClassification
from clfa.modeling.blend import wide_widths
from clfa.modeling.configuration import CLFAConfig
from clfa.pretrained import cache_dir
from clfa.processing.dataset import EncodedDataset
from clfa.processing.terms import Terms
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders
from clfa.runs.score import infer_split
from clfa.runs.yardsticks import RunYardsticks
from clfa.targets.target import Target, label_matrix, label_slices, logit_slices
from clfa.yardsticks.base import LinearMap, YardstickData, YardstickOutputs
from clfa.yardsticks.compute import blend_outputs

logger = logging.getLogger(__name__)

NETWORK = "network"
AGREEMENT = "agreement"


@dataclass(frozen=True)
class Fold:
    """A network and the yardsticks beside it, trained on the same posts.

    Args:
        model: The network.
        logits: Its logits for the posts held out from it (N, L).
        labels: Labels of these posts (N, W).
        data: Data of the yardsticks; all folds have the same terms and scales.
        outputs: Outputs of the yardsticks by name, with those for the held-out posts as ``validation``.
        agreement: Agreement of text and image of the held-out posts (N,), if it is to be a part of the blend.
    """

    model: CLFAForClassification
    logits: np.ndarray
    labels: np.ndarray
    data: YardstickData
    outputs: Mapping[str, YardstickOutputs]
    agreement: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        model: CLFAForClassification,
        inference: Inference,
        labels: np.ndarray,
        data: YardstickData,
        outputs: Mapping[str, YardstickOutputs],
    ) -> Fold:
        """Return the fold of a network with its outputs for the held-out posts.

        Args:
            recipe: It says whether the agreement is a part of the blend.
            model: See the class, also for the further arguments.
            inference: Outputs of the network.
        """
        agreement = inference.agreement if recipe.training.blend_agreement else None
        return cls(model, inference.logits, labels, data, outputs, agreement)


@dataclass(frozen=True)
class Blended:
    """A blend.

    Args:
        model: The model.
        logits: Its logits for the held-out posts of all folds (N, L), each from the fold that held it out.
        report: The entry ``blend`` of ``metrics.json``: the weights by target and part.
    """

    model: CLFAForClassification
    logits: np.ndarray
    report: dict[str, Any]


def blend(folds: Sequence[Fold], targets: Sequence[Target]) -> Blended:
    """Join the networks of all folds and their linear yardsticks in the first network.

    The weights of the parts are fitted to the held-out posts of all folds together; each fold gets the same share.

    Args:
        folds: One or more; their held-out posts are different ones.
        targets: Targets with the values fitted to the training split.
    """
    names = [name for name in folds[0].outputs if all(_linear(fold, name) for fold in folds)]
    labels = np.concatenate([fold.labels for fold in folds])
    network = np.concatenate([fold.logits for fold in folds])
    outputs = {name: np.concatenate([fold.outputs[name].logits["validation"] for fold in folds]) for name in names}
    agreements = [fold.agreement for fold in folds if fold.agreement is not None]
    agreed = np.concatenate(agreements) if agreements else None
    slope, offset = np.zeros(network.shape[1]), np.zeros(network.shape[1])
    scale, held_out = np.zeros(network.shape[1]), np.zeros(network.shape)
    shares = {name: np.zeros(network.shape[1]) for name in names}
    report: dict[str, dict[str, float]] = {}
    for (target, columns), (_, own) in zip(logit_slices(targets), label_slices(targets), strict=True):
        linear = target.kind.linear_logits
        parts = [NETWORK, *(names if linear else [])]
        logits = [network[:, columns], *(outputs[name][:, columns] for name in parts[1:])]
        weights = blend_weights(target, logits, labels[:, own])
        if agreed is not None and linear:
            line = agreement_map(target, agreed, labels[:, own])
            parts.append(AGREEMENT)
            logits.append(line(agreed))
            weights = weights_with_agreement(target, logits, labels[:, own], weights)
        report[target.name] = {name: round(float(weight), 4) for name, weight in zip(parts, weights, strict=True)}
        held_out[:, columns] = np.tensordot(weights, np.stack(logits), axes=1)
        scale[columns] = weights[0]
        for name, weight in zip(parts[1:], weights[1:], strict=True):
            if name == AGREEMENT:
                slope[columns], offset[columns] = weight * line.weight, weight * line.bias
            else:
                shares[name][columns] = weight
    agreement = (slope, offset) if slope.any() or offset.any() else None
    return Blended(_joined(folds, scale, shares, agreement), held_out, {"pull": PULL, "weights": report})


def blend_run(
    recipe: Recipe,
    corpus: Corpus,
    encoders: Encoders,
    model: CLFAForClassification,
    validation_set: EncodedDataset,
    yardsticks: RunYardsticks,
    cache: Path | None = None,
) -> tuple[CLFAForClassification, dict[str, Any]]:
    """Blend the trained network of a run with its yardsticks; the weights are fitted to the validation split.

    The processor of ``encoders`` gets the terms.

    Args:
        recipe: The run's recipe.
        corpus: Its data.
        encoders: Its encoders.
        model: The trained network.
        validation_set: The validation split as the network reads it.
        yardsticks: Yardsticks of the run.
        cache: Cache directory.

    Returns:
        The model, and the entry ``blend`` of ``metrics.json``.
    """
    targets = model.config.target_list
    inference = infer_split(model, validation_set, "validation", recipe)
    terms = run_terms(corpus.splits["train"], encoders)
    data = yardsticks.data(targets, as_read=True, terms=terms)
    outputs = blend_outputs(data, cache or cache_dir())
    labels = label_matrix(corpus.splits["validation"])
    found = blend([Fold.of(recipe, model, inference, labels, data, outputs)], targets)
    encoders.processor.terms = terms if found.model.config.num_terms else None
    return found.model, found.report


def run_terms(rows: Dataset, encoders: Encoders) -> Terms | None:
    """Return the terms of the texts of training rows; ``None`` if there are none or the model reads no texts."""
    if encoders.text is None:
        return None
    try:
        return Terms.fit(rows["text"][:])
    except DataError as error:
        logger.info("The blend has no terms: %s", error)
        return None


def _linear(fold: Fold, name: str) -> LinearMap | None:
    return fold.outputs[name].linear if name in fold.outputs else None


def _joined(
    folds: Sequence[Fold],
    scale: np.ndarray,
    shares: Mapping[str, np.ndarray],
    agreement: tuple[np.ndarray, np.ndarray] | None,
) -> CLFAForClassification:
    import torch

    first, count = folds[0], len(folds)
    config: CLFAConfig = first.model.config  # type: ignore[assignment]
    wide = None
    if shares:
        maps = [(linear, share) for name, share in shares.items() for f in folds if (linear := _linear(f, name))]
        blocks = {block for linear, _ in maps for block in linear.weights if block != "terms"}
        wide = folded(
            [linear for linear, _ in maps],
            [share / count for _, share in maps],
            wide_widths(config),
            {block: first.data.scale(block) for block in blocks},
        )
    scales = torch.tensor(np.repeat(scale[None] / count, count, axis=0), dtype=torch.float32)
    line = None if agreement is None else (torch.from_numpy(agreement[0]), torch.from_numpy(agreement[1]))
    first.model.join([fold.model for fold in folds[1:]], scales, wide, line)
    return first.model
