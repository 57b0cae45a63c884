"""The common schema of all data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clfa.targets.default_label import is_default_label
from clfa.targets.target import Target, label_matrix, label_slices

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

SPLITS = ("train", "validation", "test")
COLUMNS = ("id", "text", "image", "knowledge", "targets")


def schema_features(targets: Sequence[Target], *, several_images: bool = False) -> Features:
    """Return the features of the schema's columns.

    - ``id``: unique within its split; different samples of two splits may have the same id.
    - ``text``: the text of the post, in Unicode.
    - ``image``: ``{"bytes": bytes | None, "path": str | None}``, encoded; the path may be an fsspec address. ``None``
      without an image. With ``several_images`` a list of these.
    - ``knowledge``: extra text about the image (OCR, caption, attribute words) or ``None``.
    - ``targets``: the label vector, see :class:`clfa.targets.fields.TargetFields`; for instance ``[1.0]`` for class 1
      of the default label; ``None`` for an unlabelled pair.

    Args:
        targets: Targets of the corpus.
        several_images: Whether any sample of the corpus has several images.
    """
    # Imported here, because prediction does not need it.
    from datasets import Features, Image, List, Value

    image = Image(decode=False)
    features = {
        "id": Value("string"),
        "text": Value("string"),
        "image": List(image) if several_images else image,
        "knowledge": Value("string"),
        "targets": List(Value("float64"), length=sum(target.width for target in targets)),
    }
    return Features(features)


@dataclass(frozen=True)
class Dropped:
    """A sample that a reader or a check left out.

    Args:
        id: Id of the sample, or ``""`` if unknown.
        split: One of :data:`SPLITS`, or ``""`` for a sample without a split.
        source: File of the sample, with line or row as ``file:line``.
        reason: Short machine-readable reason, for instance ``"missing image"``; counted in reports.
        detail: Full explanation for the user.
    """

    id: str
    split: str
    source: str
    reason: str
    detail: str = ""


@dataclass
class Corpus:
    """A data set in the common schema.

    Args:
        name: Name in reports.
        splits: Any of :data:`SPLITS`, each with :data:`COLUMNS` typed by :func:`schema_features`.
        targets: Targets of the labels, often only the default label of :mod:`clfa.targets.default_label`.
        unlabelled: Pairs without a label, for fitting a guide; disjoint from the splits.
        dropped: All samples left out so far.
        facts: Observations of the reader for reports, as JSON values (split, text encodings).
    """

    name: str
    splits: DatasetDict
    targets: list[Target]
    unlabelled: Dataset | None = None
    dropped: list[Dropped] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def label_names(self) -> list[str]:
        """Class names of the default label in index order; empty if there are other targets."""
        return list(self.targets[0].label_names) if is_default_label(self.targets) else []

    def labels(self, split: str) -> list[Any]:
        """Return the labels of a split as class names or numbers.

        Args:
            split: Name of the split.

        Returns:
            For each sample its label, or a mapping of labels by target name with several targets; ``None`` for a
            missing label.
        """
        matrix = label_matrix(self.splits[split])
        named = [{t.name: t.describe(row[own]) for t, own in label_slices(self.targets)} for row in matrix]
        return named if len(self.targets) > 1 else [label for row in named for label in row.values()]

    @property
    def several_images(self) -> bool:
        """Whether the image cells are lists, because a sample has several images."""
        return any(has_lists(split) for split in self.splits.values())

    @property
    def has_images(self) -> bool:
        """Whether any sample of any split has an image. Reading stops at the first image."""
        return any(_any_image(split) for split in self.splits.values())

    @property
    def has_texts(self) -> bool:
        """Whether any sample of any split has a text. Reading stops at the first text."""
        batches = (batch["text"] for split in self.splits.values() for batch in _texts(split))
        return any(text and text.strip() for batch in batches for text in batch)

    def dropped_counts(self) -> dict[str, int]:
        """Return the number of dropped samples by reason, the most frequent first."""
        return dict(Counter(d.reason for d in self.dropped).most_common())


def has_lists(split: Dataset) -> bool:
    """Return whether the image cells of a split are lists of images."""
    from datasets import List

    return isinstance(split.features["image"], List)


def _texts(split: Dataset) -> Iterator[Any]:
    batches: Iterator[Any] = split.select_columns(["text"]).iter(batch_size=1000)
    return batches


def _any_image(split: Dataset) -> bool:
    several = has_lists(split)
    # Small batches: with images, only the encoded bytes of the first batch are read.
    for batch in split.select_columns(["image"]).with_format("arrow").iter(batch_size=64):
        images = batch.column("image").combine_chunks()
        images = (images.flatten() if several else images).drop_null()
        if any(images.field(part).null_count < len(images) for part in ("bytes", "path")):
            return True
    return False
