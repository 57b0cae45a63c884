"""Every code block of README and docs: shell is parsed, YAML, JSON and TOML are read and validated, Python is run.

A new page is covered by itself. What a page's Python may use is in ``python_page.py``.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from blocks import FENCE, PAGES, ROOT, Block, blocks
from commands import check_command, check_mention

from clfa.errors import CLFAError
from clfa.experiments.schema import Experiment, load_experiment
from clfa.recipe import recipe_dir, validate_recipe

LANGUAGES = {"sh", "python", "yaml", "json", "jsonl", "toml", "csv", "diff", "text"}


def ids(found: list[Block]) -> list[str]:
    """Return the names of blocks in test reports."""
    return [str(block) for block in found]


def files_of(page: str) -> dict[str, Any]:
    """Return what the YAML blocks of a page stand for, by file name, and a mark where it has a package's names."""
    found: dict[str, Any] = {}
    for block in blocks("yaml", pages=[page]):
        content, (first, *_) = yaml.safe_load(block.text), block.text.split("\n")
        named = first.removeprefix("# ").partition(":")[0] if first.startswith("# ") else f"{content.get('name')}.yaml"
        found[named] = content
    if any("entry-points" in block.text for block in blocks("toml", pages=[page])):
        found["plugins"] = {}
    return found


def merged(base: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with the keys of a part of it replaced."""
    both = {**base}
    for key, value in part.items():
        known = base.get(key)
        both[key] = merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return both


@pytest.mark.parametrize("block", blocks(), ids=ids(blocks()))
def test_its_language_is_named(block: Block) -> None:
    assert block.language in LANGUAGES


@pytest.mark.parametrize("block", blocks("sh"), ids=ids(blocks("sh")))
def test_its_commands_exist(block: Block) -> None:
    made = files_of(block.page)
    for command in block.commands:
        check_command(command, made)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_sentences_exist(page: str) -> None:
    prose = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for mention in re.findall(r"`clfa (\w[^`]*)`", prose):
        check_mention(shlex.split(mention.replace("\n", " ")))


@pytest.mark.parametrize(
    ("mention", "message"),
    [("data isues", "no command 'isues'"), ("train --resum", "no option '--resum'"), ("nosuch", "no command 'nosuch'")],
)
def test_a_wrong_mention_is_noticed(mention: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_mention(mention.split())


@pytest.mark.parametrize("block", blocks("yaml"), ids=ids(blocks("yaml")))
def test_its_recipe_or_experiment_is_valid(block: Block, tmp_path: Path) -> None:
    content = yaml.safe_load(block.text)
    if "rows" in content:
        file = tmp_path / "experiment.yaml"
        file.write_text(block.text, encoding="utf-8")
        assert isinstance(load_experiment(file), Experiment)
    else:
        # A part of a recipe stands for the same part of a known one.
        known = yaml.safe_load((recipe_dir() / "offline.yaml").read_text(encoding="utf-8"))
        assert validate_recipe(content if "name" in content else merged(known, content)).model


@pytest.mark.parametrize("block", blocks("json", "jsonl", "toml"), ids=ids(blocks("json", "jsonl", "toml")))
def test_it_can_be_read(block: Block) -> None:
    if block.language == "toml":
        assert tomllib.loads(block.text)
    elif block.language == "jsonl":
        assert all(json.loads(line) for line in block.text.splitlines())
    else:
        assert json.loads(block.text)


@pytest.mark.parametrize("block", blocks("python"), ids=ids(blocks("python")))
def test_its_code_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        ("clfa train nosuch", ValueError, "no block of the page is the file 'nosuch'"),
        ("clfa train offline model.alhpa=1", CLFAError, "Did you mean 'alpha'"),
        ("clfa train offline model.fusion=conact", CLFAError, "concat"),
        ("clfa trian offline", ValueError, "no command 'trian'"),
        ("clfa train offline --ouput x", ValueError, "--ouput"),
        ("clfa predict runs/mine new.csv --sets much", ValueError, "--sets"),
        ("clfa predict runs/mine new.csv --engine onyx", CLFAError, "onnx"),
        ("clfa data check tabel posts.csv", CLFAError, "table"),
        ("clfa experiment nosuch", CLFAError, "no experiment 'nosuch'"),
        ("clfa tune other.yaml", ValueError, "no block of the page is the file 'other.yaml'"),
        ("make nosuch", ValueError, "make has no target"),
        ("pip install 'clfa[offlin]'", ValueError, "no extra"),
        ("python benchmarks/none.py", ValueError, "there is no benchmarks/none.py"),
        ("python -m benchmarks.none", ValueError, "no module 'benchmarks.none'"),
        ("cfla train", ValueError, "unknown program 'cfla'"),
    ],
)
def test_a_wrong_command_is_noticed(command: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        check_command(command, {})
    assert message in str(caught.value)


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/data.md", "docs/index.md", "CONTRIBUTING.md", "examples/README.md"} <= {*PAGES}
