"""Recipe: the complete configuration of a run, read from YAML with ``key=value`` overrides and validated."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clfa.errors import RecipeError
from clfa.fields.lora import LoraRecipe
from clfa.fields.model import ModelFields
from clfa.fields.space import Space, as_space
from clfa.fields.training import OptimizerFields, TrainingFields
from clfa.files import atomic_write
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.nearest import did_you_mean, path_hint, suggestion
from clfa.strict_model import Options, StrictModel, finite_values, problem_text
from clfa.tables.access import Access
from clfa.tables.pictures import MAX_IMAGES
from clfa.targets import CLASS_WEIGHTS
from clfa.targets.fields import LABEL, SINGLE_LABEL
from clfa.targets.spec import ProblemTypeName, TargetSpec, problem_types_with
from clfa.yaml_text import parse_yaml

# Upper bound of numbers of samples.
_MANY = 10**12


class DataRecipe(StrictModel):
    """Data section of a recipe.

    Args:
        reader: Name of a reader: ``clfa data readers`` lists them.
        dir: Data directory, file or hub id; usually given on the command line.
        fold: Number of a published fold, if the data set has folds.
        limit: Maximum number of samples per split (stratified), for quick trials.
        train_limit: Maximum number of training samples (stratified); the other splits and unlabelled pairs stay whole.
        labelled_limit: Maximum number of training samples that keep their labels (stratified); the others become
            unlabelled pairs. With the same number and seed, they are the samples that ``train_limit`` keeps.
        unlabelled: Tables of further posts without labels, one file or a list; their columns are found like those of
            the table reader, with the column names in ``options``. A label column is not read.
        max_images: Largest number of images per sample; further ones are ignored and counted.
        allow_urls: Addresses that rows may name as pictures: ``true``, or a list of schemes such as ``[https, s3]``,
            with ``private`` among them for private hosts; see :class:`clfa.tables.access.Access`. By default none.
        allow_outside: Whether rows may name local pictures outside their folder of pictures.
        options: Further options of the reader, such as column names.
        problem_type: Problem type of the default label: a name in :data:`clfa.targets.PROBLEM_TYPES`.
        targets: One or more named targets that replace the default label, as :class:`clfa.targets.spec.TargetSpec` by
            name.
    """

    reader: str = "table"
    dir: str | None = None
    fold: int | None = Field(default=None, ge=1, le=1_000_000)
    limit: int | None = Field(default=None, ge=1, le=_MANY)
    train_limit: int | None = Field(default=None, ge=1, le=_MANY)
    labelled_limit: int | None = Field(default=None, ge=1, le=_MANY)
    unlabelled: list[str] = Field(default_factory=list)
    max_images: int = Field(default=MAX_IMAGES, ge=1, le=10_000)
    allow_urls: bool | list[str] = False
    allow_outside: bool = False
    options: Options = Field(default_factory=dict)
    problem_type: ProblemTypeName = SINGLE_LABEL
    targets: dict[str, TargetSpec] = Field(default_factory=dict)

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("allow_urls", mode="before")
    @classmethod
    def _schemes(cls, value: Any) -> Any:
        if isinstance(value, (bool, str)) or (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            try:
                schemes = Access.of(value).urls
            except RecipeError as error:
                raise ValueError(str(error)) from None
            return list(schemes) if isinstance(schemes, tuple) else schemes
        return value

    @model_validator(mode="after")
    def _one_way(self) -> DataRecipe:
        if self.targets and self.problem_type != SINGLE_LABEL:
            raise ValueError("problem_type is that of the default label; with targets, give each its own problem_type")
        if "targets" in self.options:
            raise ValueError("targets stand under data.targets, not under data.options")
        return self

    @property
    def access(self) -> Access:
        """What rows may open."""
        return Access.of(self.allow_urls, self.allow_outside)

    def with_access(self, access: Access) -> DataRecipe:
        """Return the section with other permissions of rows."""
        urls = access.urls if isinstance(access.urls, bool) else list(access.urls)
        return self.model_copy(update={"allow_urls": urls, "allow_outside": access.outside})

    @property
    def target_specs(self) -> dict[str, TargetSpec]:
        """The targets, the default label of another ``problem_type`` among them; empty for the default task."""
        if self.targets or self.problem_type == SINGLE_LABEL:
            return self.targets
        column, classes = self.options.get("label"), self.options.get("label_names")
        return {LABEL: TargetSpec(problem_type=self.problem_type, column=column, label_names=classes)}


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


def recipe_dir() -> Path:
    """Folder of the recipes that come with the package."""
    return Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in recipe_dir().glob("*.yaml"))


def load_recipe(source: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate a recipe.

    Args:
        source: A YAML file, or the name of a recipe that comes with the package.
        overrides: ``section.key=value`` each, the value as YAML: ``model.alpha=0``, ``data.options.text=tweet``,
            ``model.vision_encoder=null``.

    Raises:
        RecipeError: If the recipe does not exist, is not YAML, or has an invalid key or value; the message names the
            key and the most similar valid key.
    """
    if isinstance(overrides, (str, Mapping)):
        kind = type(overrides).__name__
        raise RecipeError(f"overrides is a list of texts, such as ['training.epochs=1']; got one of type {kind}.")
    path = Path(source)
    if not path.is_file():
        known = recipe_dir() / f"{path.name.removesuffix('.yaml')}.yaml"
        if not known.is_file():
            hint = did_you_mean(path.name.removesuffix(".yaml"), recipe_names()) or path_hint(path)
            raise RecipeError(
                f"no recipe {str(source)!r}; give a YAML file or one of: {', '.join(recipe_names())}.{hint}"
            )
        path = known
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path} is not a recipe; its top level needs the keys {', '.join(Recipe.model_fields)}.")
    content.setdefault("name", path.stem)
    for override in overrides:
        _apply(content, override)
    where = f"recipe {path.stem}" if path.parent == recipe_dir() else str(path)
    return validate_recipe(content, where, overrides)


