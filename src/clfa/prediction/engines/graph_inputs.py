"""The inputs of an exported graph, from a batch of the processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# Inputs about the pictures of samples: places of each one's pictures in ``pixel_values``, or, in a graph in which a
# sample has at most one, whether it has.
IMAGE_INDEX, IMAGE_PRESENT = "image_index", "image_present"


def graph_inputs(
    names: Sequence[str], inputs: Mapping[str, np.ndarray], picture_shape: Sequence[int]
) -> dict[str, np.ndarray]:
    """Return an array for every input of a graph, also for what no sample of a batch has.

    Args:
        names: Inputs of the graph.
        inputs: A batch from the processor, or what this function has returned.
        picture_shape: Shape of a picture (3, H, W).
    """
    given = dict(inputs)
    size = len(next(iter(given.values())))
    if IMAGE_INDEX in names and IMAGE_INDEX not in given:
        given["pixel_values"], given[IMAGE_INDEX] = _listed(given, size, picture_shape)
    elif IMAGE_PRESENT in names:
        present = given.setdefault(IMAGE_PRESENT, np.ones(size, bool))
        if not present.any():
            given["pixel_values"] = np.zeros((size, *picture_shape), np.float32)
    for name in ("knowledge_input_ids", "knowledge_attention_mask"):
        if name in names:
            given.setdefault(name, np.zeros((size, 1), np.int64))
    for name, columns in (("text_bias", "input_ids"), ("knowledge_bias", "knowledge_input_ids")):
        if name in names and name not in given:
            shape = size, given["input_ids"].shape[1], given[columns].shape[1]
            given[name] = np.zeros(shape, np.float32)
    return {name: given[name] for name in names}


def _listed(given: Mapping[str, np.ndarray], size: int, picture_shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures of a batch (P, 3, H, W), and their places for each sample (B, M), -1 for none."""
    pixels = given.get("pixel_values")
    if pixels is None:
        # A graph needs a picture, also if no sample has one.
        return np.zeros((1, *picture_shape), np.float32), np.full((size, 1), -1)
    exists = np.asarray(given.get(IMAGE_PRESENT, np.ones(pixels.shape[: pixels.ndim - 3], bool)))
    if pixels.ndim == 4:
        pixels, exists = pixels[:, None], exists[:, None]
    places = np.cumsum(exists.ravel()).reshape(exists.shape) - 1
    return pixels[exists], np.where(exists, places, -1)
