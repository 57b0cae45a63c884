"""Column names of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clfa.errors import DataError


def column_names(header: Sequence[str], path: str, where: str) -> tuple[str, ...]:
    """Return the stripped column names; an unnamed column is called ``Unnamed: POSITION``, as in pandas.

    Args:
        header: Names in the file.
        path: The file, for messages.
        where: Location of the header in the file, for messages.

    Raises:
        DataError: If there is no name, or a name occurs twice.
    """
    names = [name.strip().strip("\ufeff") for name in header]
    if not any(names):
        raise DataError(f"{path}: the file is empty; expected a line with column names")
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        raise DataError(
            f"{path}: a column name occurs twice in {where}: {twice[0]!r}; rename one of them. Columns there: "
            f"{', '.join(names)}"
        )
    return tuple(name or f"Unnamed: {position}" for position, name in enumerate(names))
