"""Training as ``clfa train`` does it, an epoch over the same samples per round, each followed by its evaluation."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, set_seed

from benchmarks.architectures import RandomGuide
from benchmarks.machine import synchronise
from benchmarks.probe import Channel
from clfa.pretrained import quiet_transformers
from clfa.processing.dataset import EncodedDataset
from clfa.recipe import Recipe, load_recipe
from clfa.runs.arguments import training_arguments
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import cache_features, encode_split
from clfa.runs.encoders import Encoders, load_encoders
from clfa.runs.model import build_model
from clfa.runs.run_folder import RunFolder
from clfa.targets.fields import LABEL
from clfa.targets.target import Target
from clfa.training import CLFATrainer

# An end that no benchmark reaches; the learning rate's schedule is the only thing that knows of it.
_EPOCHS = 10_000


class _Finished(Exception):
    """No more rounds are asked for."""


class _Rounds(TrainerCallback):
    """Waits before every epoch and reports after it."""

    def __init__(self, channel: Channel, device: str, facts: dict[str, Any]) -> None:
        self.channel, self.device, self.facts = channel, device, facts
        self.start = 0.0
        self.step = 0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self.channel.wait():
            raise _Finished
        self.step = state.global_step
        self.start = time.perf_counter()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        synchronise(self.device)
        seconds = time.perf_counter() - self.start
        self.channel.report(phase="train", seconds=seconds, steps=state.global_step - self.step, **self.facts)


class _GatedTrainer(CLFATrainer):
    """Evaluations wait and are reported, too."""

    rounds: _Rounds

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        if not self.rounds.channel.wait():
            raise _Finished
        start = time.perf_counter()
        metrics = super().evaluate(*args, **kwargs)
        synchronise(self.rounds.device)
        seconds = time.perf_counter() - start
        self.rounds.channel.report(phase="evaluate", seconds=seconds, **self.rounds.facts)
        return metrics


@dataclass(frozen=True)
class Run:
    """What a training starts from.

    Args:
        settings: The recipe.
        encoders: With their processor.
        sets: Training and validation samples, the former with random guide embeddings.
        model: Untrained.
    """

    settings: Recipe
    encoders: Encoders
    sets: dict[str, EncodedDataset]
    model: Any


def prepared(recipe: str, overrides: list[str], cache: Path) -> Run:
    """As :func:`clfa.runs.train.train` prepares a run, but for the guide, whose embeddings are drawn at random."""
    settings = load_recipe(recipe, overrides)
    corpus = load_corpus(settings, cache=cache)
    encoders = load_encoders(settings, cache)
    cache_features(settings, corpus, encoders)
    guide: Any = RandomGuide(128 if settings.model.hidden_size < 512 else 512)
    sets = {
        name: encode_split(settings, corpus.splits[name], encoders, guide if name == "train" else None)
        for name in ("train", "validation")
    }
    set_seed(settings.seed)
    targets = [Target(LABEL, label_names=tuple(corpus.label_names))]
    return Run(settings, encoders, sets, build_model(settings.model, encoders, targets, guide))


def train(
    channel: Channel,
    recipe: str,
    overrides: list[str],
    cache: str,
    empty_knowledge: bool = False,
    pad_to: int | None = None,
    evaluate: bool = True,
) -> None:
    """Rounds alternate between an epoch of training and an evaluation on the validation split.

    Everything is what :func:`clfa.runs.train.train` does, but for checkpoints, which are not written, and the
    guide, whose embeddings are drawn at random. Reports: ``phase``, ``seconds``, ``samples`` and ``tokens``
    (of every text) by split, ``steps``, ``parameters``, ``precision``.

    Args:
        channel: To the caller.
        recipe: Name of a recipe.
        overrides: Its overrides.
        cache: Cache directory.
        empty_knowledge: Give every sample the knowledge [CLS] [SEP], the authors' form of having none.
        pad_to: Pad texts to so many tokens instead of to the longest of the batch.
        evaluate: Whether there are evaluations.
    """
    run = prepared(recipe, overrides, Path(cache))
    settings, encoders, sets, model = run.settings, run.encoders, run.sets, run.model
    if empty_knowledge:
        tokenizer = encoders.processor.tokenizer
        for data in sets.values():
            data.knowledge_ids = [[tokenizer.cls_token_id, tokenizer.sep_token_id]] * len(data)
    if pad_to is not None:
        for data in sets.values():
            _pad(data, pad_to)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(settings, RunFolder(folder), model)
        arguments.num_train_epochs = _EPOCHS
        arguments.save_strategy, arguments.report_to = "no", []
        arguments.load_best_model_at_end = False
        arguments.disable_tqdm = True
        if not evaluate:
            arguments.eval_strategy = "no"
        facts = {
            "samples": {name: len(data) for name, data in sets.items()},
            "tokens": {name: data.lengths() for name, data in sets.items()},
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "precision": "bf16" if arguments.bf16 else "fp32",
        }
        trainer = _GatedTrainer(
            model,
            arguments,
            train_dataset=sets["train"],
            eval_dataset=sets["validation"],
            processing_class=encoders.processor,
        )
        trainer.rounds = _Rounds(channel, device, facts)
        trainer.add_callback(trainer.rounds)
        with quiet_transformers():
            try:
                trainer.train()
            except _Finished:
                return


def _pad(data: Any, length: int) -> None:
    """Bring every text to ``length`` token ids; the mask then says that they all count, which costs the same."""
    if data.token_ids is not None:
        data.token_ids = [(ids + [0] * length)[:length] for ids in data.token_ids]
