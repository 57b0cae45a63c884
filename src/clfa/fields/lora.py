"""Settings of LoRA, as recipes declare them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from clfa.strict_model import StrictModel


class LoraRecipe(StrictModel):
    """Settings of low-rank adapters of the encoders (Hu et al. 2022, "LoRA", ICLR).

    The output of an adapted linear layer of weight W is ``W x + alpha / rank * B A x``. Only A and B are trained.

    Args:
        rank: Rank of the product B A.
        alpha: Factor of the adapters, before it is divided by ``rank``.
        dropout: Dropout of the adapters' inputs.
        target_modules: Names of linear layers, or the ends of their names; ``["all-linear"]`` for all of them. By
            default those that compute the queries and the values of attention, as in the paper.
    """

    rank: int = Field(default=8, ge=1, le=65_536)
    alpha: float = Field(default=16, gt=0, le=1e6)
    dropout: float = Field(default=0, ge=0, lt=1)
    target_modules: list[str] | None = Field(default=None, min_length=1)

    @field_validator("target_modules", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value
