"""The graph of an export: its inputs, and the model as a function of them."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling import CLFAForClassification
from clfa.modeling.baselines.base import reads_several_images
from clfa.modeling.encoders import encode_image, encode_text, pool_grid
from clfa.prediction.engines.graph_inputs import IMAGE_INDEX, IMAGE_PRESENT
from clfa.processing.processor import CLFAProcessor

# Axes of each input whose size differs from batch to batch.
_AXES = {"pixel_values": 1, IMAGE_PRESENT: 1, "text_bias": 3, "knowledge_bias": 3}


def input_names(model: CLFAForClassification, processor: CLFAProcessor) -> list[str]:
    """Return the names of the inputs of a model's graph, in their order.

    Args:
        model: The model.
        processor: Its processor.
    """
    config, knowledge = model.config, processor.knowledge
    names: list[str] = []
    if processor.tokenizer is not None:
        names += ["input_ids", "attention_mask"]
        if knowledge is not None and knowledge.gamma:
            names.append("text_bias")
    if config.use_knowledge:
        names += ["knowledge_input_ids", "knowledge_attention_mask"]
        if knowledge is not None and (knowledge.lambda1 or knowledge.lambda2):
            names.append("knowledge_bias")
    if processor.terms is not None:
        names += ["term_ids", "term_weights"]
    if processor.image_processor is not None:
        names.append("pixel_values")
        if reads_several_images(config.baseline, config.vision_config):
            names.append(IMAGE_INDEX)
        elif config.allow_missing_modalities and len(config.modalities) == 2:
            names.append(IMAGE_PRESENT)
    return names


def changing_axes(name: str) -> int:
    """Return the number of leading axes of an input whose size differs from batch to batch.

    Args:
        name: The input.
    """
    return _AXES.get(name, 2)


class Graph(nn.Module):
    """A model with its inputs by name and its outputs as tensors.

    Args:
        model: The model.
    """

    def __init__(self, model: CLFAForClassification) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        text_bias: torch.Tensor | None = None,
        knowledge_input_ids: torch.Tensor | None = None,
        knowledge_attention_mask: torch.Tensor | None = None,
        knowledge_bias: torch.Tensor | None = None,
        term_ids: torch.Tensor | None = None,
        term_weights: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        image_present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Return logits, fused vectors and, for readouts that compare text and image, the agreement.

        Args:
            input_ids: As the model takes them, also the further arguments.
            attention_mask: (B, T).
            text_bias: (B, T, T).
            knowledge_input_ids: (B, K).
            knowledge_attention_mask: (B, K), all zero for a sample without knowledge.
            knowledge_bias: (B, T, K).
            term_ids: (B, N).
            term_weights: (B, N).
            pixel_values: All pictures of the batch (P, 3, H, W) with ``image_index``; else one of each sample.
            image_index: Places of each sample's pictures among them (B, M), -1 where it has fewer.
            image_present: (B,).
        """
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "text_bias": text_bias,
            "knowledge_bias": knowledge_bias,
            "term_ids": term_ids,
            "term_weights": term_weights,
            "pixel_values": pixel_values,
            "image_present": image_present,
        }
        if knowledge_input_ids is not None and knowledge_attention_mask is not None:
            given["knowledge_attention_mask"] = knowledge_attention_mask
            # An encoder needs a token; what it makes of a sample without knowledge is masked.
            rest = knowledge_attention_mask[:, 1:]
            mask = torch.cat([torch.ones_like(knowledge_attention_mask[:, :1]), rest], dim=1)
            given["knowledge_features"] = encode_text(self._encoder("text"), knowledge_input_ids, mask)
        if pixel_values is not None and image_index is not None:
            del given["pixel_values"]
            tokens = pool_grid(encode_image(self._encoder("vision"), pixel_values), self.model.config.image_grid_size)
            exists = image_index >= 0
            of_samples = tokens[image_index.clamp(min=0)] * exists[:, :, None, None]
            given["image_features"] = of_samples.flatten(1, 2)
            given["image_attention_mask"] = exists[:, :, None].expand(-1, -1, tokens.shape[1]).flatten(1, 2).long()
            if self.model.config.allow_missing_modalities:
                given["image_present"] = exists.any(dim=1)
        output = self.model(**given)
        found = (output.logits, output.pooler_output)
        return found if output.agreement is None else (*found, output.agreement)

    def _encoder(self, tower: str) -> nn.Module:
        encoder: nn.Module = getattr(self.model.clfa, f"{tower}_encoder")
        return encoder
