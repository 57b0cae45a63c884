"""The wide branch: a linear map of pooled encoder features and of terms, beside the network (wide and deep)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from clfa.modeling.pooling import masked_mean

# Inputs of the model that hold the tokens of each part, and their mask.
_TOKENS = {"text": ("text_features", "attention_mask"), "image": ("image_features", "image_attention_mask")}


class WideBranch(nn.Module):
    """``bias + sum over the parts of (x - mean) W``, as in Cheng et al. 2016 (arXiv:1606.07792), section 3.1.

    The parts are the mean of the text encoder's tokens, that of the vision encoder's, and the TF-IDF weights of the
    terms of the text (:class:`clfa.processing.terms.Terms`). A missing modality adds nothing, which is what its mean
    would add.

    It is not trained by gradients: :mod:`clfa.runs.blend` fits it.

    Args:
        outputs: Number of outputs L.
        widths: Width of the text and image features that it reads, by ``text`` and ``image``.
        num_terms: Number of terms; 0 if it reads none.
    """

    def __init__(self, outputs: int, widths: Mapping[str, int], num_terms: int = 0) -> None:
        super().__init__()
        self.parts = tuple(widths)
        self.bias: torch.Tensor
        self.register_buffer("bias", torch.zeros(outputs))
        for part, width in widths.items():
            self.register_buffer(f"{part}_mean", torch.zeros(width))
            self.register_buffer(f"{part}_weight", torch.zeros(width, outputs))
        if num_terms:
            self.register_buffer("terms_weight", torch.zeros(num_terms, outputs))
        self.num_terms = num_terms

    def forward(
        self,
        encoded: Mapping[str, torch.Tensor | None],
        present: Mapping[str, torch.Tensor | None],
        term_ids: torch.Tensor | None = None,
        term_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the outputs of a batch of B samples.

        Args:
            encoded: ``text_features`` (B, T, D) with ``attention_mask`` (B, T), ``image_features`` (B, P, D) with
                ``image_attention_mask`` (B, P); ``None`` or absent where the batch has none.
            present: Whether each sample has a ``text`` and an ``image`` (B,); ``None`` or absent when all have.
            term_ids: Terms of each text (B, N).
            term_weights: Their weights (B, N), 0 at padding.

        Returns:
            (B, L), in float32.
        """
        outputs = self.bias.float()
        for part in self.parts:
            features, mask = (encoded.get(name) for name in _TOKENS[part])
            if features is None:
                continue
            centred = masked_mean(features.float(), mask) - getattr(self, f"{part}_mean").float()
            has = present.get(part)
            if has is not None:
                centred = centred * has.unsqueeze(-1).to(centred.dtype)
            outputs = outputs + centred @ getattr(self, f"{part}_weight").float()
        if self.num_terms and term_ids is not None and term_weights is not None:
            rows = self.get_buffer("terms_weight").float()[term_ids]
            outputs = outputs + (rows * term_weights.float().unsqueeze(-1)).sum(dim=1)
        return outputs
