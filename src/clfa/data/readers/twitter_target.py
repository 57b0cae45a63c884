"""Readers for Twitter-2015 and Twitter-2017 (Yu and Jiang 2019): sentiment towards a phrase of a tweet with an image.

Layout: ``train.txt``, ``dev.txt`` and ``test.txt`` with four lines per sample: the tweet with ``$T$`` in place of the
target phrase, the phrase, the sentiment (-1, 0, 1), the picture; and ``twitter2015_images/`` or
``twitter2017_images/``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.tables.encoding import decode_bytes
from clfa.targets.cells import UnusableCell

LABELS = {"-1": "negative", "0": "neutral", "1": "positive"}

_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}
_LINES = 4
_PLACE = "$T$"


def read_2015(data_dir: str, *, images_dir: str | None = None) -> Corpus:
    """Twitter-2015: sentiment towards a phrase of a tweet with an image.

    The text is the phrase, a colon and the tweet, so that the model knows which phrase is meant. A tweet with several
    phrases is several samples.

    Args:
        data_dir: Folder with ``train.txt``, ``dev.txt`` and ``test.txt``.
        images_dir: Folder of the pictures; by default ``twitter2015_images/`` in or beside the folder. Without it every
            image is ``None``.

    Raises:
        DataError: If the layout is different.
    """
    return _read("twitter-2015", "twitter2015_images", data_dir, images_dir)


def read_2017(data_dir: str, *, images_dir: str | None = None) -> Corpus:
    """Twitter-2017: sentiment towards a phrase of a tweet with an image.

    Args:
        data_dir: See :func:`read_2015`.
        images_dir: See :func:`read_2015`; by default ``twitter2017_images/``.

    Raises:
        DataError: If the layout is different.
    """
    return _read("twitter-2017", "twitter2017_images", data_dir, images_dir)


def _read(name: str, images: str, data_dir: str, images_dir: str | None) -> Corpus:
    root = Path(data_dir)
    if not all((root / file).is_file() for file in _FILES.values()):
        raise layout_error(name, root, f"train.txt, dev.txt and test.txt with four lines per sample, and {images}/")
    pictures = PictureFolder.find(root.resolve(), (images, f"../{images}"), images_dir)
    builder = CorpusBuilder(name, label_names=list(LABELS.values()))
    for split, file in _FILES.items():
        phrases: Counter[str] = Counter()

        def convert(sample: list[str], split: str = split, phrases: Counter[str] = phrases) -> Fields:
            tweet, phrase, label, picture = _check(sample)
            image = pictures.of(picture)
            phrases[picture] += 1
            # A few tweets are in two splits; papers count them in both.
            id = f"{split}-{Path(picture).stem}-{phrases[picture]}"
            text = f"{phrase}: {tweet.replace(_PLACE, phrase)}"
            return {"id": id, "text": text, "image": image, "label": LABELS[label]}

        builder.add_records(split, root / file, _samples(root / file), convert)
    return builder.build()


def _samples(path: Path) -> Iterator[tuple[int, list[str]]]:
    lines = [line.strip() for line in decode_bytes(path.read_bytes())[0].split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    for first in range(0, len(lines), _LINES):
        yield first // _LINES + 1, lines[first : first + _LINES]


def _check(sample: list[str]) -> list[str]:
    if len(sample) < _LINES:
        raise UnusableCell("bad line", f"the file ends after {len(sample)} of {_LINES} lines of a sample")
    if _PLACE not in sample[0]:
        raise UnusableCell("bad line", f"the tweet has no {_PLACE}: {sample[0][:80]!r}")
    if sample[2] not in LABELS:
        raise UnusableCell("unknown label", f"the sentiment must be -1, 0 or 1, got {sample[2][:80]!r}")
    return sample
