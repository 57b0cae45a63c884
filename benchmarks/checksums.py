"""What the checksums of feature caches cost beside an epoch of training on these features.

``python -m benchmarks checksums``: synthetic features with the sizes of the recipe ``offline``, its head and its batch.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.utils.data import DataLoader

from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.processing.collator import CLFACollator
from clfa.recipe import load_recipe
from clfa.store import FeatureStore, text_key

# Tokens of a text, cells of a picture; widths of all-MiniLM-L6-v2 and EfficientNet-Lite0.
TOKENS, CELLS, TEXT_WIDTH, IMAGE_WIDTH = 24, 9, 384, 1280


def measure(samples: int = 2000, repetitions: int = 3) -> dict[str, float]:
    """Return seconds of an epoch and of the comparison of all its arrays with their checksums, and the share.

    Args:
        samples: Samples of the epoch.
        repetitions: Repetitions, of which the fastest counts.
    """
    keys = [text_key(str(number)) for number in range(samples)]
    with TemporaryDirectory() as folder:
        sizes = {"text": (TOKENS, TEXT_WIDTH), "image": (CELLS, IMAGE_WIDTH)}
        for name, shape in sizes.items():
            draw = np.random.default_rng(0)
            FeatureStore(Path(folder) / name, shape[1]).add((key, draw.standard_normal(shape)) for key in keys)
        checks, epochs = [], []
        for _ in range(repetitions):
            stores = {name: FeatureStore(Path(folder) / name, shape[1]) for name, shape in sizes.items()}
            start = time.perf_counter()
            absent = [store.missing(keys) for store in stores.values()]
            checks.append(time.perf_counter() - start)
            assert absent == [[], []]
            epochs.append(_epoch(stores, keys))
    return {"epoch": min(epochs), "checksums": min(checks), "share": min(checks) / min(epochs)}


def _epoch(stores: dict[str, FeatureStore], keys: list[bytes]) -> float:
    """Return the seconds of one epoch of the recipe's head."""
    recipe = load_recipe("offline")
    head = recipe.model.model_dump(exclude={"text_encoder", "vision_encoder", "max_length", "knowledge_max_length"})
    head |= {"freeze_text_encoder": False, "freeze_vision_encoder": False, "image_grid_size": None, "alpha": 0.0}
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 8}
    torch.manual_seed(0)
    model = CLFAForClassification(
        CLFAConfig(
            text_config={"model_type": "bert", "hidden_size": TEXT_WIDTH, **small},
            vision_config={"model_type": "vit", "hidden_size": IMAGE_WIDTH, "num_hidden_layers": 1},
            id2label={0: "a", 1: "b"},
            **head,
        )
    ).train()
    for encoder in (model.clfa.text_encoder, model.clfa.vision_encoder):
        encoder.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    samples = [{"key": key, "labels": number % 2} for number, key in enumerate(keys)]

    def collate(chosen: list[dict[str, object]]) -> dict[str, torch.Tensor]:
        rows = [
            {
                "text_features": stores["text"][s["key"]],
                "image_features": stores["image"][s["key"]],
                "labels": s["labels"],
            }
            for s in chosen
        ]
        return CLFACollator()(rows)

    loader = DataLoader(samples, batch_size=recipe.training.batch_size, shuffle=True, collate_fn=collate)
    start = time.perf_counter()
    for batch in loader:
        batch["labels"] = batch["labels"].float()[:, None]
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start
