"""Configuration of a CLFA model: everything needed to rebuild it without its training run."""

# No `from __future__ import annotations` here: @strict checks values against the annotations and skips strings.
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from clfa.errors import DataError
from clfa.modeling.pooling import POOLINGS
from clfa.targets.default_label import default_label, is_default_label
from clfa.targets.target import Target, from_dicts, output_names

NEGATIVES = ("batch", "bank")


@strict
class CLFAConfig(PreTrainedConfig):
    """Shape of a CLFA model. The defaults are the paper's (arXiv:2403.06355) as the authors' public code has them.

    Args:
        text_config: Configuration of the text encoder (any Transformers encoder), or ``None`` for an image-only model.
        vision_config: Configuration of the vision encoder, or ``None`` for a text-only model.
        hidden_size: Width of the shared space (512 in the paper).
        projection_hidden_size: Inner width of the two projections (1536 in the paper).
        text_feature_dropout: Dropout on text features before their projection (none in the paper).
        image_feature_dropout: The same for image features.
        projection_layer_norm: LayerNorm on encoder features before the projections (none in the paper).
        image_grid_size: Cells per side to which a convolutional encoder's grid is average-pooled before the projection;
            ``None`` keeps every cell. Not for encoders with patch tokens.
        fusion: Name in :data:`clfa.modeling.fusion.FUSIONS`.
        baseline: Name in :data:`clfa.modeling.baselines.BASELINES` of a model that replaces projections and fusion;
            ``None`` for CLFA itself.
        baseline_options: Options of that baseline.
        num_fusion_layers: Number of fusion layers (3 in the paper), in fusions that have layers.
        num_attention_heads: Heads of every attention in the fusion (8 in the paper).
        intermediate_size: Inner width of the feed-forward sub-layers (2048 in the paper).
        hidden_act: Activation of the feed-forward sub-layers (``gelu`` is the erf form).
        layer_norm_eps: Epsilon of every LayerNorm in the fusion.
        hidden_dropout_prob: Dropout on every sub-layer's output.
        attention_probs_dropout_prob: Dropout on attention weights.
        classifier_dropout: Dropout before the classifier.
        pooling: Name in :data:`clfa.modeling.pooling.POOLINGS`: ``mean`` (masked), ``cls`` ([CLS] through a tanh layer)
            or ``max`` (masked).
        use_knowledge: Whether the optional knowledge stream exists. It shares the text encoder and text projection.
        allow_missing_modalities: Whether a sample may lack its text or its image; a learnt token then replaces it.
        modality_dropout: Probability that a complete training sample loses one of the two.
        guide_dim: Width of the guide's embeddings. ``None`` or equal to ``hidden_size``: students are compared with the
            guide directly, as in the paper. Otherwise one linear map per modality brings students to the guide's width.
        alpha: Weight of the two alignment losses (1 in the paper; 0 is the ablation).
        beta: Weight of the classification loss.
        alignment: Name in :data:`clfa.modeling.alignment.ALIGNMENTS`; ``guided`` is the paper's.
        negatives: ``batch`` as in the paper, or ``bank``: the guide embeddings of the whole training set.
        temperature: tau of the guided contrastive loss (0.1).
        label_smoothing: Label smoothing of the classification loss (none in the paper).
        focal_gamma: Gamma of the focal loss of single- and multi-label targets (Lin et al. 2017, who use 2); 0, as in
            the paper, for no focal loss.
        class_weights: Weight of each class in the loss, where there is the default label.
        targets: What the model predicts, as :meth:`clfa.targets.target.Target.to_dict` has it; ``None`` for the one
            default label, whose classes are in ``id2label``. Given, they decide on ``id2label`` and ``problem_type``.
        freeze_text_encoder: ``False``, ``True`` (all) or the number of lower layers to freeze with the embeddings.
        freeze_vision_encoder: The same for the vision encoder.

    Raises:
        ValueError: When neither encoder is given, or a value is out of range.

    Example:
        >>> from transformers import BertConfig, ViTConfig
        >>> config = CLFAConfig(text_config=BertConfig().to_dict(), vision_config=ViTConfig(patch_size=32).to_dict())
        >>> config.hidden_size, config.num_fusion_layers
        (512, 3)
    """

    model_type = "clfa"
    sub_configs_defaults = {  # noqa: RUF012 - read by Transformers as a class attribute
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="bert", optional=True),
        "vision_config": SubConfigSpec(config_class=AutoConfig, model_type="vit", optional=True),
    }

    # The Trainer gathers what is left, the logits, over an evaluation.
    keys_to_ignore_at_inference = [  # noqa: RUF012 - read by Transformers as a class attribute
        "loss_classification",
        "loss_targets",
        "loss_text_alignment",
        "loss_image_alignment",
        "loss_auxiliary",
        "text_embeds",
        "image_embeds",
        "pooler_output",
    ]

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    hidden_size: int = 512
    projection_hidden_size: int = 1536
    text_feature_dropout: float | int = 0.0
    image_feature_dropout: float | int = 0.0
    projection_layer_norm: bool = False
    image_grid_size: int | None = None
    fusion: str = "cross_attention"
    baseline: str | None = None
    baseline_options: dict[str, Any] | None = None
    num_fusion_layers: int = 3
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    hidden_act: str = "gelu"
    layer_norm_eps: float | int = 1e-12
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    classifier_dropout: float | int = 0.1
    pooling: str = "mean"
    use_knowledge: bool = False
    allow_missing_modalities: bool = False
    modality_dropout: float | int = 0.0
    guide_dim: int | None = None
    alpha: float | int = 1.0
    beta: float | int = 1.0
    alignment: str = "guided"
    negatives: str = "batch"
    temperature: float | int = 0.1
    label_smoothing: float | int = 0.0
    focal_gamma: float | int = 0.0
    class_weights: list[float] | None = None
    targets: list[dict[str, Any]] | None = None
    freeze_text_encoder: bool | int = False
    freeze_vision_encoder: bool | int = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling is {self.pooling!r}; choose one of {', '.join(POOLINGS.names())}.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}."
            )
        if self.negatives not in NEGATIVES:
            raise ValueError(f"negatives is {self.negatives!r}; choose one of {', '.join(NEGATIVES)}.")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0.")
        if self.use_knowledge and self.text_config is None:
            raise ValueError("use_knowledge needs a text encoder: knowledge is text.")
        if self.focal_gamma < 0:
            raise ValueError(f"focal_gamma is {self.focal_gamma}; it must not be negative.")
        if self.targets is not None:
            self._take_targets()
        elif self.class_weights is not None and len(self.class_weights) != len(self.label_names):
            raise ValueError(f"class_weights has {len(self.class_weights)} values, id2label {len(self.label_names)}.")

    def _take_targets(self) -> None:
        try:
            targets = self.target_list
        except DataError as error:
            raise ValueError(str(error)) from error
        if not targets:
            raise ValueError("targets is empty; leave it out for the default label.")
        if is_default_label(targets):
            self.targets = None
            weights = targets[0].class_weights
            self.class_weights = None if weights is None else list(weights)
        names = output_names(targets)
        self.id2label = dict(enumerate(names))
        self.label2id = {name: index for index, name in enumerate(names)}
        alone = len(targets) == 1 and self.targets is not None
        self.problem_type = targets[0].kind.transformers_name if alone else None  # type: ignore[assignment]

    @property
    def target_list(self) -> list[Target]:
        """What the model predicts, one target at least."""
        if self.targets is None:
            return [default_label(self.label_names, self.class_weights)]
        return from_dicts(self.targets)

    @property
    def label_names(self) -> list[str]:
        """A name for every output: the default label's classes, else :func:`clfa.targets.target.output_names`."""
        names: Any = self.id2label or {}
        return [names[index] for index in range(len(names))]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities the model reads, of ``("text", "image")``."""
        return tuple(
            name for name, config in (("text", self.text_config), ("image", self.vision_config)) if config is not None
        )


AutoConfig.register("clfa", CLFAConfig)
