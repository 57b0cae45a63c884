"""Evaluation of a finished run on a split of its data or of other data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clfa.data import Corpus
from clfa.errors import Argument, DataError, RecipeError
from clfa.files import require_writable, write_json
from clfa.modeling import CLFAForClassification
from clfa.nearest import did_you_mean
from clfa.recipe import Recipe, load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.data_record import recorded_split, trained_on
from clfa.runs.encoded_splits import encode_split
from clfa.runs.encoders import Encoders
from clfa.runs.run_folder import RunFolder
from clfa.runs.score import score_split
from clfa.runs.trained import load_trained
from clfa.runs.unlabelled import without_unlabelled
from clfa.tables.access import CLOSED, Access
from clfa.tables.gate import PictureGate
from clfa.tables.hosts import PRIVATE, names_private_host
from clfa.tables.paths import is_address
from clfa.targets.target import Target, same_labels

logger = logging.getLogger(__name__)


def evaluate(
    run: str | Path,
    split: str = "test",
    *,
    data_dir: str | None = None,
    output: str | Path | None = None,
    strict: bool = False,
    source: Any = None,
    access: Access | None = None,
    image_root: str | Path | None = None,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a finished run on one split, of its own data on the samples that the run recorded as that split.

    Args:
        run: Run folder.
        split: ``train``, ``validation`` or ``test``.
        data_dir: Other data than the run's; a table file is scored whole. Posts in it that the model was trained on
            are counted in a warning.
        output: Folder for metrics, predictions and plot; the run folder's ``evaluation-SPLIT`` when not given, so that
            what the training wrote stays as it was.
        strict: Make the first bad sample an error.
        source: Data from memory, for readers that take it.
        access: What rows may open. By default what the run's recipe says, and nothing for other data than the run's.
        image_root: Base folder or address of the relative image paths of other data; that of the run when not given.
        cache: Cache directory.

    Returns:
        The metrics, also written as ``metrics.json``.

    Raises:
        ModelError: When ``run`` is not a finished run.
        DataError: When ``output`` cannot be written, the split does not exist, its classes are not the model's, or
            samples of the run's own split have changed since.
        RecipeError: When ``output`` is a run folder.
    """
    folder = RunFolder(run).finished()
    # An evaluation reads no unlabelled posts.
    recipe = without_unlabelled(load_recipe(folder.recipe))
    if data_dir is not None:
        options = dict(recipe.data.options)
        if recipe.data.reader == "table" and Path(data_dir).is_file():
            # Evaluate all rows of another table. Without this the reader would draw new splits.
            options["as_split"] = split
        recipe = recipe.model_copy(
            update={"data": recipe.data.model_copy(update={"dir": data_dir, "options": options})}
        )
    if data_dir is not None or source is not None:
        recipe = _for_other_data(recipe, access or CLOSED, image_root)
    elif access is not None:
        recipe = recipe.model_copy(update={"data": recipe.data.with_access(access)})
    target = RunFolder(output if output is not None else folder.path / f"evaluation-{split}")
    if target.recipe.exists():
        problem = f"{target.path} holds a run, whose own metrics would be lost; give another "
        raise RecipeError(problem, Argument("output"), ".")
    require_writable(target.path, folder=True)
    model, processor = load_trained(folder)
    corpus = load_corpus(recipe, strict=strict, source=source, targets=model.config.target_list, cache=cache)
    if source is not None or data_dir is not None:
        _report_dropped(corpus, strict)
    if split not in corpus.splits or not len(corpus.splits[split]):
        hint = did_you_mean(split, corpus.splits)
        raise DataError(f"{corpus.name} has no {split} samples; it has: {', '.join(corpus.splits)}.{hint}")
    check_label_names(model, corpus)
    target.path.mkdir(parents=True, exist_ok=True)
    # With the encoders of the trained model, frozen encoders use the feature caches of the training.
    encoders = Encoders(recipe.model, model.clfa.text_encoder, model.clfa.vision_encoder, processor, cache)
    if data_dir is None and source is None:
        corpus.splits[split] = recorded_split(recipe, corpus, encoders, folder.path, split)
    elif seen := trained_on(recipe, corpus, encoders, folder.path, split):
        logger.warning(
            "%s: %d of %d posts are ones that the model was trained on, with their labels. The scores are better than "
            "those of new posts; leave these rows out.",
            corpus.name,
            seen,
            len(corpus.splits[split]),
        )
    dataset = encode_split(recipe, corpus.splits[split], encoders)
    metrics = score_split(model, dataset, split, corpus, target, recipe)
    target.write_dropped(corpus.dropped)
    write_json(target.metrics, {"run": str(run), "split": split, "data": corpus.name, **metrics})
    return metrics


def _for_other_data(recipe: Recipe, access: Access, image_root: str | Path | None) -> Recipe:
    """Return the recipe of a run for rows that its maker does not know, which it gives no permission."""
    options = dict(recipe.data.options)
    root = options.get("image_root")
    if image_root is not None:
        options["image_root"] = str(image_root)
    elif isinstance(root, str) and is_address(root):
        refused = isinstance(PictureGate("", access)(root), dict)
        if refused or (names_private_host(root) and not access.allows(PRIVATE)):
            raise DataError(
                f"the run reads pictures below {root}; if other data may do so, permit it with ",
                Argument("allow_urls", ...),
                ", and `private` beside the scheme for a private host.",
            )
    data = recipe.data.with_access(access)
    return recipe.model_copy(update={"data": data.model_copy(update={"options": options})})


def _report_dropped(corpus: Corpus, strict: bool) -> None:
    if not corpus.dropped:
        return
    counts = ", ".join(f"{reason}: {count}" for reason, count in corpus.dropped_counts().items())
    first = corpus.dropped[0]
    problem = (
        f"{corpus.name}: {len(corpus.dropped)} rows are not evaluated ({counts}). "
        f"The first: {first.source}: {first.detail or first.reason}"
    )
    if strict:
        raise DataError(problem)
    logger.warning("%s", problem)


def check_label_names(model: CLFAForClassification, corpus: Corpus) -> None:
    """Check that the data and the model have the same targets and classes.

    Raises:
        DataError: If the targets or their class names differ.
    """
    targets, found = model.config.target_list, corpus.targets
    if not same_labels(targets, found):
        raise DataError(
            f"the model's targets are {_in_words(targets)}, the data's {_in_words(found)}; they must be the same."
        )


def _in_words(targets: Sequence[Target]) -> str:
    return "; ".join(f"{t.name} ({t.problem_type}: {', '.join(t.label_names) or 'number'})" for t in targets)
