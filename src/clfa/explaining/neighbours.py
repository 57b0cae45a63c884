"""The nearest training posts in the aligned space.

An index is made on request only. It has ids, labels and vectors of posts, not their texts and pictures; but a vector
can tell much about its post: keep an index where the posts may be kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clfa.errors import DataError, ModelError
from clfa.explaining.explanation import Neighbour
from clfa.explaining.probe import Probe
from clfa.files import atomic_path
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier

SHOWN = 5


@dataclass(frozen=True)
class NeighbourIndex:
    """Vectors of posts, by a model.

    Args:
        ids: Ids of N posts.
        labels: Their labels, as JSON values.
        vectors: Unit vectors (N, D) float32.
        model: Fingerprint of the model's outputs that computed them.
    """

    ids: list[str]
    labels: list[Any]
    vectors: np.ndarray
    model: str

    @classmethod
    def build(
        cls, classifier: PostClassifier, posts: Iterable[tuple[str, Any, Post]]
    ) -> tuple[NeighbourIndex, list[tuple[str, str]]]:
        """Compute the index of posts.

        Args:
            classifier: A model that runs in PyTorch.
            posts: Id, label and post.

        Returns:
            The index, and the posts that were left out, as pairs of id and reason.

        Raises:
            ModelError: If the model is an export.
            DataError: If no post can be read.
        """
        ids, labels, vectors, left_out = [], [], [], []
        for name, label, post in posts:
            try:
                vectors.append(aligned_vector(Probe(classifier, post)))
            except DataError as error:
                left_out.append((name, str(error)))
                continue
            ids.append(name)
            labels.append(label)
        if not ids:
            raise DataError("no post of the table can be read, so there is nothing to look for neighbours in.")
        return cls(ids, labels, np.stack(vectors), classifier.fingerprint), left_out

    def nearest(self, probe: Probe, shown: int = SHOWN) -> list[Neighbour]:
        """Return the nearest posts, the nearest first.

        Args:
            probe: The post.
            shown: How many.

        Raises:
            ModelError: If the index is of another model.
        """
        if self.model != probe.classifier.fingerprint:
            raise ModelError("the index of neighbours is of another model; build it again with this one.")
        cosines = self.vectors @ aligned_vector(probe)
        order = np.argsort(-cosines, kind="stable")[:shown].tolist()
        return [Neighbour(self.ids[place], self.labels[place], float(cosines[place])) for place in order]

    def save(self, path: str | Path) -> None:
        """Write the index as one ``.npz`` file, atomically."""
        facts = json.dumps({"ids": self.ids, "labels": self.labels, "model": self.model})
        with atomic_path(Path(path)) as temporary, open(temporary, "wb") as file:
            np.savez(file, vectors=self.vectors, facts=np.frombuffer(facts.encode(), np.uint8))

    @classmethod
    def load(cls, path: str | Path) -> NeighbourIndex:
        """Read an index.

        Raises:
            DataError: If the file is none.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                facts = json.loads(content["facts"].tobytes())
                found = cls(facts["ids"], facts["labels"], content["vectors"], facts["model"])
        except Exception as error:  # NumPy and zipfile raise almost anything for a damaged file.
            raise DataError(f"{path} is no index of neighbours: {error}") from error
        whole = found.vectors.ndim == 2 and np.issubdtype(found.vectors.dtype, np.floating)
        if not whole or not len(found.ids) == len(found.labels) == len(found.vectors):
            raise DataError(f"{path} is no whole index of neighbours; build it again.")
        # Comparisons with NaN are false, so that such a vector would have any place.
        if not np.isfinite(found.vectors).all():
            raise DataError(f"{path} has vectors that are not finite numbers; build it again.")
        return found


@torch.inference_mode()
def aligned_vector(probe: Probe) -> np.ndarray:
    """Return the unit vector of a post (D,): the aligned text and image side by side, each of length 1.

    A missing one is zeros. Baselines and models of one modality, which align nothing, give their pooled vector.

    Raises:
        ModelError: If the model is an export.
    """
    model: Any = getattr(probe.classifier.runtime, "model", None)
    if model is None:
        raise ModelError("neighbours need a model in PyTorch, and this one is an export.")
    output = model(**{name: torch.from_numpy(array).to(model.device) for name, array in probe.inputs().items()})
    both: Sequence[torch.Tensor | None] = (output.text_embeds, output.image_embeds)
    parts = (
        [output.pooler_output] if any(part is None for part in both) else [part for part in both if part is not None]
    )
    units = [torch.nn.functional.normalize(part[0].float(), dim=0) for part in parts]
    found: np.ndarray = torch.nn.functional.normalize(torch.cat(units), dim=0).cpu().numpy()
    return found
