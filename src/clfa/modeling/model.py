"""The model without head: encoders -> projections -> fusion -> pooling."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoProcessor, PreTrainedModel

from clfa.errors import ModelError
from clfa.lazy import lazy_names
from clfa.modeling.base import CLFAPreTrainedModel
from clfa.modeling.baselines.base import build_baseline, require_several_images
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.encoders import (
    build_encoder,
    encode_image,
    encode_text,
    encoder_width,
    freeze,
    is_frozen,
    pool_grid,
)
from clfa.modeling.fusion import FUSIONS, Stream
from clfa.modeling.missing import MissingTokens
from clfa.modeling.outputs import CLFAModelOutput
from clfa.modeling.pooling import POOLINGS, masked_mean
from clfa.modeling.projection import ProjectionMLP
from clfa.modeling.returned import require_stream, require_vectors
from clfa.processing.processor import CLFAProcessor


class CLFAModel(CLFAPreTrainedModel):
    """Encoders, projections, fusion and pooling, without a head.

    Args:
        config: Shape of the model.
        text_encoder: A loaded encoder to use instead of one with random weights.
        vision_encoder: The same.
        own_encoders: Whether the model has encoders. One without reads ``text_features`` and ``image_features``.

    Raises:
        ModelError: When the configuration has neither a text nor a vision encoder.
    """

    def __init__(
        self,
        config: CLFAConfig,
        text_encoder: PreTrainedModel | None = None,
        vision_encoder: PreTrainedModel | None = None,
        own_encoders: bool = True,
    ) -> None:
        super().__init__(config)
        if not config.modalities:
            raise ModelError("a CLFA configuration needs text_config, vision_config, or both; it has neither.")
        self.text_encoder: PreTrainedModel | None = None
        self.vision_encoder: PreTrainedModel | None = None
        text_config: Any = config.text_config
        vision_config: Any = config.vision_config
        widths: dict[str, int] = {}
        if text_config is not None:
            if own_encoders:
                self.text_encoder = text_encoder if text_encoder is not None else build_encoder(text_config)
            widths["text"] = encoder_width(text_config)
        if vision_config is not None:
            if own_encoders:
                self.vision_encoder = vision_encoder if vision_encoder is not None else build_encoder(vision_config)
            widths["image"] = encoder_width(vision_config)
        self.missing = None
        if config.allow_missing_modalities:
            self.missing = MissingTokens(widths, config.modality_dropout)
        if config.baseline is not None:
            if config.use_knowledge:
                widths["knowledge"] = widths["text"]
            self.baseline = build_baseline(config.baseline, config, widths, config.baseline_options or {})
        else:
            if "text" in widths:
                self.text_projection = self._projection(widths["text"], config.text_feature_dropout)
            if "image" in widths:
                self.image_projection = self._projection(widths["image"], config.image_feature_dropout)
            self.fusion = FUSIONS.get(config.fusion)(config)
        self.pooling = POOLINGS.get(config.pooling)(config.hidden_size)
        self.post_init()
        self.freeze_encoders()

    def freeze_encoders(self) -> None:
        """Freeze the encoders as set in the configuration.

        Raises:
            ModelError: When more layers are to be frozen than an encoder has.
        """
        for encoder, extent in (
            (self.text_encoder, self.config.freeze_text_encoder),
            (self.vision_encoder, self.config.freeze_vision_encoder),
        ):
            if encoder is not None:
                freeze(encoder, extent)

    def get_input_embeddings(self) -> Any:
        """Return the text encoder's input embeddings, ``None`` in an image-only model; Accelerate calls this."""
        return None if self.text_encoder is None else self.text_encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the text encoder's input embeddings.

        Raises:
            ModelError: When the model is image-only.
        """
        if self.text_encoder is None:
            raise ModelError("an image-only model has no input embeddings.")
        self.text_encoder.set_input_embeddings(value)

    def _projection(self, width: int, dropout: float) -> ProjectionMLP:
        c = self.config
        return ProjectionMLP(width, c.projection_hidden_size, c.hidden_size, dropout, c.projection_layer_norm)

    def train(self, mode: bool = True) -> CLFAModel:
        """Set training mode, except for completely frozen encoders: they stay in evaluation mode."""
        self.training = mode
        for child in self.children():
            # The Trainer calls this in every step; a frozen encoder in evaluation mode is skipped to save time.
            if child in (self.text_encoder, self.vision_encoder) and is_frozen(child):
                if child.training:
                    child.eval()
            else:
                child.train(mode)
        return self

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_attention_mask: torch.Tensor | None = None,
        image_present: torch.Tensor | None = None,
        knowledge_input_ids: torch.Tensor | None = None,
        knowledge_attention_mask: torch.Tensor | None = None,
        text_features: torch.Tensor | None = None,
        image_features: torch.Tensor | None = None,
        text_bias: torch.Tensor | None = None,
        knowledge_bias: torch.Tensor | None = None,
        knowledge_features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> CLFAModelOutput:
        """Fuse a batch of B samples with T text, P image and K knowledge tokens.

        Args:
            input_ids: Text token ids (B, T).
            attention_mask: 1 where a text token exists (B, T).
            token_type_ids: As the text encoder takes them (B, T).
            pixel_values: Images (B, 3, H, W); with up to M images per sample (B, M, 3, H, W). The tokens of a sample's
                images are joined: P is then M times the tokens of one image.
            image_attention_mask: 1 where an image token exists (B, P); ``None`` when all do.
            image_present: Whether each sample has an image (B,), or each of its images exists (B, M) for images of that
                shape; ``None`` when all do. A sample without text has an
                all-zero ``attention_mask``. Missing modalities are only allowed in models with
                ``allow_missing_modalities``.
            knowledge_input_ids: Knowledge token ids (B, K); a sample without knowledge has an all-zero mask.
            knowledge_attention_mask: 1 where a knowledge token exists (B, K).
            text_features: The text encoder's output (B, T, width), instead of ``input_ids``.
            image_features: The vision encoder's output (B, P, width), grid pooled, instead of ``pixel_values``.
            text_bias: Word-pair graph, added to the text self-attention scores (B, T, T).
            knowledge_bias: Word-pair graph, added to the text-knowledge attention scores (B, T, K).
            knowledge_features: The text encoder's output for the knowledge (B, K, width), instead of
                ``knowledge_input_ids``.
            labels: Class indices (B,) or flat vectors of targets (B, L), for a baseline with an auxiliary loss.

        Returns:
            Fused tokens, pooled vector and the pooled students.

        Raises:
            ValueError: When a modality of the model is absent from the batch.
            ModelError: When samples have several images and the baseline reads only one.
        """
        encoded = self.encode(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            pixel_values=pixel_values,
            image_attention_mask=image_attention_mask,
            image_present=image_present,
            knowledge_input_ids=knowledge_input_ids,
            knowledge_attention_mask=knowledge_attention_mask,
            text_features=text_features,
            image_features=image_features,
            knowledge_features=knowledge_features,
        )
        if "text" in self.config.modalities and encoded["text_features"] is None:
            # The token of a missing text is not in any graph.
            text_bias = knowledge_bias = None
        encoded |= {"text_bias": text_bias, "knowledge_bias": knowledge_bias}
        features, present = self._features(encoded)
        students: dict[str, torch.Tensor] = {}
        streams: dict[str, Stream] | None = None
        auxiliary: torch.Tensor | None = None
        if self.config.baseline is not None:
            fused = self.baseline(features)
            require_stream(f"baseline {self.config.baseline!r}", fused, self.config.hidden_size)
            if self.training and labels is not None:
                auxiliary = self.baseline.auxiliary_loss(features, fused, labels)
        else:
            streams = {name: self._project(name, stream) for name, stream in features.items()}
            fused = self.fusion(streams)
            require_stream(f"fusion {self.config.fusion!r}", fused, self.config.hidden_size)
            students = {name: masked_mean(streams[name].hidden, streams[name].mask) for name in self.config.modalities}
        pooled = self.pooling(fused.hidden, fused.mask)
        return CLFAModelOutput(
            last_hidden_state=fused.hidden,
            fused_mask=fused.mask,
            pooler_output=require_vectors(f"pooling {self.config.pooling!r}", pooled, self.config.hidden_size),
            text_embeds=students.get("text"),
            image_embeds=students.get("image"),
            text_present=present.get("text"),
            image_present=present.get("image"),
            loss_auxiliary=auxiliary,
            streams=streams,
            encoded=encoded,
        )

    def encode(
        self,
        *,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_attention_mask: torch.Tensor | None = None,
        image_present: torch.Tensor | None = None,
        knowledge_input_ids: torch.Tensor | None = None,
        knowledge_attention_mask: torch.Tensor | None = None,
        text_features: torch.Tensor | None = None,
        image_features: torch.Tensor | None = None,
        knowledge_features: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor | None]:
        """Run the encoders alone, where their outputs are not given.

        Args:
            input_ids: See :meth:`forward`, also for the further arguments.

        Returns:
            What :meth:`forward` reads instead, by argument: features, masks, and whether images exist.

        Raises:
            ValueError: When a modality of the model is absent from the batch.
            ModelError: When samples have several images and the baseline reads only one.
        """
        encoded = self._encoded(
            {"text": (input_ids, text_features), "image": (pixel_values, image_features)},
            attention_mask,
            token_type_ids,
            image_attention_mask,
            image_present,
        )
        wanted = "text" in self.config.modalities and self.config.use_knowledge and knowledge_features is None
        if wanted and knowledge_input_ids is not None:
            knowledge_features = self._encode_text(knowledge_input_ids, knowledge_attention_mask, None)
        return {
            **encoded,
            "knowledge_features": knowledge_features,
            "knowledge_attention_mask": knowledge_attention_mask,
        }

    def _project(self, name: str, stream: Stream) -> Stream:
        projection = self.image_projection if name == "image" else self.text_projection
        return stream._replace(hidden=projection(stream.hidden))

    def _encoded(
        self,
        given: dict[str, tuple[torch.Tensor | None, torch.Tensor | None]],
        attention_mask: torch.Tensor | None,
        token_type_ids: torch.Tensor | None,
        image_attention_mask: torch.Tensor | None,
        image_present: torch.Tensor | None,
    ) -> dict[str, torch.Tensor | None]:
        """Run the encoders where features are not given.

        Args:
            given: By modality: the encoder's input, and the features instead of it.
            attention_mask: See :meth:`forward`, also for the further arguments.

        Returns:
            Features and masks by argument of :meth:`forward`, with one row of features per sample.
        """
        for name, reads, wanted in (
            ("text", "text", "input_ids (or text_features)"),
            ("image", "images", "pixel_values (or image_features)"),
        ):
            absent = all(tensor is None for tensor in given[name])
            if name in self.config.modalities and absent and self.missing is None:
                raise ValueError(f"this model reads {reads}: pass {wanted}.")
        if all(tensor is None for name in self.config.modalities for tensor in given[name]):
            raise ValueError("the batch has neither text nor image.")
        (input_ids, text_features), (pixel_values, image_features) = given["text"], given["image"]
        several: torch.Tensor | None = None
        if pixel_values is not None and pixel_values.dim() == 5:
            everything = pixel_values.new_ones(pixel_values.shape[:2], dtype=torch.bool)
            several = everything if image_present is None else image_present.bool()
            image_present = several.any(dim=1)
        if self.missing is None and image_present is not None and not bool(image_present.all()):
            raise ValueError("a sample has no image; train the model with allow_missing_modalities=true for that.")
        if self.text_encoder is not None and text_features is None and input_ids is not None:
            text_features = self._encode_text(input_ids, self._encoder_mask(attention_mask), token_type_ids)
        if self.vision_encoder is not None and image_features is None and pixel_values is not None:
            if several is None:
                image_features = self._encode_images(pixel_values)
            else:
                image_features, image_attention_mask = self._encode_several(pixel_values, several)
        return {
            "text_features": text_features,
            "attention_mask": attention_mask,
            "image_features": image_features,
            "image_attention_mask": image_attention_mask,
            "image_present": image_present,
        }

    def _encoder_mask(self, attention_mask: torch.Tensor | None) -> torch.Tensor | None:
        """Return the mask with at least one token per row, which an encoder needs, if texts may be missing."""
        if attention_mask is None or self.missing is None:
            return attention_mask
        attention_mask = attention_mask.clone()
        # The features of rows without a text are replaced.
        attention_mask[:, 0] = torch.where(attention_mask.bool().any(dim=1), attention_mask[:, 0], 1)
        return attention_mask

    def _features(self, encoded: dict[str, torch.Tensor | None]) -> tuple[dict[str, Stream], dict[str, torch.Tensor]]:
        """Return the streams and, if missing modalities are allowed, which samples have text and image (B,).

        Args:
            encoded: What :meth:`forward` reads in a model without encoders, by argument.
        """
        text, image = encoded["text_features"], encoded["image_features"]
        attention_mask = encoded["attention_mask"]
        features: dict[str, Stream] = {}
        if "text" in self.config.modalities and text is not None:
            features["text"] = Stream(text, self._encoder_mask(attention_mask))
        if "image" in self.config.modalities and image is not None:
            features["image"] = Stream(image, encoded["image_attention_mask"])
        present: dict[str, torch.Tensor] = {}
        if self.missing is not None:
            first = next(iter(features.values())).hidden
            everywhere = torch.ones(first.shape[0], dtype=torch.bool, device=first.device)
            has = {
                "text": everywhere if attention_mask is None else attention_mask.bool().any(dim=1),
                "image": everywhere if encoded["image_present"] is None else encoded["image_present"].bool(),
            }
            present = {name: has[name] if name in features else ~everywhere for name in self.config.modalities}
            present = self.missing.drop(present)
            for name, own in present.items():
                features[name] = (
                    self.missing.fill(name, features[name], own)
                    if name in features
                    else self.missing.stand_in(name, first.shape[0])
                )
        if "text" in features:
            features["text"] = features["text"]._replace(bias=encoded["text_bias"])
            knowledge = encoded["knowledge_features"]
            if self.config.use_knowledge and knowledge is not None:
                mask, bias = encoded["knowledge_attention_mask"], encoded["knowledge_bias"]
                features["knowledge"] = Stream(knowledge, mask, bias)
        names = (*self.config.modalities, "knowledge")
        return {name: features[name] for name in names if name in features}, present

    def _encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        assert self.vision_encoder is not None
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.vision_encoder)):
            tokens = encode_image(self.vision_encoder, pixel_values)
            return pool_grid(tokens, self.config.image_grid_size)

    def _encode_several(self, pixel_values: torch.Tensor, exists: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode every existing image once; return the joined tokens (B, M * N, D) and their mask."""
        require_several_images(self.config.baseline, self.config.vision_config)
        tokens = self._encode_images(pixel_values[exists])
        joined = tokens.new_zeros(*exists.shape, *tokens.shape[1:])
        joined[exists] = tokens
        return joined.flatten(1, 2), exists.long().repeat_interleave(tokens.shape[1], dim=1)

    def _encode_text(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, token_type_ids: torch.Tensor | None
    ) -> torch.Tensor:
        assert self.text_encoder is not None
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.text_encoder)):
            return encode_text(self.text_encoder, input_ids, attention_mask, token_type_ids)


# A name of version 0.1 that has moved; removed in 0.3.
__getattr__ = lazy_names(__name__, {}, {"CLFAForClassification": "clfa.modeling.classification"})

AutoModel.register(CLFAConfig, CLFAModel)
AutoProcessor.register(CLFAConfig, CLFAProcessor)
