"""Reader for Flickr8k photos with a sentence each: does the sentence belong to the photo?

Photos and sentences are those of Flickr8k (Hodosh, Young and Hockenmaier 2013). The label lies in the relation of text
and picture: nearly every photo occurs with sentences of its own and with sentences of other photos.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.tables.encoding import decode_bytes
from clfa.targets.cells import UnusableCell

LABELS = ["no-match", "match"]

_FILES = {
    "train": "flickr8k.TrainImages.txt",
    "validation": "flickr8k.DevImages.txt",
    "test": "flickr8k.TestImages.txt",
}


def read(data_dir: str, *, images_dir: str | None = None) -> Corpus:
    """Flickr8k photos with a sentence each; the label is match or no-match.

    The id is the photo's name and a digest of the sentence: a row's number would tell the label, because the rows of a
    photo are sorted.

    Args:
        data_dir: Folder with ``flickr8k.TrainImages.txt``, ``flickr8k.DevImages.txt`` and ``flickr8k.TestImages.txt``.
        images_dir: Folder of the photos; by default ``images/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different.
    """
    root = Path(data_dir)
    if not all((root / name).is_file() for name in _FILES.values()):
        raise layout_error("flickr8k-match", root, f"{', '.join(_FILES.values())} and a folder images/")
    pictures = PictureFolder.find(root, ("images",), images_dir)
    builder = CorpusBuilder("flickr8k-match", label_names=LABELS)
    for split, name in _FILES.items():
        seen: Counter[str] = Counter()

        def convert(record: str, seen: Counter[str] = seen) -> Fields:
            photo, sentence, label = _parse(record)
            id = f"{Path(photo).stem}-{hashlib.blake2b(sentence.encode(), digest_size=6).hexdigest()}"
            seen[id] += 1
            # The same sentence occurs twice with a photo.
            unique = id if seen[id] == 1 else f"{id}-{seen[id]}"
            return {"id": unique, "text": sentence, "image": pictures.of(photo), "label": label}

        builder.add_records(split, root / name, _records(decode_bytes((root / name).read_bytes())[0]), convert)
    return builder.build()


def _records(text: str) -> Iterator[tuple[int, str]]:
    """Yield the records with the number of their first line. A sentence may have line breaks."""
    pending: list[str] = []
    first = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if pending and line.count("\t") > 1:
            # This line is a whole record, so that the lines before are not.
            yield first, "\n".join(pending)
            pending = []
        if not pending and not line.strip():
            continue
        first = first if pending else number
        pending.append(line)
        if line.rstrip().rpartition("\t")[2] in LABELS:
            yield first, "\n".join(pending)
            pending = []
    if "".join(pending).strip():
        yield first, "\n".join(pending)


def _parse(record: str) -> tuple[str, str, str]:
    photo, _, rest = record.rstrip().partition("\t")
    sentence, _, label = rest.rpartition("\t")
    if label not in LABELS or not sentence.strip():
        raise UnusableCell("bad line", f"expected photo, sentence and match or no-match, got {record[:80]!r}")
    return photo, sentence, label
