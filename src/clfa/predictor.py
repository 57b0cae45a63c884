"""Three lines from a table of image paths, texts and labels to a trained model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset, Image

from clfa.errors import Argument, DataError, ModelError
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.recipe import load_recipe, validate_recipe
from clfa.runs.evaluate import evaluate
from clfa.runs.run_folder import RunFolder
from clfa.runs.train import train
from clfa.tables.cells import read_image, read_text
from clfa.tables.rows import iter_rows


class CLFAPredictor:
    """Fit, predict, embed and evaluate on tables.

    A table is a pandas DataFrame, a Datasets ``Dataset``, or the path of a CSV, JSONL or Parquet file, with a column of
    texts, one of pictures (paths, fsspec addresses or bytes) and one of labels.

    Args:
        recipe: Name or file of a recipe. The default trains on frozen small encoders in minutes on a CPU and needs the
            extra ``offline``; ``paper-mmsd`` and its siblings are the paper's.
        path: Run folder to make; a temporary one, removed with the object, when not given.
        text: Text column.
        image: Image column.
        label: Label column.
        image_root: Folder that relative image paths are relative to; the table file's own, or the working directory.
        overrides: Further ``section.key=value`` overrides of the recipe.

    Example:
        >>> predictor = CLFAPredictor().fit("posts.csv")                        # doctest: +SKIP
        >>> predictor.predict(new_posts)                                        # doctest: +SKIP
        ['sarcastic', 'sincere']
    """

    def __init__(
        self,
        recipe: str = "offline",
        path: str | Path | None = None,
        *,
        text: str = "text",
        image: str = "image",
        label: str = "label",
        image_root: str | Path | None = None,
        overrides: Sequence[str] = (),
    ) -> None:
        self.recipe = load_recipe(recipe, overrides)
        self._temporary = None if path is not None else tempfile.mkdtemp(prefix="clfa-")
        self.path = Path(path) if path is not None else Path(str(self._temporary)) / "run"
        self.columns = {"text": text, "image": image, "label": label}
        self.image_root = image_root
        self._predictor: PostClassifier | None = None

    def __del__(self) -> None:
        if getattr(self, "_temporary", None) is not None:
            shutil.rmtree(str(self._temporary), ignore_errors=True)

    @classmethod
    def load(cls, path: str | Path) -> CLFAPredictor:
        """A predictor over a finished run folder.

        Raises:
            ModelError: When ``path`` is not one.
        """
        folder = RunFolder(path).finished()
        predictor = cls.__new__(cls)
        predictor.recipe = load_recipe(folder.recipe)
        predictor._temporary = None
        predictor.path = folder.path
        options = predictor.recipe.data.options
        predictor.columns = {name: options.get(name, name) for name in ("text", "image", "label")}
        predictor.image_root = options.get("image_root")
        predictor._predictor = PostClassifier.load(path)
        return predictor

    def fit(
        self,
        table: Any,
        validation: Any = None,
        test: Any = None,
        *,
        targets: Mapping[str, Any] | Sequence[str] | None = None,
    ) -> CLFAPredictor:
        """Train on a table; without a validation table, a stratified tenth of it is held out for model selection.

        Args:
            table: Labelled posts.
            validation: Labelled posts for choosing the best epoch.
            test: Labelled posts scored once, at the end.
            targets: What to predict instead of the one label: a mapping of names to the fields of
                :class:`clfa.targets.spec.TargetSpec`, or the names of columns of classes.

        Returns:
            Itself.

        Raises:
            CLFAError: Naming what is wrong with the table or recipe.
        """
        source: Any = table
        if validation is not None or test is not None:
            source = {"train": table, "validation": validation, "test": test}
            source = {name: part for name, part in source.items() if part is not None}
        options = dict(self.recipe.data.options)
        options.update({name: column for name, column in self.columns.items() if column != name})
        if self.image_root is not None:
            options["image_root"] = str(self.image_root)
        changes: dict[str, Any] = {"reader": "table", "options": options}
        if targets is not None:
            changes["targets"] = targets if isinstance(targets, Mapping) else {name: {} for name in targets}
        recipe = self.recipe.model_dump()
        recipe["data"].update(changes)
        train(validate_recipe(recipe), self.path, source=source)
        self._predictor = PostClassifier.load(self.path)
        return self

    @property
    def label_names(self) -> list[str]:
        """Class names in index order; with several targets ``target: class``."""
        return self._trained().label_names

    def predict(self, table: Any) -> Any:
        """The most probable class of each post, as a list; ``None`` where a post cannot be read.

        Of a multi-label target it is the list of classes, of a regression the number. With several targets it is a data
        frame with a column for each.
        """
        found = self.predictions(table)
        targets = self._trained().targets
        if len(targets) < 2:
            return [prediction.label for prediction in found]
        values = {
            target.name: [None if p.targets is None else p.targets[target.name].value for p in found]
            for target in targets
        }
        return pd.DataFrame(values, dtype=object)

    def predict_proba(self, table: Any) -> pd.DataFrame:
        """Class probabilities, one row per post; missing values where a post cannot be read.

        With several targets the columns have two levels, target and class; regressions have none.

        Raises:
            ModelError: When all targets are regressions.
        """
        targets = self._trained().targets
        classified = [target for target in targets if target.label_names]
        if targets and not classified:
            raise ModelError("a regression has no class probabilities; use predict().")
        found = self.predictions(table)
        if len(targets) < 2:
            return pd.DataFrame([p.probabilities for p in found], columns=self.label_names, dtype=float)
        keys = [(target.name, label) for target in classified for label in target.label_names]
        rows = [[_probability(p, *key) for key in keys] for p in found]
        return pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(keys, names=["target", "class"]), dtype=float)

    def embed(self, table: Any) -> np.ndarray:
        """Fused vectors (N, ``hidden_size``); NaN where a post cannot be read."""
        width = self._trained().config.hidden_size
        empty = np.full(width, np.nan, np.float32)
        predictions = self.predictions(table)
        return np.stack([empty if p.embedding is None else p.embedding for p in predictions] or [empty])[
            : len(predictions)
        ]

    def evaluate(self, table: Any) -> dict[str, Any]:
        """Metrics on labelled posts, as a run's own test split is scored; with targets, by target."""
        return evaluate(self.path, "test", source={"test": table})

    def predictions(self, table: Any) -> list[Prediction]:
        """Full predictions, with the reason where a post cannot be read."""
        return self._trained()(self._posts(table))

    def save(self, path: str | Path) -> Path:
        """Copy the run folder, without its checkpoints, to ``path``.

        Raises:
            DataError: When ``path`` exists.
        """
        self._trained()
        target = Path(path)
        if target.exists():
            raise DataError(f"{target} exists already; give another path.")
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.copytree(self.path, temporary, ignore=shutil.ignore_patterns("checkpoints"))
        temporary.rename(target)
        return target

    def _trained(self) -> PostClassifier:
        if self._predictor is None:
            raise ModelError("this predictor is not trained yet; call fit() first.")
        return self._predictor

    def _require_columns(self, rows: list[dict[str, Any]]) -> None:
        present = {name for row in rows for name in row}
        processor = self._trained().processor
        for field, part in (("text", processor.tokenizer), ("image", processor.image_processor)):
            column = self.columns[field]
            if rows and part is not None and column not in present:
                found = ", ".join(sorted(present))
                problem = f"the table has no column {column!r}; it has {found}. Name it with "
                raise DataError(problem, Argument(field, ...), " where the predictor is made.")

    def _posts(self, table: Any) -> list[Post]:
        folder = Path(self.image_root or ".")
        if isinstance(table, str | Path):
            folder = Path(self.image_root or Path(table).parent)
            rows: list[dict[str, Any]] = [row.values for row in iter_rows(table)]
        elif isinstance(table, pd.DataFrame):
            rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
        elif isinstance(table, Dataset):
            # A picture that cannot be decoded must fail alone, where it is read.
            for name, feature in table.features.items():
                if isinstance(feature, Image):
                    table = table.cast_column(name, Image(decode=False))
            rows = list(table.with_format(None))
        else:
            kinds = "a pandas DataFrame, a datasets.Dataset or the path of a table file"
            raise DataError(f"a table is {kinds}, got {type(table).__name__}.")
        self._require_columns(rows)
        return [
            Post(
                read_text(row.get(self.columns["text"])),
                read_image(row.get(self.columns["image"]), str(folder)),
                read_text(row.get("knowledge")),
            )
            for row in rows
        ]


def _probability(prediction: Prediction, target: str, label: str) -> float:
    if prediction.targets is None:
        return float("nan")
    return (prediction.targets[target].probabilities or {})[label]
