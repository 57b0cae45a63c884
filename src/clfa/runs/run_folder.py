"""Layout of a run folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfa.errors import Argument, DataError, ModelError, RecipeError
from clfa.files import read_json, write_jsonl
from clfa.jobs.lock import OutputLock
from clfa.nearest import path_hint
from clfa.recipe import Recipe, load_recipe
from clfa.runs.checkpoints import last_whole, remove_broken
from clfa.tables.columns import Columns

if TYPE_CHECKING:
    from clfa.data import Dropped

# While a process writes the folder. Where the system has no locks, a suffix is added.
LOCK = ".lock"


class RunFolder:
    """Paths of all files of a run.

    ``recipe.yaml`` (resolved), ``splits.json`` (the ids of each split), ``data.json`` (digests of the samples in the
    same order), ``columns.json`` (which column of the training table held what), ``model/``
    (safetensors, configuration, processor), ``metrics.json`` (written last: a folder without it is an unfinished run),
    ``predictions-SPLIT.jsonl``, ``dropped.jsonl``, ``confusion-SPLIT.png``, ``reliability-SPLIT.png``,
    ``learning-curves.png``, ``history.json``, with other targets than the default label ``confusion-``, ``scatter-`` or
    ``f1-SPLIT-TARGET.png`` for each, ``guide/`` (a fitted guide), ``checkpoints/`` (with TensorBoard's logs),
    ``alignment.safetensors`` (where the recipe asks for it), ``members/`` (the runs of a blend's networks).

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.model = self.path / "model"
        self.metrics = self.path / "metrics.json"
        self.history = self.path / "history.json"
        self.columns = self.path / "columns.json"
        self.dropped = self.path / "dropped.jsonl"
        self.curves = self.path / "learning-curves.png"
        self.guide = self.path / "guide"
        self.checkpoints = self.path / "checkpoints"
        self.alignment = self.path / "alignment.safetensors"

    def predictions(self, split: str) -> Path:
        """Return the path of the per-sample predictions of a split."""
        return self.path / f"predictions-{split}.jsonl"

    def member(self, number: int) -> RunFolder:
        """Return the run folder of a member of a blend, counted from 1; without its model once the blend is written."""
        return RunFolder(self.path / "members" / str(number))

    def check(self, recipe: Recipe, resume: bool) -> None:
        """Check that a run may be written here.

        Raises:
            RecipeError: When it already holds a run and ``resume`` is false, or holds a run of another recipe.
        """
        if self.recipe.exists():
            if not resume:
                state: list[str | Argument] = ["a finished run"]
                if not self.metrics.exists():
                    state = ["an unfinished run (", Argument("resume", True), " continues it)"]
                raise RecipeError(f"{self.path} already holds ", *state, "; give another ", Argument("output"), ".")
            if load_recipe(self.recipe).model_dump() != recipe.model_dump():
                problem = f"{self.path} holds a run of another recipe; "
                raise RecipeError(problem, Argument("resume", True), " needs the same one.")
        elif self.path.is_dir() and any(
            not path.name.startswith((LOCK, ".recipe.yaml.")) for path in self.path.iterdir()
        ):
            problem = f"{self.path} is not empty and not a run folder; give another "
            raise RecipeError(problem, Argument("output"), ".")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Return a context in which this process alone writes the folder.

        Raises:
            DataError: If another process writes it.
            RecipeError: If the folder cannot be written.
        """
        existed = self.path.is_dir()
        try:
            lock = OutputLock(self.path / LOCK, self.path)
        except OSError as error:
            problem = f"{self.path} cannot be written ({error.strerror or error}); give another "
            raise RecipeError(problem, Argument("output"), ".") from error
        try:
            yield
        finally:
            lock.remove()
            if not existed:
                # An early error leaves no folder behind.
                with suppress(OSError):
                    self.path.rmdir()

    def begin(self, recipe: Recipe) -> None:
        """Create the folder, remove what a killed run left incomplete, and write the resolved recipe."""
        self.path.mkdir(parents=True, exist_ok=True)
        remove_broken(self.checkpoints)
        recipe.save(self.recipe)

    def last_checkpoint(self) -> str | None:
        """Return the newest whole checkpoint. A killed run may have left an incomplete newer one."""
        whole = last_whole(self.checkpoints)
        return None if whole is None else str(whole)

    def finished(self) -> RunFolder:
        """Return this folder. Check that it holds a finished run.

        Raises:
            ModelError: When it is not a run folder, or the run did not finish.
        """
        if not self.recipe.is_file():
            if not self.path.exists():
                raise ModelError(f"there is no run folder {self.path}.{path_hint(self.path)}")
            problem = f"{self.path} is not a run folder: it has no recipe.yaml."
            if (self.path.parent / self.recipe.name).is_file():
                raise ModelError(f"{problem} {self.path.parent} is one; the folder of its model has no scores.")
            raise ModelError(f"{problem} Train one with `clfa train`.")
        if not self.metrics.is_file():
            problem = f"the run in {self.path} did not finish; continue it by training with "
            raise ModelError(problem, Argument("resume", True), ".")
        return self

    def read_metrics(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``.

        Raises:
            DataError: If it is damaged.
        """
        advice = f"delete {self.metrics} and train the run again"
        metrics: dict[str, Any] = read_json(self.metrics, dict, advice)
        return metrics

    def read_columns(self) -> Columns:
        """Return the columns that the run was trained on.

        Without ``columns.json`` they are the columns that the recipe names. Without names, and in a folder without a
        run, columns are found by their usual names.

        Raises:
            ModelError: If ``columns.json`` is damaged, or an option is no name.
        """
        if self.columns.is_file():
            try:
                return Columns.from_dict(json.loads(self.columns.read_text(encoding="utf-8")))
            except (ValueError, RecursionError, DataError) as error:
                raise ModelError(f"{self.columns} is damaged: {error}.") from error
        options = load_recipe(self.recipe).data.options if self.recipe.is_file() else {}
        named = ("id", "text", "image", "knowledge", "label", "split", "image_root", "separator")
        try:
            return Columns.from_dict({name: options[name] for name in named if options.get(name) is not None})
        except DataError as error:
            raise ModelError(f"{self.recipe}: data.options: {error}.") from error

    def write_dropped(self, dropped: Iterable[Dropped]) -> None:
        """List every sample left out, with its reason."""
        write_jsonl(self.dropped, map(asdict, dropped))


def is_run_folder(path: Path) -> bool:
    """Return whether ``path`` is a run folder and not only a model directory."""
    return (path / "recipe.yaml").is_file()
