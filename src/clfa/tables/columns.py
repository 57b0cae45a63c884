"""Which column of a table holds what: found by the same rule for training and prediction, and kept with a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from clfa.errors import Argument, DataError

# Columns are found by these names, the first one first; letter case and blanks around a name do not count.
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "image_id", "tweet_id", "post_id", "uid"),
    "text": ("text", "tweet", "sentence", "caption", "content", "post", "title"),
    "image": ("image", "image_path", "img", "img_path", "image_file", "file_name", "filename", "picture", "photo"),
    "knowledge": ("knowledge",),
    "label": ("label", "labels", "class", "target", "sentiment", "sarcasm", "category"),
    "split": ("split", "set", "fold", "partition"),
}


@dataclass(frozen=True)
class Columns:
    """Column of every field of one table; ``None``: it has none.

    Args:
        id: Of the id.
        text: Of the text.
        image: Of the image.
        knowledge: Of extra text about the image.
        label: Of the label.
        split: Of the split's name.
        image_root: Folder or address that relative image paths start from, where it is not the table's folder.
        separator: Between the fields, for CSV and TSV files.
        targets: Columns of each target, by its name.
        unused: Columns whose names fit and whose content does not: ids that are not unique.
    """

    id: str | None = None
    text: str | None = None
    image: str | None = None
    knowledge: str | None = None
    label: str | None = None
    split: str | None = None
    image_root: str | None = None
    separator: str | None = None
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unused: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "unused": list(self.unused)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Columns:
        """Return what :meth:`to_dict` gave; keys of later versions are left aside."""
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})


def find_columns(
    present: Sequence[str],
    source: str,
    *,
    given: Mapping[str, str | None] | None = None,
    run: Columns | None = None,
    declared: bool = True,
    required: Sequence[str] = ("text",),
) -> Columns:
    """Find the column of every field.

    A column that the caller names comes first, then the one that the run was trained on, then the usual names.

    Args:
        present: The table's columns.
        source: The table, for messages.
        given: Column by field, as the caller gave them.
        run: Columns that a model's run resolved.
        declared: Whether ``present`` is certainly the whole list; otherwise a column of the run counts as present,
            unless there is one of a usual name instead.
        required: Fields that must have a column.

    Raises:
        DataError: A column that was given and is absent, or a required one that there is none for; with those present.
    """
    by_name = {_key(name): name for name in reversed(present)}
    unused = {_key(name) for name in run.unused} if run is not None else set()
    found: dict[str, Any] = {}
    for wanted, usual in USUAL_NAMES.items():
        name = (given or {}).get(wanted)
        known = getattr(run, wanted) if run is not None else None
        if name is not None:
            found[wanted] = name if name in present else by_name.get(_key(name))
            if found[wanted] is None and not declared:
                found[wanted] = name
            if found[wanted] is None:
                raise DataError(
                    f"{source}: no column {name!r} (given as ",
                    Argument(wanted, ...),
                    f"); columns there: {', '.join(present)}",
                )
        elif known is not None and _key(known) in by_name:
            found[wanted] = known if known in present else by_name[_key(known)]
        else:
            other = next((by_name[name] for name in usual if name in by_name and name not in unused), None)
            # Rows further on may have the run's column, but not where another one stands in its place.
            found[wanted] = known if other is None and not declared else other
        if found[wanted] is None and wanted in required:
            raise DataError(
                f"{source}: no {wanted} column; name it with ",
                Argument(wanted, ...),
                f"; columns there: {', '.join(present)}",
            )
    image_root, ignored = (None, ()) if run is None else (run.image_root, tuple(run.unused))
    return Columns(**found, image_root=image_root, unused=ignored)


def _key(name: str) -> str:
    return name.strip().lower()


def run_names(names: Mapping[str, str | None]) -> tuple[dict[str, str], Columns]:
    """Tell apart columns that must be there from usual names, any of which another table may have instead.

    Args:
        names: Column by field.

    Returns:
        For ``given`` and ``run`` of :func:`find_columns`.
    """
    given = {field: name for field, name in names.items() if name is not None and name not in USUAL_NAMES[field]}
    others: dict[str, Any] = {field: name for field, name in names.items() if field not in given}
    return given, Columns(**others)
