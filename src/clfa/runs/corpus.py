"""Loading of the corpus of a run: reading, validation and knowledge."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clfa.data import READERS, Corpus, read_corpus
from clfa.data.splits import limit_labels, subset, training_subset
from clfa.data.unlabelled import add_unlabelled, without_evaluated
from clfa.data.validation import validate
from clfa.errors import Argument, DataError, RecipeError
from clfa.knowledge.fill import fill_knowledge
from clfa.knowledge.texts import KnowledgeTexts
from clfa.pretrained import cache_dir
from clfa.recipe import Recipe
from clfa.runs.require_samples import require_samples
from clfa.targets.spec import TargetSpec
from clfa.targets.target import Target


def load_corpus(
    recipe: Recipe,
    *,
    strict: bool = False,
    source: Any = None,
    targets: Sequence[Target] = (),
    cache: Path | None = None,
) -> Corpus:
    """Read and validate the data of a recipe, and add the knowledge texts.

    Args:
        recipe: Its ``data`` section, and whether its model reads images.
        strict: Whether the first bad sample is an error instead of being counted and left out.
        source: Data instead of ``recipe.data.dir``, for readers that take tables from memory.
        targets: Targets of a trained model, for readers that would otherwise find the classes in the data at hand.
        cache: Cache directory.

    Raises:
        DataError: When the data cannot be used.
        RecipeError: When no data directory is known, or a knowledge source cannot work.
        ModelError: When a knowledge source's model cannot be loaded.
    """
    data = recipe.data
    place = source if source is not None else data.dir
    if place is None:
        raise RecipeError("no data: give data.dir in the recipe, or ", Argument("source"), ".")
    options = dict(data.options)
    if data.fold is not None:
        options["fold"] = data.fold
    known = inspect.signature(READERS.get(data.reader)).parameters
    if specs := data.target_specs:
        if "targets" not in known:
            raise RecipeError(
                f"the {data.reader} reader has one label per sample; data.targets and data.problem_type need the table "
                "or hub reader."
            )
        options.pop("label_names", None)
        options["targets"] = _with_classes(specs, targets)
    elif targets and "label_names" in known:
        options.setdefault("label_names", list(targets[0].label_names))
    reads_images, reads_texts = recipe.model.vision_encoder is not None, recipe.model.text_encoder is not None
    may_lack = recipe.model.allow_missing_modalities and reads_images and reads_texts
    required = ("text",) if reads_texts and not may_lack else ()
    corpus = read_corpus(data.reader, place, access=data.access, required=required, **options)
    if data.unlabelled:
        corpus = add_unlabelled(corpus, data.unlabelled, options, data.access, required)
    require_samples(corpus, place)
    if reads_images and not may_lack and not corpus.has_images:
        raise DataError(_without_images(corpus, place))
    corpus = validate(
        corpus,
        check_images=reads_images,
        check_texts=reads_texts,
        allow_missing=may_lack,
        strict=strict,
        cache=cache_dir() / "decoded-images.json",
        max_images=data.max_images,
    )
    if data.limit is not None:
        corpus = subset(corpus, data.limit, recipe.seed)
    if data.train_limit is not None:
        corpus = training_subset(corpus, data.train_limit, recipe.seed)
    if data.labelled_limit is not None:
        corpus = limit_labels(corpus, data.labelled_limit, recipe.seed)
    aligned = recipe.training.unlabelled_share > 0
    if data.unlabelled or data.labelled_limit is not None or aligned:
        corpus = without_evaluated(corpus)
    if recipe.model.use_knowledge:
        require_samples(corpus, place)
        texts = KnowledgeTexts(recipe.knowledge, cache or cache_dir())
        corpus = fill_knowledge(corpus, texts, unlabelled=aligned)
    return corpus


def _without_images(corpus: Corpus, place: Any) -> str:
    """Return the message about data without any image, for a model that reads them."""
    where = f" in {place}" if isinstance(place, str | os.PathLike) else ""
    column = corpus.facts.get("columns", {}).get("image")
    why = "" if column is None else f": all cells of the column {column!r} are empty"
    return (
        f"{corpus.name}{where} has no images{why}, and the recipe's model reads them. "
        "Set model.vision_encoder=null for a text-only model."
    )


def _with_classes(specs: Mapping[str, TargetSpec], targets: Sequence[Target]) -> dict[str, TargetSpec]:
    """Return ``specs`` with the classes of the targets of a trained model, in their order."""
    classes = {target.name: list(target.label_names) for target in targets if target.label_names}
    return {
        name: spec.model_copy(update={"label_names": classes[name]}) if name in classes else spec
        for name, spec in specs.items()
    }


def corpus_key(recipe: Recipe) -> str:
    """Return a key that is equal for recipes with the same corpus.

    All settings count except those without effect on the corpus: the guide, the training except whether unlabelled
    pairs take part, and the model except its modalities.
    """
    content = recipe.model_dump(exclude={"name", "description", "seed", "model", "guide", "training"})
    model = recipe.model
    content["model"] = [model.text_encoder is not None, model.vision_encoder is not None, model.use_knowledge]
    content["model"].append(model.allow_missing_modalities)
    content["unlabelled"] = recipe.training.unlabelled_share > 0
    data = recipe.data
    content["seed"] = recipe.seed if data.limit or data.train_limit or data.labelled_limit else None
    return json.dumps(content, sort_keys=True, default=str)
