"""Reader for Memotion 7k (Sharma et al. 2020, SemEval-2020 task 8, arXiv:2008.03781).

Layout: ``labels.csv`` with ``image_name``, ``text_ocr``, ``text_corrected`` and five labels, and ``images/``. The
labels of the task's test memes are not part of it, so that the splits are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.data.splits import RATIOS
from clfa.errors import DataError
from clfa.targets.cells import UnusableCell
from clfa.targets.spec import TargetSpec, parse_specs

SENTIMENTS = ["negative", "neutral", "positive"]
GRADES = {
    "humour": ["not_funny", "funny", "very_funny", "hilarious"],
    "sarcasm": ["not_sarcastic", "general", "twisted_meaning", "very_twisted"],
    "offensive": ["not_offensive", "slight", "very_offensive", "hateful_offensive"],
    "motivational": ["not_motivational", "motivational"],
}
SENTIMENT_COLUMN = "overall_sentiment"


def read(
    data_dir: str,
    *,
    task: str = "all",
    ratios: tuple[float, float, float] = RATIOS,
    split_seed: int = 0,
    images_dir: str | None = None,
) -> Corpus:
    """Memotion 7k: sentiment of memes, and how humorous, sarcastic, offensive and motivational they are.

    Args:
        data_dir: Folder with ``labels.csv`` and ``images/``.
        task: ``"sentiment"`` (task A: negative, neutral or positive; very negative counts as negative, very positive as
            positive), ``"emotions"`` (task B: any of humour, sarcasm, offensive, motivational, as one multi-label
            target), ``"grades"`` (task C: four targets with their grades), or ``"all"`` (sentiment and grades).
        ratios: Shares of train, validation and test.
        split_seed: Seed of the draw.
        images_dir: Folder of the pictures; by default ``images/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different, or the task is unknown.
    """
    root = Path(data_dir)
    file = root / "labels.csv"
    if not file.is_file():
        raise layout_error("memotion", root, "labels.csv and a folder images/")
    targets = _targets(task)
    pictures = PictureFolder.find(root, ("images",), images_dir)
    builder = CorpusBuilder("memotion", targets=targets)

    def convert(row: Mapping[str, Any]) -> Fields:
        labels = {column: str(row[column] or "").strip().lower() for column in (*GRADES, SENTIMENT_COLUMN)}
        sentiment = labels[SENTIMENT_COLUMN].removeprefix("very_")
        for column, names in (*GRADES.items(), (SENTIMENT_COLUMN, SENTIMENTS)):
            value = sentiment if column == SENTIMENT_COLUMN else labels[column]
            if value not in names:
                raise UnusableCell("unknown label", f"{column} {row[column]!r} is not one of {', '.join(names)}")
        name = str(row["image_name"] or "")
        return {
            "id": Path(name).stem,
            "text": str(row["text_corrected"] or "").strip() or row["text_ocr"],
            "image": pictures.of(name),
            "sentiment": sentiment,
            "emotions": [column for column, names in GRADES.items() if labels[column] != names[0]],
            **{column: labels[column] for column in GRADES},
        }

    columns = ("image_name", "text_ocr", "text_corrected", *GRADES, SENTIMENT_COLUMN)
    builder.add_table(None, file, columns, convert)
    return builder.build(ratios=ratios, split_seed=split_seed)


def _targets(task: str) -> dict[str, TargetSpec]:
    sentiment = {"sentiment": {"label_names": SENTIMENTS}}
    emotions = {"emotions": {"problem_type": "multi_label_classification", "label_names": list(GRADES)}}
    grades = {
        name: {"label_names": names, "problem_type": "ordinal" if len(names) > 2 else "single_label_classification"}
        for name, names in GRADES.items()
    }
    tasks: dict[str, Mapping[str, Any]] = {
        "sentiment": sentiment,
        "emotions": emotions,
        "grades": grades,
        "all": {**sentiment, **grades},
    }
    if task not in tasks:
        raise DataError(f"task of memotion must be one of {', '.join(tasks)}, got {task!r}")
    return parse_specs(tasks[task])
