"""The complete configuration of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator, model_validator

from clfa.fields.space import Space, as_space
from clfa.files import atomic_write
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.recipe.data import DataRecipe
from clfa.recipe.guide import GuideRecipe
from clfa.recipe.model import ModelRecipe
from clfa.recipe.training import TrainingRecipe
from clfa.strict_model import StrictModel
from clfa.targets.spec import problem_types_with


class Recipe(StrictModel):
    """Complete configuration of a run.

    Args:
        name: Name of the run.
        description: Free text.
        seed: Seed of all random numbers.
        data: Data section.
        model: Model section.
        knowledge: Knowledge section, for a model with ``use_knowledge``.
        guide: Guide section.
        training: Training section.
        tune: Settings that `clfa tune` searches: by key (``training.learning_rate``) a list of choices, or a
            :class:`clfa.fields.space.Range`. Trainings do not read it.
    """

    name: str
    description: str = ""
    seed: int = Field(default=2022, ge=0, lt=2**32)
    data: DataRecipe = Field(default_factory=DataRecipe)
    model: ModelRecipe = Field(default_factory=ModelRecipe)
    knowledge: KnowledgeRecipe = Field(default_factory=KnowledgeRecipe)
    guide: GuideRecipe = Field(default_factory=GuideRecipe)
    training: TrainingRecipe = Field(default_factory=TrainingRecipe)
    tune: Space = Field(default_factory=dict)

    @field_validator("tune", mode="before")
    @classmethod
    def _space(cls, value: Any) -> Any:
        return as_space(value)

    @model_validator(mode="after")
    def _thresholds(self) -> Recipe:
        kinds = {spec.problem_type for spec in self.data.target_specs.values()}
        tunable = problem_types_with("has_thresholds")
        if self.training.tune_thresholds and not kinds & set(tunable):
            raise ValueError(
                f"training.tune_thresholds needs a {' or '.join(tunable)} target; the data section has none"
            )
        return self

    @model_validator(mode="after")
    def _blend(self) -> Recipe:
        model, training = self.model, self.training
        if training.members > 1 and not training.blend:
            raise ValueError("training.members above 1 needs training.blend=true")
        if training.blend and not (model.frozen and training.yardsticks):
            raise ValueError(
                "training.blend needs training.yardsticks=true and frozen encoders (model.freeze_text_encoder=true, "
                "model.freeze_vision_encoder=true)"
            )
        if training.blend_agreement and (not training.blend or model.readout == "pooled"):
            raise ValueError("training.blend_agreement needs training.blend=true and model.readout=relation")
        return self

    @model_validator(mode="after")
    def _lora(self) -> Recipe:
        if self.training.lora is None:
            return self
        if self.model.frozen:
            raise ValueError(
                "training.lora adapts encoders that are trained, and all of them are frozen: set "
                "model.freeze_text_encoder=false or model.freeze_vision_encoder=false"
            )
        for name in ("freeze_text_encoder", "freeze_vision_encoder"):
            extent = getattr(self.model, name)
            if not isinstance(extent, bool):
                raise ValueError(
                    f"training.lora freezes an encoder's own weights in all layers, so that model.{name}={extent} has "
                    "no meaning; set it to false for adapters, to true for none"
                )
        return self

    @model_validator(mode="after")
    def _unlabelled(self) -> Recipe:
        model = self.model
        one_modality = model.text_encoder is None or model.vision_encoder is None
        no_guide = self.guide.name == "none" and model.alignment != "students"
        if self.training.unlabelled_share and (not model.alpha or one_modality or model.baseline or no_guide):
            raise ValueError(
                "training.unlabelled_share needs the alignment loss: model.alpha above 0, both encoders, a guide and "
                "no baseline"
            )
        if self.training.unlabelled_share and self.training.alignment_where and model.alignment == "students":
            raise ValueError(
                "training.alignment_where selects labelled posts, so that those of training.unlabelled_share take no "
                "part in model.alignment=students; use model.alignment=both, or set one of them to null or 0"
            )
        return self

    @model_validator(mode="after")
    def _both(self) -> Recipe:
        if self.model.alignment == "both" and not (self.model.alpha and self.guide.name != "none"):
            raise ValueError(
                "model.alignment=both needs a guide: model.alpha above 0 and a guide.name; use "
                "model.alignment=students to align text and image without a guide, guided for no alignment"
            )
        return self

    @property
    def aligned(self) -> bool:
        """Whether the run has an alignment loss: alpha 0 gives it no effect, one modality alone has nothing to align,
        and baselines know no alignment.
        """
        both = self.model.text_encoder is not None and self.model.vision_encoder is not None
        return self.model.alpha > 0 and both and self.model.baseline is None

    @property
    def guided(self) -> bool:
        """Whether the run uses a guide in its alignment loss."""
        return self.guide.name != "none" and self.aligned

    def save(self, path: Path) -> None:
        """Write as YAML, atomically; ``load_recipe`` reads it back."""
        with atomic_write(path) as file:
            yaml.safe_dump(self.model_dump(), file, sort_keys=False, allow_unicode=True)
