"""Content of ``metrics.json`` except the scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clfa.data import Corpus
from clfa.data.class_counts import absent_classes
from clfa.modeling import CLFAForClassification
from clfa.recipe import Recipe
from clfa.training import CLFATrainer


def run_metrics(
    recipe: Recipe,
    corpus: Corpus,
    guide: dict[str, Any] | None,
    training: dict[str, Any],
    concerns: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the entries on recipe, data, guide and training. The run adds scores, resources and versions.

    Args:
        recipe: The run's recipe.
        corpus: Its data.
        guide: Result of :func:`clfa.runs.guide.guide_metrics`; ``None`` for a run without guide.
        training: The entry on training.
        concerns: Result of :func:`clfa.runs.concerns.run_concerns`.
    """
    data, share = recipe.data, recipe.training.unlabelled_share
    used = bool(data.unlabelled or data.labelled_limit or share)
    absent = {split: found for split in ("validation", "test") if (found := absent_classes(corpus, split))}
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "fold": recipe.data.fold,
        "data": {
            "name": corpus.name,
            "samples": {name: len(split) for name, split in corpus.splits.items()},
            **({"unlabelled": len(corpus.unlabelled)} if used and corpus.unlabelled is not None else {}),
            **({"absent_classes": absent} if absent else {}),
            "dropped": corpus.dropped_counts(),
            **({"incomplete": corpus.facts["incomplete"]} if "incomplete" in corpus.facts else {}),
        },
        **({"warnings": list(concerns)} if concerns else {}),
        "guide": guide,
        "training": training,
    }


def training_metrics(recipe: Recipe, model: CLFAForClassification, trainer: CLFATrainer) -> dict[str, Any]:
    """Return the entry on the training of one network.

    Args:
        recipe: The run's recipe.
        model: The trained model.
        trainer: Trainer of the model.
    """
    share = recipe.training.unlabelled_share
    return {
        "epochs_run": trainer.state.epoch,
        **({"steps": trainer.state.global_step, "unlabelled_share": share} if share else {}),
        "best_epoch": best_epoch(trainer),
        f"best_validation_{trainer.args.metric_for_best_model}": trainer.state.best_metric,
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def best_epoch(trainer: CLFATrainer) -> float | None:
    """Return the first epoch with the best validation score; ``None`` without an evaluation."""
    name = f"eval_{trainer.args.metric_for_best_model}"
    scores = [(log[name], -log["epoch"]) for log in trainer.state.log_history if log.get(name) is not None]
    return -max(scores)[1] if scores else None
