"""Which posts the synthetic data set holds: balanced so that neither text nor picture alone says anything.

Posts come in *fours*. Two concepts i and j give two texts (each claims its concept) and two pictures (each shows its
concept), and the four posts are all their combinations::

                     picture shows i    picture shows j
    text claims i    sincere            sarcastic
    text claims j    sarcastic          sincere

So every single text, and every single picture, stands in as many sincere as sarcastic posts of its split (the idea of
balanced pairs, Goyal et al. 2017). Whatever looks at one modality only is right exactly half of the time, in every
split; the same follows for every wording, template, emoji and concept, all of which occur equally often.

i and j always belong to different families (animals, vehicles, food): a sarcastic post shows something altogether
different from what it claims. That makes the relation coarse enough to be learnt in minutes on a CPU.

A split is made of one or two *passes*; each pass uses every text and every picture of the split in exactly one four.

=========== ====== ======== =============
split       pass   offset   shift
=========== ====== ======== =============
train       1      0        s0
train       2      1        s1
validation  1      2        s2
test        1      3        s3
=========== ====== ======== =============

- The *offset* o says which texts and pictures go together in sincere posts: wording w of a concept meets its emoji e
  where (w - e) mod 4 = o.
- The *shift* s says which concepts go together in sarcastic posts: number k of one family meets number (k + s) mod 4 of
  another, where (s0, s1, s2, s3) is a random order of 0 to 3 for each two families, over randomly numbered concepts.

What the test split therefore holds back from train and validation (and validation from the other two):

- every sarcastic pair {claimed concept, shown concept}: of the 48 pairs train has 24, validation 12, test 12;
- every sincere combination of a wording with an emoji: of the 192 train has 96, validation 48, test 48;
- every text (template and wording) and every picture: each belongs to one split only.

Not held out: concepts, wordings, templates and emoji themselves. A model must have met a thing to know its name here.
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
"""Numbers of the passes of each split; a pass's offset is its number, its shift stands at that place of the order."""

# A pass over one text and one picture per wording of each concept: every text makes two posts of its four.
_POSTS_PER_PASS = 2 * len(CONCEPTS) * ORDER


@dataclass(frozen=True)
class Claim:
    """A text: template number ``template`` filled with wording number ``wording`` of concept ``concept``."""

    concept: int
    wording: int
    template: int

    @property
    def text(self) -> str:
        """The post as a reader sees it."""
        return TEMPLATES[self.template].format(x=CONCEPTS[self.concept].wordings[self.wording])


@dataclass(frozen=True)
class Shot:
    """A picture: emoji number ``emoji`` of concept ``concept``, drawn once under the name ``name``."""

    concept: int
    emoji: int
    name: str

    @property
    def hexcode(self) -> str:
        """OpenMoji's name of the emoji."""
        return CONCEPTS[self.concept].emoji[self.emoji]


@dataclass(frozen=True)
class DemoPost:
    """One sample: what is claimed, what is shown."""

    id: str
    claim: Claim
    shot: Shot

    @property
    def label(self) -> str:
        """``"sincere"`` when the picture shows what the text claims, else ``"sarcastic"``."""
        return SINCERE if self.claim.concept == self.shot.concept else SARCASTIC


def plan_posts(*, seed: int, train: int, validation: int, test: int) -> dict[str, list[DemoPost]]:
    """Lay out all posts of all splits, in a shuffled order that depends on nothing but the arguments.

    Args:
        seed: Any integer.
        train: Posts in the training split, a positive multiple of 192.
        validation: Posts in the validation split, a positive multiple of 96.
        test: Posts in the test split, a positive multiple of 96.

    Returns:
        Posts by split, keys in the order of :data:`clfa.data.schema.SPLITS`.

    Raises:
        DataError: A size is no such multiple, or the sizes together need more distinct texts than there are.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    texts_per_wording = {}
    for split, size in sizes.items():
        unit = _POSTS_PER_PASS * len(PASSES[split])
        if size < unit or size % unit:
            raise DataError(f"demo data, {split}={size}: only a positive multiple of {unit} posts can be balanced")
        texts_per_wording[split] = size // unit
    if sum(texts_per_wording.values()) > len(TEMPLATES):
        raise DataError(
            f"demo data, train={train}, validation={validation}, test={test}: needs "
            f"{sum(texts_per_wording.values())} texts per wording and there are {len(TEMPLATES)} templates; "
            "ask for fewer posts"
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
    """Posts of one split with ``repeats`` texts per wording and pictures per emoji; uses up ``templates``."""
    everything = range(len(CONCEPTS))
    claims = [
        [[Claim(c, w, templates[c * ORDER + w].pop()) for _ in range(repeats)] for w in range(ORDER)]
        for c in everything
    ]
    # Names tell nothing about what is shown.
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
    """Every text of a concept with one picture of it, wording and emoji ``offset`` apart, in random order."""
    couples = []
    for wording, said in enumerate(claims):
        shown = shots[(wording - offset) % ORDER]
        couples += list(zip(said, rng.sample(shown, len(shown)), strict=True))
    rng.shuffle(couples)
    return couples


def _meetings(rng: random.Random) -> list[list[tuple[int, int]]]:
    """For each pass, the pairs of concepts that meet; every concept is in as many of them as any other."""
    numbered = [rng.sample(range(first, first + ORDER), ORDER) for first in range(0, len(CONCEPTS), ORDER)]
    passes: list[list[tuple[int, int]]] = [[] for _ in range(ORDER)]
    for one, other in combinations(range(len(FAMILIES)), 2):
        for pairs, shift in zip(passes, rng.sample(range(ORDER), ORDER), strict=True):
            pairs += [(numbered[one][k], numbered[other][(k + shift) % ORDER]) for k in range(ORDER)]
    return passes
