"""Registries of problem types, class weightings and metrics. A new problem type is one file and one registry line."""

from clfa.registry import Registry

PROBLEM_TYPES = Registry(
    "problem type",
    {
        "single_label_classification": "clfa.targets.single_label:SingleLabel",
        "multi_label_classification": "clfa.targets.multi_label:MultiLabel",
        "regression": "clfa.targets.regression:Regression",
        "ordinal": "clfa.targets.ordinal:Ordinal",
    },
    base="clfa.targets.problem_type:ProblemType",
)

# Functions of a problem type (:class:`clfa.targets.problem_type.ProblemType`) and the training labels (N, width),
# without missing labels. They return one weight per class.
CLASS_WEIGHTS = Registry(
    "class weighting",
    {
        "balanced": "clfa.targets.class_weights:balanced",
    },
)

# Metrics in addition to those of the problem types: functions of a problem type, labels (N, width), without missing
# labels, and logits (N, logit width). They return figures by name.
METRICS = Registry("metric", {})

__all__ = ["CLASS_WEIGHTS", "METRICS", "PROBLEM_TYPES"]
