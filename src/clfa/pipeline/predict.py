"""Predictions on new pairs: in memory, or streamed from a file of any size."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clfa.data.encoding import clean_text
from clfa.data.image_check import MISSING, UNREADABLE
from clfa.data.images import MissingImageError, is_address, load_image
from clfa.errors import DataError, ImageError
from clfa.evaluation.inference import softmax
from clfa.evaluation.target_predictions import TargetPrediction, predict_targets
from clfa.files import atomic_write
from clfa.knowledge.texts import KnowledgeTexts
from clfa.modeling import CLFAForClassification
from clfa.pipeline.evaluate import load_trained
from clfa.pipeline.run_folder import RunFolder, is_run_folder
from clfa.pipeline.tables import Row, iter_rows
from clfa.pipeline.target_report import prediction_record
from clfa.pretrained import cache_dir, pretrained_model
from clfa.processing.processor import CLFAProcessor
from clfa.progress import track
from clfa.recipe import load_recipe

# Characters of a text that are looked at; far beyond any tokenizer limit, and a bound on memory.
MAX_CHARACTERS = 100_000
# Failed rows that a summary quotes.
MAX_EXAMPLES = 10


@dataclass(frozen=True)
class Post:
    """One image-text pair to predict on.

    Args:
        text: The post, or ``None``.
        image: The picture in any form that ``load_image`` takes, or ``None``.
        knowledge: Extra text about the picture, or ``None``.
    """

    text: str | None = None
    image: Any = None
    knowledge: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What the model makes of one post, or why it could not.

    Args:
        label: Most probable class; of a single multi-label target the list of classes, of a regression the number;
            ``None`` on failure and where there are several targets.
        probabilities: By class name; empty on failure, for a regression and where there are several targets.
        embedding: Fused vector (``hidden_size``,), ``None`` on failure.
        error: Why there is no prediction, or ``None``.
        reason: The kind of failure in two words, as data checks name it: for counting.
        targets: By target name, for models with other targets than the one label; ``None`` on failure.
    """

    label: Any
    probabilities: dict[str, float]
    embedding: np.ndarray | None = field(default=None, repr=False)
    error: str | None = None
    reason: str | None = None
    targets: dict[str, TargetPrediction] | None = None


@dataclass
class PredictionSummary:
    """Counts over a file.

    Args:
        rows: Rows read.
        labels: Predictions by class; ``target: class`` where there are several targets.
        failures: Failed rows by reason.
        examples: The first failures, as ``row N (id): reason``.
    """

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


