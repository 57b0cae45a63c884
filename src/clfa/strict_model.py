"""The pydantic base of configuration sections: unknown keys are errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A section of a configuration that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")
