"""How often does the answer flip when a post is changed in a way that matters little, or that turns its meaning?

    python benchmarks/failure_modes.py RUN --reader harmeme --data-dir DIR

Each change is made to the posts of the test split that it applies to, one at a time; all else stays. For each it prints
the number of posts, the share whose predicted class changes, and the accuracy on these posts before and after. The
changes are lists and rules in this file, in English (code-mixing: romanised Hindi), and know nothing about meaning:
some make nonsense.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from clfa.data import read_corpus
from clfa.data.images import load_image
from clfa.errors import DataError
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.tables.pictures import pictures_of
from clfa.targets.target import label_matrix

Change = Callable[[Post], Post | None]

_NEGATION = re.compile(r"\b(not|never|no)\b|n't\b", re.IGNORECASE)
_AUXILIARY = re.compile(r"\b(is|are|was|were|am|do|does|did|can|will|should|would|have|has)\b", re.IGNORECASE)
_HASHTAG = re.compile(r"#\w+")
# Both directions of each pair.
GROUPS = [
    *(("women", "men"), ("woman", "man"), ("she", "he"), ("girl", "boy"), ("girls", "boys"), ("mom", "dad")),
    *(("muslim", "christian"), ("muslims", "christians"), ("jews", "hindus"), ("black", "white"), ("gay", "straight")),
    *(("china", "germany"), ("chinese", "german"), ("mexico", "canada"), ("mexican", "canadian")),
    *(("democrats", "republicans"), ("democrat", "republican"), ("trump", "biden"), ("immigrants", "tourists")),
    *(("old", "young"), ("americans", "europeans"), ("american", "european"), ("asian", "european")),
]
MIXED = {
    **{"you": "tum", "is": "hai", "my": "mera", "not": "nahi", "what": "kya", "people": "log", "good": "accha"},
    **{"bad": "bura", "very": "bahut", "why": "kyun", "when": "jab", "this": "yeh", "and": "aur", "but": "lekin"},
    **{"who": "kaun", "all": "sab", "we": "hum", "me": "mujhe", "they": "woh", "home": "ghar", "now": "ab"},
}


def neutral(post: Post) -> Post | None:
    """Add a word that says nothing: the control."""
    return Post(f"{post.text} today", post.image)


def negated(post: Post) -> Post | None:
    """Remove the negations of a text, or put ``not`` behind its first auxiliary verb."""
    text = post.text or ""
    if _NEGATION.search(text):
        return Post(_NEGATION.sub("", text), post.image)
    changed, count = _AUXILIARY.subn(r"\g<0> not", text, count=1)
    return Post(changed, post.image) if count else None


def cued(post: Post) -> Post | None:
    """Add cues of sarcasm."""
    return Post(f"{post.text} yeah right, how wonderful #sarcasm", post.image)


def without_hashtags(post: Post) -> Post | None:
    """Remove hashtags."""
    changed, count = _HASHTAG.subn("", post.text or "")
    return Post(changed, post.image) if count and changed.strip() else None


def mixed(post: Post) -> Post | None:
    """Put frequent words into romanised Hindi, in texts with three of them."""
    changed, count = _words(post.text or "", MIXED)
    return Post(changed, post.image) if count > 2 else None


def swapped(post: Post) -> Post | None:
    """Swap names of groups with those of other groups."""
    table = dict(GROUPS) | {b: a for a, b in reversed(GROUPS)}
    changed, count = _words(post.text or "", table)
    return Post(changed, post.image) if count else None


def picture_only(post: Post) -> Post | None:
    """Put a full stop in the place of the text."""
    return Post(".", post.image)


def text_only(post: Post) -> Post | None:
    """Put a picture of the mean colour in the place of the picture."""
    try:
        picture = load_image(pictures_of(post.image)[0])
    except (DataError, IndexError):
        return None
    colour = tuple(int(value) for value in np.asarray(picture.resize((1, 1)).convert("RGB"))[0, 0])
    return Post(post.text, Image.new("RGB", (64, 64), colour))


CHANGES: dict[str, Change] = {
    "a neutral word added (control)": neutral,
    "negated": negated,
    "cues of sarcasm added": cued,
    "hashtags removed": without_hashtags,
    "words in romanised Hindi": mixed,
    "names of groups swapped": swapped,
    "picture only": picture_only,
    "text only": text_only,
}


def _words(text: str, table: dict[str, str]) -> tuple[str, int]:
    """Return a text with whole words replaced, in their case, and how many."""
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, table))})\b", re.IGNORECASE)

    def replacement(match: re.Match[str]) -> str:
        word, new = match[0], table[match[0].lower()]
        return new.upper() if word.isupper() and len(word) > 1 else new.capitalize() if word[0].isupper() else new

    return pattern.subn(replacement, text)


def measure(classifier: PostClassifier, posts: list[Post], usual: list[str], labels: list[str], change: Change) -> str:
    """Return the cells of a line of the table.

    Args:
        classifier: The model.
        posts: Posts.
        usual: Their predicted classes.
        labels: Their labels.
        change: What is changed.
    """
    pairs = [(place, new) for place, post in enumerate(posts) if (new := change(post)) is not None]
    if not pairs:
        return "0 | – | –"
    before = [usual[place] for place, _ in pairs]
    after = [str(prediction.label) for prediction in classifier([new for _, new in pairs])]
    truth = [labels[place] for place, _ in pairs]
    flips = np.mean([a != b for a, b in zip(before, after, strict=True)])
    right = [100 * np.mean([a == t for a, t in zip(found, truth, strict=True)]) for found in (before, after)]
    return f"{len(pairs):,} | {100 * flips:.1f} | {right[0]:.1f} → {right[1]:.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--reader", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--posts", type=int, help="random posts of the test split; all by default")
    options = parser.parse_args()
    folds = {} if options.fold is None else {"fold": options.fold}
    corpus = read_corpus(options.reader, options.data_dir, **folds)
    rows, target = corpus.splits["test"], corpus.targets[0]
    order = np.random.default_rng(0).permutation(len(rows))[: options.posts]
    chosen = rows.select(order)
    posts = [Post(row["text"], row["image"]) for row in chosen]
    labels = [str(target.describe(label[: target.width])) for label in label_matrix(chosen)]
    classifier = PostClassifier.load(Path(options.run))
    usual = [str(prediction.label) for prediction in classifier(posts)]
    print("| change | posts | flips, % | accuracy, % |\n| --- | ---: | ---: | ---: |")
    for name, change in CHANGES.items():
        print(f"| {name} | {measure(classifier, posts, usual, labels, change)} |", flush=True)


if __name__ == "__main__":
    main()
