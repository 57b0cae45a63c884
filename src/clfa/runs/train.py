"""A training run by a recipe."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from clfa.data import Corpus
from clfa.devices import best_device
from clfa.processes import join
from clfa.recipe import Recipe
from clfa.runs.arguments import share_of
from clfa.runs.known_names import check_encoders
from clfa.runs.members import train_members
from clfa.runs.model_card import write_model_card
from clfa.runs.names import check_names
from clfa.runs.run_folder import RunFolder
from clfa.runs.train_one import RunResult, train_one

__all__ = ["RunResult", "train"]

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    output: str | Path,
    *,
    resume: bool = False,
    strict: bool = False,
    score_test: bool = True,
    source: Any = None,
    corpus: Corpus | None = None,
    cache: Path | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> RunResult:
    """Train and evaluate by a recipe.

    With ``training.members`` above 1 it trains several networks on folds of the training and validation data
    (:func:`clfa.runs.members.train_members`), otherwise one (:func:`clfa.runs.train_one.train_one`).

    The best epoch is chosen on the validation split, by macro-F1 or, with other targets than the default label, by the
    score of :func:`clfa.targets.scores.score`; the test split, where there is one, is scored once, at
    the end.

    Under ``torchrun`` or ``accelerate launch`` every process calls this with the same arguments. The main one reads and
    caches first, and alone writes the run folder and scores; ``training.batch_size`` is divided among them all.

    Args:
        recipe: What to do.
        output: Run folder to make.
        resume: Continue the unfinished run in ``output``, on the same data in the recorded splits.
        strict: Make the first bad sample an error instead of leaving it out.
        score_test: Score the test split at the end; leave it alone while settings are still being chosen.
        source: Data instead of ``recipe.data.dir``: whatever the recipe's reader takes, for instance a table.
        corpus: What :func:`clfa.runs.corpus.load_corpus` gave before for an equal ``corpus_key``.
        cache: Cache directory; the default is ``$CLFA_CACHE`` or ``~/.cache/clfa``.
        callbacks: Further callbacks of the Trainer, for a run of one network.

    Returns:
        The run folder and its metrics, in every process.

    Raises:
        CLFAError: Naming what is wrong with the recipe, data, encoders, guide or run folder.
    """
    processes = join(use_cpu=best_device() == "cpu")
    share_of(recipe.training.batch_size, processes.num_processes)
    folder = RunFolder(output)
    folder.check(recipe, resume)
    check_names(recipe)
    check_encoders(recipe)
    if resume and folder.metrics.is_file():
        logger.info("%s is finished already.", folder.path)
        if processes.is_main_process:
            # A killed run may have ended just before.
            write_model_card(folder)
        return RunResult(folder, folder.read_metrics())
    with folder.locked() if processes.is_main_process else nullcontext():
        # Another process may have written the folder before it was locked.
        folder.check(recipe, resume)
        run: Any = train_members if recipe.training.members > 1 else train_one
        result: RunResult = run(
            recipe,
            folder,
            resume=resume,
            strict=strict,
            score_test=score_test,
            source=source,
            corpus=corpus,
            cache=cache,
            **({"callbacks": callbacks} if callbacks else {}),
        )
        if processes.is_main_process:
            write_model_card(folder)
        return result
