"""The yardstick without any input: the shares of the classes, or the mean value."""

from __future__ import annotations

import numpy as np

from clfa.targets.target import label_slices
from clfa.yardsticks.base import LinearMap, Yardstick, YardstickData, YardstickOutputs


class Majority(Yardstick):
    """The same for every post: the majority class, the median grade, each class that most posts have, or the mean."""

    def outputs(self, data: YardstickData) -> YardstickOutputs:
        """See :meth:`Yardstick.outputs`."""
        train = data.splits["train"].labels
        parts = []
        for target, own in label_slices(data.targets):
            values = train[~np.isnan(train[:, own]).any(axis=1), own]
            if target.kind.one_class:
                counts = np.bincount(values[:, 0].astype(int), minlength=len(target.label_names))
                estimate = counts / counts.sum()
            else:
                estimate = values.mean(axis=0)
            parts.append(target.kind.logits_of(estimate[None]))
        row = np.concatenate(parts, axis=1)
        logits = {name: row.repeat(len(split.labels), 0) for name, split in data.splits.items()}
        linear = [t.kind.linear_logits for t in data.targets for _ in range(t.logit_width)]
        return YardstickOutputs(logits, {}, LinearMap({}, np.where(linear, row[0], 0.0)))
