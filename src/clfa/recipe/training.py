"""Training section of a recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from clfa.fields.lora import LoraRecipe
from clfa.fields.training import OptimizerFields, TrainingFields
from clfa.nearest import did_you_mean
from clfa.strict_model import StrictModel
from clfa.targets import CLASS_WEIGHTS


class _Amounts:
    epochs: float = Field(default=30, gt=0, le=1_000_000)
    batch_size: int = Field(default=8, ge=1, le=1_000_000)
    eval_batch_size: int = Field(default=64, ge=1, le=1_000_000)
    gradient_accumulation_steps: int = Field(default=1, ge=1, le=1_000_000)


class _Schedule:
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    lr_scheduler_type: Literal["linear", "cosine", "polynomial", "inverse_sqrt", "constant", "constant_with_warmup"] = (
        "linear"
    )


class TrainingRecipe(StrictModel, TrainingFields, _Schedule, OptimizerFields, _Amounts):
    """Training section of a recipe; includes the fields of :mod:`clfa.fields.training`.

    The defaults are those of the paper's scripts.

    Args:
        batch_size: Number of samples per batch, summed over all processes.
        eval_batch_size: Number of samples per forward pass of one process.
        gradient_accumulation_steps: Number of batches per optimiser step; their losses are averaged. The negatives of
            a sample are the other samples of its batch.
        class_weights: Weights of the classes in the loss, of the positives in a multi-label target: ``none``,
            ``balanced`` (by the training split's counts) or a mapping of classes to weights (others: 1). With several
            targets, a mapping of their names to any of these.
        tune_thresholds: Whether to choose, on the validation split, each multi-label class's probability threshold for
            the best F1, instead of 0.5.
        calibrate: Whether to fit, on the validation split after the training, a temperature for each target's
            probabilities and the thresholds of abstention and of prediction sets (docs/confidence.md).
        alignment_where: Condition on the labelled samples that take part where text and image are aligned with each
            other (``model.alignment`` ``both`` or ``students``), written as ``guide.where``; samples without a label
            then take no part. ``null`` for all samples.
        yardsticks: Whether to compute the plain baselines of :mod:`clfa.yardsticks` beside the model.
        blend: Whether to blend the network with the yardsticks (:mod:`clfa.runs.blend`), with weights fitted to the
            validation split.
        blend_agreement: Whether the agreement of text and image is a part of the blend, by a linear map that is fitted
            to the validation split, too. It needs a readout that compares them (``model.readout=relation``).
        time_limit: Seconds after which a training ends, at a whole epoch and after at least one; reading and encoding
            of the data count, the scoring at the end does not. Another network of ``members`` begins only if it is
            expected to end in time; the first one always. ``null`` for no limit.
        lora: Low-rank adapters of the encoders that are not frozen, which are trained in place of their own weights
            (:class:`clfa.fields.lora.LoraRecipe`); ``true`` for the default settings, ``null`` for none.
        report_to: Trackers of experiments that losses, scores and the recipe are reported to
            (:data:`clfa.training.trackers.TRACKERS`): ``tensorboard`` (into the run folder), ``mlflow``, ``wandb``.
            ``[]`` for none.
        members: Number of networks. With more than one, each holds out another fold of the training and validation
            data, and the weights of the blend are fitted to the predictions for held-out posts.
    """

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    num_workers: int = Field(default=0, ge=0, le=1024)
    cache_features: bool = True
    save_alignment: bool = False
    class_weights: str | dict[str, Any] = "none"
    tune_thresholds: bool = False
    calibrate: bool = True
    alignment_where: str | None = None
    yardsticks: bool = True
    blend: bool = False
    blend_agreement: bool = False
    members: int = Field(default=1, ge=1, le=20)
    time_limit: float | None = Field(default=None, gt=0, le=1e9)
    lora: LoraRecipe | None = None
    report_to: list[str] = Field(default_factory=lambda: ["tensorboard"])

    @field_validator("report_to", mode="before")
    @classmethod
    def _trackers(cls, value: Any) -> Any:
        if value is None or value == "none":
            return []
        return [value] if isinstance(value, str) else value

    @field_validator("report_to")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))

    @field_validator("lora", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @field_validator("class_weights", mode="before")
    @classmethod
    def _class_names(cls, value: Any) -> Any:
        # YAML reads class names such as 0 and 1 as numbers.
        if isinstance(value, dict):
            return {str(name): cls._class_names(weight) for name, weight in value.items()}
        return "none" if value is None else value

    @field_validator("class_weights")
    @classmethod
    def _known_scheme(cls, value: str | dict[str, Any]) -> str | dict[str, Any]:
        if isinstance(value, str) and value != "none" and value not in CLASS_WEIGHTS:
            names = CLASS_WEIGHTS.names()
            hint = did_you_mean(value, ["none", *names])
            raise ValueError(f"choose none, {', '.join(names)} or a mapping of classes to weights.{hint}")
        return value
