"""The folder of a predictor's run: the one that was given, or a temporary one; a pickled predictor has it with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfa.errors import ModelError, RecipeError
from clfa.runs.run_folder import RunFolder, is_run_folder

if TYPE_CHECKING:
    from clfa.prediction.post_classifier import PostClassifier

# What copies of a run leave out: it is of no use without the training.
LEFT_OUT = ("checkpoints", ".*")


class RunPlace:
    """Where a predictor's runs are.

    Args:
        path: Folder of the run.
    """

    path: Path
    _parameters: dict[str, Any] | None
    _classifier: PostClassifier | None
    _loaded_with: dict[str, Any]
    # Temporary folder with the run, which this object removes; ``None`` if there is none.
    _temporary: str | None = None
    # The process that made it: one that was forked must not remove it.
    _process: int = 0
    # Folder of a training that was begun and did not end.
    _begun: Path | None = None

    def __del__(self) -> None:
        if self._temporary is not None and self._process == os.getpid():
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the files of the run, for a copy in another process or on another machine.

        Raises:
            ModelError: If there is a model, and its folder is gone.
        """
        state = {**vars(self), "_classifier": None, "_begun": None, "_files": None}
        if self._classifier is None:
            return state
        state["_trained"] = True
        if self.path.is_dir():
            state["_files"] = {
                file.relative_to(self.path).as_posix(): file.read_bytes()
                for file in sorted(self.path.rglob("*"))
                if file.is_file() and not _left_out(file.relative_to(self.path))
            }
        elif self._parameters is not None:
            raise ModelError(f"this predictor cannot be pickled or copied: its run in {self.path} is gone.")
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        files, trained = state.pop("_files"), state.pop("_trained", False)
        vars(self).update(state)
        if files is not None or self._temporary is not None:
            # Never the folder of the original, which removes it.
            self._make_temporary()
        for name, content in (files or {}).items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        if trained:
            from clfa.prediction.post_classifier import PostClassifier

            self._classifier = PostClassifier.load(self.path, **self._loaded_with)

    def _make_temporary(self) -> None:
        self._temporary, self._process = tempfile.mkdtemp(prefix="clfa-"), os.getpid()
        self.path = Path(self._temporary) / "run"

    def _training_folder(self, resume: bool) -> Path:
        """Return the folder of the next run, or of the one to continue.

        Raises:
            RecipeError: When there is no run to continue, or the folder that was given holds a run or something else.
        """
        if resume:
            begun = self._begun or self.path
            if not is_run_folder(begun) or RunFolder(begun).metrics.is_file():
                raise RecipeError(f"resume: there is no run that did not finish in {begun}; call fit() without it.")
            return begun
        if self._temporary is not None:
            return self.path if not self.path.exists() else Path(tempfile.mkdtemp(dir=self._temporary)) / "run"
        if self.path.is_dir() and any(not path.name.startswith(".") for path in self.path.iterdir()):
            if is_run_folder(self.path) and not RunFolder(self.path).metrics.is_file():
                raise RecipeError(
                    f"{self.path} holds a run that did not finish; continue it with fit(..., resume=True) and the same "
                    "table, or make a CLFAPredictor with another path."
                )
            holds = "a run" if is_run_folder(self.path) else "other files"
            raise RecipeError(
                f"{self.path} holds {holds} already; make a CLFAPredictor with another path, or without one to train "
                "any number of times. CLFAPredictor.load() reads a finished run."
            )
        return self.path


def _left_out(path: Path) -> bool:
    return any(part == "checkpoints" or part.startswith(".") for part in path.parts)
