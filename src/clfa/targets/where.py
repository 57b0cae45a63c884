"""Selection of labelled pairs by their class, for instance the pairs whose label says that they belong together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clfa.errors import RecipeError
from clfa.nearest import did_you_mean
from clfa.targets.label_names import LabelIndex
from clfa.targets.target import Target, label_matrix, label_slices

if TYPE_CHECKING:
    from datasets import Dataset

_CONDITION = re.compile(r"([^=!]+)(!?=)(.+)", re.DOTALL)


@dataclass(frozen=True)
class Where:
    """A condition on one target: ``TARGET=CLASS`` or ``TARGET!=CLASS``, with several classes separated by commas.

    With ``=`` a sample matches if it has one of the classes, with ``!=`` if it has none of them. A sample without a
    label for the target matches neither.

    Args:
        target: Name of the target; ``label`` for the default label.
        equal: Whether the operator is ``=``.
        classes: The text after the operator.
        field: Field of the recipe, for messages.
    """

    target: str
    equal: bool
    classes: str
    field: str = "guide.where"

    @classmethod
    def parse(cls, text: str, field: str = "guide.where") -> Where:
        """Read a condition from its text.

        Args:
            text: The condition.
            field: Field of the recipe that has it, for messages.

        Raises:
            RecipeError: If the text is not a condition.
        """
        match = _CONDITION.fullmatch(text)
        parts = [part.strip() for part in match.groups()] if match else [""]
        if not all(parts):
            raise RecipeError(
                f"{field} is {text!r}; it needs a target and a class, for instance label=match or label!=mismatch."
            )
        return cls(parts[0], parts[1] == "=", parts[2], field)

    def matches(self, split: Dataset, targets: Sequence[Target]) -> np.ndarray:
        """Return whether each sample of a split matches (N,) bool.

        Args:
            split: N rows in the schema.
            targets: The targets of the corpus.

        Raises:
            RecipeError: If the corpus has no such target, the target has no classes, or a class is unknown.
        """
        slices = {target.name: (target, part) for target, part in label_slices(targets)}
        if self.target not in slices:
            hint = did_you_mean(self.target, slices)
            raise RecipeError(f"{self.field}: there is no target {self.target!r}; targets: {', '.join(slices)}.{hint}")
        target, part = slices[self.target]
        if not target.kind.has_classes:
            raise RecipeError(f"{self.field}: target {self.target!r} is a number; only classes can be selected.")
        wanted = self._indices(target)
        values = label_matrix(split)[:, part]
        found = np.isin(values[:, 0], wanted) if target.kind.one_class else (values[:, wanted] == 1).any(axis=1)
        return ~np.isnan(values).any(axis=1) & (found == self.equal)

    def _indices(self, target: Target) -> list[int]:
        index = LabelIndex((), names=target.label_names)
        # A class name may contain a comma.
        names = [self.classes] if self.classes in target.label_names else self.classes.split(",")
        try:
            return [found for name in names if (found := index.of(name.strip())) is not None]
        except KeyError as error:
            unknown, classes = error.args[0], target.label_names
            raise RecipeError(
                f"{self.field}: there is no class {unknown!r}; classes: {', '.join(classes)}."
                f"{did_you_mean(unknown, classes)}"
            ) from None
