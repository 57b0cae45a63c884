from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A package of somebody else: one fusion, one reader, no line of ours.
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "clfa-extras"
version = "1.0"

[project.entry-points."clfa.fusions"]
first_token = "clfa_extras:FirstTokenFusion"

[project.entry-points."clfa.readers"]
lines = "clfa_extras:read_lines"

[tool.setuptools]
py-modules = ["clfa_extras"]
"""
MODULE = '''
import json
from pathlib import Path

from clfa import Corpus, Fusion, Target
from clfa.data.assemble import image_at, to_splits
from clfa.modeling.fusion import Stream


class FirstTokenFusion(Fusion):
    """The first token of each stream, added."""

    def forward(self, streams):
        return Stream(sum(stream.hidden[:, :1] for stream in streams.values()))


def read_lines(data_dir, *, labels="bad,good"):
    """JSON lines with file, words, kind and part."""
    names = labels.split(",")
    splits = {}
    for number, line in enumerate(Path(data_dir).read_text().splitlines()):
        post = json.loads(line)
        row = {"id": str(number), "text": post["words"], "image": image_at(post["file"]), "knowledge": None}
        splits.setdefault(post["part"], []).append({**row, "label": names.index(post["kind"])})
    return Corpus("lines", to_splits(splits, names), [Target("label", label_names=tuple(names))])
'''


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


def clfa(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "clfa.cli.main", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_reader_is_listed(environment: dict[str, str]) -> None:
    listed = clfa(environment, "data", "readers").splitlines()
    position = next(number for number, line in enumerate(listed) if line.startswith("lines "))
    assert listed[position].split(maxsplit=1)[1] == "JSON lines with file, words, kind and part."
    assert listed[position + 1].strip() == "options: labels"
    assert any(line.startswith("table ") for line in listed)


@pytest.mark.slow
def test_its_fusion_and_reader_train_and_predict(
    environment: dict[str, str], tmp_path: Path, posts_csv: Path, tiny_overrides: list[str]
) -> None:
    import pandas as pd

    posts = pd.read_csv(posts_csv)
    lines = [
        {"file": str(posts_csv.parent / row.image), "words": row.text, "kind": row.label, "part": row.split}
        for row in posts.itertuples()
    ]
    (tmp_path / "posts.lines").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    overrides = [*tiny_overrides, "data.reader=lines", "model.fusion=first_token"]
    run = tmp_path / "run"
    clfa(environment, "train", "offline", *overrides, "--data-dir", f"{tmp_path}/posts.lines", "--output", str(run))
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data"] == {"name": "lines", "samples": {"train": 32, "validation": 16, "test": 16}, "dropped": {}}
    assert json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))["fusion"] == "first_token"
    said = clfa(environment, "predict", str(run), "--text", "what a great day", "--image", lines[0]["file"])
    assert said.splitlines()[0] in ("bad", "good")
