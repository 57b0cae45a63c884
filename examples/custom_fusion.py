"""A fusion of your own, registered from outside the package.

An installed package can do the same with an entry point in its pyproject.toml:

    [project.entry-points."clfa.fusions"]
    product = "my_package.fusion:ProductFusion"
"""

import sys
from pathlib import Path

from clfa import CLFAPredictor, load_recipe, train
from clfa.demo.make import make_demo_data
from clfa.modeling import CLFAConfig
from clfa.modeling.fusion import FUSIONS, Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


@FUSIONS.register("product")
class ProductFusion(Fusion):
    """Element-wise product of the mean vectors of the streams that exist."""

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """Fuse to one token (B, 1, D)."""
        means = stream_means(streams, self.names)
        present = means.hidden if means.mask is None else means.hidden.masked_fill(means.mask[..., None] == 0, 1.0)
        return Stream(present.prod(dim=1, keepdim=True))


def main(folder: Path) -> None:
    make_demo_data(folder / "data", train=192, validation=96, test=96)
    recipe = load_recipe(
        "demo", [f"data.dir={folder / 'data'}", "model.fusion=product", "training.epochs=1", "guide.name=none"]
    )
    result = train(recipe, folder / "run")
    print(f"{recipe.model.fusion}: accuracy {result.metrics['test']['accuracy']:.1%}")

    # Loading the model needs the registration, too: import this module first.
    predictor = CLFAPredictor.load(folder / "run")
    print(predictor.label_names)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/custom-fusion"))
