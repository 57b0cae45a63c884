"""A run's model and its yardsticks, best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clfa.yardsticks.standing import selection_score

if TYPE_CHECKING:
    import pandas

MODEL = "model"
_FIGURES = ("score", "macro_f1", "accuracy", "weighted_f1")


def leaderboard(metrics: Mapping[str, Any]) -> pandas.DataFrame:
    """Return the scores of the model and the yardsticks, one row each, the best on validation first.

    The first column has the figure that runs are selected by: ``validation_macro_f1``, or ``validation_score`` with
    other targets than the one label. A yardstick that was not computed has missing values.

    Args:
        metrics: Content of ``metrics.json``.
    """
    import pandas as pd

    rows = {}
    for name, entry in {MODEL: metrics, **metrics.get("yardsticks", {})}.items():
        rows[name] = {
            f"{split}_{figure}": entry[split][figure]
            for split in ("validation", "test")
            for figure in _FIGURES
            if isinstance(entry.get(split), Mapping) and isinstance(entry[split].get(figure), (int, float))
        }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(rows[MODEL]), dtype=float).rename_axis("name")
    score = "score" if selection_score(metrics["validation"])[0] == "score" else "macro_f1"
    return frame.sort_values(f"validation_{score}", ascending=False, kind="stable")
