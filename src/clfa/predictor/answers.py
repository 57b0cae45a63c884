"""Predictions of a predictor, in the forms that people ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clfa.errors import ModelError
from clfa.prediction.failures import OnErrors, report_failures
from clfa.prediction.post import Post, Prediction
from clfa.prediction.required import required_fields
from clfa.prediction.table_posts import rows_of, table_posts
from clfa.predictor.asked import Asked, asked
from clfa.progress import showing, track
from clfa.runs.run_folder import RunFolder
from clfa.tables.access import Access
from clfa.tables.row import TableOptions
from clfa.targets.rules import Rules

if TYPE_CHECKING:
    import pandas

    from clfa.explaining.neighbours import NeighbourIndex
    from clfa.prediction.post_classifier import PostClassifier


class Answers:
    """The methods of a predictor that take new posts.

    Args:
        path: Run folder or model.
        image_root: Base folder of relative image paths.
        access: What rows may open.
    """

    path: Path
    image_root: str | Path | None
    access: Access

    def predict(
        self,
        table: Any = None,
        *,
        image: Any = None,
        coverage: float | None = None,
        errors: OnErrors = "warn",
        progress: bool | None = None,
        separator: str | None = None,
        sheet: str | None = None,
        as_pandas: bool = False,
    ) -> Any:
        """Return the most probable class of each post, as a list; ``None`` for posts that cannot be read.

        A class has the type that it has in the training table, for instance 1 or ``True``. For a multi-label target it
        is the list of classes, for a regression the number. For several targets the result is a data frame with one
        column per target, and with the index of the table if this is a data frame. Of one post it is the class alone,
        for several targets a dictionary by target.

        Args:
            table: Posts; see the class.
            image: Picture of the one text ``table``.
            coverage: Share of posts that get a label, above 0 and at most 1: the most confident ones, by a threshold
                from the posts that the model was calibrated on (docs/confidence.md). The others get ``None``;
                :meth:`predictions` tells them from posts that cannot be read.
            errors: As in :meth:`predictions`.
            progress: As in :meth:`predictions`.
            separator: As in :meth:`predictions`.
            sheet: As in :meth:`predictions`.
            as_pandas: Whether to return a series with the index of the table instead of a list.

        Raises:
            ModelError: If the model is not calibrated, or predicts a number, and ``coverage`` is given.
        """
        asked = self._asked(table, image)
        found = self._answers(asked, Rules(coverage), errors, progress, separator, sheet)
        targets = self._trained().targets
        if asked.single:
            values = found[0].targets
            if len(targets) < 2:
                return found[0].label
            return {target.name: None if values is None else values[target.name].value for target in targets}
        if len(targets) < 2 and not as_pandas:
            return [prediction.label for prediction in found]
        import pandas as pd

        if len(targets) < 2:
            return label_series([p.label for p in found], asked.index, targets[0].name)
        columns = {
            target.name: [None if p.targets is None else p.targets[target.name].value for p in found]
            for target in targets
        }
        return pd.DataFrame(columns, index=asked.index, dtype=object)

    def predict_sets(
        self,
        table: Any = None,
        level: float = 0.9,
        *,
        image: Any = None,
        method: str = "lac",
        errors: OnErrors = "warn",
        progress: bool | None = None,
        separator: str | None = None,
        sheet: str | None = None,
    ) -> Any:
        """Return a set for each post that has the true label with a chosen probability, by split conformal prediction.

        The probability holds on average over posts that are exchangeable with those that the model was calibrated on.

        Args:
            table: Posts; see the class.
            level: The probability, between 0 and 1.
            image: Picture of the one text ``table``.
            method: Name in :data:`clfa.targets.set_methods.SET_METHODS`.
            errors: As in :meth:`predictions`.
            progress: As in :meth:`predictions`.
            separator: As in :meth:`predictions`.
            sheet: As in :meth:`predictions`.

        Returns:
            A list with a list of classes for each post (for a number, the lowest and the highest value), and ``None``
            for posts that cannot be read. For several targets a data frame, and of one post as from :meth:`predict`.

        Raises:
            ModelError: If the model is not calibrated, or was calibrated on too few posts for the level.
        """
        asked = self._asked(table, image)
        found = self._answers(asked, Rules(None, level, method), errors, progress, separator, sheet)
        names = [target.name for target in self._trained().targets]
        values = {name: [None if p.targets is None else p.targets[name].set for p in found] for name in names}
        if asked.single:
            return {name: value[0] for name, value in values.items()} if len(names) > 1 else values[names[0]][0]
        if len(names) < 2:
            return values[names[0]]
        import pandas as pd

        return pd.DataFrame(values, index=asked.index, dtype=object)

    def predict_proba(
        self,
        table: Any = None,
        *,
        image: Any = None,
        errors: OnErrors = "warn",
        progress: bool | None = None,
        separator: str | None = None,
        sheet: str | None = None,
    ) -> pandas.DataFrame | pandas.Series[float]:
        """Return class probabilities, one row per post; missing values for posts that cannot be read.

        The columns are the names of the classes. With several targets they have two levels, target and class;
        regressions have none. The index is that of the table if this is a data frame. Of one post it is a series over
        the classes. ``[:, 1]`` are the values of the second column, as of an array.

        Args:
            table: Posts; see the class.
            image: Picture of the one text ``table``.
            errors: As in :meth:`predictions`.
            progress: As in :meth:`predictions`.
            separator: As in :meth:`predictions`.
            sheet: As in :meth:`predictions`.

        Raises:
            ModelError: If all targets are regressions.
        """
        import pandas as pd

        from clfa.predictor.probabilities import Probabilities

        targets = self._trained().targets
        classified = [target for target in targets if target.label_names]
        if not classified:
            raise ModelError("a regression has no class probabilities; use predict().")
        asked = self._asked(table, image)
        found = self._answers(asked, None, errors, progress, separator, sheet)
        if len(targets) < 2:
            frame = Probabilities(
                [p.probabilities for p in found], asked.index, self._trained().label_names, dtype=float
            )
        else:
            keys = [(target.name, label) for target in classified for label in target.label_names]
            rows = [[_probability(p, *key) for key in keys] for p in found]
            columns = pd.MultiIndex.from_tuples(keys, names=["target", "class"])
            frame = Probabilities(rows, asked.index, columns, dtype=float)
        return frame.iloc[0] if asked.single else frame

    def embed(
        self,
        table: Any = None,
        *,
        image: Any = None,
        errors: OnErrors = "warn",
        progress: bool | None = None,
        separator: str | None = None,
        sheet: str | None = None,
    ) -> np.ndarray:
        """Return fused vectors (N, ``hidden_size``), of one post (``hidden_size``,); NaN for posts that cannot be read.

        Args:
            table: Posts; see the class.
            image: Picture of the one text ``table``.
            errors: As in :meth:`predictions`.
            progress: As in :meth:`predictions`.
            separator: As in :meth:`predictions`.
            sheet: As in :meth:`predictions`.
        """
        asked = self._asked(table, image)
        found = self._answers(asked, None, errors, progress, separator, sheet)
        empty = np.full(self._trained().config.hidden_size, np.nan, np.float32)
        vectors = [empty if p.embedding is None else p.embedding for p in found]
        return vectors[0] if asked.single else np.stack(vectors or [empty])[: len(vectors)]

    def predictions(
        self,
        table: Any = None,
        *,
        image: Any = None,
        coverage: float | None = None,
        sets: float | None = None,
        set_method: str = "lac",
        errors: OnErrors = "warn",
        progress: bool | None = None,
        separator: str | None = None,
        sheet: str | None = None,
    ) -> list[Prediction]:
        """Return full predictions as a list, with the reason for posts that cannot be read.

        With ``model.readout=relation`` they also have the agreement of text and image.

        Args:
            table: Posts; see the class.
            image: Picture of the one text ``table``.
            coverage: See :meth:`predict`; ``targets`` of a prediction then have ``confidence`` and ``abstained``.
            sets: Level of prediction sets, which ``targets`` of a prediction then have as ``set``.
            set_method: Their method.
            errors: ``warn`` to log the number of posts that cannot be read and the first reasons, ``raise`` to raise an
                error.
            progress: Whether to show a progress bar; by default on a terminal.
            separator: Character between the fields of a CSV or TSV file; found by content when not given.
            sheet: Sheet of an Excel file; the first one when not given.

        Raises:
            DataError: If the table cannot be read or, with ``raise``, a post.
            ModelError: If the model cannot follow ``coverage`` or ``sets``.
        """
        rules = Rules(coverage, sets, set_method)
        return self._answers(self._asked(table, image), rules, errors, progress, separator, sheet)

    def explain(
        self,
        table: Any = None,
        *,
        image: Any = None,
        method: str = "occlusion",
        target: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        neighbours: NeighbourIndex | None = None,
    ) -> Any:
        """Explain the predictions on posts: words, regions, answers without text and picture (docs/explaining.md).

        It takes about as long as fifty predictions for each post.

        Args:
            table: Posts; see the class.
            image: Picture of the one text ``table``.
            method: Name in :data:`clfa.explaining.METHODS`.
            target: The explained target; the first one when not given.
            label: The explained class; the predicted one when not given.
            limit: Largest number of posts.
            neighbours: Index of training posts, to name the nearest ones
                (:meth:`clfa.explaining.neighbours.NeighbourIndex.build`).

        Returns:
            A list with a :class:`clfa.explaining.explanation.Explanation` for each post, with ``error`` for one that
            cannot be read; of one post the explanation alone.

        Raises:
            RecipeError: If there is no such method.
            ModelError: If the model has no such target or class.
        """
        from itertools import islice

        from clfa.explaining.explain import explain_post
        from clfa.explaining.explanation import Explanation

        model, asked = self._trained(), self._asked(table, image)
        posts: Iterable[Post | Prediction] = asked.posts or ()
        if asked.posts is None:
            columns = RunFolder(self.path).read_columns()
            rows = rows_of(asked.table, columns, required_fields(model), self.image_root, self.access)
            posts = (row.post for row in rows)
        chosen: dict[str, Any] = {"method": method, "target": target, "label": label, "neighbours": neighbours}
        found = [
            explain_post(model, post, **chosen) if isinstance(post, Post) else Explanation(error=post.error)
            for post in islice(posts, limit)
        ]
        return found[0] if asked.single else found

    def _asked(self, table: Any, image: Any) -> Asked:
        model = self._trained()
        return asked(
            table,
            image,
            reads_text=model.processor.tokenizer is not None,
            needs_image="image" in required_fields(model),
            text_column=RunFolder(self.path).read_columns().text,
        )

    def _answers(
        self,
        asked: Asked,
        rules: Rules | None,
        errors: OnErrors,
        progress: bool | None,
        separator: str | None,
        sheet: str | None,
    ) -> list[Prediction]:
        model = self._trained()
        if rules is not None:
            rules.check(model.targets)
        posts: Sequence[Post | Prediction] = asked.posts or ()
        if asked.posts is None:
            columns = RunFolder(self.path).read_columns()
            options = TableOptions(separator, columns.separator, sheet)
            posts = table_posts(
                asked.table, columns, required_fields(model), self.image_root, self.access, options=options
            )
        readable = [post for post in posts if isinstance(post, Post)]
        with showing(progress), track(len(readable), "Predict", "posts") as advance:
            computed = iter(model(readable, rules, advance))
        found = [next(computed) if isinstance(post, Post) else post for post in posts]
        report_failures(found, errors)
        return found

    def _trained(self) -> PostClassifier:
        raise NotImplementedError


def _probability(prediction: Prediction, target: str, label: str) -> float:
    if prediction.targets is None:
        return float("nan")
    return (prediction.targets[target].probabilities or {})[label]


def label_series(labels: Sequence[Any], index: Any, name: str) -> pandas.Series[Any]:
    """Return predicted labels as a series that keeps their type.

    Args:
        labels: Labels; ``None`` for a post without an answer.
        index: Index of the series.
        name: Name of the series.
    """
    import pandas as pd

    series = pd.Series(list(labels), index, dtype=object, name=name)
    # pandas makes numbers with a point of whole ones beside a missing one.
    whole = any(isinstance(label, int) for label in labels) and any(label is None for label in labels)
    return series if whole else series.infer_objects()
