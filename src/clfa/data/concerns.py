"""What in labelled data may mislead a training or its scores: the warnings of trainings and of ``clfa data check``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from clfa.data.class_counts import absent_classes, split_labels
from clfa.data.groups import normalised_text
from clfa.data.image_check import IMAGE_REASONS
from clfa.data.schema import Corpus

# Fewer posts of a class in training, and fewer in validation, are warned of.
MIN_CLASS = 5
MIN_VALIDATION = 50
# More classes per training post are perhaps no classes.
MOST_CLASSES = 0.5
# More classes that are all numbers are perhaps a scale.
MAX_NUMBERS = 20
# Smaller shares of posts of training in another split, and of missing images, are not mentioned.
MIN_SHARED = 0.01
MIN_MISSING = 0.5
_SHOWN = 5
_LONGEST = 40


def data_concerns(corpus: Corpus, shared: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the warnings about a corpus, one sentence or two per kind.

    Args:
        corpus: A validated corpus.
        shared: Number of validation and of test samples whose content is in the training split, too, by kind of content
            (``text``, ``image``).
    """
    found: list[str] = []
    for kind in _KINDS:
        found += kind(corpus)
    return found + list(_shared(corpus, shared))


def _one_class(corpus: Corpus) -> Iterator[str]:
    for target, values in split_labels(corpus, "train"):
        if target.kind.one_class and len(values):
            present = [name for name, count in target.kind.counts(values).items() if count]
            if len(present) == 1:
                yield (
                    f"All {len(values):,} training posts have the class {present[0]!r}{target.of_target}; there is "
                    "nothing to learn. Is the label's column the right one?"
                )


def _like_names(corpus: Corpus) -> Iterator[str]:
    for target in corpus.targets:
        alike: dict[str, list[str]] = {}
        for name in target.label_names:
            alike.setdefault(normalised_text(name), []).append(name)
        pairs = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
        if pairs:
            yield (
                f"Classes{target.of_target} differ in letter case, white space or the form of characters only: "
                f"{_some(pairs, '; ')}. They are learnt as different classes; write them alike."
            )


def _forms(corpus: Corpus) -> Iterator[str]:
    yield from corpus.facts.get("label_forms", ())


def _small_classes(corpus: Corpus) -> Iterator[str]:
    for target, values in split_labels(corpus, "train"):
        if target.kind.has_classes:
            counts = target.kind.counts(values)
            small = [f"{name[:_LONGEST]!r} ({count})" for name, count in counts.items() if 0 < count < MIN_CLASS]
            if target.kind.one_class and len(counts) > max(_SHOWN, MOST_CLASSES * len(values)):
                yield (
                    f"There are {len(counts)} classes{target.of_target} for {len(values):,} training posts. Is the "
                    "label's column the right one?"
                )
            elif small:
                yield (
                    f"{len(small)} of {len(counts)} classes{target.of_target} have fewer than {MIN_CLASS} training "
                    f"posts: {_some(small)}. They will hardly be recognised; join them with others, or add posts."
                )


def _absent_classes(corpus: Corpus) -> Iterator[str]:
    for split in ("validation", "test"):
        absent = absent_classes(corpus, split)
        for target, values in split_labels(corpus, split):
            if not len(values):
                yield f"No {split} post has a label{target.of_target}: it has no score on {split}."
            elif names := absent.get(target.name):
                many = f" ({len(names)} of {len(target.label_names)} classes)" if len(names) > 1 else ""
                shown = _some([repr(name[:_LONGEST]) for name in names])
                yield (
                    f"No {split} post has the class {shown}{target.of_target}{many}: scores on {split} do not show how "
                    f"well {'they are' if many else 'it is'} recognised."
                )


def _numbers(corpus: Corpus) -> Iterator[str]:
    for target in corpus.targets:
        names = target.label_names
        scale = len(names) > MAX_NUMBERS and all(map(_is_number, names))
        if scale and target.problem_type == "single_label_classification":
            yield (
                f"The {len(names)} classes{target.of_target} are all numbers ({_some(list(names))}), which are "
                "learnt as unrelated classes. If they are a scale, set data.problem_type=regression or ordinal."
            )


def _small_validation(corpus: Corpus) -> Iterator[str]:
    size = len(corpus.splits["validation"]) if "validation" in corpus.splits else 0
    if 0 < size < MIN_VALIDATION:
        error = 100 / math.sqrt(size)
        yield (
            f"The validation split has {size} post{'s' * (size > 1)}: scores on it vary by up to about "
            f"{min(100, error):.0f} points by chance, and the best epoch is chosen by them. Give more labelled posts."
        )


def _missing_images(corpus: Corpus) -> Iterator[str]:
    counts = Counter(corpus.dropped_counts()) + Counter(corpus.facts.get("incomplete", {}))
    without = sum(counts[reason] for reason in IMAGE_REASONS)
    total = sum(map(len, corpus.splits.values())) + sum(corpus.dropped_counts().values())
    if total and without > MIN_MISSING * total:
        example = next((d.detail for d in corpus.dropped if d.reason in IMAGE_REASONS), "")
        yield (
            f"{without:,} of {total:,} posts have no image that can be read{': ' * bool(example)}{example}. Paths are "
            "relative to the table's folder; the option image_root names another."
        )


def _shared(corpus: Corpus, shared: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for split in ("validation", "test"):
        size = len(corpus.splits[split]) if split in corpus.splits else 0
        counts = {kind: found.get(split, 0) for kind, found in shared.items()}
        many = [f"{count:,} the {kind}" for kind, count in counts.items() if count > MIN_SHARED * size]
        if many:
            yield (
                f"Of {size:,} {split} posts, {' and '.join(many)} of a training post: the score on them is that of "
                "posts that were learnt. Splits that clfa draws keep equal posts together."
            )


def no_texts(corpus: Corpus) -> Iterator[str]:
    """Yield a warning if no post has a text."""
    if any(map(len, corpus.splits.values())) and not corpus.has_texts:
        yield (
            "No post has a text. Only a model that reads no texts (model.text_encoder=null) can be trained on these "
            "data; if a column has texts, name it with the reader's option text."
        )


_KINDS: tuple[Callable[[Corpus], Iterator[str]], ...] = (
    _one_class,
    _like_names,
    _forms,
    _small_classes,
    _absent_classes,
    _numbers,
    _small_validation,
    _missing_images,
)


def _some(items: list[str], separator: str = ", ") -> str:
    more = f"{separator}..." if len(items) > _SHOWN else ""
    return separator.join(items[:_SHOWN]) + more


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False
