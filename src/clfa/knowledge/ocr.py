"""Text in images, read by RapidOCR."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from clfa.errors import RecipeError
from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.tables.encoding import clean_text

# Longer side in pixels to which larger images are reduced: text of posts is still legible, and the time is bounded.
MAX_SIDE = 1280
_PACKAGE = "rapidocr-onnxruntime"


class OCRSource(KnowledgeSource):
    """RapidOCR (PP-OCRv4 models in ONNX, English and Chinese): lines in reading order, joined by blanks.

    Two defaults of the engine are kept. For detection, images are enlarged to a shorter side of 736 pixels, because
    otherwise small letters in thumbnails are missed. Lines with a score below 0.5 are dropped.

    Args:
        engine: Function of a BGR array (H, W, 3) that returns lines ``[box, text, score]`` or ``None``, and timings.
        fingerprint: Identifies the engine and its settings.
    """

    name = "ocr"
    reads = "image"

    def __init__(self, engine: Any, fingerprint: str) -> None:
        self.engine = engine
        self.fingerprint = fingerprint

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> OCRSource:
        """See :meth:`KnowledgeSource.from_recipe`. Uses as many threads as PyTorch (``OMP_NUM_THREADS``)."""
        try:
            from rapidocr_onnxruntime import RapidOCR
        except ImportError as error:
            raise RecipeError(
                "the knowledge source ocr needs RapidOCR; install it with pip install 'clfa[ocr]'. "
                "There is no release for Python 3.13 and newer."
            ) from error
        threads = {"intra_op_num_threads": torch.get_num_threads(), "inter_op_num_threads": 1}
        return cls(RapidOCR(max_side_len=MAX_SIDE, **threads), f"rapidocr-{version(_PACKAGE)}-{MAX_SIDE}")

    def describe(self, contents: Sequence[Any]) -> list[str]:
        """See :meth:`KnowledgeSource.describe`."""
        return [self._read(picture) for picture in contents]

    def _read(self, picture: Any) -> str:
        lines, _ = self.engine(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        return clean_text(" ".join(line[1] for line in lines or []))
