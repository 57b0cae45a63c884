"""Reader for the Weibo rumours (Jin et al. 2017): posts with images, rumour or not.

Layout: ``tweets/{train,test}_{rumor,nonrumor}.txt`` with three lines per post (15 fields between ``|``, the first the
id; addresses of the pictures between ``|``, ended by ``null``; the text), ``rumor_images/`` and
``nonrumor_images/``, where a picture has the last part of its address as its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.data.splits import RATIOS
from clfa.tables.encoding import decode_bytes
from clfa.targets.cells import UnusableCell

LABELS = ["nonrumor", "rumor"]

_SPLITS = ("train", "test")
_LINES = 3
_SEPARATORS = 14


def read(data_dir: str, *, ratios: tuple[float, float, float] = RATIOS, split_seed: int = 0) -> Corpus:
    """Weibo rumours: posts with images, rumour or not.

    The validation split is drawn from the training posts. A post has all of its pictures whose files exist.

    Args:
        data_dir: Folder with ``tweets/``, ``rumor_images/`` and ``nonrumor_images/``.
        ratios: Shares of train and validation in the training posts (the third number is not used).
        split_seed: Seed of the draw.

    Raises:
        DataError: If the layout is different.
    """
    root = Path(data_dir)
    files = [(split, label, root / "tweets" / f"{split}_{label}.txt") for split in _SPLITS for label in LABELS]
    if not all(file.is_file() for *_, file in files):
        expected = ", ".join(file.name for *_, file in files)
        raise layout_error("weibo-rumours", root, f"tweets/ with {expected}, and rumor_images/ and nonrumor_images/")
    builder = CorpusBuilder("weibo-rumours", label_names=LABELS)
    for split, label, file in files:
        pictures = PictureFolder.find(root, (f"{label}_images",), None)

        def convert(post: list[str], label: str = label, pictures: PictureFolder = pictures) -> Fields:
            if len(post) < _LINES:
                raise UnusableCell("bad line", f"expected {_LINES} lines of a post, got {post[0][:80]!r}")
            addresses = [address.strip() for address in post[1].split("|")]
            names = [address.rpartition("/")[2] for address in addresses if address not in ("", "null")]
            id = post[0].partition("|")[0].strip()
            return {"id": id, "text": post[2], "image": pictures.all_of(names), "label": label}

        builder.add_records(split, file, _posts(file), convert)
    return builder.build(ratios=ratios, split_seed=split_seed, complete=True)


def _posts(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the posts with the number of their first line; a line that does not begin a post is yielded alone."""
    lines = decode_bytes(path.read_bytes())[0].split("\n")
    if not lines[-1]:
        lines.pop()
    position = 0
    while position < len(lines):
        size = _LINES if lines[position].count("|") >= _SEPARATORS else 1
        yield position + 1, lines[position : position + size]
        position += size
