"""The design of the synthetic data set: balanced so that neither text nor picture alone predicts the label.

Posts are made in groups of four. Two concepts i and j give two texts (each claims its concept) and two pictures (each
shows its concept), and the four posts are all combinations::

                     picture shows i    picture shows j
    text claims i    sincere            sarcastic
    text claims j    sarcastic          sincere

Therefore every text and every picture occurs in as many sincere as sarcastic posts of its split (balanced pairs, Goyal
et al. 2017). A model that reads only one modality is right exactly half of the time, in every split. The same is true
of every wording, template, emoji and concept; all of them occur equally often.

i and j always belong to different families (animals, vehicles, food): a sarcastic post shows something very different
from what it claims. A relation this coarse can be learnt in minutes on a CPU.

A split consists of one or two *passes*; each pass uses every text and every picture of the split in exactly one group.

=========== ====== ======== =============
split       pass   offset   shift
=========== ====== ======== =============
train       1      0        s0
train       2      1        s1
validation  1      2        s2
test        1      3        s3
=========== ====== ======== =============

- The *offset* o defines which texts and pictures are combined in sincere posts: wording w and emoji e of a concept with
  (w - e) mod 4 = o.
- The *shift* s defines which concepts are combined in sarcastic posts: concept k of one family and concept
  (k + s) mod 4 of another. (s0, s1, s2, s3) is a random order of 0 to 3 for each pair of families, and the concepts are
  numbered at random.

As a result, each of the following occurs in one split only:

- every sarcastic pair {claimed concept, shown concept}: of the 48 pairs train has 24, validation 12, test 12;
- every sincere combination of a wording with an emoji: of the 192 train has 96, validation 48, test 48;
- every text (template and wording) and every picture.

Concepts, wordings, templates and emoji themselves occur in all splits: a model must see a thing in training to know its
name.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from clfa.data.schema import SPLITS
from clfa.demo.concepts import CONCEPTS, FAMILIES, ORDER, TEMPLATES
from clfa.errors import DataError

SINCERE = "sincere"
SARCASTIC = "sarcastic"
LABELS = (SINCERE, SARCASTIC)

PASSES = {"train": (0, 1), "validation": (2,), "test": (3,)}
"""Numbers of the passes of each split. The offset of pass p is p; its shift is number p of the random order."""

# Posts of a pass with one text and one picture per wording of each concept: every text is in two posts.
_POSTS_PER_PASS = 2 * len(CONCEPTS) * ORDER


@dataclass(frozen=True)
class Claim:
    """A text: template number ``template`` with wording number ``wording`` of concept ``concept``."""

    concept: int
    wording: int
    template: int

    @property
    def text(self) -> str:
        """The text of the post."""
        return TEMPLATES[self.template].format(x=CONCEPTS[self.concept].wordings[self.wording])


@dataclass(frozen=True)
class Shot:
    """A picture: emoji number ``emoji`` of concept ``concept``, with the file name ``name``."""

    concept: int
    emoji: int
    name: str

    @property
    def hexcode(self) -> str:
        """OpenMoji's name of the emoji."""
        return CONCEPTS[self.concept].emoji[self.emoji]


@dataclass(frozen=True)
class DemoPost:
    """One sample: a claim and a picture."""

    id: str
    claim: Claim
    shot: Shot

    @property
    def label(self) -> str:
        """``"sincere"`` when the picture shows what the text claims, else ``"sarcastic"``."""
        return SINCERE if self.claim.concept == self.shot.concept else SARCASTIC


