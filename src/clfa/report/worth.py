"""Contribution of each modality: the drop in score when it is withheld from the same models."""

from __future__ import annotations

from dataclasses import dataclass

from clfa.experiments.scores import factor
from clfa.report.statistics import Mean, summarise
from clfa.report.study import Study

MODALITIES = ("text", "image", "knowledge")


@dataclass(frozen=True)
class WorthRow:
    """One modality of one row.

    Args:
        name: Name of the row.
        modality: The withheld modality.
        whole: Score with all modalities, scaled as shown.
        without: Score without the modality.
        worth: Difference of the two, run by run.
    """

    name: str
    modality: str
    whole: Mean
    without: Mean
    worth: Mean


def worth_rows(study: Study) -> list[WorthRow]:
    """Return the contributions in the tested metric, for all rows whose runs were scored with a modality withheld."""
    metric = study.metrics[0]
    scale, frame = factor(metric), study.finished
    rows = []
    for name in study.rows:
        runs = frame[frame["row"] == name]
        for modality in MODALITIES:
            column = f"{study.split}.without.{modality}.{metric}"
            if column not in runs:
                continue
            both = runs[[f"{study.split}.{metric}", column]].dropna().to_numpy(float) * scale
            if len(both):
                parts = (both[:, 0], both[:, 1], both[:, 0] - both[:, 1])
                rows.append(WorthRow(name, modality, *(summarise(part.tolist(), study.ratio) for part in parts)))
    return rows
