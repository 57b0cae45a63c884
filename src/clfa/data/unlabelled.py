"""Posts without labels: further tables of them, and those that evaluation has to do without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from datasets import Dataset, DatasetDict, concatenate_datasets

from clfa.data.columns import ColumnMap, to_unlabelled, with_lists
from clfa.data.groups import image_contents, normalised_text
from clfa.data.read_part import read_part
from clfa.data.schema import Corpus, Dropped, has_lists
from clfa.tables.access import CLOSED, Access, reading
from clfa.tables.gate import table_folders
from clfa.tables.pictures import pictures_of
from clfa.tables.row import TableOptions

EVALUATED = ("validation", "test")
_FIELDS = ("text", "image", "id", "knowledge")


def add_unlabelled(
    corpus: Corpus,
    tables: Sequence[str],
    options: Mapping[str, Any],
    access: Access = CLOSED,
    required: Sequence[str] = ("text",),
) -> Corpus:
    """Return the corpus with the posts of further tables among its unlabelled pairs.

    Args:
        corpus: A corpus from a reader.
        tables: Files or addresses of tables; see :mod:`clfa.data.readers.table` for their columns.
        options: Options of the corpus's reader, of which those of the table reader that say how to read a table and its
            columns (``text``, ``image``, ``id``, ``knowledge``, ``image_root``, ``separator``, ``sheet``) are used.
        access: What rows may open.
        required: See :class:`clfa.tables.access.Reading`.

    Raises:
        DataError: If a table does not exist or is broken, or a column is absent.
    """
    dropped: list[Dropped] = []
    how = TableOptions(options.get("separator"), sheet=options.get("sheet"))
    root = options.get("image_root")
    parts = [read_part(table, None, how, dropped) for table in tables]
    parts = [replace(part, image_root=part.image_root if root is None else root) for part in parts]
    # An option of the same name of another reader may be a list, for instance of sources of knowledge.
    names = {name: options[name] for name in _FIELDS if isinstance(options.get(name), str)}
    with reading(access, [folder for part in parts for folder in table_folders(part.image_root)], required):
        found = to_unlabelled(parts, ColumnMap(names, root), corpus.targets)
    own = [] if corpus.unlabelled is None else [corpus.unlabelled]
    splits = corpus.splits
    if any(map(has_lists, (*splits.values(), *own, found))):
        splits = DatasetDict({name: with_lists(split) for name, split in splits.items()})
        own, found = list(map(with_lists, own)), with_lists(found)
    pairs = concatenate_datasets([*own, found])
    return replace(corpus, splits=splits, unlabelled=pairs, dropped=[*corpus.dropped, *dropped])


def without_evaluated(corpus: Corpus) -> Corpus:
    """Return the corpus without the unlabelled pairs whose text or image is one of validation or test.

    Texts are compared without letter case, width of characters and white space, local images by content, remote ones by
    address. The pairs that are left out are listed in ``dropped``.
    """
    pairs = corpus.unlabelled
    splits = [corpus.splits[name] for name in EVALUATED if name in corpus.splits]
    if pairs is None or not splits:
        return corpus
    both = concatenate_datasets([split.select_columns(["text", "image"]) for split in (*splits, pairs)])
    contents: dict[str, list[list[Any]]] = {
        "text": [[normalised_text(text) or None] for text in both["text"][:]],
        "image": image_contents(both),
    }
    start = len(both) - len(pairs)
    evaluated = {column: {one for own in values[:start] for one in own} - {None} for column, values in contents.items()}
    shared = [
        next((name for name, values in contents.items() if not evaluated[name].isdisjoint(values[start + row])), None)
        for row in range(len(pairs))
    ]
    dropped = [_dropped(pairs, row, column) for row, column in enumerate(shared) if column is not None]
    if not dropped:
        return corpus
    kept = pairs.select([row for row, column in enumerate(shared) if column is None])
    return replace(corpus, unlabelled=kept, dropped=[*corpus.dropped, *dropped])


def _dropped(pairs: Dataset, row: int, column: str) -> Dropped:
    sample = pairs.select_columns(["id", "image"])[row]
    first: dict[str, Any] = next(iter(pictures_of(sample["image"])), {})
    source = first.get("path") or f"row {row}"
    return Dropped(
        sample["id"],
        "",
        str(source),
        "evaluated content",
        f"the {column} of this unlabelled post is also in the validation or test split",
    )
