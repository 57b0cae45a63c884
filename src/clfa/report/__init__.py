"""Reports of experiments: statistics, tables, plots, samples, as one HTML page and as Markdown."""

from clfa.report.build import write_report

__all__ = ["write_report"]
