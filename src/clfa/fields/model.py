"""Model settings shared by recipes and saved configurations."""

# No `from __future__ import annotations` here: the check of a configuration needs evaluated types.
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

Share = Annotated[float, Field(ge=0, lt=1)]
# Upper bounds are far above useful values; they exclude typing errors that end in divergence or a lack of memory.
Width = Annotated[int, Field(ge=1, le=65_536)]
Weight = Annotated[float, Field(ge=0, le=1e4)]


@dataclass(init=False, repr=False, eq=False, kw_only=True)
class ModelFields:
    """Fields shared by ``ModelRecipe`` and ``CLFAConfig``. Add a new field here only.

    The defaults are those of the paper (arXiv:2403.06355), as set in the authors' public code.

    Args:
        hidden_size: Dimension of the shared embedding space (512 in the paper).
        projection_hidden_size: Hidden dimension of the two projections (1536 in the paper).
        text_feature_dropout: Dropout probability of text features before the projection (0 in the paper).
        image_feature_dropout: Dropout probability of image features before the projection (0 in the paper).
        projection_layer_norm: Whether to apply LayerNorm to encoder features before the projections (not in the paper).
        image_grid_size: Side length, in cells, to which the feature grid of a convolutional encoder is average-pooled
            before the projection; ``None`` disables pooling. Not available for encoders with patch tokens.
        fusion: Name in :data:`clfa.modeling.fusion.FUSIONS`.
        baseline: Name in :data:`clfa.modeling.baselines.BASELINES` of a model that replaces projections and fusion;
            ``None`` for CLFA.
        baseline_options: Options of the baseline.
        num_fusion_layers: Number of fusion layers (3 in the paper), for fusions with layers.
        num_attention_heads: Number of heads of each attention in the fusion (8 in the paper).
        intermediate_size: Hidden dimension of the feed-forward sub-layers (2048 in the paper).
        hidden_dropout_prob: Dropout probability of the output of each sub-layer.
        attention_probs_dropout_prob: Dropout probability of attention weights.
        classifier_dropout: Dropout probability before the classifier.
        pooling: Name in :data:`clfa.modeling.pooling.POOLINGS`: ``mean`` (masked), ``cls`` ([CLS] through a tanh layer)
            or ``max`` (masked).
        readout: Name in :data:`clfa.modeling.readout.READOUTS`: ``pooled`` (the classifier alone, as in the paper) or
            ``relation`` (the classifier, and how the aligned text and image agree).
        readout_options: Options of the readout.
        use_knowledge: Whether to use the knowledge stream, which shares the text encoder and text projection.
        allow_missing_modalities: Whether samples may have no text or no image; a learned token replaces the missing
            one.
        modality_dropout: Probability of removing the text or the image of a complete training sample.
        alpha: Weight of the two alignment losses (1 in the paper, 0 in its ablation).
        students_weight: Weight of the contrastive loss between the two students in ``alignment="both"``.
        beta: Weight of the classification loss.
        alignment: Name in :data:`clfa.modeling.alignment.ALIGNMENTS`; ``guided`` in the paper.
        negatives: Source of negatives: ``batch`` (as in the paper) or ``bank`` (guide embeddings of the whole training
            set).
        temperature: Temperature tau of the contrastive losses (0.1).
        label_smoothing: Label smoothing of the classification loss (0 in the paper).
        focal_gamma: Focusing parameter gamma of the focal loss (Lin et al. 2017, who use 2), for single- and
            multi-label targets; 0 (as in the paper) gives the cross-entropy loss.
        freeze_text_encoder: ``False``, ``True`` (all layers), or the number of lower layers to freeze together with the
            embeddings.
        freeze_vision_encoder: The same for the vision encoder.
    """

    hidden_size: Width = 512
    projection_hidden_size: Width = 1536
    text_feature_dropout: Share = 0.0
    image_feature_dropout: Share = 0.0
    projection_layer_norm: bool = False
    image_grid_size: Annotated[int | None, Field(ge=1, le=1024)] = None
    fusion: str = "cross_attention"
    baseline: str | None = None
    baseline_options: dict[str, Any] | None = None
    num_fusion_layers: Annotated[int, Field(ge=0, le=1024)] = 3
    num_attention_heads: Annotated[int, Field(ge=1, le=1024)] = 8
    intermediate_size: Width = 2048
    hidden_dropout_prob: Share = 0.1
    attention_probs_dropout_prob: Share = 0.1
    classifier_dropout: Share = 0.1
    pooling: str = "mean"
    readout: str = "pooled"
    readout_options: dict[str, Any] | None = None
    use_knowledge: bool = False
    allow_missing_modalities: bool = False
    modality_dropout: Share = 0.0
    alpha: Weight = 1.0
    students_weight: Weight = 1.0
    beta: Weight = 1.0
    alignment: str = "guided"
    negatives: Literal["batch", "bank"] = "batch"
    temperature: Annotated[float, Field(ge=1e-4, le=1e4)] = 0.1
    label_smoothing: Share = 0.0
    focal_gamma: Annotated[float, Field(ge=0, le=100)] = 0.0
    freeze_text_encoder: bool | int = False
    freeze_vision_encoder: bool | int = False
