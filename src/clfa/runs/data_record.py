"""Record of the samples and splits of a run, which a resumed run and an evaluation compare the data with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from datasets import Dataset, DatasetDict, concatenate_datasets

from clfa.data import Corpus
from clfa.data.images import pictures_key
from clfa.errors import Argument, DataError
from clfa.files import write_json
from clfa.guides import Guide
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders, Keys
from clfa.runs.run_folder import RunFolder

SPLITS_FILE = "splits.json"
DIGESTS_FILE = "data.json"
UNLABELLED = "unlabelled"

_DIGEST_BYTES = 8
# Ids in a message.
_NAMED = 3


class HasKeys(Protocol):
    """What a record needs of encoders: the content keys of the pictures of a split."""

    def keys(self, split: Dataset) -> Keys:
        """Return the keys."""
        ...


class PictureKeys:
    """The content keys of pictures without encoders.

    Args:
        recipe: The run's recipe; a text-only run reads no pictures.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._reads_images = recipe.model.vision_encoder is not None

    def keys(self, split: Dataset) -> Keys:
        """Return the keys; see :class:`HasKeys`."""
        return Keys(image=[pictures_key(image) for image in split["image"][:]] if self._reads_images else [])


@dataclass(frozen=True)
class DataRecord:
    """Ids and content digests of the samples of a run, by split.

    ``splits.json`` has the ids by split. ``data.json`` has the digests of text, images, labels and knowledge text in
    the same order, and the targets with their classes.

    Args:
        ids: Ids by split; unlabelled pairs that take part are the split ``unlabelled``.
        digests: Digests in the order of ``ids``.
        targets: Name, problem type and classes of each target.
        guide: Identity of what the guide was fitted on or read from beside the data: of ``guide.pairs`` or
            ``guide.path``; ``None`` without either.
        parts: Identity of what checkpoints do not hold, by its name in messages; see :meth:`with_parts`.
    """

    ids: Mapping[str, list[str]]
    digests: Mapping[str, list[str]]
    targets: list[dict[str, Any]]
    guide: str | None = field(default=None, compare=False)
    parts: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, recipe: Recipe, corpus: Corpus, encoders: HasKeys, only: Sequence[str] | None = None) -> DataRecord:
        """Return the record of a corpus.

        Args:
            recipe: The run's recipe.
            corpus: The data.
            encoders: Encoders of the run. Their content keys are used, so that no image is read again.
            only: Splits to record; all by default.
        """
        parts = {
            name: part for name, part in _parts(recipe, corpus) if (only is None or name in only) and part is not None
        }
        return cls(
            {name: part["id"][:] for name, part in parts.items()},
            {name: _digests(recipe, corpus, name, part, encoders) for name, part in parts.items()},
            _targets(corpus),
        )

    @classmethod
    def read(cls, folder: Path) -> DataRecord | None:
        """Read the record of a run folder.

        Returns:
            ``None`` if there is none: the run was made by an earlier version, or killed before it was written.

        Raises:
            DataError: If a file is damaged.
        """
        if not (folder / SPLITS_FILE).is_file() or not (folder / DIGESTS_FILE).is_file():
            return None
        try:
            ids = json.loads((folder / SPLITS_FILE).read_text(encoding="utf-8"))
            content = json.loads((folder / DIGESTS_FILE).read_text(encoding="utf-8"))
            record = cls(ids, content["digests"], content["targets"], content.get("guide"), content.get("parts", {}))
            whole = {name: len(own) for name, own in ids.items()} == {n: len(own) for n, own in record.digests.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{folder}: {SPLITS_FILE} or {DIGESTS_FILE} is damaged ({error!r}).") from error
        if not whole:
            raise DataError(f"{folder}: {SPLITS_FILE} and {DIGESTS_FILE} do not belong together.")
        return record

    def save(self, folder: Path) -> None:
        """Write ``splits.json`` and ``data.json``, each atomically."""
        guide = {} if self.guide is None else {"guide": self.guide}
        parts = {"parts": self.parts} if self.parts else {}
        write_json(folder / DIGESTS_FILE, {"targets": self.targets, **guide, **parts, "digests": self.digests})
        write_json(folder / SPLITS_FILE, self.ids)

    def with_guide(self, identity: str | None, folder: Path) -> DataRecord:
        """Return the record with the identity of what the guide was made of.

        Args:
            identity: See the class.
            folder: The run folder, for messages.

        Raises:
            DataError: If the record has another one: the run began with another guide.
        """
        if self.guide is not None and self.guide != identity:
            raise DataError(
                f"the tables of guide.pairs, or the guide in guide.path, of the run in {folder} have changed; ",
                Argument("resume", True),
                " needs those that the run began with, in the same order. Restore them, or train again with another ",
                Argument("output"),
                ".",
            )
        return replace(self, guide=identity)

    def with_parts(self, parts: Mapping[str, str], folder: Path) -> DataRecord:
        """Return the record with the identities of frozen encoders, guides and word graphs.

        Args:
            parts: Identity by name, for messages.
            folder: The run folder, for messages.

        Raises:
            DataError: If the record has another identity of one of them: a run would be half of one, half of another.
        """
        changed = [name for name, identity in self.parts.items() if parts.get(name, identity) != identity]
        if changed:
            raise DataError(
                f"{' and '.join(changed)} of the run in {folder} {_are(changed)} not as when the run began; ",
                Argument("resume", True),
                " needs the same. Restore the files, or train again with another ",
                Argument("output"),
                ".",
            )
        return replace(self, parts=dict(parts))

    def require_same(self, found: DataRecord, folder: Path) -> None:
        """Check that a finished run was made with the data as it is now, in the same splits.

        Args:
            found: The record of the data as it is now.
            folder: The run folder, for the message.

        Raises:
            DataError: If it was not.
        """
        problems = self._differences(found) or self._moved(found)
        if problems:
            raise DataError(
                f"the data has changed since {folder} was made: {'; '.join(problems)}. Results of both do not "
                "belong in one table: restore the data, or give another ",
                Argument("output"),
                ".",
            )

    def restore(self, recipe: Recipe, corpus: Corpus, found: DataRecord, folder: Path) -> Corpus:
        """Return the corpus in the recorded splits and order.

        Args:
            recipe: The run's recipe.
            corpus: The data as it is now.
            found: Its record.
            folder: The run folder, for messages.

        Raises:
            DataError: If the data has other samples, contents, classes or given splits than recorded.
        """
        problems = self._differences(found)
        # A drawn split depends on the order of the rows, too; then the recorded one is used.
        if not problems and "stratified" not in str(corpus.facts.get("split", "")):
            problems = self._moved(found)
        if problems:
            raise DataError(
                f"the data of the run in {folder} has changed: {'; '.join(problems)}. ",
                Argument("resume", True),
                f" needs the data that the run began with ({folder / SPLITS_FILE} has its ids); restore it, or train "
                "again with another ",
                Argument("output"),
                ".",
            )
        if self == found:
            return corpus
        names = [name for name, _ in _parts(recipe, corpus)]
        parts = {name: self.select(recipe, corpus, found, name) for name in names if name in self.ids}
        unlabelled = parts.pop(UNLABELLED, corpus.unlabelled)
        return replace(corpus, splits=DatasetDict(parts), unlabelled=unlabelled)

    def select(self, recipe: Recipe, corpus: Corpus, found: DataRecord, split: str) -> Dataset:
        """Return the samples of a recorded split, in the recorded order, from wherever they are now.

        Raises:
            DataError: If a sample is absent or has another content.
        """
        parts = {name: part for name, part in _parts(recipe, corpus) if name in found.ids and part is not None}
        places: dict[tuple[str, str], list[tuple[str, int]]] = {}
        start = 0
        for name, part in parts.items():
            for position, sample in enumerate(zip(found.ids[name], found.digests[name], strict=True)):
                places.setdefault(sample, []).append((name, start + position))
            start += len(part)
        chosen, absent = [], []
        for sample in zip(self.ids[split], self.digests[split], strict=True):
            options = places.get(sample, [])
            if not options:
                absent.append(sample[0])
                continue
            # The files of splits may number their rows alike.
            own = next((place for place in options if place[0] == split), options[0])
            options.remove(own)
            chosen.append(own[1])
        if absent:
            raise DataError(
                f"{corpus.name}: {_some(absent, 'sample')} of the run's {split} split {_are(absent)} no longer in the "
                "data, or changed."
            )
        return concatenate_datasets(list(parts.values())).select(chosen)

    def _differences(self, found: DataRecord) -> list[str]:
        if self.targets != found.targets:
            return [f"the targets were {_in_words(self.targets)} and are now {_in_words(found.targets)}"]
        recorded, now = _by_id(self), _by_id(found)
        gone = [id for id in recorded if id not in now]
        new = [id for id in now if id not in recorded]
        changed = [id for id, contents in recorded.items() if id in now and sorted(contents) != sorted(now[id])]
        counts = {name: (len(own), len(found.ids.get(name, []))) for name, own in self.ids.items()}
        problems = []
        if gone:
            problems.append(f"{_some(gone, 'sample')} {_are(gone)} gone")
        if new:
            problems.append(f"{_some(new, 'sample')} {_are(new)} new")
        if changed:
            problems.append(f"{_some(changed, 'sample')} {'has' if len(changed) == 1 else 'have'} another content")
        if problems and any(before != after for before, after in counts.values()):
            sizes = ", ".join(f"{name} {before:,} -> {after:,}" for name, (before, after) in counts.items())
            problems.append(f"samples by split: {sizes}")
        return problems

    def _moved(self, found: DataRecord) -> list[str]:
        splits = dict.fromkeys([*self.ids, *found.ids])
        moved = []
        for name in splits:
            before = set(zip(self.ids.get(name, []), self.digests.get(name, []), strict=True))
            after = zip(found.ids.get(name, []), found.digests.get(name, []), strict=True)
            moved += [id for id, digest in after if (id, digest) not in before]
        return [f"{_some(moved, 'sample')} {_are(moved)} in another split"] if moved else []


def begun_with(folder: RunFolder) -> DataRecord | None:
    """Return the record of an unfinished run; ``None`` if nothing was trained yet.

    Raises:
        DataError: If the run has checkpoints and no record, so that its data cannot be checked.
    """
    record = DataRecord.read(folder.path)
    if record is None and folder.last_checkpoint() is not None:
        raise DataError(
            f"the run in {folder.path} has no {SPLITS_FILE} and {DIGESTS_FILE}, so it cannot be told whether its data "
            "has changed; train again with another ",
            Argument("output"),
            ".",
        )
    return record


def fixed_parts(recipe: Recipe, encoders: Encoders, guide: Guide | None) -> dict[str, str]:
    """Return the identities of what a run needs and its checkpoints do not hold, by name.

    Args:
        recipe: The run's recipe.
        encoders: The run's encoders; only frozen ones count.
        guide: The run's guide; a fitted one follows from the data and the encoders.
    """
    frozen = {
        "the text encoder": encoders.text if recipe.model.freeze_text_encoder is True else None,
        "the vision encoder": encoders.image if recipe.model.freeze_vision_encoder is True else None,
    }
    parts = {name: encoder.fingerprint for name, encoder in frozen.items() if encoder is not None}
    if guide is not None and not guide.is_fitted:
        parts["the guide"] = guide.fingerprint
    graphs = encoders.processor.word_graphs if recipe.model.use_knowledge else None
    return parts if graphs is None else {**parts, "the lexicon": graphs.fingerprint}


def recorded_split(recipe: Recipe, corpus: Corpus, encoders: Encoders, folder: Path, split: str) -> Dataset:
    """Return a split of a run's data as the run had it; as it is now, if the run recorded none.

    Args:
        recipe: The run's recipe.
        corpus: The run's data, read again.
        encoders: The run's encoders.
        folder: The run folder.
        split: Name of the split.

    Raises:
        DataError: If a sample of the split is absent or has another content.
    """
    record = DataRecord.read(folder)
    if record is None or split not in record.ids:
        return corpus.splits[split]
    now = DataRecord.of(recipe, corpus, encoders, only=[split])
    if (record.ids[split], record.digests[split]) == (now.ids[split], now.digests[split]):
        return corpus.splits[split]
    try:
        return record.select(recipe, corpus, DataRecord.of(recipe, corpus, encoders), split)
    except DataError as error:
        raise DataError(
            f"{error} {folder / SPLITS_FILE} has its ids. Restore the data, or evaluate other data with ",
            Argument("data_dir"),
            ".",
        ) from error


def trained_on(recipe: Recipe, corpus: Corpus, encoders: HasKeys, folder: Path, split: str) -> int:
    """Return how many samples of other data a run was trained on, with the same label.

    Args:
        recipe: The run's recipe.
        corpus: The other data.
        encoders: The run's encoders.
        folder: The run folder.
        split: Name of the split of ``corpus``.
    """
    record = DataRecord.read(folder)
    if record is None:
        return 0
    known = set(record.digests.get("train", ()))
    return sum(digest in known for digest in _digests(recipe, corpus, split, corpus.splits[split], encoders))


def _parts(recipe: Recipe, corpus: Corpus) -> Iterator[tuple[str, Dataset | None]]:
    """Yield the splits, and the unlabelled pairs if the training uses them."""
    yield from corpus.splits.items()
    if recipe.training.unlabelled_share or (recipe.guided and recipe.guide.use_unlabelled):
        yield UNLABELLED, corpus.unlabelled


def _digests(recipe: Recipe, corpus: Corpus, name: str, part: Dataset, encoders: HasKeys) -> list[str]:
    images = encoders.keys(part).image or [b""] * len(part)
    knowledge = part["knowledge"][:] if recipe.model.use_knowledge else [None] * len(part)
    labels = [None] * len(part) if name == UNLABELLED else corpus.labels(name)
    return [
        _digest([text or "", label, extra or ""], image)
        for text, label, extra, image in zip(part["text"][:], labels, knowledge, images, strict=True)
    ]


def _digest(content: list[Any], image: bytes) -> str:
    text = json.dumps(content, sort_keys=True, default=str).encode()
    return hashlib.blake2b(text + image, digest_size=_DIGEST_BYTES).hexdigest()


def _targets(corpus: Corpus) -> list[dict[str, Any]]:
    return [
        {"name": target.name, "problem_type": target.problem_type, "label_names": list(target.label_names)}
        for target in corpus.targets
    ]


def _by_id(record: DataRecord) -> dict[str, list[str]]:
    contents: dict[str, list[str]] = {}
    for name, ids in record.ids.items():
        for id, digest in zip(ids, record.digests[name], strict=True):
            contents.setdefault(id, []).append(digest)
    return contents


def _some(ids: Sequence[str], what: str) -> str:
    named = ", ".join(map(repr, ids[:_NAMED]))
    return f"{len(ids):,} {what}{'' if len(ids) == 1 else 's'} ({named}{', ...' if len(ids) > _NAMED else ''})"


def _are(ids: Sequence[str]) -> str:
    return "is" if len(ids) == 1 else "are"


def _in_words(targets: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{t['name']} ({t['problem_type']}: {', '.join(t['label_names']) or 'number'})" for t in targets)
