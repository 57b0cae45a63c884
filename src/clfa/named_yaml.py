"""YAML files that are named by their path, or by the name of one that comes with the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from clfa.errors import RecipeError
from clfa.nearest import did_you_mean, path_hint
from clfa.yaml_text import parse_yaml


def read_named_yaml(source: str | os.PathLike[str], folder: Path, kind: str) -> tuple[Path, Any]:
    """Return the path and the content of a YAML file.

    Args:
        source: A file, or the name of one in ``folder``, with or without its suffix.
        folder: Folder of the files that come with the package.
        kind: What the file is, for messages: ``recipe``, ``experiment``.

    Raises:
        RecipeError: If there is no such file, or it is not YAML; the message has the known names and the closest one.
    """
    path = Path(source)
    if not path.is_file():
        name = path.name.removesuffix(".yaml")
        known = folder / f"{name}.yaml"
        if not known.is_file():
            names = sorted(file.stem for file in folder.glob("*.yaml"))
            hint = did_you_mean(name, names) or path_hint(path)
            raise RecipeError(f"no {kind} {str(source)!r}; give a YAML file or one of: {', '.join(names)}.{hint}")
        path = known
    try:
        return path, parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
