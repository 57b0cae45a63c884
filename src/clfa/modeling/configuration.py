"""Configuration of a CLFA model: everything needed to rebuild it without its training run."""

# No `from __future__ import annotations` here: @strict checks values against the annotations and skips strings.
from collections.abc import Sequence
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from clfa.errors import DataError
from clfa.fields.check import check_fields, plain_types
from clfa.fields.model import ModelFields
from clfa.modeling.pooling import POOLINGS
from clfa.modeling.static_embeddings_config import StaticEmbeddingsConfig  # noqa: F401 - registers it
from clfa.nearest import did_you_mean
from clfa.packages.efficientnet_lite_config import EfficientNetLiteConfig  # noqa: F401 - registers it
from clfa.targets.calibration import Calibration
from clfa.targets.default_label import default_label, is_default_label
from clfa.targets.finite import is_finite_number
from clfa.targets.target import Target, from_dicts, output_names

_WIDEST = 1_000_000


@strict
@plain_types
class CLFAConfig(PreTrainedConfig, ModelFields):
    """Shape of a CLFA model. The defaults are the paper's (arXiv:2403.06355) as the authors' public code has them.

    Args:
        text_config: Configuration of the text encoder (any Transformers encoder), or ``None`` for an image-only model.
        vision_config: Configuration of the vision encoder, or ``None`` for a text-only model.
        hidden_act: Activation of the feed-forward sub-layers (``gelu`` is the erf form).
        layer_norm_eps: Epsilon of every LayerNorm in the fusion.
        guide_dim: Width of the guide's embeddings. ``None`` or equal to ``hidden_size``: students are compared with the
            guide directly, as in the paper. Otherwise one linear map per modality brings students to the guide's width.
        class_weights: Weight of each class in the loss, where there is the default label.
        label_types: Type of each class in the training table (``str``, ``int``, ``float``, ``bool``), where there is
            the default label; ``None`` if all are texts. Predictions have these types.
        calibration: Values fitted on held-out posts (:class:`clfa.targets.calibration.Calibration`), where there is the
            default label; ``None`` for a model whose probabilities are not calibrated.
        num_members: Number of networks whose outputs are blended. They share the encoders.
        wide: Whether a linear map of encoder features and terms is part of the blend.
        num_terms: Number of terms that the linear map reads.
        blended: Whether outputs are a blend (:class:`clfa.modeling.blend.Blend`).
        blend_agreement: Whether the agreement of text and image is a part of the blend.
        targets: What the model predicts, as :meth:`clfa.targets.target.Target.to_dict` has it; ``None`` for the one
            default label, whose classes are in ``id2label``. Given, they decide on ``id2label`` and ``problem_type``.
        further: Fields of :class:`clfa.fields.model.ModelFields`.

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
        "loss_students_alignment",
        "loss_auxiliary",
        "text_embeds",
        "image_embeds",
        "pooler_output",
        "agreement",
    ]

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    hidden_act: str = "gelu"
    layer_norm_eps: float | int = 1e-12
    guide_dim: int | None = None
    class_weights: list[float] | None = None
    label_types: list[str] | None = None
    calibration: dict[str, Any] | None = None
    num_members: int = 1
    wide: bool = False
    num_terms: int = 0
    blended: bool = False
    blend_agreement: bool = False
    targets: list[dict[str, Any]] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_fields(self, ModelFields)
        if self.pooling not in POOLINGS:
            hint = did_you_mean(self.pooling, POOLINGS.names())
            raise ValueError(f"pooling is {self.pooling!r}; choose one of {', '.join(POOLINGS.names())}.{hint}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}."
            )
        if self.use_knowledge and self.text_config is None:
            raise ValueError("use_knowledge needs a text encoder: knowledge is text.")
        if self.num_members < 1 or self.num_terms < 0:
            raise ValueError(f"num_members is {self.num_members}, num_terms {self.num_terms}; 1 and 0 are the least.")
        if not self.blended and (self.num_members > 1 or self.wide or self.blend_agreement):
            raise ValueError("several members, wide and blend_agreement need blended=true.")
        if self.num_terms and not self.wide:
            raise ValueError("num_terms needs wide=true.")
        if not (is_finite_number(self.layer_norm_eps) and 0 <= self.layer_norm_eps <= 1):
            raise ValueError(f"layer_norm_eps is {self.layer_norm_eps!r}; it must be a number from 0 to 1.")
        if self.guide_dim is not None and not 1 <= self.guide_dim <= _WIDEST:
            raise ValueError(f"guide_dim is {self.guide_dim!r}; it must be a number from 1 to {_WIDEST:,}.")
        if self.targets is not None:
            self._take_targets()
            return
        if not all(map(is_finite_number, self.class_weights or ())):
            raise ValueError(f"class_weights are {self.class_weights}; they must be finite numbers.")
        for name in ("class_weights", "label_types"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.label_names):
                raise ValueError(f"{name} has {len(values)} values, id2label {len(self.label_names)}.")
        if self.calibration is not None:
            try:
                Calibration(**self.calibration)
            except (TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"calibration: {error}.") from error

    def _take_targets(self) -> None:
        try:
            targets = self.target_list
        except DataError as error:
            raise ValueError(str(error)) from error
        if not targets:
            raise ValueError("targets is empty; leave it out for the default label.")
        if is_default_label(targets):
            self.targets = None
            weights, types = targets[0].class_weights, targets[0].label_types
            self.class_weights = None if weights is None else list(weights)
            self.label_types = None if types is None else list(types)
            found = targets[0].calibration
            self.calibration = None if found is None else found.to_dict()
        names = output_names(targets)
        self.id2label = dict(enumerate(names))
        self.label2id = {name: index for index, name in enumerate(names)}
        alone = len(targets) == 1 and self.targets is not None
        self.problem_type = targets[0].kind.transformers_name if alone else None  # type: ignore[assignment]

    def take_fitted(self, targets: Sequence[Target]) -> None:
        """Take the values of targets that were fitted after the training: thresholds and calibrations.

        Args:
            targets: The targets of :attr:`target_list` with these values.
        """
        if self.targets is None:
            found = targets[0].calibration
            self.calibration = None if found is None else found.to_dict()
        else:
            self.targets = [target.to_dict() for target in targets]

    @property
    def target_list(self) -> list[Target]:
        """What the model predicts, one target at least."""
        if self.targets is None:
            return [default_label(self.label_names, self.class_weights, self.label_types, self.calibration)]
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
