"""``python -m benchmarks.scores``: scores of finished experiments as small tables, and tests over several data sets.

``keep RUN...`` writes one line per finished run of each experiment folder to ``docs/results/NAME.csv``; lines of other
rows, folds and seeds stay, so that an experiment can be run in parts and on several machines. ``table FILE...`` prints
means. ``ahead FILE... --row ROW`` compares a row with the best yardstick of each data set, and tests the mean of the
differences over the data sets. The best one is that of the validation split; with ``--hindsight`` that of the test
split, which nobody can choose, and which is the hardest to be ahead of.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from clfa.errors import CLFAError, DataError
from clfa.files import atomic_write
from clfa.report.statistics import Difference, compare, holm
from clfa.report.study import Study

KEPT = Path(__file__).resolve().parent.parent / "docs" / "results"
KEY = ["row", "fold", "seed"]
_FACTS = ["data.samples.train", "data.samples.test", "resources.seconds_total", "resources.peak_memory_mb"]


def kept_columns(columns: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """Return the columns of an experiment's table that are kept.

    Args:
        columns: All columns.
        metrics: Metrics of the experiment; those of both splits, of the yardsticks and of the guide's cosine are kept.
    """
    ends = tuple(f"{split}.{metric}" for split in ("validation", "test") for metric in metrics)
    scores = [c for c in columns if c in ends or (c.startswith(("yardsticks.", "guide.cosine.")) and c.endswith(ends))]
    return [*KEY, *scores, *(fact for fact in _FACTS if fact in columns)]


def keep(run: Path, folder: Path) -> Path:
    """Write the scores of an experiment's finished runs to a table in a folder, over those of the same runs there.

    Args:
        run: Output folder of ``clfa experiment``.
        folder: Folder of the tables.

    Returns:
        The file.

    Raises:
        DataError: If ``run`` is no experiment, or nothing has finished.
    """
    study = Study.read(run)
    new = study.finished[kept_columns([str(c) for c in study.finished.columns], study.metrics)]
    path = folder / f"{study.experiment.name}.csv"
    # Both as read from a file: the same empty cells, so that the lines of one run are recognised.
    new = pd.read_csv(StringIO(new.to_csv(index=False)))
    if path.is_file():
        new = pd.concat([pd.read_csv(path), new]).drop_duplicates(KEY, keep="last")
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        new.sort_values(KEY).round(6).to_csv(file, index=False)
    return path


def best_yardstick(scores: pd.DataFrame, metric: str, split: str = "validation") -> str:
    """Return the yardstick with the best mean of a metric on a split.

    Raises:
        DataError: If no yardstick has the metric there.
    """
    end = f".{split}.{metric}"
    means = {
        column.split(".")[1]: scores[column].mean()
        for column in map(str, scores.columns)
        if column.startswith("yardsticks.") and column.endswith(end) and scores[column].notna().any()
    }
    if not means:
        raise DataError(f"no yardstick has {metric} on the {split} split.")
    return max(means, key=lambda name: means[name])


def observations(scores: pd.DataFrame, column: str) -> np.ndarray:
    """Return what counts as one observation in percent (n,): folds with the mean of their seeds, else seeds."""
    ordered = scores.sort_values(KEY)
    if ordered["fold"].nunique() > 1:
        return 100 * ordered.groupby("fold")[column].mean().to_numpy(float)
    return 100 * ordered[column].to_numpy(float)


def difference(scores: pd.DataFrame, first: str, second: str) -> Difference:
    """Compare two columns of the same runs; over folds with the corrected resampled test of the report.

    Args:
        scores: Runs of one row.
        first: Column of scores, fractions.
        second: Another one.
    """
    folds = scores["fold"].nunique() > 1
    ratio = float((scores["data.samples.test"] / scores["data.samples.train"]).mean()) if folds else 0.0
    return compare(observations(scores, first).tolist(), observations(scores, second).tolist(), ratio)


@dataclass(frozen=True)
class MeanDifference:
    """Mean of the differences on several data sets.

    Args:
        mean: Points.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Two-sided p value.
        df: Degrees of freedom.
    """

    mean: float
    low: float
    high: float
    p: float
    df: float


def mean_difference(found: Sequence[Difference]) -> MeanDifference:
    """Return the unweighted mean of independent differences, with its Welch-Satterthwaite t-test.

    The standard error of each is that of its own test; their squares add up. Welch 1947, "The generalization of
    'Student's' problem when several different population variances are involved".

    Args:
        found: One for each data set, of two or more observations each.

    Raises:
        ValueError: If one of them is of a single observation.
    """
    if any(one.n < 2 for one in found):
        raise ValueError("each data set needs two runs or more.")
    errors = np.array([(one.high - one.mean) / stats.t.ppf(0.975, one.n - 1) for one in found])
    mean = float(np.mean([one.mean for one in found]))
    error = math.sqrt(float((errors**2).sum())) / len(found)
    df = float((errors**2).sum() ** 2 / (errors**4 / np.array([one.n - 1 for one in found])).sum())
    half = float(stats.t.ppf(0.975, df)) * error
    return MeanDifference(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, df)), df)


def table_lines(name: str, scores: pd.DataFrame, metrics: Sequence[str]) -> Iterator[str]:
    """Yield the Markdown table of an experiment: each row, the yardsticks and the guide's cosine, on the test split."""
    yield f"| {name} | {' | '.join(metrics)} | runs | seconds |"
    yield f"| --- |{' ---: |' * (len(metrics) + 2)}"

    def line(label: str, runs: pd.DataFrame, prefix: str, seconds: str) -> str:
        cells = []
        for metric in metrics:
            found = observations(runs, f"{prefix}test.{metric}")
            spread = f" ± {found.std(ddof=1):.1f}" if len(found) > 1 else ""
            cells.append(f"{found.mean():.1f}{spread}")
        return f"| {label} | {' | '.join(cells)} | {len(runs)} | {seconds} |"

    for row, runs in scores.groupby("row", sort=False):
        yield line(str(row), runs, "", f"{runs['resources.seconds_total'].median():.0f}")
    first = next(runs for _, runs in scores.groupby("row", sort=False))
    columns = [str(column) for column in first.columns]
    for yardstick in dict.fromkeys(column.split(".")[1] for column in columns if column.startswith("yardsticks.")):
        runs = first.dropna(subset=[f"yardsticks.{yardstick}.test.{metrics[0]}"])
        if len(runs):
            yield line(f"yardstick {yardstick}", runs, f"yardsticks.{yardstick}.", "")
    if f"guide.cosine.test.{metrics[0]}" in columns and first[f"guide.cosine.test.{metrics[0]}"].notna().any():
        yield line("the guide's cosine", first, "guide.cosine.", "")


