"""Pages of the reference, from the public names of ``clfa``: one a room, and one of the names in registries."""

from __future__ import annotations

import ast
import inspect
from importlib.util import find_spec
from pathlib import Path

import clfa
from clfa.registry import Registry

# Titles of the rooms, in the order in which a person meets them.
ROOMS = {
    "predictor": "The predictor",
    "prediction": "Posts, predictions, pipeline",
    "runs": "Training and evaluating a recipe",
    "recipe": "Recipes",
    "data": "Data",
    "targets": "Targets",
    "processing": "Processor and collator",
    "modeling": "Model",
    "guides": "Guides",
    "training": "Trainer",
    "yardsticks": "Yardsticks",
    "registry": "Registries",
    "errors": "Errors",
}


def write(folder: Path) -> None:
    """Write the pages of the reference to a folder.

    Raises:
        ValueError: When a public name is in a room that has no title here.
    """
    folder.mkdir(parents=True)
    names = {name: getattr(clfa, name) for name in clfa.__all__ if name != "__version__"}
    registries = {name: value for name, value in names.items() if isinstance(value, Registry)}
    rooms: dict[str, list[str]] = {room: [] for room in ROOMS}
    for name in sorted(names.keys() - registries):
        room = clfa._HOMES[name].split(".")[1]
        if room not in rooms:
            raise ValueError(f"clfa.{name} is in the room {room!r}; give it a title in {Path(__file__).name}.")
        rooms[room].append(name)
    for room, members in rooms.items():
        entries = "\n".join(entry(name, names[name]) for name in members)
        (folder / f"{room}.rst").write_text(f"{heading(ROOMS[room], '=')}\n{entries}", encoding="utf-8")
    (folder / "names.rst").write_text(names_page(registries), encoding="utf-8")
    intro = "What ``from clfa import ...`` offers; everything else is internal and may change.\n"
    toctree = "".join(f"   {page}\n" for page in [*rooms, "names"])
    text = f"{heading('Names in Python', '=')}\n{intro}\n.. toctree::\n\n{toctree}"
    (folder / "index.rst").write_text(text, encoding="utf-8")


def heading(text: str, line: str) -> str:
    """Return a heading of reStructuredText."""
    return f"{text}\n{line * len(text)}\n"


def entry(name: str, value: object) -> str:
    """Return the directive of a class with its own members, or of a function."""
    if not inspect.isclass(value):
        return f".. autofunction:: clfa.{name}\n"
    # Members of classes of other packages are described there.
    foreign = ", ".join(base.__name__ for base in value.__mro__ if not base.__module__.startswith("clfa."))
    return f".. autoclass:: clfa.{name}\n   :members:\n   :inherited-members: {foreign}\n"


def names_page(registries: dict[str, Registry]) -> str:
    """Return the page of the names that recipes and options may use."""
    text = f"{heading('Names in recipes and options', '=')}\n"
    text += "Own ones are added by ``register`` or by :doc:`entry points </plugins>`.\n"
    for name, registry in registries.items():
        rows = "".join(f"   * - ``{key}``\n     - {first_line(place)}\n" for key, place in registry._entries.items())
        text += f"\n{heading(f'{registry.kind.capitalize()}: clfa.{name}', '-')}\n"
        text += f".. list-table::\n   :widths: 25 75\n\n{rows}" if rows else "None yet.\n"
    return text


def first_line(place: object) -> str:
    """Return the first line of the docstring of ``module:attribute``, read without importing it."""
    module, _, attribute = str(place).partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    kinds = (ast.ClassDef, ast.FunctionDef)
    found = [node for node in tree.body if isinstance(node, kinds) and node.name == attribute]
    text = (ast.get_docstring(found[0]) if found else None) or ast.get_docstring(tree) or ""
    return " ".join(text.partition("\n\n")[0].split())
