"""Short trainings whose numbers are kept in ``expected.json``, and what is looked at of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from golden_material import (
    make_encoders,
    make_posts,
    tiny_overrides,
    with_gaps,
    with_unlabelled,
    write_csv,
    write_lexicon,
)
from golden_observe import command, read_lines

EXPECTED = Path(__file__).with_name("expected.json")
TARGETS = (
    "data.targets={sarcasm: {label_names: ['no', 'yes']}, "
    "emotions: {problem_type: multi_label_classification, label_names: [anger, joy, sadness]}, "
    "intensity: {problem_type: regression, weight: 0.5}}"
)
KNOWLEDGE = [
    "model.use_knowledge=true",
    "knowledge.sources=[column, hashtags]",
    "knowledge.lexicon_path=lexicon.txt",
    "knowledge.gamma=1.5",
    "knowledge.lambda1=2",
]
MISSING = ["model.allow_missing_modalities=true", "model.modality_dropout=0.3"]
TUNED = [
    "model.freeze_text_encoder=false",
    "model.freeze_vision_encoder=false",
    "training.learning_rate=1e-3",
    "training.encoder_learning_rate=1e-3",
]
# Name: table, overrides. Every dropout of the recipe stays on.
SCENARIOS: dict[str, tuple[str, list[str]]] = {
    "frozen encoders, guided by CLIP": ("posts", ["model.alpha=1"]),
    "no guide": ("posts", ["model.alpha=0", "training.class_weights={good: 2}", "model.label_smoothing=0.1"]),
    "fitted guide, bank": (
        "posts",
        ["guide={name: fitted, epochs: 3, dim: 8, batch_size: 16}", "model.negatives=bank", "model.alpha=1"],
    ),
    "several targets": (
        "tasks",
        [TARGETS, "training.class_weights={sarcasm: balanced, emotions: balanced}", "model.focal_gamma=1"],
    ),
    "knowledge": ("posts", [*KNOWLEDGE, "model.alpha=0"]),
    "knowledge and missing modalities": ("gappy", [*KNOWLEDGE, *MISSING]),
    "tuned encoders": ("posts", TUNED),
    "tuned above a layer, with accumulation": (
        "posts",
        [*TUNED, "model.freeze_text_encoder=1", "training.gradient_accumulation_steps=2"],
    ),
    "two-way fusion of a drawn split": ("undivided", ["model.fusion=two_way", "data.limit=24", "seed=7"]),
    "baseline": ("posts", ["model.baseline=clmlf"]),
}


def make_inputs(folder: Path) -> None:
    """Tables, pictures, encoders and a lexicon for all scenarios."""
    posts = make_posts(folder / "posts", suffix="bmp")
    write_csv(folder / "posts" / "posts.csv", posts)
    write_csv(folder / "posts" / "tasks.csv", with_unlabelled(posts))
    write_csv(folder / "posts" / "gappy.csv", with_gaps(posts))
    undivided = [{key: value for key, value in post.items() if key != "split"} for post in posts]
    write_csv(folder / "posts" / "undivided.csv", undivided)
    make_encoders(folder / "encoders")
    write_lexicon(folder / "lexicon.txt")


def train_arguments(name: str, run: str) -> list[str]:
    """The command line of a scenario's training, in the folder of :func:`make_inputs`."""
    table, overrides = SCENARIOS[name]
    place = ["train", "offline", "--data-dir", f"posts/{table}.csv", "--output", run]
    # The numbers are older than calibration, which changes probabilities and nothing else.
    return [*place, *tiny_overrides("encoders"), "training.epochs=2", "training.calibrate=false", *overrides]


def observe_training(name: str, run: str = "run") -> dict[str, Any]:
    """Carry out a scenario in the working directory.

    Returns:
        See :func:`look_at`.
    """
    command(*train_arguments(name, run))
    return look_at(Path(run))


def look_at(run: Path) -> dict[str, Any]:
    """The losses of each epoch, the headline metrics, and what is predicted for the first posts of the test split."""
    history = json.loads((run / "history.json").read_text(encoding="utf-8"))
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    # The whole training's loss is not that of all its steps in a resumed run.
    epochs = [entry for entry in history if "train_loss" not in entry]
    losses = [{key: value for key, value in entry.items() if "loss" in key or key == "grad_norm"} for entry in epochs]
    headline = {
        split: {key: metrics[split][key] for key in ("accuracy", "macro_f1", "score") if key in metrics[split]}
        for split in ("validation", "test")
    }
    predicted = read_lines(run / "predictions-test.jsonl")[:6]
    return {
        "losses": [_rounded(entry) for entry in losses],
        "headline": _rounded(headline),
        "predictions": [_rounded({key: value for key, value in row.items() if key != "label"}) for row in predicted],
    }


def read_expected() -> dict[str, Any]:
    """Content of ``expected.json``."""
    content: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return content


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return round(content, 6) if isinstance(content, float) else content