def ahead_lines(tables: dict[str, pd.DataFrame], row: str, metric: str, chosen_on: str = "validation") -> Iterator[str]:
    """Yield the Markdown table of a row against the best yardstick, by data set and on the mean.

    p values are corrected for the number of tests in the table (Holm).

    Args:
        tables: Scores by name of the experiment.
        row: Row that each of them has.
        metric: Compared metric.
        chosen_on: Split on which the yardstick is the best.

    Raises:
        DataError: If an experiment has no run of the row.
    """
    lines, found = [], []
    for name, table in tables.items():
        runs = table[table["row"] == row]
        if not len(runs):
            raise DataError(f"{name} has no run of the row {row!r}; there are: {', '.join(sorted(set(table['row'])))}.")
        best = best_yardstick(runs, metric, chosen_on)
        own, other = f"test.{metric}", f"yardsticks.{best}.test.{metric}"
        one = difference(runs, own, other)
        found.append(one)
        scores = " | ".join(f"{observations(runs, column).mean():.1f}" for column in (other, own))
        lines.append(f"{name} | {best} | {scores} | {_points(one)} | {one.ahead} of {one.n}")
    p = [one.p for one in found]
    if len(found) > 1 and all(one.n > 1 for one in found):
        mean = mean_difference(found)
        p.append(mean.p)
        lines.append(f"mean | | | | {_points(mean)} | ")
    yield f"| data | best yardstick | its {metric} | {row} | points | 95 % interval | ahead | p | corrected |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for line, own_p, corrected in zip(lines, p, holm(p), strict=True):
        yield f"| {line} | {_p(own_p)} | {_p(corrected)} |"


def _points(found: Difference | MeanDifference) -> str:
    return f"{found.mean:+.1f} | {found.low:+.1f} to {found.high:+.1f}"


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} is not there; `python -m benchmarks.scores keep RUN` writes it.")
    return pd.read_csv(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    keeping = commands.add_parser("keep", help="write the scores of experiment folders to tables")
    keeping.add_argument("runs", nargs="+", type=Path)
    keeping.add_argument("--folder", type=Path, default=KEPT)
    table = commands.add_parser("table", help="print means")
    ahead = commands.add_parser("ahead", help="compare a row with the best yardsticks")
    ahead.add_argument("--row", default="best")
    for reader in (table, ahead):
        reader.add_argument("files", nargs="+", type=Path)
    ahead.add_argument("--metric", default="macro_f1")
    ahead.add_argument("--hindsight", action="store_true", help="against the yardstick that is best on the test split")
    table.add_argument("--metrics", nargs="+", default=["accuracy", "macro_f1"])
    options = parser.parse_args(arguments)
    try:
        if options.command == "keep":
            for run in options.runs:
                print(f"{keep(run, options.folder)} written.")
            return 0
        tables = {path.stem: _read(path) for path in options.files}
        if options.command == "ahead":
            chosen_on = "test" if options.hindsight else "validation"
            print("\n".join(ahead_lines(tables, options.row, options.metric, chosen_on)))
        else:
            print("\n\n".join("\n".join(table_lines(name, own, options.metrics)) for name, own in tables.items()))
    except CLFAError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
