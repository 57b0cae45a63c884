"""``CLFAPredictor``: training, prediction and evaluation on tables."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfa.errors import DataError, ModelError, RecipeError
from clfa.files import atomic_folder
from clfa.nearest import did_you_mean
from clfa.prediction.failures import OnErrors
from clfa.predictor.answers import Answers
from clfa.predictor.asked import as_table
from clfa.predictor.estimator import Estimator, is_labels
from clfa.predictor.folder import LEFT_OUT, RunPlace
from clfa.predictor.leaderboard import leaderboard
from clfa.predictor.shown import shown_training
from clfa.recipe import Recipe, load_recipe, validate_recipe
from clfa.runs.known_names import check_known
from clfa.runs.run_folder import RunFolder, is_run_folder
from clfa.tables.access import Access

if TYPE_CHECKING:
    import pandas

    from clfa.jobs.summary import Summary
    from clfa.prediction.engines.base import Precision
    from clfa.prediction.post_classifier import PostClassifier


logger = logging.getLogger("clfa.predictor")

# Recipes for one's own tables, from the quickest to the most accurate.
PRESETS = ("fast", "good", "best")


class CLFAPredictor(RunPlace, Answers, Estimator):
    """Fit, predict, embed and evaluate on tables.

    A table is a pandas DataFrame, a Datasets ``Dataset``, a list of dictionaries, a dictionary of columns, or the path
    of a CSV, JSONL, Parquet or Excel file, with a column of texts, one of pictures (paths, fsspec addresses, bytes, PIL
    images, arrays or tensors, or lists of these) and one of labels.

    Predictions also take one post, as a dictionary or a text with ``image=``, whose answer is not in a list; and lists
    of texts, of (text, picture) pairs or of :class:`clfa.prediction.post.Post`.

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
        loaded = load_recipe(recipe or presets or "good", overrides)
        check_known(loaded)
        own = loaded.data.access
        self.access = Access.of(allow_urls or own.urls, allow_outside or own.outside)
        self.recipe: Recipe | None = loaded
        # As they were given: scikit-learn compares them with what a copy of this object has.
        self._parameters: dict[str, Any] | None = {
            "recipe": recipe,
            "path": path,
            "text": text,
            "image": image,
            "label": label,
            "image_root": image_root,
            "allow_urls": allow_urls,
            "allow_outside": allow_outside,
            "overrides": overrides,
            "presets": presets,
        }
        self._temporary = self._begun = None
        if path is None:
            self._make_temporary()
        else:
            self.path = Path(path)
        self.columns = {"text": text, "image": image, "label": label}
        self.image_root = image_root
        self._classifier: PostClassifier | None = None
        self._loaded_with: dict[str, Any] = {}

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: str = "torch",
        precision: Precision | None = None,
        batch_size: int = 32,
        image_root: str | Path | None = None,
        allow_urls: bool | str | Sequence[str] = False,
        allow_outside: bool = False,
    ) -> CLFAPredictor:
        """Return a predictor over a trained model.

        Args:
            path: Finished run folder, model directory, or hub id; for ``onnx`` and ``openvino`` also an export.
            engine: Name in :data:`clfa.prediction.engines.ENGINES`.
            precision: ``auto``, ``fp32`` or ``bf16``; ``fp32`` when not given, and that of the export for exported
                models.
            batch_size: Posts per forward pass.
            image_root: See the class; that of the training when not given. If this is an address, ``allow_urls`` must
                permit it.
            allow_urls: See the class; what the training allowed does not count.
            allow_outside: See ``allow_urls``.

        Raises:
            ModelError: When there is no trained model, or the engine cannot run it.
        """
        from clfa.prediction.post_classifier import PostClassifier

        predictor = cls.__new__(cls)
        predictor._parameters = None
        predictor._loaded_with = {"engine": engine, "precision": precision, "batch_size": batch_size}
        predictor._classifier = PostClassifier.load(path, batch_size, engine=engine, precision=precision)
        predictor.path = Path(path)
        predictor.recipe = load_recipe(RunFolder(path).recipe) if is_run_folder(Path(path)) else None
        options = {} if predictor.recipe is None else predictor.recipe.data.options
        predictor.columns = {name: options.get(name, name) for name in ("text", "image", "label")}
        predictor.image_root = image_root
        predictor.access = Access.of(allow_urls, allow_outside)
        return predictor

    def fit(
        self,
        table: Any,
        validation: Any = None,
        test: Any = None,
        *,
        targets: Mapping[str, Any] | Sequence[str] | None = None,
        time_limit: float | None = None,
        separator: str | None = None,
        sheet: str | None = None,
        progress: bool | None = None,
        resume: bool = False,
    ) -> CLFAPredictor:
        """Train on a table. Without a validation table, a stratified tenth is held out for model selection.

        Without ``path``, another call replaces the model; a folder that was given holds one run.

        A warning is logged if the model is not above the best yardstick (:mod:`clfa.yardsticks`) on validation.

        Args:
            table: Labelled posts.
            validation: Labelled posts for choosing the best epoch; or, as tools of scikit-learn call this, the labels
                of ``table``, one for each row.
            test: Labelled posts scored once, at the end.
            targets: What to predict instead of the one label: a mapping of names to the fields of
                :class:`clfa.targets.spec.TargetSpec`, or the names of columns of classes.
            time_limit: Seconds after which the training ends, at a whole epoch and after at least one
                (``training.time_limit``); a warning and the summary say how many epochs, and with the preset ``best``
                how many of its networks, were left out. The scoring at the end comes on top.
            separator: Character between the fields of CSV and TSV files; found by content when not given.
            sheet: Sheet of Excel files; the first one when not given.
            progress: Whether to print progress and a summary on standard error, as ``clfa train`` does; by default on a
                terminal and in a notebook.
            resume: Continue a training that was interrupted: that of this object, or the one in ``path``. Everything
                else must be as it was, the table too.

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
        self._begun = folder = self._training_folder(resume)
        if is_labels(validation):
            table, validation = self._labelled(table, validation), None
        source: Any = as_table(table)
        if validation is not None or test is not None:
            source = {"train": source, "validation": as_table(validation), "test": as_table(test)}
            source = {name: part for name, part in source.items() if part is not None}
        options = dict(self.recipe.data.options)
        options.update({name: column for name, column in self.columns.items() if column != name})
        if self.image_root is not None:
            options["image_root"] = str(self.image_root)
        given = {"separator": separator, "sheet": sheet}
        options.update({name: value for name, value in given.items() if value is not None})
        changes: dict[str, Any] = {"reader": "table", "options": options}
        if targets is not None:
            changes["targets"] = targets if isinstance(targets, Mapping) else {name: {} for name in targets}
        recipe = self.recipe.model_dump()
        recipe["data"].update(changes)
        if time_limit is not None:
            recipe["training"]["time_limit"] = time_limit
        settings = validate_recipe(recipe)
        settings = settings.model_copy(update={"data": settings.data.with_access(self.access)})
        with shown_training(progress) as show:
            try:
                metrics = train(settings, folder, source=source, resume=resume).metrics
            except KeyboardInterrupt:
                if RunFolder(folder).last_checkpoint() is not None:
                    logger.warning(
                        "The training was interrupted. fit(..., resume=True) continues it after its last epoch."
                    )
                raise
            show(metrics, folder)
        found = standing(metrics)
        if found is not None:
            logger.log(logging.INFO if found.above else logging.WARNING, "%s", found)
        self._classifier = PostClassifier.load(folder)
        self._loaded_with = {}
        if folder != self.path:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path, self._begun = folder, None
        return self

    @property
    def label_names(self) -> list[str]:
        """Class names in index order; with several targets ``target: class``."""
        return self._trained().label_names

    def evaluate(self, table: Any, *, errors: OnErrors = "warn") -> dict[str, Any]:
        """Return metrics on labelled posts, computed as on the test split of a run; by target if there are targets.

        Args:
            table: Labelled posts.
            errors: As in :meth:`predictions`, for rows that cannot be evaluated.
        """
        from clfa.runs.evaluate import evaluate

        strict = errors == "raise"
        return evaluate(
            self.path,
            "test",
            source={"test": as_table(table)},
            strict=strict,
            access=self.access,
            image_root=self.image_root,
        )

    def leaderboard(self) -> pandas.DataFrame:
        """Return the scores of the model and its yardsticks by split, the best on validation first.

        Raises:
            ModelError: If the model has no run folder with ``metrics.json``.
        """
        self._trained()
        return leaderboard(RunFolder(self.path).finished().read_metrics())

    def summary(self) -> str:
        """Return the summary of the training that ``clfa train`` prints.

        Raises:
            ModelError: If the model has no run folder with ``metrics.json``.
        """
        from clfa.runs.run_summary import summary_text

        self._trained()
        return summary_text(RunFolder(self.path).finished().read_metrics(), self.path)

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
            if "precision" in loading:
                loading["precision"] = loading["precision"] or ENGINES.get(chosen)().usual_precision(str(self.path))
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
            shutil.copytree(self.path, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
        return target

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        message: str = "Upload a model of clfa",
    ) -> str:
        """Upload the model, with its processor and card, to a model hub; :meth:`load` reads it by the same name.

        The recipe, metrics and predictions of the run stay here; the card has the figures.

        Args:
            repository: ``owner/name``; made if it does not exist.
            private: Whether a new repository is private; what the hub does by default when not given.
            token: Access token; that of the hub's login when not given.
            message: Message of the commit.

        Returns:
            The address.

        Raises:
            ModelError: If the model is not on this machine, or the hub refuses.
        """
        from clfa.predictor.upload import upload

        self._trained()
        return upload(self.path, repository, private=private, token=token, message=message)

    def _trained(self) -> PostClassifier:
        if self._classifier is None:
            raise ModelError("this predictor is not trained yet; call fit() first.")
        return self._classifier
