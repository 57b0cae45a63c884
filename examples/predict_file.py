"""Predict on a file of any size, in constant memory; rows that fail are listed and do not stop it."""

import json
import sys
from pathlib import Path

from clfa import load_recipe, train
from clfa.demo.make import make_demo_data
from clfa.prediction.predict import predict_file


def main(folder: Path) -> None:
    make_demo_data(folder / "data", train=192, validation=96, test=96)
    overrides = [f"data.dir={folder / 'data'}", "training.epochs=1", "guide.name=none"]
    train(load_recipe("demo", overrides), folder / "run")

    # New posts: those of the test split, and one whose picture is missing.
    posts = folder / "data" / "new.jsonl"
    rows = (folder / "data" / "test.jsonl").read_text(encoding="utf-8")
    posts.write_text(rows + json.dumps({"id": "x", "text": "so sunny", "image": "images/none.jpg"}) + "\n", "utf-8")

    # The suffix decides the format: .jsonl, .csv or .parquet. At the command line:
    #     clfa predict RUN new.jsonl --output predictions.csv --failures failed.jsonl
    # If it is killed, the same call continues the work.
    summary = predict_file(folder / "run", posts, folder / "predictions.csv", failures=folder / "failed.jsonl")
    print(f"{summary.rows} rows, {sum(summary.failures.values())} failed: {dict(summary.labels)}")
    print((folder / "failed.jsonl").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/predict-file"))
