"""Computation of all yardsticks of a run."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from clfa.targets.default_label import split_metrics
from clfa.targets.fit import tuned
from clfa.targets.problem_type import ProblemType
from clfa.yardsticks import YARDSTICKS
from clfa.yardsticks.base import Yardstick, YardstickData, YardstickOutputs
from clfa.yardsticks.cache import cached_outputs

logger = logging.getLogger(__name__)


def yardstick_outputs(
    data: YardstickData, cache: Path, names: Collection[str] | None = None
) -> Iterator[tuple[str, YardstickOutputs, float]]:
    """Yield name, outputs and seconds of each yardstick that the data suffice for.

    Args:
        data: Posts and targets.
        cache: Cache directory.
        names: These alone; all when not given.
    """
    for name in YARDSTICKS.names():
        if names is not None and name not in names:
            continue
        yardstick: Yardstick = YARDSTICKS.get(name)()
        if obstacle(yardstick, data) is None:
            yield name, *cached_outputs(name, yardstick, data, cache)


def blend_outputs(data: YardstickData, cache: Path) -> dict[str, YardstickOutputs]:
    """Return the outputs of the yardsticks that take part in a blend, by name.

    These are linear models of the words alone, and those that read the most. Others read less than one that takes
    part, and beside it they lower the scores.

    Args:
        data: Data of the yardsticks.
        cache: Cache directory.
    """
    yardsticks: dict[str, Yardstick] = {name: YARDSTICKS.get(name)() for name in YARDSTICKS.names()}
    reads = {name: set(one.blocks) for name, one in yardsticks.items() if one.blocks and obstacle(one, data) is None}
    names = [
        name
        for name, blocks in reads.items()
        if blocks == {"terms"} or not any(blocks < more for more in reads.values())
    ]
    return {name: found for name, found, _ in yardstick_outputs(data, cache, names)}


def obstacle(yardstick: Yardstick, data: YardstickData) -> str | None:
    """Return why a yardstick cannot be computed; ``None`` if it can."""
    for target in data.targets:
        if type(target.kind).logits_of is ProblemType.logits_of:
            return f"the problem type {target.problem_type!r} has no logits_of()"
    reasons = [data.absent[part] for part in yardstick.needs if part in data.absent]
    return reasons[0] if reasons else None


def yardstick_metrics(data: YardstickData, cache: Path, *, tune_thresholds: bool = False) -> dict[str, dict[str, Any]]:
    """Return the entry ``yardsticks`` of ``metrics.json``.

    Args:
        data: Posts and targets.
        cache: Cache directory.
        tune_thresholds: Whether multi-label thresholds are chosen on the validation split, as those of the model.

    Returns:
        By name: the figures of each split but ``train``, ``settings`` chosen on the validation split, and ``seconds``
        of the computation, also if it was cached; or ``left_out``, the reason why it was not computed.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in YARDSTICKS.names():
        reason = obstacle(YARDSTICKS.get(name)(), data)
        if reason is not None:
            found[name] = {"left_out": reason}
    for name, outputs, seconds in yardstick_outputs(data, cache):
        targets = list(data.targets)
        if tune_thresholds:
            targets = tuned(targets, data.splits["validation"].labels, outputs.logits["validation"])
        scores = {
            split: _figures(split_metrics(targets, data.splits[split].labels, logits))
            for split, logits in outputs.logits.items()
            if split != "train"
        }
        found[name] = {**scores, "settings": outputs.settings, "seconds": round(seconds, 2)}
    return {name: found[name] for name in YARDSTICKS.names()}


def _figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the single figures of a split, without those by class."""
    figures = {key: value for key, value in metrics.items() if not isinstance(value, dict | list)}
    if "targets" in metrics:
        figures["targets"] = {name: _figures(report) for name, report in metrics["targets"].items()}
    return figures