def validate_recipe(content: dict[str, Any], where: str = "recipe", overrides: Sequence[str] = ()) -> Recipe:
    """Validate a mapping.

    Args:
        content: As read from YAML.
        where: Named in messages.
        overrides: The overrides in it; one that is wrong is named in place of ``where``.

    Raises:
        RecipeError: Listing every wrong key and value.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        places: dict[str, list[str]] = {}
        for problem in error.errors():
            places.setdefault(_place(problem, overrides) or where, []).append(_explain(problem))
        problems = [f"{place}: {'; '.join(found)}" for place, found in places.items()]
        raise RecipeError("; ".join(problems)) from error
    except RecursionError as error:
        raise RecipeError(f"{where}: a value contains itself, or lies in too many others; write it out.") from error


def validate_knowledge(content: dict[str, Any], where: str) -> KnowledgeRecipe:
    """Validate a ``knowledge`` section by itself.

    Args:
        content: Its keys.
        where: Named in messages.

    Raises:
        RecipeError: Listing every wrong key and value.
    """
    return validate_recipe({"name": "knowledge", "knowledge": content}, where).knowledge


def _apply(content: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"override {override!r} is not of the form section.key=value, for instance model.alpha=0.")
    *parents, last = key.split(".")
    section = content
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise RecipeError(f"override {override!r}: {parent!r} is a value, not a section.")
    try:
        section[last] = parse_yaml(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r}: the value is not valid YAML: {error}") from error
    # YAML 1.1 reads 1e-4 as a string; people mean a number. Quoted, it stays a string.
    if isinstance(section[last], str) and any(character.isdigit() for character in value):
        with contextlib.suppress(ValueError):
            section[last] = float(value)


def _place(problem: Any, overrides: Sequence[str]) -> str | None:
    """Return the last override that sets the value of a problem, a value in it, or the section that it is in."""
    location = ".".join(str(part) for part in problem["loc"])
    for override in reversed(overrides):
        key = override.partition("=")[0]
        if location and (f"{location}.".startswith(f"{key}.") or f"{key}.".startswith(f"{location}.")):
            return f"override {override!r}"
    return None


def _fields_of(annotation: Any) -> Any:
    """Return the fields of a section, also of one that may be left out."""
    sections = [kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields")]
    return sections[0].model_fields if sections else {}


def _explain(problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    place = ".".join(location)
    if problem["type"] != "extra_forbidden":
        got = "" if isinstance(problem["input"], dict) else f" (got {problem['input']!r})"
        if problem["type"] in ("model_type", "dict_type", "model_attributes_type"):
            return f"{place}: a section is needed, keys with values{got}"
        return f"{place}: {problem_text(problem, got)}" if place else problem_text(problem, got)
    *parents, last = location
    fields: Any = Recipe.model_fields
    for parent in parents:
        # The names of targets are free; below each is a section.
        fields = _fields_of(fields[parent].annotation) if parent in fields else TargetSpec.model_fields
    return f"unknown key {place!r}. {suggestion(last, fields)}"
