"""``python -m benchmarks.curve FILE``: draw the scores of an experiment over its number of training rows or labels.

FILE is a table of ``python -m benchmarks.scores keep``, whose rows are named ``NAME, NUMBER rows`` or ``NAME, NUMBER
labels``. The picture is written beside it: for each name the mean on the test split, with the standard deviation over
the runs as a band, and as dashed lines the same of the best yardstick on validation and of the guide's own cosine.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.scores import best_yardstick
from clfa.errors import CLFAError, DataError
from clfa.figures import write_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = re.compile(r"(?P<name>.+), (?P<number>\d+) (?P<what>rows|labels)")
# Scores by number: mean and standard deviation, percent.
Line = Mapping[int, tuple[float, float]]


def lines(scores: pd.DataFrame, metric: str) -> tuple[dict[str, Line], str]:
    """Return the lines of a curve by name, in the order of the names, and what its numbers count.

    The yardstick and the cosine are those of the runs of the name that has a cosine, if there is one.

    Args:
        scores: Runs with the columns ``row``, ``test.METRIC`` and those of the yardsticks.
        metric: Metric on the test split.

    Raises:
        DataError: If no row is named by a number.
    """
    parts = scores["row"].str.extract(_ROW)
    known = scores.assign(**parts)[parts["number"].notna()]
    if not len(known):
        raise DataError(
            "no row is named as 'NAME, 250 rows' or 'NAME, 50 labels'; give the table of such an experiment."
        )
    known = known.assign(number=known["number"].astype(int))
    found = {str(name): _line(runs, f"test.{metric}") for name, runs in known.groupby("name", sort=True)}
    cosine = f"guide.cosine.test.{metric}"
    if cosine in known and known[cosine].notna().any():
        # A shuffled guide has a cosine, too; that of the first name is the guide as it is.
        name = next(name for name in found if known.loc[known["name"] == name, cosine].notna().any())
        found["the guide's cosine"] = _line(known[known["name"] == name].dropna(subset=[cosine]), cosine)
    best = best_yardstick(known, metric)
    found[f"yardstick {best}"] = _line(known, f"yardsticks.{best}.test.{metric}")
    return found, str(known["what"].iloc[0])


def _line(runs: pd.DataFrame, column: str) -> Line:
    grouped = runs.dropna(subset=[column]).groupby("number")[column]
    return {
        int(number): (100 * float(values.mean()), 100 * float(values.std(ddof=1)) if len(values) > 1 else 0.0)
        for number, values in grouped
    }


def draw(found: Mapping[str, Line], what: str, metric: str, path: Path) -> None:
    """Write the picture.

    Args:
        found: From :func:`lines`.
        what: What the numbers count.
        metric: Name of the metric.
        path: PNG file.
    """

    def on(figure: Figure) -> None:
        axes = figure.subplots()
        numbers = sorted({number for line in found.values() for number in line})
        for name, line in found.items():
            x = sorted(line)
            mean, deviation = ([line[number][part] for number in x] for part in (0, 1))
            aside = name.startswith(("yardstick ", "the guide's"))
            (drawn,) = axes.plot(x, mean, "--" if aside else "o-", label=name, linewidth=1.4 if aside else 2)
            low, high = ([m + sign * d for m, d in zip(mean, deviation, strict=True)] for sign in (-1, 1))
            axes.fill_between(x, low, high, alpha=0.15, color=drawn.get_color())
        axes.set_xscale("log")
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        axes.minorticks_off()
        axes.set_xlabel(f"training {what}")
        axes.set_ylabel(f"{metric.replace('_', ' ')} on the test split, %")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)

    write_plot(path, 7.5, 4.6, on, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw one picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--metric", default="accuracy")
    options = parser.parse_args(arguments)
    try:
        if not options.file.is_file():
            raise DataError(f"{options.file} is not there; `python -m benchmarks.scores keep RUN` writes it.")
        found, what = lines(pd.read_csv(options.file), options.metric)
        path = options.file.with_suffix(".png")
        draw(found, what, options.metric, path)
    except CLFAError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(f"{path} written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
