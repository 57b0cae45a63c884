"""Agreement of the aligned text and image: of the pooled students, and of their tokens."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from clfa.modeling.fusion.base import Stream
from clfa.modeling.gather import at_least_float32
from clfa.modeling.pooling import masked_mean
from clfa.modeling.readout.base import Student


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Normalise vectors (..., D) to length 1, in float32 at least."""
    (vectors,) = at_least_float32(vectors)
    return F.normalize(vectors, dim=-1)


def complete(text: Student, image: Student) -> torch.Tensor | None:
    """Return whether each sample has both modalities (B,); ``None`` when all have."""
    return None if text.present is None or image.present is None else text.present & image.present


def agreement(text: Student, image: Student) -> torch.Tensor:
    """Return the cosine of the pooled students of each sample (B,), from -1 to 1; NaN where a modality is missing."""
    cosine = (unit(text.embeds) * unit(image.embeds)).sum(dim=-1)
    both = complete(text, image)
    return cosine if both is None else cosine.masked_fill(~both, float("nan"))


def token_agreement(text: Stream, image: Stream) -> torch.Tensor:
    """Compute how well the tokens of text and image match, as in FILIP (Yao et al. 2021, arXiv:2111.07783).

    For each text token, the largest cosine to any image token, averaged over the text tokens; and the reverse.

    Args:
        text: Text tokens (B, T, D) with their mask.
        image: Image tokens (B, P, D) with their mask.

    Returns:
        (B, 2): text to image, image to text; each from -1 to 1. Padding has no effect.
    """
    cosines = unit(text.hidden) @ unit(image.hidden).transpose(1, 2)
    ways = (cosines, text.mask, image.mask), (cosines.transpose(1, 2), image.mask, text.mask)
    return torch.cat([_best(each, own, other) for each, own, other in ways], dim=1)


def _best(cosines: torch.Tensor, own: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor:
    if other is not None:
        # No cosine is lower, so that a masked token is never the best one.
        cosines = cosines.masked_fill(~other.bool()[:, None], -1.0)
    return masked_mean(cosines.amax(dim=2, keepdim=True), own)
