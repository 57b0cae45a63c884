from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import clfa
from clfa.errors import RecipeError
from clfa.registry import Registry

NUMBERS = Registry("number", {"pi": "math:pi", "euler": "math:e", "broken": "clfa.no_such_module:x"})


def test_get_imports_the_object() -> None:
    assert NUMBERS.get("pi") == math.pi
    assert NUMBERS.names() == ["pi", "euler", "broken"]
    assert "pi" in NUMBERS
    assert "tau" not in NUMBERS


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    with pytest.raises(ModuleNotFoundError):
        NUMBERS.get("broken")


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"unknown number 'eulr'; known: pi, euler, broken\. Did you mean 'euler'\?"):
        NUMBERS.get("eulr")
    with pytest.raises(RecipeError, match=r"known: pi, euler, broken\. If it is a plugin's, install"):
        NUMBERS.get("zzz")


# Names added by callers.


def test_register_takes_an_object_or_where_to_import_it_from() -> None:
    numbers = Registry("number", {"pi": "math:pi"})
    numbers.register("two", 2)
    numbers.register("tau", "math:tau")
    assert [numbers.get(name) for name in numbers.names()] == [math.pi, 2, math.tau]


def test_register_is_a_decorator() -> None:
    functions = Registry("function", {})

    @functions.register("half")
    def half(x: float) -> float:
        return x / 2

    assert functions.get("half") is half
    assert half(3) == 1.5


def test_a_name_is_only_replaced_when_asked() -> None:
    numbers = Registry("number", {"pi": "math:pi"})
    with pytest.raises(ValueError, match=r"the number 'pi' exists; choose another name, or .* replace=True"):
        numbers.register("pi", 3)
    with pytest.raises(ValueError, match="the number 'pi' exists"):
        numbers.register("pi")
    numbers.register("pi", 3, replace=True)
    assert numbers.get("pi") == 3
    with pytest.raises(ValueError, match=r"the number 'e' is 'math\.e'; give an object or 'module:attribute'"):
        numbers.register("e", "math.e")


# Names of other packages.


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a package that only has entry points of the group ``clfa.numbers``."""

    def made(package: str, points: dict[str, str]) -> None:
        folder = tmp_path / package / f"{package}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"{name} = {value}\n" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("".join(["[clfa.numbers]\n", *lines]), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / package)

    return made


def test_the_group_follows_from_the_kind() -> None:
    assert Registry("fusion", {}).group == "clfa.fusions"
    assert Registry("knowledge source", {}).group == "clfa.knowledge_sources"


def test_entry_points_add_names(install: Any) -> None:
    install("plugin", {"tau": "math:tau"})
    numbers = Registry("number", {"pi": "math:pi"})
    assert "tau" in numbers
    assert numbers.names() == ["pi", "tau"]
    assert numbers.get("tau") == math.tau
    with pytest.raises(RecipeError, match=r"unknown number 'ta'; known: pi, tau\. Did you mean 'tau'\?"):
        numbers.get("ta")


def test_an_entry_point_that_cannot_be_imported_is_named_and_leaves_the_others(install: Any) -> None:
    install("plugin", {"bad": "no_such_module:x", "tau": "math:tau"})
    numbers = Registry("number", {})
    assert numbers.names() == ["bad", "tau"]
    assert numbers.get("tau") == math.tau
    with pytest.raises(RecipeError, match="the number 'bad' of the package plugin cannot be imported: ModuleNotFound"):
        numbers.get("bad")


def test_names_that_exist_win_over_entry_points(install: Any, caplog: pytest.LogCaptureFixture) -> None:
    install("first", {"pi": "math:tau", "e": "math:tau"})
    install("second", {"e": "math:e"})
    numbers = Registry("number", {"pi": "math:pi"})
    assert numbers.names() == ["pi", "e"]
    assert numbers.get("pi") == math.pi
    assert "The number 'pi' of the package first is ignored: clfa already has this name." in caplog.text
    assert numbers.get("e") == math.e
    assert "The number 'e' of the package first is ignored: the package second already has this name" in caplog.text


def test_known_names_do_not_look_for_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfa.registry.entry_points", None)
    assert Registry("number", {"pi": "math:pi"}).get("pi") == math.pi


# Classes that objects of other packages are derived from.


def shapes() -> Registry:
    return Registry("shape", {"own": "math:pi"}, base="abc_shapes:Shape")


@pytest.fixture
def abc_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    lines = ("from abc import abstractmethod", "class Shape:", "    @abstractmethod", "    def area(self): ...")
    (tmp_path / "abc_shapes.py").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "abc_shapes", raising=False)
    return importlib.import_module("abc_shapes")


def test_own_names_are_not_checked_and_import_no_base() -> None:
    assert shapes().get("own") == math.pi


def test_what_is_registered_is_derived_from_the_base(abc_shapes: Any) -> None:
    registry = shapes()
    registry.register("square", type("Square", (abc_shapes.Shape,), {"area": lambda self: 1}))
    assert registry.get("square")().area() == 1
    registry.register("number", 2)
    with pytest.raises(
        RecipeError, match=r"^the shape 'number' is 2; it must be a class derived from abc_shapes\.Shape"
    ):
        registry.get("number")
    registry.register("other", "pathlib:Path")
    with pytest.raises(RecipeError, match=r"the shape 'other' is <class 'pathlib.*it must be a class derived from"):
        registry.get("other")


def test_what_a_class_lacks_is_named(abc_shapes: Any) -> None:
    registry = shapes()
    registry.register("own", type("Mine", (abc_shapes.Shape,), {}), replace=True)
    with pytest.raises(RecipeError, match=r"^the shape 'own' does not define area; see abc_shapes\.Shape for what it"):
        registry.get("own")


def test_an_import_path_is_no_name() -> None:
    said = (
        r"unknown shape 'my\.module:Thing'; known: own\. Import paths are no names: declare an entry point in the group"
    )
    with pytest.raises(RecipeError, match=said):
        shapes().get("my.module:Thing")


REGISTRIES = [
    *("FUSIONS", "READOUTS", "BASELINES", "ALIGNMENTS", "GUIDES", "YARDSTICKS", "PROBLEM_TYPES", "KNOWLEDGE_SOURCES"),
    *("ENGINES", "OUTPUTS"),
]


@pytest.mark.parametrize("name", REGISTRIES)
def test_the_names_of_clfa_are_derived_from_the_base(name: str) -> None:
    registry = getattr(clfa, name)
    assert registry.base is not None
    for entry in registry._own:
        assert registry._require_base(entry, registry.get(entry)) is registry.get(entry)
