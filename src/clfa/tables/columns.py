"""Assignment of table columns to fields. Training and prediction use the same rule; a run stores the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from clfa.errors import Argument, DataError
from clfa.nearest import close_name, did_you_mean

# Usual column names, in order of preference; compared by `column_key`.
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "image_id", "tweet_id", "post_id", "uid", "编号"),
    "text": ("text", "tweet", "sentence", "caption", "content", "post", "title", "文本", "内容", "正文"),
    "image": (
        *("image", "image_path", "img", "img_path", "image_file", "file_name", "filename", "picture", "photo"),
        *("图片", "图像", "图片路径"),
    ),
    "knowledge": ("knowledge",),
    "label": ("label", "labels", "class", "target", "sentiment", "sarcasm", "category", "标签", "类别"),
    "split": ("split", "set", "fold", "partition", "划分"),
}


@dataclass(frozen=True)
class Columns:
    """Column of each field of a table; ``None`` for a field without a column.

    Args:
        id: Column of the id.
        text: Column of the text.
        image: Column of the image.
        knowledge: Column of extra text about the image.
        label: Column of the label.
        split: Column of the split's name.
        image_root: Base folder or address of relative image paths, if it is not the table's folder.
        separator: Field separator, for CSV and TSV files.
        targets: Columns of each target, by target name.
        unused: Columns with a usual name but unusable content: ids that are not unique.
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
        """Return the fields as JSON values."""
        return {**asdict(self), "unused": list(self.unused)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Columns:
        """Return the columns from the output of :meth:`to_dict`; unknown keys (of later versions) are ignored.

        Raises:
            DataError: If the content is not of this form.
        """
        known = {entry.name for entry in fields(cls)}
        if not isinstance(content, Mapping):
            raise DataError(f"columns must be an object, not {type(content).__name__}")
        found = {name: value for name, value in content.items() if name in known}
        for name, value in found.items():
            kind = _KINDS.get(name)
            if not (value is None or isinstance(value, str) if kind is None else isinstance(value, kind)):
                raise DataError(f"the column of {name!r} is {value!r}")
        return cls(**found)


# Types of the fields that are not the name of one column.
_KINDS: dict[str, Any] = {"targets": Mapping, "unused": (list, tuple)}


def find_columns(
    present: Sequence[str],
    source: str,
    *,
    given: Mapping[str, str | None] | None = None,
    run: Columns | None = None,
    declared: bool = True,
    required: Sequence[str] = ("text",),
    arguments: Mapping[str, str] | None = None,
) -> Columns:
    """Find the column of each field.

    Order of preference: the column given by the caller, the column of the training run, the usual names.

    Args:
        present: The table's columns.
        source: Name of the table, for messages.
        given: Column by field, given by the caller.
        run: Columns that were used in the model's training run.
        declared: Whether ``present`` is known to be complete; otherwise a column of the run counts as present,
            unless there is one with another usual name.
        required: Fields that must have a column.
        arguments: Name of the caller's argument by field, for messages; the field's own name when not given. Fields
            without one cannot be named by the caller.

    Raises:
        DataError: If a given column is absent, or a required field has no column. The message lists the columns.
    """
    by_name = {column_key(name): name for name in reversed(present)}
    by_name |= {column_key(name): name for names in USUAL_NAMES.values() for name in names if name in present}
    unused = {column_key(name) for name in run.unused} if run is not None else set()
    found: dict[str, Any] = {}
    for wanted, usual in USUAL_NAMES.items():
        name = (given or {}).get(wanted)
        known = getattr(run, wanted) if run is not None else None
        if name is not None:
            found[wanted] = name if name in present else by_name.get(column_key(name))
            if found[wanted] is None and not declared:
                found[wanted] = name
            if found[wanted] is None:
                raise DataError(
                    f"{source}: no column {name!r} (given as ",
                    Argument(arguments[wanted] if arguments else wanted, ...),
                    f"); columns there: {', '.join(present)}.{did_you_mean(name, present)}",
                )
        elif known is not None and column_key(known) in by_name:
            found[wanted] = known if known in present else by_name[column_key(known)]
        else:
            keys = [column_key(name) for name in usual]
            other = next((by_name[key] for key in keys if key in by_name and key not in unused), None)
            # Rows further on may have the run's column, but not where another one stands in its place.
            found[wanted] = known if other is None and not declared else other
        if found[wanted] is None and wanted in required:
            raise DataError(
                f"{source}: no {wanted} column; ",
                *_advice(wanted, arguments),
                f"; columns there: {', '.join(present)}.{_close_column(wanted, present)}",
            )
    image_root, ignored = (None, ()) if run is None else (run.image_root, tuple(run.unused))
    return Columns(**found, image_root=image_root, unused=ignored)


def _advice(field: str, arguments: Mapping[str, str] | None) -> tuple[str | Argument, ...]:
    if arguments is None or field in arguments:
        return "name it with ", Argument((arguments or {}).get(field, field), ...)
    return (f"call it {USUAL_NAMES[field][0]!r}",)


def _close_column(field: str, present: Sequence[str]) -> str:
    """Return a sentence with the column whose name is closest to a usual name of the field; empty without one."""
    found = next((name for usual in USUAL_NAMES[field] if (name := close_name(usual, present))), None)
    return "" if found is None else f" Is it {found!r}?"


def column_key(name: str) -> str:
    """Return a column's name without letter case, blanks, dashes, dots and underscores.

    Example:
        >>> column_key(" Tweet ID") == column_key("tweet_id") == column_key("TweetId")
        True
    """
    return re.sub(r"[\s_.-]+", "", name).casefold() or name


def run_names(names: Mapping[str, str | None]) -> tuple[dict[str, str], Columns]:
    """Separate columns that must exist from columns with a usual name, which another table may name differently.

    Args:
        names: Column by field.

    Returns:
        The arguments ``given`` and ``run`` of :func:`find_columns`.
    """
    given = {field: name for field, name in names.items() if name is not None and name not in USUAL_NAMES[field]}
    others: dict[str, Any] = {field: name for field, name in names.items() if field not in given}
    return given, Columns(**others)
