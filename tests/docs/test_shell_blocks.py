"""Command lines of the guides, run on tiny data with tiny models, in the order of the page."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from blocks import PAGES, blocks
from typer.testing import CliRunner

from clfa.cli.main import app
from posts import make_posts, picture, write_csv, write_jsonl

# Pages whose commands need nothing but posts. The trainings of all but the first are left to other tests: a run that
# was made before takes their place.
TRAINED = "docs/first-model.md"
RUN = [TRAINED, "docs/own-table.md", "docs/pictures.md", "docs/confidence.md"]
# Commands that do not end, that others test at length, and programs of the repository that need real data.
LEFT_OUT = {"serve", "issues"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working directory with the files that the pages name."""
    rows = make_posts(tmp_path, 48, with_split=False)
    write_csv(tmp_path / "posts.csv", rows)
    write_csv(tmp_path / "new.csv", [{key: row[key] for key in ("id", "text", "image")} for row in rows[:4]])
    demo = tmp_path / "demo" / "data"
    posts = make_posts(demo, 32)
    for name in ("train", "validation", "test"):
        write_jsonl(demo / f"{name}.jsonl", [post for post in posts if post["split"] == name])
    for name in ("a.jpg", "rain.jpg", "demo/data/images/test-00000.jpg"):
        picture(tmp_path / name, "blue")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_work_one_after_the_other(
    page: str, folder: Path, tiny_run: Path, tiny_overrides: list[str]
) -> None:
    shutil.copytree(tiny_run, folder / "runs" / "mine")
    ran = set()
    for block in blocks("sh", pages=[page]):
        for line in block.commands:
            words = shlex.split(line, comments=True)
            if words[0] != "clfa" or LEFT_OUT & {*words[1:3]} or (words[1] == "train" and page != TRAINED):
                continue
            tiny = [*tiny_overrides, "training.epochs=1", "training.yardsticks=false"] if words[1] == "train" else []
            result = CliRunner().invoke(app, [*words[1:], *tiny])
            assert result.exit_code == 0, f"{block}: {line}\n{result.output}\n{result.exception}"
            ran.add(words[1])
    assert "predict" in ran


def test_the_pages_are_there() -> None:
    assert set(RUN) <= set(PAGES)
