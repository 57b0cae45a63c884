"""Seconds that an explanation takes, by the number of words of the post.

    python -m benchmarks.explain_seconds RUN --reader harmeme --data-dir DIR --posts 12

Posts are taken at random, and one more has the texts of all of them. Each is explained several times; medians are
shown. Seconds of computing are those of all threads together; on a busy machine compare these, with one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch

from clfa.data import read_corpus
from clfa.explaining import DEFAULT, METHODS
from clfa.explaining.explain import explain_post
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier


def seconds(classifier: PostClassifier, post: Post, method: str, repetitions: int) -> tuple[int, float, float]:
    """Return the number of scored words, and the median seconds of the clock and of computing.

    Args:
        classifier: The model.
        post: The post.
        method: Name in :data:`clfa.explaining.METHODS`.
        repetitions: Explanations after a first one, which does not count.
    """
    words = len(explain_post(classifier, post, method=method).words)
    clock, computing = [], []
    for _ in range(repetitions):
        start, used = time.perf_counter(), time.process_time()
        explain_post(classifier, post, method=method)
        clock.append(time.perf_counter() - start)
        computing.append(time.process_time() - used)
    return words, median(clock), median(computing)


def posts_of(rows: Sequence[dict[str, object]]) -> list[Post]:
    """Return the posts, and one with the texts of all and the first picture."""
    posts = [Post(row["text"], row["image"]) for row in rows]  # type: ignore[arg-type]
    return [*posts, Post(" ".join(post.text or "" for post in posts), posts[0].image)]


def main() -> None:
    """Print a line for each post, and the median of all but the longest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--reader", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--posts", type=int, default=12, help="random posts of the split")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, help="default: those of PyTorch")
    parser.add_argument("--method", default=DEFAULT, choices=METHODS.names())
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    classifier = PostClassifier.load(Path(options.run))
    rows = read_corpus(options.reader, options.data_dir).splits[options.split]
    chosen = np.random.default_rng(0).permutation(len(rows))[: options.posts]
    found = []
    print(f"{torch.get_num_threads()} threads")
    for post in posts_of(list(rows.select(chosen))):
        found.append(seconds(classifier, post, options.method, options.repetitions))
        print("{} words: {:.2f} s, computing {:.2f} s".format(*found[-1]), flush=True)
    typical = np.median(found[:-1], axis=0)
    print("median of the {} posts: {:.0f} words, {:.2f} s, computing {:.2f} s".format(len(found) - 1, *typical))


if __name__ == "__main__":
    main()
