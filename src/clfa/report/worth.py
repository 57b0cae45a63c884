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
    scale = factor(metric)
    rows = []
    for name in study.rows:
        whole = study.scores(name, metric)
        for modality in MODALITIES:
            without = study.scores(name, f"without.{modality}.{metric}")
            common = [key for key in whole if key in without]
            if common:
                parts = (
                    {key: scale * whole[key] for key in common},
                    {key: scale * without[key] for key in common},
                    {key: scale * (whole[key] - without[key]) for key in common},
                )
                ratio = study.ratio_of(name)
                rows.append(WorthRow(name, modality, *(summarise(study.units(part), ratio) for part in parts)))
    return rows
