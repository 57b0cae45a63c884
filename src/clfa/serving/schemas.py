"""Requests and answers, as the OpenAPI page shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# A grey square of 8 x 8 pixels as PNG.
EXAMPLE_PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII="
POST_EXAMPLE: dict[str, Any] = {"id": "p1", "text": "best monday ever", "image": EXAMPLE_PICTURE}
BATCH_EXAMPLE: dict[str, Any] = {"posts": [POST_EXAMPLE]}
_TARGET = {"prediction": "sarcastic", "probabilities": {"sarcastic": 0.93, "sincere": 0.07}, "confidence": 0.93}
_ANSWER = {"id": "p1", "targets": {"label": _TARGET}}


def _example(value: dict[str, Any]) -> dict[str, Any]:
    return {"examples": [value]}


Base64 = Annotated[str, Field(description="A picture's bytes in base64; no path, no address.", min_length=1)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PostIn(_Closed):
    """A post: its text, its picture or pictures, or both, as the model needs."""

    id: Annotated[str, Field(max_length=200)] | int | None = Field(
        default=None, description="Comes back in the answer."
    )
    text: str | None = Field(default=None, description="Text of the post.")
    image: Base64 | list[Base64] | None = Field(default=None, description="One picture, or a list of several.")
    knowledge: str | None = Field(default=None, description="Text about the picture, for models that read it.")


class OnePost(PostIn):
    """A request with one post."""

    model_config = ConfigDict(json_schema_extra=_example(POST_EXAMPLE))

    explain: bool = Field(default=False, description="Whether to explain the answer, where the model can.")


class Batch(_Closed):
    """A request with several posts."""

    model_config = ConfigDict(json_schema_extra=_example(BATCH_EXAMPLE))

    posts: Annotated[list[PostIn], Field(min_length=1)]
    explain: bool = Field(default=False, description="Whether to explain the answers, where the model can.")


class FormPost(_Closed):
    """A post in the field ``posts`` of a form, whose pictures are files of the same form."""

    id: Annotated[str, Field(max_length=200)] | int | None = None
    text: str | None = None
    image: str | list[str] | None = Field(default=None, description="Names of files in this form.")
    knowledge: str | None = None


class TargetOut(BaseModel):
    """The answer for one target."""

    prediction: Any = Field(description="A class, a list of classes, or a number.")
    probabilities: dict[str, float] | None = Field(default=None, description="By class; none for a number.")
    confidence: float | None = Field(
        default=None, description="Probability of the predicted class, where it is one class."
    )


class Ablation(BaseModel):
    """The answer when a part of the post is left out."""

    targets: dict[str, TargetOut]


class WordOut(BaseModel):
    """A piece of the text and how much it speaks for the answer (positive) or against it."""

    text: str
    score: float


class RegionsOut(BaseModel):
    """A grid over the picture as the model sees it: how much each cell speaks for the answer."""

    scores: list[list[float]] = Field(description="Rows from the top, each from the left.")


class WithoutOut(BaseModel):
    """The answer when something else stands in the place of a part."""

    prediction: Any
    score: float = Field(description="Probability of the explained class then, or the number.")
    how: str = Field(description="`withheld`, or what stood in its place.")


class ExplanationOut(BaseModel):
    """What decided the answer."""

    target: str = Field(description="The target that is explained.")
    label: str | None = Field(default=None, description="The class that the scores speak for.")
    method: str = Field(description="How the scores were computed.")
    words: list[WordOut] | None = None
    regions: RegionsOut | None = None
    without: dict[str, WithoutOut] | None = Field(default=None, description="By part: `image`, `text`.")


class Problem(BaseModel):
    """Why there is no answer."""

    code: str
    message: str
    field: str | None = None


class PostOut(BaseModel):
    """The answer for one post, or the reason why there is none."""

    id: str | int | None = None
    targets: dict[str, TargetOut] | None = None
    agreement: float | None = Field(
        default=None, description="How well text and picture agree, from -1 to 1; only of models that compare them."
    )
    without: dict[str, Ablation] | None = Field(
        default=None,
        description="With explain, of models that allow a missing part: the answers without `image` and `text`.",
    )
    explanation: ExplanationOut | None = None
    error: Problem | None = None


class OneAnswer(PostOut):
    """Answer to a request with one post."""

    model_config = ConfigDict(json_schema_extra=_example({"model": "6b1c", **_ANSWER}))

    model: str = Field(description="Digest of the model that answered.")


class BatchAnswer(BaseModel):
    """Answers to a request with several posts, in their order."""

    model_config = ConfigDict(json_schema_extra=_example({"model": "6b1c", "posts": [_ANSWER]}))

    model: str = Field(description="Digest of the model that answered.")
    posts: list[PostOut]


class ErrorAnswer(BaseModel):
    """The shape of every error."""

    error: Problem


class TargetInfo(BaseModel):
    """A target of the model."""

    name: str
    problem_type: str
    classes: list[str]
    calibrated: bool = Field(description="Whether the probabilities were calibrated on held-out posts.")


class ModelInfo(BaseModel):
    """What is served, and its bounds."""

    name: str
    model: str = Field(description="Digest of the model.")
    version: str = Field(description="Version of clfa.")
    targets: list[TargetInfo]
    reads: list[str] = Field(description="`text`, `image`, `knowledge`.")
    may_lack: bool = Field(description="Whether a post may lack its text or its picture.")
    agreement: bool = Field(description="Whether answers have the agreement of text and picture.")
    explains: bool = Field(description="Whether answers can have words and regions.")
    limits: dict[str, int]
