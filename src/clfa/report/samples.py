"""Samples for which the predictions of two rows differ, with their images."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clfa.data.images import load_image
from clfa.errors import CLFAError
from clfa.files import parse_json
from clfa.recipe import load_recipe
from clfa.report.study import Study, again
from clfa.tables.pictures import pictures_of

logger = logging.getLogger(__name__)
THUMBNAIL = 160
MAX_TEXT = 400


@dataclass
class Sample:
    """A sample whose prediction changed.

    Args:
        id: Id in the data set.
        label: True class.
        before: Prediction of the second row.
        after: Prediction of the first row.
        text: The post's text; ``None`` if the data could not be read again.
        picture: The image as JPEG in a data URL; ``None`` without an image.
    """

    id: str
    label: str
    before: str
    after: str
    text: str | None = None
    picture: str | None = None


@dataclass
class Change:
    """Differences between the predictions of two rows, over runs of equal fold and seed (McNemar's table).

    Args:
        first: A row.
        second: The row that it is compared with.
        runs: Number of pairs of runs.
        both_right: Number of predictions that are right in both rows.
        gained: Number of predictions that are wrong in the second row and right in the first.
        lost: Number of predictions that are right in the second row and wrong in the first.
        both_wrong: Number of predictions that are wrong in both rows.
        where: Fold and seed of the samples shown.
        gains: Some gained samples of one pair of runs.
        losses: Some lost samples of the same pair of runs.
        note: Why texts or images are missing.
    """

    first: str
    second: str
    runs: int = 0
    both_right: int = 0
    gained: int = 0
    lost: int = 0
    both_wrong: int = 0
    where: str = ""
    gains: list[Sample] = field(default_factory=list)
    losses: list[Sample] = field(default_factory=list)
    note: str = ""


def change(study: Study, first: str, second: str, shown: int = 12) -> Change | None:
    """Compare two rows' predictions sample by sample.

    Args:
        study: The experiment.
        first: A row.
        second: The row that it is compared with.
        shown: Largest number of samples of each kind, from the first pair of runs. They are chosen by a digest of their
            ids, and therefore independent of their order and content.

    Returns:
        The differences; ``None`` if there are no runs of equal fold and seed with predictions of the same samples.
    """
    ours, theirs = study.folders(first), study.folders(second)
    found = Change(first, second)
    for key in ours:
        if key not in theirs:
            continue
        a, b = _predictions(ours[key], study.split), _predictions(theirs[key], study.split)
        common = [name for name in a if name in b and a[name]["label"] == b[name]["label"]]
        if not common:
            continue
        found.runs += 1
        cells: dict[tuple[bool, bool], list[str]] = {}
        for name in common:
            right = tuple(row[name]["prediction"] == row[name]["label"] for row in (a, b))
            cells.setdefault((right[0], right[1]), []).append(name)
        found.both_right += len(cells.get((True, True), []))
        found.gained += len(cells.get((True, False), []))
        found.lost += len(cells.get((False, True), []))
        found.both_wrong += len(cells.get((False, False), []))
        if not found.where:
            fold, seed = key
            found.where = f"{'' if fold is None else f'fold {fold}, '}seed {seed}"
            found.gains = _samples(cells.get((True, False), []), a, b, shown)
            found.losses = _samples(cells.get((False, True), []), a, b, shown)
            found.note = _illustrate([*found.gains, *found.losses], [ours[key], theirs[key]], study.split)
    return found if found.runs else None


def _predictions(folder: Path, split: str) -> dict[str, dict[str, Any]]:
    path = folder / f"predictions-{split}.jsonl"
    if not path.is_file():
        return {}
    # Not splitlines(), which ends lines at characters that ids and classes may have, such as U+2028.
    lines = (
        parse_json(line, dict, f"{path} line {number}", again(folder))
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1)
        if line
    )
    # Numbers are left out, because a predicted number is hardly ever exactly right.
    return {line["id"]: line for line in lines if line.get("label") is not None and "probabilities" in line}


def _samples(names: Iterable[str], a: dict[str, Any], b: dict[str, Any], shown: int) -> list[Sample]:
    picked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:shown]
    return [
        Sample(name, _say(a[name]["label"]), _say(b[name]["prediction"]), _say(a[name]["prediction"]))
        for name in picked
    ]


def _say(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _illustrate(samples: list[Sample], folders: list[Path], split: str) -> str:
    """Add texts and images to the samples; return a note if some are missing."""
    if not samples:
        return ""
    recipes = [load_recipe(folder / "recipe.yaml") for folder in folders]
    # If only one of the two rows reads images, use its recipe.
    recipe = max(recipes, key=lambda recipe: recipe.model.vision_encoder is not None)
    try:
        from clfa.runs.corpus import load_corpus

        rows = load_corpus(recipe).splits[split]
    except (CLFAError, OSError, KeyError) as error:
        logger.warning("The data cannot be read again, so texts and images are missing: %s", error)
        return f"Texts and images are missing: the data cannot be read again ({error})."
    places = {name: place for place, name in enumerate(rows["id"][:])}
    missing = 0
    for sample in samples:
        if sample.id not in places:
            missing += 1
            continue
        row = rows[places[sample.id]]
        sample.text = row["text"] if len(row["text"]) <= MAX_TEXT else row["text"][:MAX_TEXT] + " …"
        if pictures_of(row["image"]):
            try:
                sample.picture = thumbnail(pictures_of(row["image"])[0])
            except CLFAError:
                missing += 1
    return f"{missing} of the samples are no longer in the data." if missing else ""


def thumbnail(image: Any) -> str:
    """Return an image as JPEG of at most 160 x 160 pixels in a data URL.

    Raises:
        ImageError: When the image cannot be read.
    """
    picture = load_image(image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
