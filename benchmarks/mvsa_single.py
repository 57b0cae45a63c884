"""Text-only, image-only, CLFA without and with guide on MVSA-Single: folds x seeds, as one table.

    python benchmarks/mvsa_single.py --data-dir DIR --recipe mvsa-single-offline --output runs/table

Runs that are finished already are not run again, so that the command can be killed and repeated. While settings are
being chosen, ``--no-test`` leaves the test folds alone and the table shows validation scores.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

from clfa.files import atomic_write, write_json
from clfa.pipeline.run_folder import RunFolder
from clfa.pipeline.train import train
from clfa.recipe import load_recipe

ROWS = {
    "text-only": ["model.vision_encoder=null", "guide.name=none"],
    "image-only": ["model.text_encoder=null", "guide.name=none"],
    "CLFA, alpha 0": ["model.alpha=0"],
    "CLFA, guided": [],
}
SCORES = ("accuracy", "weighted_f1", "macro_f1")


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--recipe", default="mvsa-single-offline")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of every row")
    parser.add_argument("--no-test", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    split = "validation" if options.no_test else "test"
    results: dict[str, list[dict[str, Any]]] = {row: [] for row in options.rows}
    for seed in options.seeds:
        for fold in options.folds:
            for row in options.rows:
                results[row].append(run(row, fold, seed, options))
                line = _line(results[row][-1], split)
                print(f"{row:14} fold {fold} seed {seed}: {line}", file=sys.stderr, flush=True)
    table = render(results, split, options)
    print(table)
    with atomic_write(options.output / f"table-{split}.md") as file:
        file.write(table + "\n")
    write_json(options.output / f"runs-{split}.json", results)


def run(row: str, fold: int, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run, or what it left behind when it was finished before."""
    recipe = load_recipe(
        options.recipe,
        [*ROWS[row], *options.set, f"data.dir={options.data_dir}", f"data.fold={fold}", f"seed={seed}"],
    )
    name = row.replace(", ", "-").replace(" ", "-").lower()
    folder = RunFolder(options.output / f"{name}-fold{fold}-seed{seed}")
    if folder.metrics.is_file():
        return folder.read_metrics()
    return train(recipe, folder.path, resume=folder.recipe.exists(), score_test=not options.no_test).metrics


def render(results: dict[str, list[dict[str, Any]]], split: str, options: argparse.Namespace) -> str:
    """Markdown: mean and standard deviation over the folds x seeds of each row, and differences to alpha 0."""
    lines = [
        f"MVSA-Single, {split} split, recipe `{options.recipe}` {' '.join(options.set)}, folds {options.folds}, seeds "
        f"{options.seeds}: mean ± standard deviation over the runs, percent.",
        "",
        "| row | accuracy | weighted F1 | macro-F1 | runs | seconds a run | peak memory GB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row, runs in results.items():
        cells = []
        for score in SCORES:
            values = 100 * np.array([run[split][score] for run in runs])
            cells.append(f"{values.mean():.1f} ± {values.std(ddof=1) if len(values) > 1 else 0:.1f}")
        seconds = np.median([run["resources"]["seconds_total"] for run in runs])
        memory = max(run["resources"]["peak_memory_mb"] for run in runs) / 1000
        lines.append(f"| {row} | {' | '.join(cells)} | {len(runs)} | {seconds:.0f} | {memory:.1f} |")
    if {"CLFA, alpha 0", "CLFA, guided"} <= results.keys():
        pairs = zip(results["CLFA, guided"], results["CLFA, alpha 0"], strict=True)
        differences = 100 * np.array([a[split]["accuracy"] - b[split]["accuracy"] for a, b in pairs])
        lines += [
            "",
            f"Guided minus alpha 0, accuracy, paired by fold and seed: {differences.mean():+.1f} ± "
            f"{differences.std(ddof=1) if len(differences) > 1 else 0:.1f} points; guided ahead in "
            f"{int((differences > 0).sum())} of {len(differences)}.",
        ]
    guides = [run["guide"]["validation_retrieval"] for runs in results.values() for run in runs if run["guide"]]
    if guides:
        lines.append(
            f"Guide on held-out validation pairs: rank 1 {100 * np.mean([g['rank1'] for g in guides]):.1f} %, rank 10 "
            f"{100 * np.mean([g['rank10'] for g in guides]):.1f} %, median rank "
            f"{np.mean([g['median_rank'] for g in guides]):.0f} of {guides[0]['candidates']}."
        )
    return "\n".join(lines)


def _line(metrics: dict[str, Any], split: str) -> str:
    scores = {score: round(100 * metrics[split][score], 1) for score in SCORES}
    return json.dumps({**scores, "epoch": metrics["training"]["best_epoch"], **metrics["resources"]})


if __name__ == "__main__":
    main()
