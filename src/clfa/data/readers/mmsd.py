"""Reader for MMSD (Cai et al. 2019): tweets with an image, sarcastic or not.

The distributed training file has 29,040 lines; papers use 19,816 of them for training. Tweets with one of a few words
that indicate sarcasm, or with ``<url>``, are left out. The same filter keeps all 2,410 validation and 2,409 test
tweets.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from clfa.data.assemble import SampleFields, to_splits
from clfa.data.layout import layout_error
from clfa.data.readers.knowledge import read_knowledge
from clfa.data.readers.mmsd_folders import LABELS, find_images, find_texts
from clfa.data.schema import Corpus, Dropped
from clfa.tables.encoding import clean_text
from clfa.targets.default_label import default_label

CUE_WORDS = frozenset(
    "sarcasm sarcastic reposting <url> joke humour humor jokes irony ironic exgag".split()  # noqa: SIM905
)

_FILES = {"train": "train.txt", "validation": "valid2.txt", "test": "test2.txt"}
_MAX_LINE = 100_000


def read(
    data_dir: str,
    *,
    knowledge: str | Sequence[str] | None = None,
    images_dir: str | None = None,
    require_images: bool = False,
    filter_cues: bool = True,
) -> Corpus:
    """MMSD: tweets with an image, sarcastic or not. Tweets with cue words are left out, as in papers.

    Args:
        data_dir: Folder of the data set, or its ``original/`` (``text/`` in the authors' release).
        knowledge: ``"attributes"``, ``"ocr"`` or a list of them, joined in that order; absent by default.
        images_dir: Folder with ``<id>.jpg``; by default ``dataset_image/``. Without it every image is ``None``.
        require_images: Raise an error if there is no folder of images.
        filter_cues: Leave out tweets with one of :data:`CUE_WORDS`; ``False`` keeps all 29,040 training lines.

    Raises:
        DataError: If the layout is different, a knowledge file is missing, or required images are missing.
    """
    found = find_texts(Path(data_dir), ("original", "text"), tuple(_FILES.values()))
    if found is None:
        raise layout_error("mmsd", Path(data_dir), "original/ with train.txt, valid2.txt and test2.txt")
    root, texts = found
    images = find_images(root, images_dir, require_images)
    dropped: list[Dropped] = []
    extra = read_knowledge(root, knowledge, dropped)
    rows: dict[str, list[SampleFields]] = {}
    lines: dict[str, int] = {}
    for split, name in _FILES.items():
        rows[split], lines[split] = [], 0
        with (texts / name).open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                source = f"{name}:{number}"
                if not line.strip():
                    continue
                lines[split] += 1
                try:
                    id, text, label = _parse(line)
                except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
                    dropped.append(Dropped("", split, source, "bad line", str(error)))
                    continue
                if filter_cues and (cues := CUE_WORDS.intersection(text.split())):
                    dropped.append(Dropped(id, split, source, "cue word", " ".join(sorted(cues))))
                    continue
                rows[split].append(
                    {
                        "id": id,
                        "text": clean_text(text),
                        "image": images.at(f"{id}.jpg"),
                        "knowledge": extra.get(id),
                        "label": label,
                    }
                )
    facts = {"split": "published files", "cue words filtered": filter_cues, "lines": lines}
    return Corpus("mmsd", to_splits(rows, LABELS), [default_label(LABELS)], None, dropped, facts)


def _parse(line: str) -> tuple[str, str, int]:
    if len(line) > _MAX_LINE:
        raise ValueError("the line is too long")
    record = ast.literal_eval(line.strip())
    if not isinstance(record, list) or len(record) not in (3, 4):
        raise ValueError("expected [id, text, label] or [id, text, hashtag_label, label]")
    id, text, label = record[0], record[1], record[-1]
    if not isinstance(text, str) or label not in (0, 1):
        raise ValueError(f"expected a text and a label 0 or 1, got {type(text).__name__} and {label!r}")
    return str(id), text, int(label)
