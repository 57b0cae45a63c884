"""Train on the synthetic posts of `make demo`, read the scores, predict."""

import sys
from pathlib import Path

import pandas as pd

from clfa import CLFAPredictor, load_recipe, train
from clfa.demo.make import make_demo_data


def main(folder: Path) -> None:
    # Synthetic: only the relation of picture and text determines the label. 192 posts are too few to learn it or to fit
    # a guide; `make demo` has enough.
    make_demo_data(folder / "data", train=192, validation=96, test=96)

    # A recipe holds all settings of a run; overrides change single values.
    recipe = load_recipe("demo", [f"data.dir={folder / 'data'}", "training.epochs=2", "guide.name=none"])
    result = train(recipe, folder / "run")
    print(f"test: accuracy {result.metrics['test']['accuracy']:.1%}, macro-F1 {result.metrics['test']['macro_f1']:.1%}")

    predictor = CLFAPredictor.load(folder / "run", image_root=folder / "data" / "images")
    picture = next((folder / "data" / "images").glob("*.jpg"))
    posts = pd.DataFrame({"text": ["stuck in traffic, just great"], "image": [picture.name]})
    for prediction in predictor.predictions(posts):
        print(prediction.label, prediction.probabilities)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/quickstart"))
