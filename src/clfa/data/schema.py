"""The one schema every reader produces and everything downstream consumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clfa.targets.default_label import is_default_label
from clfa.targets.target import Target, label_matrix, label_slices

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

SPLITS = ("train", "validation", "test")
COLUMNS = ("id", "text", "image", "knowledge", "targets")


def schema_features(targets: Sequence[Target]) -> Features:
    """Columns of one sample.

    - ``id``: unique within the corpus.
    - ``text``: the post, decoded to Unicode.
    - ``image``: ``{"bytes": bytes | None, "path": str | None}``, still encoded; the path may be any fsspec
      address. ``None`` where the data set ships no pixels.
    - ``knowledge``: extra text about the image (OCR, caption, attribute words) or ``None``.
    - ``targets``: the flat vector that :class:`clfa.targets.target.Target` describes, for instance ``[1.0]`` for class
      1 of the default label; ``None`` for an unlabelled pair.

    Args:
        targets: Of the corpus.
    """
    # Here, so that prediction need not wait for it.
    from datasets import Features, Image, List, Value

    features = {
        "id": Value("string"),
        "text": Value("string"),
        "image": Image(decode=False),
        "knowledge": Value("string"),
        "targets": List(Value("float64"), length=sum(target.width for target in targets)),
    }
    return Features(features)


@dataclass(frozen=True)
class Dropped:
    """One sample that a reader or a check left out, and why.

    Args:
        id: The sample's id as far as it is known, else ``""``.
        split: One of :data:`SPLITS`, or ``""`` where the sample belongs to none.
        source: File (and line or row, as ``file:line``) the sample came from.
        reason: Short machine-readable reason, for instance ``"missing image"``; counted in reports.
        detail: What exactly was wrong, for a person.
    """

    id: str
    split: str
    source: str
    reason: str
    detail: str = ""


@dataclass
class Corpus:
    """A data set as every later stage sees it.

    Args:
        name: What to call it in reports.
        splits: Any of :data:`SPLITS`, each with :data:`COLUMNS` typed by :func:`schema_features`.
        targets: What its labels say; the default label of :mod:`clfa.targets.default_label` is one of them.
        unlabelled: Pairs without a label, fit for fitting a guide; never overlaps the splits.
        dropped: Every sample left out so far.
        facts: What the reader noticed, for reports; JSON-able (which split was used, text encodings).
    """

    name: str
    splits: DatasetDict
    targets: list[Target]
    unlabelled: Dataset | None = None
    dropped: list[Dropped] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def label_names(self) -> list[str]:
        """Class names of the default label in index order; empty where it is not all there is."""
        return list(self.targets[0].label_names) if is_default_label(self.targets) else []

    def labels(self, split: str) -> list[Any]:
        """Labels of a split in words.

        Args:
            split: Its name.

        Returns:
            For each sample the label of the one target, of several a mapping by name; ``None`` where missing.
        """
        matrix = label_matrix(self.splits[split])
        named = [{t.name: t.describe(row[own]) for t, own in label_slices(self.targets)} for row in matrix]
        return named if len(self.targets) > 1 else [label for row in named for label in row.values()]

    @property
    def has_images(self) -> bool:
        """Whether any sample of any split carries an image. Reads no further than the first that does."""
        return any(_any_image(split) for split in self.splits.values())

    def dropped_counts(self) -> dict[str, int]:
        """Number of dropped samples by reason, most frequent first."""
        return dict(Counter(d.reason for d in self.dropped).most_common())


def _any_image(split: Dataset) -> bool:
    # Small batches: where there are images, the first batch answers, and its encoded bytes are all that is read.
    for batch in split.select_columns(["image"]).with_format("arrow").iter(batch_size=64):
        images = batch.column("image").combine_chunks().drop_null()
        if any(images.field(part).null_count < len(images) for part in ("bytes", "path")):
            return True
    return False
