"""Posts that an export to int8 is calibrated with."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from clfa.errors import Argument, CLFAError, DataError, ModelError
from clfa.prediction.post import Post, Prediction
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.data_record import SPLITS_FILE
from clfa.runs.run_folder import RunFolder, is_run_folder
from clfa.runs.unlabelled import without_unlabelled
from clfa.tables.access import CLOSED, Access

# Rows of a table that are drawn from, so that a table of any size takes seconds.
MOST_ROWS = 20_000
_SPLIT = "validation"


@dataclass(frozen=True)
class CalibrationPosts:
    """Posts, drawn with a fixed seed.

    Args:
        source: Where they are from.
        posts: The posts.
        unreadable: Number of rows drawn that cannot be read.
    """

    source: str
    posts: Sequence[Post]
    unreadable: int = 0


def of_table(
    table: str | Path, run: str | Path, required: Sequence[str], count: int, access: Access = CLOSED
) -> CalibrationPosts:
    """Return posts of a table, drawn from its first 20,000 rows.

    Args:
        table: Path of the table.
        run: Run folder or model directory, whose columns are used.
        required: Fields that must have a column.
        count: Number of rows.
        access: What rows may open.

    Raises:
        DataError: If the table cannot be read or a required column is missing.
    """
    from clfa.prediction.table_posts import rows_of

    rows = rows_of(str(table), RunFolder(run).read_columns(), required, access=access)
    drawn = _draw((row.post for row in islice(rows, MOST_ROWS)), count)
    posts = [post for post in drawn if not isinstance(post, Prediction)]
    return CalibrationPosts(str(table), posts, len(drawn) - len(posts))


def of_validation(run: str | Path, count: int) -> CalibrationPosts:
    """Return posts of the validation split that a run recorded, read from its data.

    Args:
        run: Run folder.
        count: Number of posts.

    Raises:
        ModelError: If it is no run folder.
        DataError: If the data cannot be read any more, or has no validation posts.
    """
    advice = "; give a table of posts with ", Argument("calibration", ...), "."
    if not is_run_folder(Path(run)):
        raise ModelError(f"int8 needs posts to calibrate with, and {run} is no run folder", *advice)
    folder = RunFolder(run)
    try:
        corpus = load_corpus(without_unlabelled(load_recipe(folder.recipe)))
    except CLFAError as error:
        raise DataError(f"the validation posts of {run} cannot be read: ", *error.args, *advice) from error
    ids, split = _recorded(folder), corpus.splits.get(_SPLIT)
    numbers = [] if split is None else [n for n, id in enumerate(split["id"][:]) if ids is None or id in ids]
    if split is None or not numbers:
        raise DataError(f"the data of {run} has no validation posts that the run recorded", *advice)
    chosen = split.select(_draw(numbers, count))
    posts = [Post(row["text"], row["image"], row["knowledge"]) for row in chosen]
    return CalibrationPosts(f"{run}, {_SPLIT}", posts)


def _recorded(folder: RunFolder) -> set[str] | None:
    path = folder.path / SPLITS_FILE
    if not path.is_file():
        return None
    try:
        return set(json.loads(path.read_text(encoding="utf-8"))[_SPLIT])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error!r}); give ", Argument("calibration", ...), ".") from error


def _draw(items: Iterable[Any], count: int) -> list[Any]:
    """Return ``count`` items in their order, drawn without holding the others."""
    generator = random.Random(0)
    kept: list[tuple[int, Any]] = []
    for number, item in enumerate(items):
        if number < count:
            kept.append((number, item))
        elif (place := generator.randrange(number + 1)) < count:
            kept[place] = (number, item)
    return [item for _, item in sorted(kept, key=lambda one: one[0])]
