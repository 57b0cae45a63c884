"""The conventions of scikit-learn that fit a predictor on posts."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from clfa.errors import DataError, ModelError, RecipeError
from clfa.nearest import did_you_mean
from clfa.tables.memory import MemoryTable
from clfa.targets.target import Target

if TYPE_CHECKING:
    from clfa.prediction.post_classifier import PostClassifier


class Estimator:
    """Parameters, ``classes_``, ``score`` and tags, as scikit-learn's tools ask for them.

    ``sklearn.base.clone``, ``cross_val_score`` and ``GridSearchCV`` work with a predictor and a data frame of posts.
    Wrong parameters are errors of the constructor, not of ``fit``, as everywhere in clfa.
    """

    path: Path
    columns: dict[str, str]
    _parameters: dict[str, Any] | None
    _classifier: PostClassifier | None
    _temporary: str | None
    # For scikit-learn before 1.6.
    _estimator_type = "classifier"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor, as they were given.

        Args:
            deep: Without effect; there are no estimators inside.

        Raises:
            ModelError: If the model was loaded: it has no such arguments.
        """
        del deep
        if self._parameters is None:
            raise ModelError("a loaded model has no parameters; make a new CLFAPredictor to train.")
        return dict(self._parameters)

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments of the constructor; the predictor is then as new, without a model.

        Args:
            parameters: The arguments.

        Raises:
            RecipeError: If there is no such argument, or it has no possible value.
        """
        known = self.get_params()
        for name in parameters:
            if name not in known:
                hint = did_you_mean(name, known)
                raise RecipeError(f"CLFAPredictor has no parameter {name!r}; it has {', '.join(known)}.{hint}")
        if parameters:
            before = self._temporary
            type(self).__init__(self, **{**known, **parameters})
            if before is not None:
                shutil.rmtree(before, ignore_errors=True)
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The classes in the order of ``predict_proba``, in the type of the training table.

        Raises:
            AttributeError: Before training, and if the model predicts several targets or a number.
        """
        targets = self._known_targets()
        if len(targets) != 1 or not targets[0].label_names:
            raise AttributeError("classes_ is of a model with one target of classes; see label_names.")
        return np.array(targets[0].labels)

    def score(self, table: Any, y: Any = None) -> float:
        """Return the accuracy on labelled posts; with other targets than one class, the score that runs are chosen by.

        Args:
            table: Labelled posts.
            y: Labels of the posts, if they are not in the table.
        """
        evaluate: Any = self.evaluate  # type: ignore[attr-defined]
        metrics = evaluate(table if y is None else self._labelled(table, y))
        return float(metrics["accuracy"] if "accuracy" in metrics else metrics["score"])

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a model."""
        return self._classifier is not None

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's description: a classifier of tables with texts, that needs labels."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, string=True, allow_nan=True),
        )

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._parameters is None:
            return f"{name}.load({str(self.path)!r})"
        defaults = {key: p.default for key, p in inspect.signature(type(self)).parameters.items()}
        given = [f"{key}={value!r}" for key, value in self._parameters.items() if value != defaults[key]]
        return f"{name}({', '.join(given)})"

    def _known_targets(self) -> list[Target]:
        if self._classifier is None:
            raise AttributeError("this predictor is not trained yet; call fit() first.")
        return self._classifier.targets

    def _labelled(self, table: Any, labels: Any) -> list[dict[str, Any]]:
        """Return the rows of a table with labels beside them, in order, as everywhere in scikit-learn.

        Raises:
            DataError: If the numbers of rows and labels differ, or both have the same index in another order.
        """
        rows = MemoryTable(table)
        values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
        if (count := rows.known_length()) != len(values):
            raise DataError(f"the table has {count} rows and y {len(values)} labels; give one for each row.")
        # Lists have a method of this name.
        indexes: list[Any] = [getattr(given, "index", None) for given in (table, labels)]
        own, other = indexes
        if all(hasattr(index, "equals") for index in indexes) and not own.equals(other) and set(own) == set(other):
            raise DataError(
                "the index of y has the rows of the table in another order; labels belong to rows by their order: give "
                "y.loc[table.index]."
            )
        return [{**row.values, self.columns["label"]: value} for row, value in zip(rows, values, strict=True)]


def is_labels(given: Any) -> bool:
    """Return whether an argument holds labels, one for each row, as scikit-learn passes them, and no table.

    Args:
        given: The second argument of ``fit``.
    """
    if hasattr(given, "iloc") or hasattr(given, "dtype"):
        return getattr(given, "ndim", 0) == 1
    return isinstance(given, (list, tuple)) and bool(given) and not any(isinstance(row, Mapping) for row in given)
