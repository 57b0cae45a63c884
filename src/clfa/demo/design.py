"""Which posts the synthetic data set holds: balanced so that neither text nor picture alone says anything.

Posts come in *fours*. Two concepts i and j give two texts (each claims its concept) and two pictures (each shows its
concept), and the four posts are all their combinations::

                     picture shows i    picture shows j
    text claims i    sincere            sarcastic
    text claims j    sarcastic          sincere

So every single text, and every single picture, stands in exactly one sincere and one sarcastic post of the same split
(the balanced-pairs idea of Goyal et al. 2017, VQA v2). Whatever looks at one modality only is right exactly half of the
time, in every split; so is every wording, template and emoji.

What the test split holds back from training (and likewise validation, from both):

- **Concept pairs.** The concepts meet like teams of a round-robin tournament (circle method); every round matches each
  concept with one other. Rounds, and with them all {i, j} of sarcastic posts, belong to one split only: about 65 % to
  train, 15 % to validation, 20 % to test. Each concept has the same number of partners in a split.
- **Wording with emoji.** In sincere posts, wording w of a concept meets its emoji e in train when (w - e) mod 4 is 0 or
  1, in validation when it is 2, in test when it is 3. Each wording and each emoji occurs in every split; a
  combination of the two occurs in one split only (for sarcastic posts that follows from the concept pairs).
- **Texts.** A text (template and wording) is written once and so belongs to one split.

Not held out: concepts, wordings, templates and emoji themselves. A model must have met a thing to know its name here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clfa.data.schema import SPLITS
from clfa.demo.concepts import CONCEPTS, TEMPLATES, VARIANTS
from clfa.errors import DataError

SINCERE = "sincere"
SARCASTIC = "sarcastic"
LABELS = (SINCERE, SARCASTIC)
POSTS_PER_FOUR = 4

_Card = TypeVar("_Card")
_OFFSETS = {"train": (0, 1), "validation": (2,), "test": (3,)}
_ROUND_SHARES = {"validation": 0.15, "test": 0.2}


@dataclass(frozen=True)
class Claim:
    """The text of two posts: template number ``template`` filled with wording ``wording`` of concept ``concept``."""

    concept: int
    wording: int
    template: int

    @property
    def text(self) -> str:
        """The post as a reader sees it."""
        return TEMPLATES[self.template].format(x=CONCEPTS[self.concept].wordings[self.wording])


@dataclass(frozen=True)
class Shot:
    """The picture of two posts: emoji number ``emoji`` of concept ``concept``, drawn once under the name ``name``."""

    concept: int
    emoji: int
    name: str

    @property
    def hexcode(self) -> str:
        """OpenMoji's name of the emoji."""
        return CONCEPTS[self.concept].emoji[self.emoji]


@dataclass(frozen=True)
class Post:
    """One sample: what is claimed, what is shown."""

    id: str
    claim: Claim
    shot: Shot

    @property
    def label(self) -> str:
        """``"sincere"`` when the picture shows what the text claims, else ``"sarcastic"``."""
        return SINCERE if self.claim.concept == self.shot.concept else SARCASTIC


def plan_posts(*, seed: int, train: int, validation: int, test: int) -> dict[str, list[Post]]:
    """Lay out all posts of all splits, in a shuffled order that depends on nothing but the arguments.

    Args:
        seed: Any integer.
        train: Posts in the training split; like the other two a multiple of four and at least four.
        validation: Posts in the validation split.
        test: Posts in the test split.

    Returns:
        Posts by split, keys in the order of :data:`clfa.data.schema.SPLITS`.

    Raises:
        DataError: A size is no positive multiple of four, or the sizes together need more distinct texts than
            templates and wordings give.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    for split, size in sizes.items():
        if size < POSTS_PER_FOUR or size % POSTS_PER_FOUR:
            raise DataError(
                f"demo data, {split}={size}: posts come in balanced fours; give a positive multiple of {POSTS_PER_FOUR}"
            )
    rng = random.Random(seed)
    texts = _TextSupply(rng)
    meetings = _meetings(rng)
    return {split: _plan_split(split, sizes[split], meetings[split], texts, rng) for split in SPLITS}


def _plan_split(
    split: str, size: int, meetings: Sequence[tuple[int, int]], texts: _TextSupply, rng: random.Random
) -> list[Post]:
    combinations = [(w, (w - o) % VARIANTS) for w in range(VARIANTS) for o in _OFFSETS[split]]
    variants = [_deck(combinations, rng) for _ in CONCEPTS]
    pairs = _deck(meetings, rng)
    cells: list[tuple[Claim, Shot]] = []
    for four in range(size // POSTS_PER_FOUR):
        claims, shots = [], []
        for side, concept in zip("ab", next(pairs), strict=True):
            wording, emoji = next(variants[concept])
            claims.append(Claim(concept, wording, texts.draw(concept, wording)))
            shots.append(Shot(concept, emoji, f"{split}-{four:05d}{side}"))
        cells += [(claim, shot) for claim in claims for shot in shots]
    rng.shuffle(cells)
    return [Post(f"{split}-{number:05d}", claim, shot) for number, (claim, shot) in enumerate(cells)]


def _meetings(rng: random.Random) -> dict[str, list[tuple[int, int]]]:
    """Unordered concept pairs by split, from whole rounds of a round-robin tournament (circle method)."""
    teams = list(range(len(CONCEPTS)))
    rng.shuffle(teams)
    first, circle = teams[0], teams[1:]
    rounds = []
    for turn in range(len(circle)):
        table = [first, *circle[turn:], *circle[:turn]]
        rounds.append([(table[k], table[-1 - k]) for k in range(len(table) // 2)])
    rng.shuffle(rounds)
    cuts = {split: round(share * len(rounds)) for split, share in _ROUND_SHARES.items()}
    test, validation = rounds[: cuts["test"]], rounds[cuts["test"] :][: cuts["validation"]]
    train = rounds[cuts["test"] + cuts["validation"] :]
    shares = {"train": train, "validation": validation, "test": test}
    return {split: [pair for one in share for pair in one] for split, share in shares.items()}


def _deck(cards: Sequence[_Card], rng: random.Random) -> Iterator[_Card]:
    """Endless draws that use every card once before any card again."""
    while True:
        yield from rng.sample(cards, len(cards))


class _TextSupply:
    """Hands out each (concept, wording, template) once; all splits draw from the same supply."""

    def __init__(self, rng: random.Random) -> None:
        everything = range(len(TEMPLATES))
        self._left = {
            (concept, wording): rng.sample(everything, len(TEMPLATES))
            for concept in range(len(CONCEPTS))
            for wording in range(VARIANTS)
        }

    def draw(self, concept: int, wording: int) -> int:
        left = self._left[concept, wording]
        if not left:
            most = 2 * len(self._left) * len(TEMPLATES)
            raise DataError(
                f"demo data: no unused text about {CONCEPTS[concept].name!r} is left; ask for fewer posts "
                f"(all splits together must stay well below {most})"
            )
        return left.pop()
