"""CLFA models: encoders -> projections -> fusion -> pooling -> head, with the guided loss beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoProcessor, PreTrainedModel
from transformers import initialization as init

from clfa.errors import ModelError
from clfa.modeling.alignment import ALIGNMENTS, AlignmentInputs, GuideBank
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.dropout import Dropout
from clfa.modeling.encoder_attention import use_fast_attention
from clfa.modeling.encoders import (
    build_encoder,
    encode_image,
    encode_text,
    encoder_width,
    freeze,
    is_frozen,
    load_encoder,
    pool_grid,
)
from clfa.modeling.fast_layers import use_fast_layers
from clfa.modeling.fusion import FUSIONS, Stream, stream_names
from clfa.modeling.gather import at_least_float32, gather_rows, process_count, total
from clfa.modeling.losses.task import TaskLoss
from clfa.modeling.missing import MissingTokens
from clfa.modeling.outputs import CLFAClassifierOutput, CLFAModelOutput
from clfa.modeling.pooling import POOLINGS, masked_mean
from clfa.modeling.projection import ProjectionMLP
from clfa.processing.processor import CLFAProcessor


def _encoder_config(encoder: PreTrainedModel) -> dict[str, Any]:
    """Configuration of an encoder without the class names of the classifier it may have come from."""
    return {k: v for k, v in encoder.config.to_dict().items() if k not in ("id2label", "label2id")}


class CLFAPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the CLFA models."""

    config_class = CLFAConfig
    base_model_prefix = "clfa"
    main_input_name = "input_ids"
    _supports_sdpa = True
    # The forward pass takes further streams by name, not the Trainer's loss keywords.
    accepts_loss_kwargs = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """PyTorch's own initialisation of linear layers, as in the authors' code (not BERT's normal(0, 0.02))."""
        if isinstance(module, nn.Linear):
            init.kaiming_uniform_(module.weight, a=5**0.5)
            if module.bias is not None:
                bound = module.in_features**-0.5
                init.uniform_(module.bias, -bound, bound)
        else:
            super()._init_weights(module)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """See Transformers; what the configuration freezes is frozen in the loaded model, too."""
        loaded = super().from_pretrained(*args, **kwargs)
        # Loading puts new parameters in the place of those that were frozen when the model was built.
        body: Any = (loaded[0] if isinstance(loaded, tuple) else loaded).base_model
        body.freeze_encoders()
        return loaded

    @classmethod
    def from_encoders(
        cls,
        text_encoder: str | os.PathLike[str] | PreTrainedModel | None,
        vision_encoder: str | os.PathLike[str] | PreTrainedModel | None,
        label_names: Sequence[str] = (),
        **config: Any,
    ) -> Any:
        """A model with pretrained encoders and a fresh head.

        Args:
            text_encoder: Directory, hub id, ``package:NAME`` or a loaded encoder; ``None`` for an image-only model.
            vision_encoder: The same; ``None`` for a text-only model.
            label_names: Class names, kept in the configuration.
            config: Further fields of :class:`CLFAConfig`.

        Returns:
            The model, in training mode only where it is not frozen.

        Raises:
            ModelError: When an encoder cannot be loaded or neither is given.
        """
        text = load_encoder(text_encoder, "text") if isinstance(text_encoder, str | os.PathLike) else text_encoder
        vision = (
            load_encoder(vision_encoder, "vision") if isinstance(vision_encoder, str | os.PathLike) else vision_encoder
        )
        if text is None and vision is None:
            raise ModelError("a CLFA model needs a text encoder, a vision encoder, or both; neither was given.")
        if label_names:
            config["id2label"] = dict(enumerate(label_names))
            config["label2id"] = {name: index for index, name in enumerate(label_names)}
        model = cls(
            CLFAConfig(
                text_config=None if text is None else _encoder_config(text),
                vision_config=None if vision is None else _encoder_config(vision),
                **config,
            ),
            text_encoder=text,
            vision_encoder=vision,
        )
        # Loaded encoders come in evaluation mode.
        return model.train()


