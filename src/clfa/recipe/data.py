"""Data section of a recipe."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from clfa.errors import RecipeError
from clfa.strict_model import Options, StrictModel
from clfa.tables.access import Access
from clfa.tables.pictures import MAX_IMAGES
from clfa.targets.fields import LABEL, SINGLE_LABEL
from clfa.targets.spec import ProblemTypeName, TargetSpec

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
