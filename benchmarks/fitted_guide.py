"""How well a fitted guide finds a held-out text's own picture, by what it is fitted on.

    python benchmarks/fitted_guide.py --data-dir DIR --folds 1 2 3

Only training and unlabelled pairs are fitted on, and only validation pairs are looked at.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import check_guide, make_guide

SETTINGS: dict[str, list[str]] = {
    "128 / 128 / 64 (the default)": [],
    "64 / 64 / 32": ["guide.text_components=64", "guide.image_components=64", "guide.conse_components=32"],
    "256 / 256 / 128": ["guide.text_components=256", "guide.image_components=256", "guide.conse_components=128"],
    "384 / 512 / 256": ["guide.text_components=384", "guide.image_components=512", "guide.conse_components=256"],
    "128 / 128, no ConSE": ["guide.conse=false"],
    "ConSE alone, nothing fitted": ["guide={name: conse}"],
}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--recipe", default="mvsa-single-offline")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    found: dict[str, list[Any]] = {name: [] for name in SETTINGS}
    for fold in options.folds:
        place = [f"data.dir={options.data_dir}", f"data.fold={fold}"]
        corpus = load_corpus(load_recipe(options.recipe, place))
        for name, overrides in SETTINGS.items():
            recipe = load_recipe(options.recipe, [*place, *overrides])
            encoders = load_encoders(recipe)
            guide = make_guide(recipe, corpus, encoders)
            assert guide is not None
            found[name].append(check_guide(recipe, guide, corpus, encoders))
    print("| principal components (text / image / ConSE) | rank 1, % | first ten, % | median rank | of |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, reports in found.items():
        rank1, rank10 = (100 * np.mean([getattr(report, key) for report in reports]) for key in ("rank1", "rank10"))
        median, candidates = (
            np.mean([getattr(report, k) for report in reports]) for k in ("median_rank", "candidates")
        )
        print(f"| {name} | {rank1:.1f} | {rank10:.1f} | {median:.0f} | {candidates:.0f} |")


if __name__ == "__main__":
    main()
