from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import clfa as public
import warm
from clfa.registry import Registry

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
# The page's package: one fusion, one reader, no line of ours.
PYPROJECT, MODULE, REGISTERED = re.findall(r"^```(?:toml|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the package is installed."""
    project, place = tmp_path_factory.mktemp("clfa-extras"), tmp_path_factory.mktemp("site")
    (project / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (project / "clfa_extras.py").write_text(MODULE, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(place), str(project)], check=True, timeout=120, capture_output=True)
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def clfa_with(site: str, *arguments: str) -> None:
    """Do what ``clfa ARGUMENTS`` does where the packages in ``site`` are installed."""
    sys.path.insert(0, site)
    warm.clfa(*arguments)


def test_its_reader_is_listed(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "clfa.cli.main", "data", "readers"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.splitlines()
    position = next(number for number, line in enumerate(listed) if line.startswith("lines "))
    assert listed[position].split(maxsplit=1)[1] == "JSON lines with file, words, kind and part."
    assert listed[position + 1].strip() == "options: labels"
    assert any(line.startswith("table ") for line in listed)


@pytest.mark.slow
def test_its_fusion_and_reader_train_and_predict(
    environment: dict[str, str], tmp_path: Path, posts_csv: Path, tiny_overrides: list[str]
) -> None:
    import pandas as pd

    site = environment["PYTHONPATH"].split(os.pathsep)[0]
    work = tmp_path / "work"
    work.mkdir()

    def clfa(*arguments: str) -> str:
        program = warm.Program(clfa_with, (site, *arguments), work)
        assert program.wait() == 0, program.stderr
        return program.stdout

    posts = pd.read_csv(posts_csv)
    lines = [
        {"file": str(posts_csv.parent / row.image), "words": row.text, "kind": row.label, "part": row.split}
        for row in posts.itertuples()
    ]
    (tmp_path / "posts.lines").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    overrides = [*tiny_overrides, "data.reader=lines", "model.fusion=first_token"]
    run = tmp_path / "run"
    clfa("train", "offline", *overrides, "--data-dir", f"{tmp_path}/posts.lines", "--output", str(run))
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data"] == {"name": "lines", "samples": {"train": 32, "validation": 16, "test": 16}, "dropped": {}}
    assert json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))["fusion"] == "first_token"
    said = clfa("predict", str(run), "--text", "what a great day", "--image", lines[0]["file"])
    assert said.splitlines()[0] in ("bad", "good")


def test_the_page_lists_every_registry_with_its_group() -> None:
    rows = re.findall(r"^\| `(clfa\.\w+)` \| `clfa\.(\w+)` \|", PAGE, re.MULTILINE)
    registries = {name: getattr(public, name) for name in public.__all__ if name.isupper()}
    assert all(isinstance(registry, Registry) for registry in registries.values())
    assert dict(rows) == {registry.group: name for name, registry in registries.items()}


def test_what_the_page_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public.ALPHA_SCHEDULES, "_entries", dict(public.ALPHA_SCHEDULES._entries))
    exec(compile(REGISTERED, "plugins.md", "exec"), {})
    cosine = public.ALPHA_SCHEDULES.get("cosine")
    assert [cosine(progress) for progress in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