class CLFAModel(CLFAPreTrainedModel):
    """Encoders, projections, fusion and pooling, without a head.

    Args:
        config: Shape of the model.
        text_encoder: A loaded encoder to use instead of one with random weights.
        vision_encoder: The same.

    Raises:
        ModelError: When the configuration has neither a text nor a vision encoder.
    """

    def __init__(
        self,
        config: CLFAConfig,
        text_encoder: PreTrainedModel | None = None,
        vision_encoder: PreTrainedModel | None = None,
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
            self.text_encoder = text_encoder if text_encoder is not None else build_encoder(text_config)
            widths["text"] = encoder_width(text_config)
        if vision_config is not None:
            self.vision_encoder = vision_encoder if vision_encoder is not None else build_encoder(vision_config)
            widths["image"] = encoder_width(vision_config)
        self.missing = None
        if config.allow_missing_modalities:
            self.missing = MissingTokens(widths, config.modality_dropout)
        if config.baseline is not None:
            # Only here: baselines are made of this package's parts, and whoever imports one first would go in circles.
            from clfa.baselines.base import build_baseline

            if config.use_knowledge:
                widths["knowledge"] = widths["text"]
            self.baseline = build_baseline(config.baseline, config, widths, config.baseline_options or {})
        else:
            if "text" in widths:
                self.text_projection = self._projection(widths["text"], config.text_feature_dropout)
            if "image" in widths:
                self.image_projection = self._projection(widths["image"], config.image_feature_dropout)
            self.fusion = FUSIONS.get(config.fusion)(config)
        self.pooling = POOLINGS[config.pooling](config.hidden_size)
        use_fast_layers(self)
        for encoder in (self.text_encoder, self.vision_encoder):
            if encoder is not None:
                use_fast_attention(encoder)
        self.post_init()
        self.freeze_encoders()

    def freeze_encoders(self) -> None:
        """Stop gradients in the encoders as far as the configuration says.

        Raises:
            ModelError: When more layers are to be frozen than an encoder has.
        """
        for encoder, extent in (
            (self.text_encoder, self.config.freeze_text_encoder),
            (self.vision_encoder, self.config.freeze_vision_encoder),
        ):
            if encoder is not None:
                freeze(encoder, extent)

    def _projection(self, width: int, dropout: float) -> ProjectionMLP:
        c = self.config
        return ProjectionMLP(width, c.projection_hidden_size, c.hidden_size, dropout, c.projection_layer_norm)

    def train(self, mode: bool = True) -> CLFAModel:
        """Training mode, except for wholly frozen encoders: their dropout and batch statistics stay off."""
        self.training = mode
        for child in self.children():
            # The Trainer calls this every step; a frozen encoder's many modules are not walked again for nothing.
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
            pixel_values: Images (B, 3, H, W).
            image_attention_mask: 1 where an image token counts (B, P); ``None`` when all do.
            image_present: Whether each sample has an image (B,); ``None`` when all do. A sample without text has an
                all-zero ``attention_mask``. Both only in models that allow missing modalities.
            knowledge_input_ids: Knowledge token ids (B, K); a sample without knowledge has an all-zero mask.
            knowledge_attention_mask: 1 where a knowledge token exists (B, K).
            text_features: The text encoder's output (B, T, width), instead of ``input_ids``.
            image_features: The vision encoder's output (B, P, width), grid pooled, instead of ``pixel_values``.
            text_bias: Word-pair graph, added to the text self-attention scores (B, T, T).
            knowledge_bias: Word-pair graph, added to the text-knowledge attention scores (B, T, K).
            knowledge_features: The text encoder's output for the knowledge (B, K, width), instead of
                ``knowledge_input_ids``.
            labels: Class indices (B,), for a baseline with a loss of its own.

        Returns:
            Fused tokens, pooled vector and the pooled students.

        Raises:
            ValueError: When a modality of the model is absent from the batch.
        """
        features, present = self._features(
            input_ids,
            attention_mask,
            token_type_ids,
            pixel_values,
            image_attention_mask,
            image_present,
            text_features,
            image_features,
        )
        if "text" in features:
            if input_ids is None and text_features is None:
                # The one token that stands for a missing text is no word of any graph.
                text_bias = knowledge_bias = None
            features["text"] = features["text"]._replace(bias=text_bias)
            if self.config.use_knowledge and knowledge_features is None and knowledge_input_ids is not None:
                knowledge_features = self._encode_text(knowledge_input_ids, knowledge_attention_mask, None)
            if self.config.use_knowledge and knowledge_features is not None:
                features["knowledge"] = Stream(knowledge_features, knowledge_attention_mask, knowledge_bias)
        students: dict[str, torch.Tensor] = {}
        auxiliary: torch.Tensor | None = None
        if self.config.baseline is not None:
            fused = self.baseline(features)
            if self.training and labels is not None:
                auxiliary = self.baseline.auxiliary_loss(features, fused, labels)
        else:
            streams = {name: self._project(name, stream) for name, stream in features.items()}
            fused = self.fusion(streams)
            students = {name: masked_mean(streams[name].hidden, streams[name].mask) for name in self.config.modalities}
        return CLFAModelOutput(
            last_hidden_state=fused.hidden,
            fused_mask=fused.mask,
            pooler_output=self.pooling(fused.hidden, fused.mask),
            text_embeds=students.get("text"),
            image_embeds=students.get("image"),
            text_present=present.get("text"),
            image_present=present.get("image"),
            loss_auxiliary=auxiliary,
        )

    def _project(self, name: str, stream: Stream) -> Stream:
        projection = self.image_projection if name == "image" else self.text_projection
        return stream._replace(hidden=projection(stream.hidden))

    def _features(
        self,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        token_type_ids: torch.Tensor | None,
        pixel_values: torch.Tensor | None,
        image_attention_mask: torch.Tensor | None,
        image_present: torch.Tensor | None,
        text_features: torch.Tensor | None,
        image_features: torch.Tensor | None,
    ) -> tuple[dict[str, Stream], dict[str, torch.Tensor]]:
        """Encoder features by modality, and, in a model that allows missing ones, which samples have them (B,)."""
        given = {
            "text": text_features if text_features is not None else input_ids,
            "image": image_features if image_features is not None else pixel_values,
        }
        for name, reads, wanted in (
            ("text", "text", "input_ids (or text_features)"),
            ("image", "images", "pixel_values (or image_features)"),
        ):
            if name in self.config.modalities and given[name] is None and self.missing is None:
                raise ValueError(f"this model reads {reads}: pass {wanted}.")
        first = next((tensor for name in self.config.modalities if (tensor := given[name]) is not None), None)
        if first is None:
            raise ValueError("the batch has neither text nor image.")
        present: dict[str, torch.Tensor] = {}
        if self.missing is None and image_present is not None and not bool(image_present.all()):
            raise ValueError("a sample has no image; train the model with allow_missing_modalities=true for that.")
        if self.missing is not None:
            everywhere = torch.ones(len(first), dtype=torch.bool, device=first.device)
            has_text = everywhere if attention_mask is None else attention_mask.bool().any(dim=1)
            has_image = everywhere if image_present is None else image_present.bool()
            for name, has in (("text", has_text), ("image", has_image)):
                if name in self.config.modalities:
                    present[name] = has if given[name] is not None else ~everywhere
            if attention_mask is not None:
                # An encoder cannot attend to nothing; what it makes of such a row is replaced below.
                attention_mask = attention_mask.clone()
                attention_mask[:, 0] = torch.where(has_text, attention_mask[:, 0], 1)
            present = self.missing.drop(present)
        features: dict[str, Stream] = {}
        if self.text_encoder is not None and given["text"] is not None:
            if text_features is None:
                assert input_ids is not None
                text_features = self._encode_text(input_ids, attention_mask, token_type_ids)
            features["text"] = Stream(text_features, attention_mask)
        if self.vision_encoder is not None and given["image"] is not None:
            if image_features is None:
                assert pixel_values is not None
                with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.vision_encoder)):
                    tokens = encode_image(self.vision_encoder, pixel_values)
                    image_features = pool_grid(tokens, self.config.image_grid_size)
            features["image"] = Stream(image_features, image_attention_mask)
        if self.missing is not None:
            for name, has in present.items():
                features[name] = (
                    self.missing.fill(name, features[name], has)
                    if name in features
                    else self.missing.stand_in(name, len(first))
                )
        return {name: features[name] for name in self.config.modalities}, present

    def _encode_text(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, token_type_ids: torch.Tensor | None
    ) -> torch.Tensor:
        assert self.text_encoder is not None
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self.text_encoder)):
            return encode_text(self.text_encoder, **{k: v for k, v in inputs.items() if v is not None})


class CLFAForClassification(CLFAPreTrainedModel):
    """CLFA with its classifier and losses.

    Args:
        config: Shape of the model.
        text_encoder: A loaded encoder to use instead of one with random weights.
        vision_encoder: The same.

    Example:
        >>> from transformers import BertConfig, ViTConfig
        >>> small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
        >>> config = CLFAConfig(
        ...     text_config=BertConfig(vocab_size=30, **small).to_dict(),
        ...     vision_config=ViTConfig(image_size=32, patch_size=16, **small).to_dict(),
        ...     hidden_size=8, num_attention_heads=2, num_labels=2)
        >>> model = CLFAForClassification(config).eval()
        >>> output = model(input_ids=torch.tensor([[1, 2, 3]]), pixel_values=torch.zeros(1, 3, 32, 32))
        >>> tuple(output.logits.shape)
        (1, 2)
    """

    def __init__(
        self,
        config: CLFAConfig,
        text_encoder: PreTrainedModel | None = None,
        vision_encoder: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(config)
        self.clfa = CLFAModel(config, text_encoder, vision_encoder)
        self.alignment = nn.ModuleDict()
        if config.guide_dim is not None and config.guide_dim != config.hidden_size:
            for modality in config.modalities:
                self.alignment[modality] = nn.Linear(config.hidden_size, config.guide_dim, bias=False)
        self.dropout = Dropout(config.classifier_dropout)
        if config.baseline is not None:
            views = self.clfa.baseline.views
        else:
            views = len(stream_names(config)) if self.clfa.fusion.late else 0
        self.late = views > 0
        if self.late:
            self.classifiers = nn.ModuleList(
                nn.Linear(config.hidden_size, len(config.label_names)) for _ in range(views)
            )
        else:
            self.classifier = nn.Linear(config.hidden_size, len(config.label_names))
        self.aligner = ALIGNMENTS.get(config.alignment)(config.temperature)
        self.guide_bank: GuideBank | None = None
        self.task_loss = TaskLoss(config)
        use_fast_layers(self)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        guide_text_embeds: torch.Tensor | None = None,
        guide_image_embeds: torch.Tensor | None = None,
        guide_index: torch.Tensor | None = None,
        **streams: torch.Tensor | None,
    ) -> CLFAClassifierOutput:
        """Classify a batch; with labels and guide embeddings, also its losses.

        Args:
            input_ids: See :meth:`CLFAModel.forward`, also for ``attention_mask``, ``token_type_ids``,
                ``pixel_values`` and the further streams.
            labels: Class indices (B,); with targets their flat vectors (B, L), see :class:`clfa.data.targets.Target`.
            guide_text_embeds: The frozen guide's text embeddings of the same samples (B, guide width).
            guide_image_embeds: The frozen guide's image embeddings (B, guide width).
            guide_index: Row of each sample in ``guide_bank`` (B,), for ``negatives="bank"``.

        Returns:
            Logits, losses and embeddings. ``loss = alpha * (text + image alignment) + beta * classification``, with
            the terms that the inputs allow, and in training a baseline's own loss.
            In training by several processes the losses are those of their whole batch (:mod:`clfa.modeling.gather`).
        """
        output = self.clfa(input_ids, attention_mask, token_type_ids, pixel_values, labels=labels, **streams)
        logits = self._logits(output)
        students = {
            name: self.alignment[name](embeds) if embeds is not None and name in self.alignment else embeds
            for name, embeds in (("text", output.text_embeds), ("image", output.image_embeds))
        }
        alignment = self._align(
            {name: student for name, student in students.items() if student is not None},
            {"text": guide_text_embeds, "image": guide_image_embeds},
            {"text": output.text_present, "image": output.image_present},
            guide_index,
        )
        loss = classification = targets = None
        auxiliary = output.loss_auxiliary
        if labels is not None:
            if self.training and process_count() > 1:
                classification, targets, auxiliary = self._losses_everywhere(logits, labels, auxiliary)
            else:
                classification, targets = self.task_loss(logits, labels)
            loss = self.total_loss(classification, alignment, self.config.alpha, auxiliary)
        return CLFAClassifierOutput(
            loss=loss,
            logits=logits,
            loss_classification=classification,
            loss_targets=targets,
            loss_text_alignment=alignment.get("text"),
            loss_image_alignment=alignment.get("image"),
            loss_auxiliary=auxiliary,
            text_embeds=students["text"],
            image_embeds=students["image"],
            pooler_output=output.pooler_output,
        )

    def _losses_everywhere(
        self, logits: torch.Tensor, labels: torch.Tensor, auxiliary: torch.Tensor | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None, torch.Tensor | None]:
        """Losses of the whole batch; a mean of the processes' own would weigh their samples unequally."""
        (all_logits,) = at_least_float32(logits)
        all_logits, all_labels = gather_rows(all_logits, labels)
        if self.config.baseline is not None:
            # Every process takes part, also one whose samples give the baseline nothing to learn from.
            own = logits.sum() * 0 if auxiliary is None else auxiliary
            auxiliary = total(own * (len(labels) / len(all_labels)))
        return *self.task_loss(all_logits, all_labels), auxiliary

    def _align(
        self,
        students: dict[str, torch.Tensor],
        guides: dict[str, torch.Tensor | None],
        present: dict[str, torch.Tensor | None],
        index: torch.Tensor | None,
    ) -> dict[str, torch.Tensor]:
        known = {name: embeds for name, embeds in guides.items() if embeds is not None}
        if not known and (self.aligner.needs_guide or not self.training):
            return {}
        bank = None
        if self.config.negatives == "bank" and self.guide_bank is not None and students:
            bank = self.guide_bank = self.guide_bank.to(next(iter(students.values())).device)
        has = {name: mask for name, mask in present.items() if mask is not None}
        losses: dict[str, torch.Tensor] = self.aligner(AlignmentInputs(students, known, has, bank, index))
        return losses

    def _logits(self, output: CLFAModelOutput) -> torch.Tensor:
        if not self.late:
            logits: torch.Tensor = self.classifier(self.dropout(output.pooler_output))
            return logits
        assert output.last_hidden_state is not None
        vectors = self.dropout(output.last_hidden_state).unbind(dim=1)
        each = torch.stack([head(vector) for head, vector in zip(self.classifiers, vectors, strict=False)], dim=1)
        return masked_mean(each, output.fused_mask)

    def total_loss(
        self,
        classification: torch.Tensor,
        alignment: dict[str, torch.Tensor],
        alpha: float,
        auxiliary: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """``alpha * sum(alignment) + beta * classification`` (CLFA, equation of the total loss), ``+ auxiliary``.

        Args:
            classification: Loss of the targets, scalar.
            alignment: Guided contrastive loss per modality, scalars.
            alpha: Weight of the alignment, which a schedule may move during training.
            auxiliary: A baseline's own loss, scalar and weighted already.

        Returns:
            Scalar.
        """
        total = self.config.beta * classification
        if alpha and alignment:
            total = total + alpha * torch.stack(list(alignment.values())).sum()
        return total if auxiliary is None else total + auxiliary


AutoModel.register(CLFAConfig, CLFAModel)
AutoProcessor.register(CLFAConfig, CLFAProcessor)
