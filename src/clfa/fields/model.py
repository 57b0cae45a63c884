"""What a model can be set to, in recipes and in saved configurations alike."""

# No `from __future__ import annotations` here: a configuration is checked against the types themselves.
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(init=False, repr=False, eq=False, kw_only=True)
class ModelFields:
    """Fields that ``ModelRecipe`` and ``CLFAConfig`` have in common: a new one is one line here.

    The defaults are the paper's (arXiv:2403.06355) as the authors' public code has them.

    Args:
        hidden_size: Width of the shared space (512 in the paper).
        projection_hidden_size: Inner width of the two projections (1536 in the paper).
        text_feature_dropout: Dropout on text features before their projection (none in the paper).
        image_feature_dropout: The same for image features.
        projection_layer_norm: LayerNorm on encoder features before the projections (none in the paper).
        image_grid_size: Average-pool a convolutional encoder's grid to so many cells a side before the projection;
            ``None`` keeps every cell. Not for encoders with patch tokens.
        fusion: Name in :data:`clfa.modeling.fusion.FUSIONS`.
        baseline: Name in :data:`clfa.modeling.baselines.BASELINES` of a model in the place of projections and fusion;
            ``None`` for CLFA itself.
        baseline_options: Options of that baseline.
        num_fusion_layers: Number of fusion layers (3 in the paper), in fusions that have layers.
        num_attention_heads: Heads of every attention in the fusion (8 in the paper).
        intermediate_size: Inner width of the feed-forward sub-layers (2048 in the paper).
        hidden_dropout_prob: Dropout on every sub-layer's output.
        attention_probs_dropout_prob: Dropout on attention weights.
        classifier_dropout: Dropout before the classifier.
        pooling: Name in :data:`clfa.modeling.pooling.POOLINGS`: ``mean`` (masked), ``cls`` ([CLS] through a tanh layer)
            or ``max`` (masked).
        use_knowledge: Whether the optional knowledge stream exists. It shares the text encoder and text projection.
        allow_missing_modalities: Whether a sample may lack its text or its image; a learnt token then stands for it.
        modality_dropout: Probability that a complete training sample loses one of the two.
        alpha: Weight of the two alignment losses (1 in the paper; 0 is the ablation).
        beta: Weight of the classification loss.
        alignment: Name in :data:`clfa.modeling.alignment.ALIGNMENTS`; ``guided`` is the paper's.
        negatives: ``batch`` as in the paper, or ``bank``: the guide embeddings of the whole training set.
        temperature: tau of the guided contrastive loss (0.1).
        label_smoothing: Label smoothing of the classification loss (none in the paper).
        focal_gamma: Focus of the loss of single- and multi-label targets on what is not yet classified well (Lin et al.
            2017; 2 there); 0, as in the paper, for none.
        freeze_text_encoder: ``False``, ``True`` (wholly) or the number of lower layers to freeze with the embeddings.
        freeze_vision_encoder: The same for the vision encoder.
    """

    hidden_size: Annotated[int, Field(ge=1)] = 512
    projection_hidden_size: Annotated[int, Field(ge=1)] = 1536
    text_feature_dropout: Share = 0.0
    image_feature_dropout: Share = 0.0
    projection_layer_norm: bool = False
    image_grid_size: Annotated[int | None, Field(ge=1)] = None
    fusion: str = "cross_attention"
    baseline: str | None = None
    baseline_options: dict[str, Any] | None = None
    num_fusion_layers: Annotated[int, Field(ge=0)] = 3
    num_attention_heads: Annotated[int, Field(ge=1)] = 8
    intermediate_size: Annotated[int, Field(ge=1)] = 2048
    hidden_dropout_prob: Share = 0.1
    attention_probs_dropout_prob: Share = 0.1
    classifier_dropout: Share = 0.1
    pooling: str = "mean"
    use_knowledge: bool = False
    allow_missing_modalities: bool = False
    modality_dropout: Share = 0.0
    alpha: Annotated[float, Field(ge=0)] = 1.0
    beta: Annotated[float, Field(ge=0)] = 1.0
    alignment: str = "guided"
    negatives: Literal["batch", "bank"] = "batch"
    temperature: Annotated[float, Field(gt=0)] = 0.1
    label_smoothing: Share = 0.0
    focal_gamma: Annotated[float, Field(ge=0)] = 0.0
    freeze_text_encoder: bool | int = False
    freeze_vision_encoder: bool | int = False
