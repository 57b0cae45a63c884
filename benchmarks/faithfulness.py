"""Are explanations faithful? Deletion and insertion against a random order, and a sanity check with random weights.

    python benchmarks/faithfulness.py RUN --reader harmeme --data-dir DIR --posts 25

Words, and cells of the picture, are taken away (deletion) or given back (insertion) in the order of their scores, the
highest first; the figure is the mean score of the answer on the way (Petsiuk et al. 2018, arXiv:1806.07421), which a
faithful order makes low in deletions and high in insertions. A word is deleted from the text, a cell gets the mean
colour of the picture. "random" is a random order of the same parts. The sanity check (Adebayo et al. 2018,
arXiv:1810.03292) compares the scores with those of the same model whose layers behind the encoders have random weights:
the mean rank correlation over the posts is near 0 for an explanation that depends on what was learnt.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from clfa.data import read_corpus
from clfa.errors import DataError
from clfa.explaining import METHODS
from clfa.explaining.explanation import Attribution
from clfa.explaining.probe import Probe
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier

RANDOM = "random"
# Most steps of a curve.
STEPS = 5


def steps_of(count: int) -> list[int]:
    """Return the numbers of parts that are changed at each step, from none to all."""
    return sorted({round(count * step / STEPS) for step in range(STEPS + 1)})


def word_curves(probe: Probe, order: list[int]) -> tuple[float, float]:
    """Return the mean score while words are deleted, and while they are given back, in an order."""
    steps = steps_of(len(order))
    deleted = probe.without_words([order[:step] for step in steps])
    inserted = probe.without_words([order[step:] for step in steps])
    return float(deleted.mean()), float(inserted.mean())


def cell_curves(probe: Probe, order: list[int], side: int) -> tuple[float, float]:
    """Return the mean score while cells are hidden, and while they are shown, in an order."""
    steps = steps_of(len(order))

    def hide(places: list[int]) -> np.ndarray:
        cells = np.zeros(side * side, dtype=bool)
        cells[places] = True
        return cells.reshape(side, side)

    hidden = probe.without_cells([hide(order[:step]) for step in steps])
    shown = probe.without_cells([hide(order[step:]) for step in steps])
    return float(hidden.mean()), float(shown.mean())


def random_head(classifier: PostClassifier, seed: int) -> PostClassifier:
    """Return the classifier with random weights behind the encoders, of the spread that the trained ones have."""
    model = copy.deepcopy(classifier.model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "encoder." in name or not tensor.is_floating_point():
                continue
            if tensor.numel() > 1:
                spread = tensor.std().nan_to_num() + 1e-3
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)
    return PostClassifier(TorchRuntime(model), classifier.processor, classifier.batch_size)


def correlation(first: Attribution, second: Attribution) -> dict[str, float]:
    """Return the rank correlation of the scores of two attributions, by part, where it is defined."""
    found = {}
    for part, a, b in (("words", first.words, second.words), ("cells", first.regions, second.regions)):
        if a is None or b is None or np.size(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
            continue
        found[part] = float(spearmanr(np.ravel(a), np.ravel(b)).statistic)
    return found


def measure(classifier: PostClassifier, posts: list[Post], seed: int) -> list[str]:
    """Return lines of a Markdown table: one for each method and part."""
    random, untrained = np.random.default_rng(seed), random_head(classifier, seed)
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    sanity: dict[tuple[str, str], list[float]] = {}
    for number, post in enumerate(posts, 1):
        try:
            probe = Probe(classifier, post)
        except DataError:
            continue
        other = Probe(untrained, post, label=probe.label_name)
        found = {name: METHODS.get(name)(probe) for name in METHODS.names()}
        for name, own in found.items():
            for part, value in correlation(own, METHODS.get(name)(other)).items():
                sanity.setdefault((name, part), []).append(value)
        for part in ("words", "cells"):
            scores = {
                name: np.ravel(values)
                for name, own in found.items()
                if (values := own.words if part == "words" else own.regions) is not None and np.size(values) > 2
            }
            for name in [*scores, *([RANDOM] if scores else [])]:
                count = len(next(iter(scores.values())))
                order = random.permutation(count) if name == RANDOM else np.argsort(-scores[name], kind="stable")
                chosen = [int(place) for place in order]
                pair = word_curves(probe, chosen) if part == "words" else cell_curves(probe, chosen, round(count**0.5))
                curves.setdefault((name, part), []).append(pair)
        print(f"{number} of {len(posts)}", flush=True)
    lines = []
    for (name, part), pairs in sorted(curves.items(), key=lambda item: item[0][1]):
        deletion, insertion = np.mean(pairs, axis=0)
        chance = np.array(curves[(RANDOM, part)])
        better = np.array(pairs)
        wins = "–" if name == RANDOM else f"{100 * np.mean(better[:, 0] < chance[:, 0]):.0f} %, "
        wins += "" if name == RANDOM else f"{100 * np.mean(better[:, 1] > chance[:, 1]):.0f} %"
        rho = sanity.get((name, part))
        sane = "–" if not rho else f"{np.mean(rho):+.2f}"
        lines.append(f"| {part} | {name} | {deletion:.3f} | {insertion:.3f} | {wins} | {sane} | {len(pairs)} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--reader", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--split", default="test")
    parser.add_argument("--posts", type=int, default=50, help="random posts of the split")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folds = {} if options.fold is None else {"fold": options.fold}
    rows = read_corpus(options.reader, options.data_dir, **folds).splits[options.split]
    chosen = np.random.default_rng(options.seed).permutation(len(rows))[: options.posts]
    posts = [Post(row["text"], row["image"]) for row in rows.select(chosen)]
    lines = measure(PostClassifier.load(Path(options.run)), posts, options.seed)
    print("| part | method | deletion | insertion | better than random | random weights | posts |")
    print("| --- | --- | ---: | ---: | --- | ---: | ---: |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
