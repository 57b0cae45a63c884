"""What a model predicts: classes, sets of classes, numbers. A new problem type is one file and one registry line."""

from clfa.registry import Registry

PROBLEM_TYPES = Registry(
    "problem type",
    {
        "single_label_classification": "clfa.targets.single_label:SingleLabel",
        "multi_label_classification": "clfa.targets.multi_label:MultiLabel",
        "regression": "clfa.targets.regression:Regression",
        "ordinal": "clfa.targets.ordinal:Ordinal",
    },
)

__all__ = ["PROBLEM_TYPES"]
