"""The report as a self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clfa.experiments.scores import factor, title
from clfa.report import format, words
from clfa.report.content import ReportContent
from clfa.report.markdown import published_columns


def render_html(report: ReportContent) -> str:
    """Return the page; every text from data or recipes is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=format.number, p=format.p_value, plus_minus=format.plus_minus, count=format.count, title=title
    )
    experiment = report.study.experiment
    described = experiment.model_dump(exclude_none=True, exclude_defaults=True)
    return environment.get_template("template.html").render(
        report=report,
        study=report.study,
        experiment=experiment,
        words=words,
        digits=format.digits,
        factor=factor,
        published_columns=published_columns(report),
        yaml=yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100),
    )