def plan_posts(*, seed: int, train: int, validation: int, test: int) -> dict[str, list[DemoPost]]:
    """Plan the posts of all splits, in a shuffled order that depends only on the arguments.

    Args:
        seed: Any integer.
        train: Posts in the training split, a positive multiple of 192.
        validation: Posts in the validation split, a positive multiple of 96.
        test: Posts in the test split, a positive multiple of 96.

    Returns:
        Posts by split, keys in the order of :data:`clfa.data.schema.SPLITS`.

    Raises:
        DataError: When a size is not such a multiple, or the sizes need more distinct texts than there are.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    texts_per_wording = {}
    for split, size in sizes.items():
        unit = _POSTS_PER_PASS * len(PASSES[split])
        if size < unit or size % unit:
            raise DataError(f"demo data, {split}={size}: the size must be a positive multiple of {unit}")
        texts_per_wording[split] = size // unit
    if sum(texts_per_wording.values()) > len(TEMPLATES):
        raise DataError(
            f"demo data, train={train}, validation={validation}, test={test}: needs "
            f"{sum(texts_per_wording.values())} texts per wording, but there are only {len(TEMPLATES)} templates; "
            "choose smaller sizes"
        )
    rng = random.Random(seed)
    templates = [rng.sample(range(len(TEMPLATES)), len(TEMPLATES)) for _ in range(len(CONCEPTS) * ORDER)]
    meetings = _meetings(rng)
    return {
        split: _plan_split(split, texts_per_wording[split], templates, [meetings[p] for p in PASSES[split]], rng)
        for split in SPLITS
    }


def _plan_split(
    split: str,
    repeats: int,
    templates: Sequence[list[int]],
    meetings: Sequence[Sequence[tuple[int, int]]],
    rng: random.Random,
) -> list[DemoPost]:
    """Plan the posts of a split, with ``repeats`` texts per wording and pictures per emoji; consumes ``templates``."""
    everything = range(len(CONCEPTS))
    claims = [
        [[Claim(c, w, templates[c * ORDER + w].pop()) for _ in range(repeats)] for w in range(ORDER)]
        for c in everything
    ]
    # Random numbers, so that a file name tells nothing about the picture.
    names = iter(rng.sample(range(len(CONCEPTS) * ORDER * repeats), len(CONCEPTS) * ORDER * repeats))
    shots = [
        [[Shot(c, e, f"{split}-{next(names):05d}") for _ in range(repeats)] for e in range(ORDER)] for c in everything
    ]
    cells: list[tuple[Claim, Shot]] = []
    for offset, pairs in zip(PASSES[split], meetings, strict=True):
        couples = [_couples(claims[c], shots[c], offset, rng) for c in everything]
        while any(couples):
            for pair in pairs:
                said, shown = zip(*(couples[concept].pop() for concept in pair), strict=True)
                cells += [(claim, shot) for claim in said for shot in shown]
    rng.shuffle(cells)
    return [DemoPost(f"{split}-{number:05d}", claim, shot) for number, (claim, shot) in enumerate(cells)]


def _couples(
    claims: Sequence[Sequence[Claim]], shots: Sequence[Sequence[Shot]], offset: int, rng: random.Random
) -> list[tuple[Claim, Shot]]:
    """Pair every text of a concept with one of its pictures, wording and emoji ``offset`` apart, in random order."""
    couples = []
    for wording, said in enumerate(claims):
        shown = shots[(wording - offset) % ORDER]
        couples += list(zip(said, rng.sample(shown, len(shown)), strict=True))
    rng.shuffle(couples)
    return couples


def _meetings(rng: random.Random) -> list[list[tuple[int, int]]]:
    """Return the pairs of concepts that are combined in each pass; every concept is in equally many pairs."""
    numbered = [rng.sample(range(first, first + ORDER), ORDER) for first in range(0, len(CONCEPTS), ORDER)]
    passes: list[list[tuple[int, int]]] = [[] for _ in range(ORDER)]
    for one, other in combinations(range(len(FAMILIES)), 2):
        for pairs, shift in zip(passes, rng.sample(range(ORDER), ORDER), strict=True):
            pairs += [(numbered[one][k], numbered[other][(k + shift) % ORDER]) for k in range(ORDER)]
    return passes
