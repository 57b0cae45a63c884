"""``make demo``: make synthetic posts, train four models on them, compare the models, and predict."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from clfa.data.images import load_image
from clfa.demo.make import make_demo_data
from clfa.errors import CLFAError
from clfa.figures import write_plot
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.recipe import load_recipe
from clfa.runs.train import RunResult, train
from clfa.terminal import console, log_to_stderr, plain
from clfa.yardsticks.standing import computed

ROWS = {
    "text-only": ["model.vision_encoder=null", "guide.name=none"],
    "image-only": ["model.text_encoder=null", "guide.name=none"],
    "CLFA without guide": ["model.alpha=0"],
    "CLFA with guide": [],
}
SYNTHETIC = (
    "The data is SYNTHETIC: drawn pictures (OpenMoji, CC BY-SA 4.0) with written texts. It shows that the method reads "
    "the relation of picture and text; it says nothing about accuracy on real posts."
)


def run_demo(output: Path, seed: int = 0) -> dict[str, RunResult]:
    """Make the data, train the four models, print the comparison and three predictions.

    Args:
        output: Folder for data, runs and ``predictions.png``; earlier runs in it are replaced.
        seed: Seed of the data and of every training.

    Returns:
        The run results by row.
    """
    screen = console()
    started = time.perf_counter()
    screen.print("clfa demo", style="bold")
    screen.print(f"{SYNTHETIC}\n")
    summary = make_demo_data(output / "data", seed=seed)
    sizes = ", ".join(f"{name} {count:,}" for name, count in summary.posts.items())
    screen.print(f"{summary.pictures:,} pictures of {summary.concepts} things; posts: {sizes}.")
    results: dict[str, RunResult] = {}
    for row, overrides in ROWS.items():
        folder = output / "runs" / row.replace(" ", "-").lower()
        shutil.rmtree(folder, ignore_errors=True)
        recipe = load_recipe("demo", [*overrides, f"data.dir={summary.directory}", f"seed={seed}", f"name={row}"])
        screen.print(f"Training {row} ...")
        results[row] = train(recipe, folder)
    _show_table(results)
    _show_predictions(results["CLFA with guide"], summary.directory, output)
    screen.print(
        f"\n{SYNTHETIC}\n{time.perf_counter() - started:.0f} s. See {output}/predictions.png and {output}/runs/."
    )
    return results


def _show_table(results: dict[str, RunResult]) -> None:
    screen = console()
    table = Table("model", "accuracy", "macro-F1", "seconds", title="Synthetic test split, held-out combinations")
    for row, result in results.items():
        test = result.metrics["test"]
        seconds = result.metrics["resources"]["seconds_total"]
        table.add_row(row, f"{test['accuracy']:.1%}", f"{test['macro_f1']:.1%}", f"{seconds:.0f}")
    table.add_section()
    for name, scores in computed(results["CLFA with guide"].metrics).items():
        test = scores["test"]
        figures = f"{test['accuracy']:.1%}", f"{test['macro_f1']:.1%}", f"{scores['seconds']:.0f}"
        table.add_row(f"yardstick {name}", *figures)
    screen.print(table)
    screen.print("Chance is 50 %: every text and every picture is as often sincere as sarcastic.")


def _show_predictions(result: RunResult, data: Path, output: Path) -> None:
    rows = [json.loads(line) for line in (data / "test.jsonl").read_text(encoding="utf-8").split("\n") if line]
    chosen = [rows[0], next(row for row in rows if row["label"] != rows[0]["label"]), rows[-1]]
    predictor = PostClassifier.load(result.folder.path)
    predictions = predictor([Post(row["text"], str(data / row["image"])) for row in chosen])
    screen = console()
    screen.print("\nThree posts of the test split:")
    for row, prediction in zip(chosen, predictions, strict=True):
        screen.print(
            f"  {row['image']}: {row['text']!r}\n    -> {prediction.label} "
            f"({prediction.probabilities[str(prediction.label)]:.0%}); truth: {row['label']}"
        )
    _draw(chosen, predictions, data, output / "predictions.png")


def _draw(rows: list[dict[str, Any]], predictions: list[Prediction], data: Path, path: Path) -> None:
    def draw(figure: Figure) -> None:
        for axes, row, prediction in zip(figure.subplots(1, len(rows)), rows, predictions, strict=True):
            axes.imshow(load_image(data / row["image"]))
            axes.set_axis_off()
            axes.set_title(row["text"], fontsize=9, wrap=True)
            share = prediction.probabilities[str(prediction.label)]
            verdict = f"{prediction.label} ({share:.0%}); truth: {row['label']}"
            axes.text(0.5, -0.06, verdict, ha="center", transform=axes.transAxes, fontsize=9)
        figure.suptitle("Synthetic posts", fontsize=11)

    write_plot(path, 4 * len(rows), 4.6, draw, dpi=110)


def main() -> None:
    """Entry point of ``python -m clfa.demo.run``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for data, runs and pictures")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    log_to_stderr(logging.WARNING)
    try:
        run_demo(options.output, options.seed)
    except CLFAError as error:
        sys.exit(plain(f"Error: {error}"))


if __name__ == "__main__":
    main()
