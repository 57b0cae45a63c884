"""Rendering of a check report on the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clfa.data.check import CheckReport
from clfa.data.overview import pictures_line
from clfa.terminal import plain


def render(report: CheckReport, *, examples: int = 5) -> RenderableType:
    """Return the tables of a report.

    Args:
        report: The report.
        examples: Number of dropped samples to show per reason; all of them are in the files.
    """
    parts: list[RenderableType] = [_splits(report), _facts(report)]
    if report.verdicts:
        parts += [Text(plain(f"\nAgainst the literature ({report.source}):"), style="bold"), *_verdicts(report)]
    if report.dropped:
        parts += [Text("\nLeft out:", style="bold"), _dropped(report, examples)]
    if any(duplicates.groups for duplicates in report.duplicates):
        parts += [Text("\nDuplicates:", style="bold"), _duplicates(report)]
    if leaks := [leak for leak in report.leaks if leak.clear]:
        parts += [Text("\nIds or file order give labels away; no model may see them:", style="bold yellow")]
        parts += [Text(plain(f"  ! {leak}"), style="yellow") for leak in leaks]
    if report.concerns:
        parts += [Text("\nWarnings:", style="bold yellow")]
        parts += [Text(f"  ! {concern}", style="yellow") for concern in report.concerns]
    return Group(*parts)


def _splits(report: CheckReport) -> Table:
    splits = report.splits.values()
    optional = {
        "lines": any(split.lines is not None for split in splits),
        "images": any(split.images for split in splits),
        "knowledge": any(split.knowledge for split in splits),
    }
    columns = ["split", "lines", "kept", "classes", "words (95 %)", "images", "knowledge"]
    table = Table(title=f"{report.name}: {report.data_dir}", title_justify="left", show_lines=True)
    for column in columns:
        if optional.get(column, True):
            table.add_column(column, justify="left" if column in ("split", "classes") else "right", no_wrap=True)
    for name, split in report.splits.items():
        cells = {
            "split": name,
            "lines": f"{split.lines:,}" if split.lines is not None else "",
            "kept": f"{split.kept:,}",
            "classes": "\n".join(
                f"{label} {count:,} ({count / max(split.kept, 1):.0%})" for label, count in split.classes.items()
            ),
            "words (95 %)": f"{split.words['mean']:.1f} ({split.words['95 %']:.0f})",
            "images": f"{split.images:,}",
            "knowledge": f"{split.knowledge:,}",
        }
        table.add_row(*(cells[column] for column in columns if optional.get(column, True)))
    return table


def _facts(report: CheckReport) -> Text:
    lines = [f"split: {report.facts['split']}"] if "split" in report.facts else []
    encodings = report.facts.get("text encodings")
    if encodings:
        lines.append("text encodings: " + ", ".join(f"{name} {count:,}" for name, count in encodings.items()))
    if "pictures" in report.facts:
        lines.append(pictures_line(report.facts["pictures"]))
    lines.append(f"unlabelled pairs: {report.unlabelled:,}")
    return Text(plain("\n".join(lines)))


def _verdicts(report: CheckReport) -> list[Text]:
    return [
        Text(
            plain(f"  {'=' if verdict.reproduced else '!'} {verdict}"),
            style="green" if verdict.reproduced else "yellow",
        )
        for verdict in report.verdicts
    ]


def _dropped(report: CheckReport, examples: int) -> Table:
    table = Table("reason", "samples", "for instance")
    for reason, count in report.dropped.items():
        shown = [sample for sample in report.corpus.dropped if sample.reason == reason][:examples]
        cells = "\n".join(f"{sample.id or '?'} ({sample.source}) {sample.detail}"[:120] for sample in shown)
        table.add_row(reason, f"{count:,}", Text(plain(cells)))
    return table


def _duplicates(report: CheckReport) -> Table:
    table = Table("same", "groups", "samples", "across splits", "validation in train", "test in train")
    for found in report.duplicates:
        leaked = [f"{found.leaked[split]:,}" for split in ("validation", "test")]
        table.add_row(found.kind, f"{found.groups:,}", f"{found.samples:,}", f"{found.across:,}", *leaked)
    return table