class Predictor:
    """A trained model and its processor, ready for new posts.

    Args:
        model: The model; moved to the GPU when there is one.
        processor: Its processor.
        batch_size: Posts per forward pass.

    Raises:
        RecipeError: When a knowledge source or lexicon that the model was trained with lacks its package or file.
        DataError: When a lexicon or WordNet cannot be read.
        ModelError: When a knowledge source's model cannot be loaded.

    Example:
        >>> Predictor.load("runs/mine")([Post("so sunny", "rain.jpg")])[0].label    # doctest: +SKIP
        'sarcastic'
    """

    def __init__(self, model: CLFAForClassification, processor: CLFAProcessor, batch_size: int = 32) -> None:
        self.model: Any = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.processor = processor
        self.batch_size = batch_size
        self.label_names = model.config.label_names
        self.targets = model.config.target_list
        self.knowledge: KnowledgeTexts | None = None
        if model.config.use_knowledge and processor.knowledge is not None:
            self.knowledge = KnowledgeTexts(processor.knowledge, cache_dir(), progress=False)
            # Loaded now, so that a missing lexicon is an error before the first post.
            _ = processor.word_graphs

    @classmethod
    def load(cls, path: str | Path, batch_size: int = 32) -> Predictor:
        """Load from a run folder, a model directory or a hub id.

        Raises:
            ModelError: When there is no trained model.
        """
        if is_run_folder(Path(path)):
            return cls(*load_trained(RunFolder(path).finished()), batch_size=batch_size)
        return cls(pretrained_model(CLFAForClassification, path), CLFAProcessor.from_pretrained(path), batch_size)

    def __call__(self, posts: Sequence[Post]) -> list[Prediction]:
        """Predict; a post that cannot be read gets a prediction with ``error`` set, and the others go on."""
        return [prediction for batch in _chunks(posts, self.batch_size) for prediction in self._predict(batch)]

    @torch.inference_mode()
    def _predict(self, posts: Sequence[Post]) -> list[Prediction]:
        results: list[Prediction | None] = [None] * len(posts)
        texts: list[str | None] = []
        images: list[Any] = []
        knowledge: list[str | None] = []
        kept: list[int] = []
        for position, post in enumerate(posts):
            try:
                text, image = self._read(post)
            except DataError as error:
                results[position] = Prediction(None, {}, error=str(error), reason=_reason(error))
                continue
            kept.append(position)
            texts.append(text)
            images.append(image)
            knowledge.append(_text_of(post.knowledge))
        if kept:
            if self.knowledge is not None:
                pictures = [posts[position].image for position in kept]
                knowledge = self.knowledge({"text": texts, "image": pictures, "knowledge": knowledge})
            reads_images = self.processor.image_processor is not None
            inputs = self.processor(
                text=texts,
                images=images if reads_images else None,
                knowledge=knowledge if self.model.config.use_knowledge else None,
            ).to(self.model.device)
            output = self.model(**inputs)
            logits = output.logits.float().cpu().numpy()
            embeddings = output.pooler_output.float().cpu().numpy()
            for position, found, embedding in zip(kept, self._interpret(logits), embeddings, strict=True):
                results[position] = replace(found, embedding=embedding)
        return [result for result in results if result is not None]

    def _interpret(self, logits: np.ndarray) -> list[Prediction]:
        if not self.targets:
            return [
                Prediction(
                    self.label_names[int(row.argmax())],
                    {name: float(p) for name, p in zip(self.label_names, row, strict=True)},
                )
                for row in softmax(logits)
            ]
        predictions = []
        for found in predict_targets(self.targets, logits):
            only = next(iter(found.values())) if len(found) == 1 else TargetPrediction(None)
            predictions.append(Prediction(only.value, only.probabilities or {}, targets=found))
        return predictions

    def _read(self, post: Post) -> tuple[str | None, Any]:
        """Checked text and loaded image; ``None`` for what a model that allows it does without.

        Raises:
            DataError: Saying what is missing or unreadable.
        """
        reads_text, reads_image = self.processor.tokenizer is not None, self.processor.image_processor is not None
        may_lack = self.model.config.allow_missing_modalities and reads_text and reads_image
        text = _text_of(post.text) if reads_text else ""
        if reads_text and not text and not may_lack:
            raise DataError("empty text")
        image = None
        if reads_image:
            try:
                if post.image is None or post.image == "":
                    raise MissingImageError(MISSING)
                image = load_image(post.image)
            except ImageError:
                if not (may_lack and text):
                    raise
        return text or None, image


def run_columns(path: str | Path) -> dict[str, str]:
    """Names of the text, image, id and knowledge columns that a run was trained with.

    Args:
        path: Run folder; anything else gives the usual names.
    """
    folder = RunFolder(path)
    options = load_recipe(folder.recipe).data.options if is_run_folder(folder.path) else {}
    return {name: str(options.get(name) or name) for name in ("text", "image", "id", "knowledge")}


