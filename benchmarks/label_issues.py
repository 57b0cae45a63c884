"""How well the ranking of `clfa data issues` finds the labels that MMSD2.0's annotators corrected in MMSD.

    python benchmarks/label_issues.py --data-dir DIR

DIR has original/ and mmsd2/ (texts and labels, no pictures are needed). Labels are ranked by out-of-fold predictions of
MMSD's own labels; the truth, the posts whose label differs in MMSD2.0, only scores the rankings. --recipe adds rows
with the pooled text features of a frozen encoder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import roc_auc_score

from clfa.data import Corpus, read_corpus
from clfa.issues.find import without
from clfa.issues.label_quality import label_quality
from clfa.issues.near_duplicates import pair_groups
from clfa.issues.near_texts import near_texts
from clfa.issues.out_of_fold import out_of_fold, pooled_classifier, word_classifier
from clfa.issues.pooled_features import pooled_features
from clfa.issues.posts import Posts, labelled_posts
from clfa.issues.word_features import word_features
from clfa.recipe import load_recipe
from clfa.runs.encoders import load_encoders

DEPTHS = (100, 500, 1000)
# What MMSD2.0 removed from the texts as traces of how posts were collected (hashtags, emojis), and names of users.
TRACES = r"#\s*\w+|emoji_\d+|<\w+>"


def corrected(posts: Posts, corrected_corpus: Corpus) -> np.ndarray:
    """Return whether the label of each post differs in the corrected corpus (N,) bool; posts are matched by id."""
    new = {
        id: label
        for split, data in corrected_corpus.splits.items()
        for id, label in zip(data["id"][:], corrected_corpus.labels(split), strict=True)
    }
    names = posts.target.label_names
    return np.array([new[id] != names[label] for id, label in zip(posts.column("id"), posts.labels, strict=True)])


def scores(suspicion: np.ndarray, truth: np.ndarray) -> str:
    """Return the cells of a Markdown row: precision at each depth, AUC."""
    order = np.argsort(-suspicion, kind="stable")
    precisions = [f"{100 * truth[order[:depth]].mean():.1f}" for depth in DEPTHS]
    return " | ".join([*precisions, f"{roc_auc_score(truth, suspicion):.3f}"])


def probabilities(posts: Posts, recipe: str | None, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each input and the out-of-fold probabilities from it (N, 2)."""
    texts, knowledge = posts.column("text"), posts.column("knowledge")
    groups = pair_groups(near_texts(texts), len(posts))
    encoders = None if recipe is None else load_encoders(load_recipe(recipe, ["model.vision_encoder=null"]))
    for traces, seen in (("", texts), (" without traces", without(TRACES, texts))):
        words = (word_features(seen), word_classifier)
        members = {"words": [words]}
        if not traces:
            members["words, attributes, OCR"] = [(word_features(seen, knowledge), word_classifier)]
        if encoders is not None:
            pooled = (pooled_features(posts, seen, encoders), pooled_classifier)
            members["text features"] = [pooled]
            members["words, text features"] = [words, pooled]
        for name, own in members.items():
            yield name + traces, out_of_fold(own, posts.labels, groups, 2, seed=seed)


def main() -> None:
    """Print one Markdown row per ranking: over all posts, and over the posts labelled as not sarcastic."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--recipe", help="recipe of the text encoder, for instance offline")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    heads = [f"at {depth:,}" for depth in DEPTHS]
    print(
        f"| predicted from | ranked by | {' | '.join(heads)} | AUC | AUC within label |\n|{' --- |' * (len(heads) + 4)}"
    )
    posts = labelled_posts(read_corpus("mmsd", options.data_dir, knowledge=["attributes", "ocr"]))
    truth = corrected(posts, read_corpus("mmsd2", options.data_dir))
    within = posts.labels == 0
    called = []
    for name, found in probabilities(posts, options.recipe, options.seed):
        quality = label_quality(found, posts.labels)
        for how, suspicion in (("confidence", -quality.confidence), ("margin", -quality.margin)):
            inside = roc_auc_score(truth[within], suspicion[within])
            print(f"| {name} | {how} | {scores(suspicion, truth)} | {inside:.3f} |", flush=True)
        share = 100 * truth[quality.wrong].mean()
        called.append(f"{name}: {quality.wrong.sum():,} labels called wrong, {share:.1f} % of them corrected")
    print(f"| | random | {' | '.join([f'{100 * truth.mean():.1f}'] * len(DEPTHS))} | 0.500 | 0.500 |")
    print("", *called, sep="\n")
    print(f"\n{truth.sum():,} of {len(truth):,} labels were corrected. {time.monotonic() - start:.0f} s.")


if __name__ == "__main__":
    main()
