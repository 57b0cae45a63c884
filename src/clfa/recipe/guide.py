"""Guide section of a recipe."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clfa.strict_model import finite_values


class GuideRecipe(BaseModel):
    """Guide section of a recipe.

    Args:
        name: ``clip``, ``fitted``, ``conse`` or ``none``.
        where: Condition on the labelled pairs that the guide is fitted on and checked with, ``TARGET=CLASS`` or
            ``TARGET!=CLASS``, for instance ``label=match``; ``null`` for all. It does not concern unlabelled pairs.
        use_unlabelled: Whether to use the data's pairs without a label to fit a guide.
        pairs: Tables of further pairs to fit a guide on: files, folders of them or patterns. Labels in them are not
            read. Pairs with a text or an image of the validation or test split are left out.
        own_pairs: Whether to fit a guide on the pairs of the data; ``false`` for those of ``pairs`` alone.
        shuffle: Whether to permute the guide embeddings of the training samples, as a control experiment.

    Further keys are options of the guide, checked by it (``model`` of ``clip``; ``path``, ``dim``, ``epochs``, ... of
    ``fitted``; ``classifier`` and ``prompt`` of ``conse``).
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    name: str = "clip"
    where: str | None = None
    use_unlabelled: bool = True
    pairs: list[str] = Field(default_factory=list)
    own_pairs: bool = True
    shuffle: bool = False

    @field_validator("pairs", mode="before")
    @classmethod
    def _places(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _finite_options(self) -> GuideRecipe:
        finite_values(self.model_extra)
        return self

    @model_validator(mode="after")
    def _some_pairs(self) -> GuideRecipe:
        if not (self.own_pairs or self.pairs):
            raise ValueError("own_pairs=false leaves no pairs to fit a guide on; name tables of others in pairs")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options for the guide's class."""
        return dict(self.model_extra or {})
