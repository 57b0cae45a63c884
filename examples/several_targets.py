"""A class, a set of classes and a number in one model."""

import sys
from pathlib import Path

import pandas as pd

from clfa import CLFAPredictor
from clfa.demo.make import make_demo_data


def main(folder: Path) -> None:
    make_demo_data(folder / "data", train=192, validation=96, test=96)
    design = pd.read_csv(folder / "data" / "design.csv").set_index("id")
    table = pd.read_json(folder / "data" / "train.jsonl", lines=True, dtype={"id": str})
    design = design.loc[table["id"]].reset_index()
    posts = pd.DataFrame(
        {
            "id": table["id"],
            "text": table["text"],
            "image": table["image"],
            # One class of two, a set of classes, and a number.
            "sarcasm": table["label"],
            "things": design["claimed"] + "|" + design["shown"],
            "words": table["text"].str.split().str.len(),
        }
    )
    # An empty cell means that the post has no label for this target; it trains the other two.
    posts["words"] = posts["words"].astype("Float64").mask(posts.index % 10 == 0)

    predictor = CLFAPredictor(
        "offline",
        folder / "run",
        image_root=folder / "data",
        overrides=["training.epochs=2", "guide.name=none"],
    )
    predictor.fit(
        posts,
        targets={
            "sarcasm": {},
            "things": {"problem_type": "multi_label_classification"},
            "words": {"problem_type": "regression"},
        },
    )
    print(predictor.predict(posts.head(3)))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/several-targets"))
