"""Targets: the classes, sets of classes or numbers that a model predicts for a post."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from clfa.errors import DataError, RecipeError
from clfa.targets import PROBLEM_TYPES
from clfa.targets.calibration import Calibration
from clfa.targets.fields import LABEL, TargetFields
from clfa.targets.finite import is_finite_number
from clfa.targets.problem_type import ProblemType

# Names are used in file names and log keys.
_NAME = re.compile(r"\w[\w .-]{0,63}")


@dataclass(frozen=True)
class Target(TargetFields):
    """One target, with checked fields and its problem type.

    Raises:
        DataError: If a field is not valid; the message names it.
    """

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DataError(
                f"target name {self.name!r} cannot be used; names have up to 64 letters, digits, spaces, '.', '_', '-'"
            )
        try:
            PROBLEM_TYPES.get(self.problem_type)
        except RecipeError as error:
            raise DataError(f"target {self.name!r}: {error}") from None
        for field in ("label_names", "class_weights", "thresholds", "label_types"):
            value = getattr(self, field)
            # JSON has lists.
            object.__setattr__(self, field, None if value is None else tuple(value))
        if isinstance(self.calibration, Mapping):
            try:
                object.__setattr__(self, "calibration", Calibration(**self.calibration))
            except (TypeError, ValueError, AttributeError) as error:
                raise DataError(f"target {self.name!r}: calibration: {error}") from None
        for field in ("weight", "mean", "sd", "class_weights", "thresholds"):
            value = getattr(self, field)
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            wrong = [number for number in values if not is_finite_number(number)]
            # JSON that was not written by clfa may have NaN; comparisons with it are false.
            if wrong or (value is None and field in ("weight", "mean", "sd")):
                found = str(wrong[0] if wrong else value)[:80]
                raise DataError(f"target {self.name!r}: {field} has {found}; give finite numbers")
        repeated = [name for name, count in Counter(self.label_names).items() if count > 1]
        if repeated:
            raise DataError(f"target {self.name!r}: class {repeated[0]!r} occurs twice in label_names")
        self.kind.check()
        if self.weight < 0 or not self.sd > 0:
            raise DataError(
                f"target {self.name!r}: weight {self.weight} and sd {self.sd} must not be negative, sd not 0"
            )
        for field in ("class_weights", "thresholds", "label_types"):
            value = getattr(self, field)
            if value is not None and len(value) != len(self.label_names):
                raise DataError(
                    f"target {self.name!r}: {field} has {len(value)} values for {len(self.label_names)} classes"
                )
        try:
            _ = self.labels
        except ValueError as error:
            raise DataError(f"target {self.name!r}: label_types: {error}") from None

    @cached_property
    def kind(self) -> ProblemType:
        """The problem type of this target."""
        return PROBLEM_TYPES.get(self.problem_type)(self)

    @property
    def width(self) -> int:
        """Number of elements in a sample's label vector."""
        return self.kind.width

    @property
    def logit_width(self) -> int:
        """Number of classifier outputs."""
        return len(self.kind.logit_names)

    @property
    def column_kind(self) -> str:
        """Type of a column of labels or predictions.

        That of the problem type, or ``int`` or ``bool`` for classes that are all whole numbers or truth values.
        """
        kinds = set(self.label_types or ())
        whole = self.kind.column_kind == "text" and len(kinds) == 1
        return kinds.pop() if whole and kinds <= {"int", "bool"} else self.kind.column_kind

    def describe(self, values: np.ndarray) -> Any:
        """Convert a sample's label to class names or a number.

        Args:
            values: This target's part of the sample's label vector (:attr:`width`,).

        Returns:
            Class, list of classes or number; ``None`` if the label is missing.
        """
        return None if np.isnan(values).any() else self.kind.describe(values)


def check_distinct(targets: Sequence[Target]) -> None:
    """Check that all targets have different names.

    Raises:
        DataError: If a name occurs twice.
    """
    repeated = [name for name, count in Counter(target.name for target in targets).items() if count > 1]
    if repeated:
        raise DataError(f"two targets are named {repeated[0]!r}; use different names")


def label_slices(targets: Sequence[Target]) -> Iterator[tuple[Target, slice]]:
    """Yield each target with its part of a sample's label vector."""
    start = 0
    for target in targets:
        yield target, slice(start, start + target.width)
        start += target.width


def logit_slices(targets: Sequence[Target]) -> Iterator[tuple[Target, slice]]:
    """Yield each target with its part of the classifier's outputs."""
    start = 0
    for target in targets:
        yield target, slice(start, start + target.logit_width)
        start += target.logit_width


def output_names(targets: Sequence[Target]) -> list[str]:
    """Return a name for each classifier output: the class, or ``target: class`` with several targets."""
    if len(targets) == 1:
        return [name or targets[0].name for name in targets[0].kind.logit_names]
    return [f"{target.name}: {name}" if name else target.name for target in targets for name in target.kind.logit_names]


def class_names(targets: Sequence[Target]) -> list[str]:
    """Return the names of all classes, as ``target: class`` with several targets; for a number, the target's name."""
    if len(targets) == 1:
        return list(targets[0].label_names) or [targets[0].name]
    return [f"{t.name}: {name}" if name else t.name for t in targets for name in (t.label_names or ("",))]


def label_matrix(split: Any) -> np.ndarray:
    """Return the labels of a split (N, sum of the targets' widths) float64, NaN where missing.

    Args:
        split: A ``datasets.Dataset`` in the schema, or with a ``label`` column of class indices.
    """
    if "targets" not in split.column_names:
        labels = [np.nan if label is None else label for label in split[LABEL][:]]
        return np.array(labels, dtype=np.float64).reshape(-1, 1)
    width = split.features["targets"].length
    rows = [[np.nan] * width if row is None else row for row in split["targets"][:]]
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def strata(split: Any, targets: Sequence[Target]) -> list[Any]:
    """Return the stratum of each sample, by the first target.

    The strata are :meth:`clfa.targets.problem_type.ProblemType.groups`; ``None`` if the first target is missing.

    Args:
        split: A ``datasets.Dataset`` in the schema.
        targets: Targets of the corpus.
    """
    first = targets[0]
    values = label_matrix(split)[:, : first.width]
    present = ~np.isnan(values).any(axis=1)
    groups: list[Any] = [None] * len(values)
    for row, group in zip(np.flatnonzero(present), first.kind.groups(values[present]), strict=True):
        groups[row] = group
    return groups


def same_labels(first: Sequence[Target], second: Sequence[Target]) -> bool:
    """Return whether both have the same names, problem types and classes, in the same order."""
    return [(t.name, t.problem_type, t.label_names) for t in first] == [
        (t.name, t.problem_type, t.label_names) for t in second
    ]


def from_dicts(values: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Return the targets from the output of :meth:`Target.to_dict`.

    Raises:
        DataError: If a key is unknown, or two targets have the same name.
    """
    targets = []
    for value in values:
        unknown = sorted(set(value) - set(Target.__dataclass_fields__))
        if unknown or "name" not in value:
            raise DataError(f"not a target: {dict(value)}; its keys are {', '.join(Target.__dataclass_fields__)}")
        targets.append(Target(**value))
    check_distinct(targets)
    return targets
