"""``CLFAPredictor``: training, prediction and evaluation on tables."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clfa.errors import DataError, ModelError, RecipeError
from clfa.files import atomic_folder
from clfa.nearest import did_you_mean
from clfa.prediction.failures import OnErrors, report_failures
from clfa.prediction.post import Post, Prediction
from clfa.prediction.required import required_fields
from clfa.prediction.table_posts import table_posts
from clfa.recipe import Recipe, load_recipe, validate_recipe
from clfa.runs.known_names import check_known
from clfa.runs.run_folder import RunFolder, is_run_folder
from clfa.tables.access import Access

if TYPE_CHECKING:
    import pandas

    from clfa.jobs.summary import Summary
    from clfa.prediction.engines.base import Precision
    from clfa.prediction.post_classifier import PostClassifier


logger = logging.getLogger(__name__)

# Recipes for one's own tables, from the quickest to the most accurate.
PRESETS = ("fast", "good", "best")


class CLFAPredictor:
    """Fit, predict, embed and evaluate on tables.

    A table is a pandas DataFrame, a Datasets ``Dataset``, a list of dictionaries, or the path of a CSV, JSONL or
    Parquet file, with a column of texts, one of pictures (paths, fsspec addresses or bytes, or lists of these) and one
    of labels.

    Args:
        recipe: Name or file of a recipe; ``paper-mmsd`` and its siblings are the paper's. By default that of
            ``presets``.
        path: Run folder to create; by default a temporary folder that is removed with the object.
        text: Text column.
        image: Image column.
        label: Label column.
        image_root: Base folder of relative image paths; by default the folder of the table file, or the working
            directory. Rows may name images in this folder only, relative or absolute.
        allow_urls: Addresses that rows may name as images: ``True``, or schemes such as ``["https"]``.
        allow_outside: Whether rows may name any local image.
        overrides: Further ``section.key=value`` overrides of the recipe.
        presets: One of :data:`PRESETS` instead of a recipe: ``fast``, ``good`` (the default) or ``best``. They train on
            frozen small encoders on a CPU and need the extra ``offline``.

    Raises:
        RecipeError: When there is no such recipe or preset, or both are given.

    Example:
        >>> predictor = CLFAPredictor().fit("posts.csv")                        # doctest: +SKIP
        >>> predictor.predict(new_posts)                                        # doctest: +SKIP
        ['sarcastic', 'sincere']
    """

    def __init__(
        self,
        recipe: str | None = None,
        path: str | Path | None = None,
        *,
        text: str = "text",
        image: str = "image",
        label: str = "label",
        image_root: str | Path | None = None,
        allow_urls: bool | str | Sequence[str] = False,
        allow_outside: bool = False,
        overrides: Sequence[str] = (),
        presets: str | None = None,
    ) -> None:
        if recipe is not None and presets is not None:
            raise RecipeError("recipe and presets are both given; a preset is a recipe, so give one of them.")
        if presets is not None and presets not in PRESETS:
            hint = did_you_mean(presets, PRESETS)
            raise RecipeError(f"no preset {presets!r}; choose one of: {', '.join(PRESETS)}.{hint}")
        self.recipe: Recipe | None = load_recipe(recipe or presets or "good", overrides)
        check_known(self.recipe)
        self._temporary = None if path is not None else tempfile.mkdtemp(prefix="clfa-")
        self.path = Path(path) if path is not None else Path(str(self._temporary)) / "run"
        self.columns = {"text": text, "image": image, "label": label}
        self.image_root = image_root
        own = self.recipe.data.access
        self.access = Access.of(allow_urls or own.urls, allow_outside or own.outside)
        self._classifier: PostClassifier | None = None
        self._loaded_with: dict[str, Any] = {}

    def __del__(self) -> None:
        if getattr(self, "_temporary", None) is not None:
            shutil.rmtree(str(self._temporary), ignore_errors=True)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: str = "torch",
        precision: Precision = "fp32",
        batch_size: int = 32,
        image_root: str | Path | None = None,
        allow_urls: bool | str | Sequence[str] = False,
        allow_outside: bool = False,
    ) -> CLFAPredictor:
        """Return a predictor over a trained model.

        Args:
            path: Finished run folder, model directory, or hub id; for ``onnx`` also an export.
            engine: Name in :data:`clfa.prediction.engines.ENGINES`.
            precision: ``auto``, ``fp32`` or ``bf16``.
            batch_size: Posts per forward pass.
            image_root: See the class; that of the training when not given.
            allow_urls: See the class; what the training allowed does not count.
            allow_outside: See ``allow_urls``.

        Raises:
            ModelError: When there is no trained model, or the engine cannot run it.
        """
        from clfa.prediction.post_classifier import PostClassifier

        predictor = cls.__new__(cls)
        predictor._temporary = None
        predictor._loaded_with = {"engine": engine, "precision": precision, "batch_size": batch_size}
        predictor._classifier = PostClassifier.load(path, batch_size, engine=engine, precision=precision)
        predictor.path = Path(path)
        predictor.recipe = load_recipe(RunFolder(path).recipe) if is_run_folder(Path(path)) else None
        options = {} if predictor.recipe is None else predictor.recipe.data.options
        predictor.columns = {name: options.get(name, name) for name in ("text", "image", "label")}
        predictor.image_root = options.get("image_root") if image_root is None else image_root
        predictor.access = Access.of(allow_urls, allow_outside)
        return predictor

    def fit(
        self,
        table: Any,
        validation: Any = None,
        test: Any = None,
        *,
        targets: Mapping[str, Any] | Sequence[str] | None = None,
    ) -> CLFAPredictor:
        """Train on a table. Without a validation table, a stratified tenth is held out for model selection.

        Without ``path``, another call replaces the model; a folder that was given holds one run.

        A warning is logged if the model is not above the best yardstick (:mod:`clfa.yardsticks`) on validation.

        Args:
            table: Labelled posts.
            validation: Labelled posts for choosing the best epoch.
            test: Labelled posts scored once, at the end.
            targets: What to predict instead of the one label: a mapping of names to the fields of
                :class:`clfa.targets.spec.TargetSpec`, or the names of columns of classes.

        Returns:
            Itself.

        Raises:
            CLFAError: Naming what is wrong with the table, the recipe or the folder.
        """
        from clfa.prediction.post_classifier import PostClassifier
        from clfa.runs.train import train
        from clfa.yardsticks.standing import standing

        if self.recipe is None:
            raise ModelError(f"{self.path} is a model without a recipe; make a new CLFAPredictor to train.")
        folder = self._new_folder()
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
        settings = validate_recipe(recipe)
        settings = settings.model_copy(update={"data": settings.data.with_access(self.access)})
        found = standing(train(settings, folder, source=source).metrics)
        if found is not None:
            logger.log(logging.INFO if found.above else logging.WARNING, "%s", found)
        self._classifier = PostClassifier.load(folder)
        self._loaded_with = {}
        if folder != self.path:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path = folder
        return self

    def _new_folder(self) -> Path:
        """Return the folder of the next run.

        Raises:
            RecipeError: When the folder that was given holds a run, or something else.
        """
        if self._temporary is not None:
            return self.path if not self.path.exists() else Path(tempfile.mkdtemp(dir=self._temporary)) / "run"
        holds = "a run" if is_run_folder(self.path) else "other files"
        if self.path.is_dir() and any(not path.name.startswith(".") for path in self.path.iterdir()):
            raise RecipeError(
                f"{self.path} holds {holds} already; make a CLFAPredictor with another path, or without one to train "
                "any number of times. CLFAPredictor.load() reads a finished run."
            )
        return self.path

    @property
    def label_names(self) -> list[str]:
        """Class names in index order; with several targets ``target: class``."""
        return self._trained().label_names

    def predict(self, table: Any, *, coverage: float | None = None, errors: OnErrors = "warn") -> Any:
        """Return the most probable class of each post, as a list; ``None`` for posts that cannot be read.

        A class has the type that it has in the training table, for instance 1 or ``True``. For a multi-label target it
        is the list of classes, for a regression the number. For several targets the result is a data frame with one
        column per target, and with the index of the table if this is a data frame.

        Args:
            table: Posts.
            coverage: Share of posts that get a label, above 0 and at most 1: the most confident ones, by a threshold
                from the posts that the model was calibrated on (docs/confidence.md). The others get ``None``;
                :meth:`predictions` tells them from posts that cannot be read.
            errors: As in :meth:`predictions`.

        Raises:
            ModelError: If the model is not calibrated, or predicts a number, and ``coverage`` is given.
        """
        found = self.predictions(table, coverage=coverage, errors=errors)
        targets = self._trained().targets
        if len(targets) < 2:
            return [prediction.label for prediction in found]
        values = {
            target.name: [None if p.targets is None else p.targets[target.name].value for p in found]
            for target in targets
        }
        import pandas as pd

        return pd.DataFrame(values, index=_index(table), dtype=object)

    def predict_sets(self, table: Any, level: float = 0.9, *, method: str = "lac", errors: OnErrors = "warn") -> Any:
        """Return a set for each post that has the true label with a chosen probability, by split conformal prediction.

        The probability holds on average over posts that are exchangeable with those that the model was calibrated on.

        Args:
            table: Posts.
            level: The probability, between 0 and 1.
            method: Name in :data:`clfa.targets.set_methods.SET_METHODS`.
            errors: As in :meth:`predictions`.

        Returns:
            A list with a list of classes for each post (for a number, the lowest and the highest value), and ``None``
            for posts that cannot be read. For several targets a data frame as from :meth:`predict`.

        Raises:
            ModelError: If the model is not calibrated, or was calibrated on too few posts for the level.
        """
        found = self.predictions(table, sets=level, set_method=method, errors=errors)
        names = [target.name for target in self._trained().targets]
        values = {name: [None if p.targets is None else p.targets[name].set for p in found] for name in names}
        if len(names) < 2:
            return values[names[0]]
        import pandas as pd

        return pd.DataFrame(values, index=_index(table), dtype=object)

    def predict_proba(self, table: Any, *, errors: OnErrors = "warn") -> pandas.DataFrame:
        """Return class probabilities, one row per post; missing values for posts that cannot be read.

        The columns are the names of the classes. With several targets they have two levels, target and class;
        regressions have none. The index is that of the table if this is a data frame.

        Args:
            table: Posts.
            errors: As in :meth:`predictions`.

        Raises:
            ModelError: If all targets are regressions.
        """
        import pandas as pd

        targets = self._trained().targets
        classified = [target for target in targets if target.label_names]
        if not classified:
            raise ModelError("a regression has no class probabilities; use predict().")
        found = self.predictions(table, errors=errors)
        index = _index(table)
        if len(targets) < 2:
            return pd.DataFrame([p.probabilities for p in found], index, self.label_names, dtype=float)
        keys = [(target.name, label) for target in classified for label in target.label_names]
        rows = [[_probability(p, *key) for key in keys] for p in found]
        return pd.DataFrame(rows, index, pd.MultiIndex.from_tuples(keys, names=["target", "class"]), dtype=float)

    def embed(self, table: Any, *, errors: OnErrors = "warn") -> np.ndarray:
        """Return fused vectors (N, ``hidden_size``); NaN for posts that cannot be read.

        Args:
            table: Posts.
            errors: As in :meth:`predictions`.
        """
        width = self._trained().config.hidden_size
        empty = np.full(width, np.nan, np.float32)
        predictions = self.predictions(table, errors=errors)
        return np.stack([empty if p.embedding is None else p.embedding for p in predictions] or [empty])[
            : len(predictions)
        ]

    def evaluate(self, table: Any, *, errors: OnErrors = "warn") -> dict[str, Any]:
        """Return metrics on labelled posts, computed as on the test split of a run; by target if there are targets.

        Args:
            table: Labelled posts.
            errors: As in :meth:`predictions`, for rows that cannot be evaluated.
        """
        from clfa.runs.evaluate import evaluate

        strict = errors == "raise"
        return evaluate(self.path, "test", source={"test": table}, strict=strict, access=self.access)

    def predict_file(
        self,
        source: str | Path,
        output: str | Path,
        *,
        identifier: str | None = None,
        separator: str | None = None,
        sheet: str | None = None,
        engine: str | None = None,
        strict: bool = False,
        failures: str | Path | None = None,
        restart: bool = False,
        shard_rows: int | None = None,
        address: str | None = None,
        workers: int | None = None,
        worker_cpus: float | None = None,
        worker_gpus: float | None = None,
        coverage: float | None = None,
        sets: float | None = None,
        set_method: str = "lac",
    ) -> Summary:
        """Predict on tables of any size, from files to a file or folder, as ``clfa predict`` does.

        Interrupted work is kept, and the same call resumes it.

        Args:
            source: File, folder or glob pattern of tables.
            output: ``.jsonl``, ``.csv`` or ``.parquet`` file, or folder of Parquet files; see
                :func:`clfa.prediction.predict.predict_file`.
            identifier: Id column; the row number where it is absent.
            separator: Character between the fields of a CSV or TSV file; found by content when not given.
            sheet: Sheet of an Excel file; the first one when not given.
            engine: That of :meth:`load` when not given; ``ray`` computes on the machines of a cluster.
            strict: Whether to raise an error at the first failed row.
            failures: JSONL file for the rows that failed.
            restart: Discard unfinished work.
            shard_rows: Rows of a shard, in folders and on a cluster.
            address: Address of the cluster, for ``ray``.
            workers: Number of workers on the cluster; each loads the model.
            worker_cpus: Number of CPUs per worker.
            worker_gpus: Number of GPUs per worker.
            coverage: See :meth:`predict`.
            sets: Level of prediction sets; see :meth:`predict_sets`.
            set_method: Their method.

        Returns:
            Counts.

        Raises:
            DataError: When input or output cannot be used, or unfinished work is of other input, model or columns.
            ModelError: When an option is not for this engine.
        """
        from clfa.jobs.cluster_options import ClusterOptions
        from clfa.prediction.engines import ENGINES
        from clfa.prediction.predict import predict_file

        model: str | Path | PostClassifier = self._trained()
        loading: dict[str, Any] = {}
        loaded = self._loaded_with.get("engine", "torch")
        chosen = engine or loaded
        if chosen != loaded or ENGINES.get(chosen).distributed:
            # Load the model with that engine, on the machine that computes.
            model, loading = self.path, {**self._loaded_with, "engine": chosen}
        return predict_file(
            model,
            source,
            output,
            identifier=identifier,
            separator=separator,
            sheet=sheet,
            run=RunFolder(self.path).read_columns(),
            image_root=self.image_root,
            allow_urls=self.access.urls,
            allow_outside=self.access.outside,
            strict=strict,
            failures=failures,
            restart=restart,
            shard_rows=shard_rows,
            cluster=ClusterOptions(address, workers, worker_cpus, worker_gpus),
            coverage=coverage,
            sets=sets,
            set_method=set_method,
            **loading,
        )

    def predictions(
        self,
        table: Any,
        *,
        coverage: float | None = None,
        sets: float | None = None,
        set_method: str = "lac",
        errors: OnErrors = "warn",
    ) -> list[Prediction]:
        """Return full predictions, with the reason for posts that cannot be read.

        With ``model.readout=relation`` they also have the agreement of text and image.

        Args:
            table: Posts.
            coverage: See :meth:`predict`; ``targets`` of a prediction then have ``confidence`` and ``abstained``.
            sets: Level of prediction sets, which ``targets`` of a prediction then have as ``set``.
            set_method: Their method.
            errors: ``warn`` to log the number of posts that cannot be read and the first reasons, ``raise`` to raise an
                error.

        Raises:
            DataError: If the table cannot be read or, with ``raise``, a post.
            ModelError: If the model cannot follow ``coverage`` or ``sets``.
        """
        from clfa.targets.rules import Rules

        model, rules = self._trained(), Rules(coverage, sets, set_method)
        rules.check(model.targets)
        columns = RunFolder(self.path).read_columns()
        posts = table_posts(table, columns, required_fields(model), self.image_root, self.access)
        computed = iter(model([post for post in posts if isinstance(post, Post)], rules))
        found = [next(computed) if isinstance(post, Post) else post for post in posts]
        report_failures(found, errors)
        return found

    def save(self, path: str | Path) -> Path:
        """Copy the run folder, without its checkpoints, to ``path``.

        Raises:
            DataError: When ``path`` exists.
        """
        self._trained()
        RunFolder(self.path).finished()
        target = Path(path)
        if target.exists():
            raise DataError(f"{target} exists already; give another path.")
        with atomic_folder(target) as folder:
            shutil.copytree(self.path, folder, ignore=shutil.ignore_patterns("checkpoints", ".*"), dirs_exist_ok=True)
        return target

    def _trained(self) -> PostClassifier:
        if self._classifier is None:
            raise ModelError("this predictor is not trained yet; call fit() first.")
        return self._classifier


def _index(table: Any) -> Any:
    """Return the index of a data frame, ``None`` for other tables."""
    return getattr(table, "index", None) if hasattr(table, "iloc") else None


def _probability(prediction: Prediction, target: str, label: str) -> float:
    if prediction.targets is None:
        return float("nan")
    return (prediction.targets[target].probabilities or {})[label]
