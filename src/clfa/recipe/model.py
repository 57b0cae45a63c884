"""Model section of a recipe."""

from __future__ import annotations

from pydantic import Field, model_validator

from clfa.fields.model import ModelFields
from clfa.strict_model import Options, StrictModel


class _EncoderFields:
    text_encoder: str | None = "google-bert/bert-base-uncased"
    vision_encoder: str | None = "google/vit-base-patch32-224-in21k"
    max_length: int = Field(default=77, ge=4, le=8192)
    knowledge_max_length: int = Field(default=66, ge=4, le=8192)


# Fields stand in a saved recipe in the order of the bases, the last one first.
class ModelRecipe(StrictModel, ModelFields, _EncoderFields):
    """Model section of a recipe: encoders, lengths, and the fields of :class:`clfa.fields.model.ModelFields`."""

    baseline_options: Options = Field(default_factory=dict)
    readout_options: Options = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible(self) -> ModelRecipe:
        if self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {heads}")
        if self.text_encoder is None and self.vision_encoder is None:
            raise ValueError("text_encoder and vision_encoder are both null; a model needs one of them")
        if self.negatives == "bank" and self.alignment == "students":
            raise ValueError("negatives=bank holds guide embeddings; alignment=students uses none")
        if self.modality_dropout and not self.allow_missing_modalities:
            raise ValueError("modality_dropout needs allow_missing_modalities=true")
        if self.use_knowledge and self.text_encoder is None:
            raise ValueError("use_knowledge needs a text encoder: knowledge is text")
        return self

    @property
    def frozen(self) -> bool:
        """Whether no encoder is trained."""
        return (self.text_encoder is None or self.freeze_text_encoder is True) and (
            self.vision_encoder is None or self.freeze_vision_encoder is True
        )
