"""Logistic regression on the pooled features of the frozen encoders: the yardstick for every trained row.

    python benchmarks/logistic_regression.py --data-dir DIR --recipe mvsa-single-offline --folds 1 2 3

The regularisation is chosen on the validation split by macro-F1; the test split is scored once with it.
"""

from __future__ import annotations

import argparse

import numpy as np
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import Encoders, load_encoders
from clfa.targets.single_label import classification_metrics
from clfa.targets.target import label_matrix

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
INPUTS = {"text": ("text",), "image": ("image",), "text and image": ("text", "image")}
SCORES = ("accuracy", "weighted_f1", "macro_f1")


def pooled(encoders: Encoders, rows: Dataset, modalities: tuple[str, ...]) -> np.ndarray:
    """Pooled features of a split, the modalities side by side (N, sum of widths)."""
    parts = []
    for modality in modalities:
        encoder = encoders.text if modality == "text" else encoders.image
        keys = getattr(encoders.keys(rows), modality)
        assert encoder is not None
        encoder.ensure_pooled(rows[modality][:], keys)
        parts.append(encoder.pooled_matrix(keys))
    return np.concatenate(parts, axis=1)


def main() -> None:
    """Print one Markdown row per input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--recipe", default="mvsa-single-offline")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    scores: dict[str, list[list[float]]] = {name: [] for name in INPUTS}
    for fold in options.folds:
        recipe = load_recipe(options.recipe, [f"data.dir={options.data_dir}", f"data.fold={fold}"])
        encoders = load_encoders(recipe)
        splits = load_corpus(recipe).splits
        labels = {name: label_matrix(split)[:, 0].astype(int) for name, split in splits.items()}
        for name, modalities in INPUTS.items():
            features = {split: pooled(encoders, rows, modalities) for split, rows in splits.items()}
            models = [
                make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=500)).fit(
                    features["train"], labels["train"]
                )
                for c in STRENGTHS
            ]

            def score(model: object, split: str, x: dict = features, y: dict = labels) -> dict[str, float]:
                return classification_metrics(y[split], model.predict(x[split]), 3)  # type: ignore[attr-defined]

            best = max(models, key=lambda model: score(model, "validation")["macro_f1"])
            scores[name].append([100 * score(best, "test")[metric] for metric in SCORES])
    print("| logistic regression on | accuracy | weighted F1 | macro-F1 | folds |\n| --- | --- | --- | --- | --- |")
    for name, rows in scores.items():
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) if len(rows) > 1 else np.zeros(3)
        cells = " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True))
        print(f"| {name} | {cells} | {len(rows)} |")


if __name__ == "__main__":
    main()