def predict_file(
    predictor: Predictor,
    source: str | Path,
    output: str | Path,
    *,
    text: str = "text",
    image: str = "image",
    identifier: str = "id",
    knowledge: str = "knowledge",
    strict: bool = False,
) -> PredictionSummary:
    """Predict on every row of a JSONL, CSV, TSV or Parquet file, in constant memory and in order.

    Args:
        predictor: The model.
        source: Input file. Relative image paths are relative to its folder.
        output: JSONL file to write: the row's id, ``prediction``, ``probabilities`` and, for a row that failed,
            ``error``; with several targets these two stand under ``targets`` and the target's name. It appears when it
            is whole.
        text: Text column.
        image: Image column: paths, fsspec addresses, or encoded bytes.
        identifier: Id column; the row number where it is absent.
        knowledge: Knowledge column, for models that read it.
        strict: Make the first failing row an error.

    Returns:
        Counts.

    Raises:
        DataError: When the file cannot be read, lacks a column that the model needs, or, when strict, a row fails.
    """
    source = Path(source)
    summary = PredictionSummary()
    with atomic_write(output) as file, track(_row_count(source), "predicting") as advance:
        for rows in _chunked(iter_rows(source), predictor.batch_size):
            if summary.rows == 0:
                _require_columns(predictor, rows, source, text, image)
            posts = [
                Post(row.values.get(text), located(row.values.get(image), source.parent), row.values.get(knowledge))
                for row in rows
            ]
            predictions = predictor([post for post, row in zip(posts, rows, strict=True) if row.error is None])
            remaining = iter(predictions)
            for row in rows:
                unreadable = Prediction(None, {}, error=row.error, reason="unreadable row")
                result = unreadable if row.error is not None else next(remaining)
                row_id = row.values.get(identifier, row.number)
                record = {"id": row_id, **_record(result)}
                if result.error is None:
                    summary.labels.update(_classes(result))
                else:
                    if strict:
                        raise DataError(f"{source} row {row.number} (id {row_id}): {result.error}")
                    record["error"] = result.error
                    summary.failures[str(result.reason)] += 1
                    if len(summary.examples) < MAX_EXAMPLES:
                        summary.examples.append(f"row {row.number} (id {row_id}): {result.error}")
                file.write(_json_line(record))
            summary.rows += len(rows)
            advance(len(rows))
    if predictor.knowledge is not None:
        predictor.knowledge.warn()
    return summary


def _record(result: Prediction) -> dict[str, Any]:
    if result.targets is not None:
        return prediction_record(result.targets)
    if result.error is not None:
        return {"prediction": None}
    probabilities = {name: round(p, 6) for name, p in result.probabilities.items()}
    return {"prediction": result.label, "probabilities": probabilities}


def _classes(result: Prediction) -> list[str]:
    """The classes a prediction counts for; a number counts for none."""
    if result.targets is None:
        return [str(result.label)]
    counted = []
    for name, found in result.targets.items():
        values = found.value if isinstance(found.value, list) else [found.value] * (found.probabilities is not None)
        counted += [f"{name}: {value}" if len(result.targets) > 1 else str(value) for value in values]
    return counted


def _text_of(value: Any) -> str:
    """A text as the data readers clean it; empty for whatever is not a text."""
    if not isinstance(value, str):
        return ""
    # JSON may hold half an emoji, which no tokenizer takes; whole ones written as two halves are joined.
    whole = value[:MAX_CHARACTERS].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean_text(whole)


def _reason(error: DataError) -> str:
    if isinstance(error, MissingImageError):
        return MISSING
    return UNREADABLE if isinstance(error, ImageError) else str(error)


def _json_line(record: dict[str, Any]) -> str:
    line = json.dumps(record, ensure_ascii=False, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:
        # Half an emoji in an id has a JSON escape and no UTF-8 form.
        line = json.dumps(record, default=str)
    return line + "\n"


def _require_columns(predictor: Predictor, rows: list[Row], source: Path, text: str, image: str) -> None:
    columns = {name for row in rows for name in row.values}
    looks = predictor.knowledge is not None and predictor.knowledge.reads_images
    needed = [
        (name, option)
        for name, option, reads in (
            (text, "--text-column", predictor.processor.tokenizer is not None),
            (image, "--image-column", predictor.processor.image_processor is not None or looks),
        )
        if reads
    ]
    for name, option in needed:
        if columns and name not in columns:
            raise DataError(
                f"{source} has no column {name!r}; it has {', '.join(sorted(columns))}. Name it with {option}."
            )


def located(image: Any, folder: Path) -> Any:
    """A relative path becomes relative to the table's folder; everything else stays."""
    if isinstance(image, dict):
        return {**image, "path": located(image["path"], folder)} if image.get("path") else image
    if isinstance(image, str) and image and not is_address(image) and not Path(image).is_absolute():
        return str(folder / image)
    return image


def _row_count(source: Path) -> int:
    """Rows for the progress bar; 0 where counting would cost a pass over the file."""
    if source.suffix == ".parquet" and source.is_file():
        import pyarrow.parquet as pq

        try:
            return int(pq.read_metadata(source).num_rows)
        except (OSError, ValueError):
            return 0
    return 0


def _chunks(posts: Sequence[Post], size: int) -> Iterator[Sequence[Post]]:
    for start in range(0, len(posts), size):
        yield posts[start : start + size]


def _chunked(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
