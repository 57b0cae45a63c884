"""The Python of README and docs is run, page by page, on tiny data and with tiny models.

A page's blocks share their names, in their order. What they may use beside: the files ``posts.csv`` and ``new.csv``,
their pictures, ``a.jpg``, ``rain.jpg``, a picture of the demo, the finished run ``runs/mine``, and the names of
:func:`prelude`.
"""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from blocks import ROOT, blocks

import clfa.predictor.predictor as predictor_module
from clfa import CLFAForClassification, CLFAPredictor
from clfa.recipe import Recipe, load_recipe
from posts import make_posts, picture, write_csv

# Pages whose code has a test of its own, which looks at more than that it runs.
TESTED_BY_THEMSELVES = {
    "CONTRIBUTING.md": "tests/docs/test_contributing.py",
    "docs/plugins.md": "tests/test_plugins.py",
    "docs/tasks.md": "tests/runs/test_targets.py",
    "docs/trainer.md": "tests/docs/test_trainer.py",
}
PAGES = sorted({block.page for block in blocks("python")} - {*TESTED_BY_THEMSELVES})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_run: Path, tiny_bert_dir: Path, tiny_vit_dir: Path) -> Path:
    """Working directory of the pages; ids of the hub are folders in it."""
    path = tmp_path_factory.mktemp("pages")
    rows = make_posts(path, 32, with_split=False)
    write_csv(path / "posts.csv", rows)
    write_csv(path / "new.csv", [{key: row[key] for key in ("id", "text", "image")} for row in rows[:4]])
    (path / "demo" / "data" / "images").mkdir(parents=True)
    for name in ("a.jpg", "rain.jpg", "demo/data/images/test-00000.jpg"):
        picture(path / name, "blue")
    shutil.copytree(tiny_run, path / "runs" / "mine")
    shutil.copytree(tiny_run / "model", path / "owner" / "name")
    for source, name in ((tiny_bert_dir, "bert-base-uncased"), (tiny_vit_dir, "google/vit-base-patch16-224")):
        shutil.copytree(source, path / name)
    return path


def prelude(folder: Path) -> dict[str, Any]:
    """Return the names that pages use without making them."""
    from sklearn.model_selection import GridSearchCV, cross_val_score

    frame = pd.read_csv(folder / "posts.csv")
    new = pd.read_csv(folder / "new.csv")
    return {
        "CLFAPredictor": CLFAPredictor,
        "predictor": CLFAPredictor.load(folder / "runs" / "mine", image_root=folder),
        "model": CLFAForClassification.from_pretrained(folder / "runs" / "mine" / "model"),
        "frame": frame,
        "posts": new,
        "new_posts": new,
        "cross_val_score": cross_val_score,
        "GridSearchCV": GridSearchCV,
    }


def run_page(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the blocks of a page in the working directory of the pages."""
    uploaded: list[str] = []
    monkeypatch.setattr(CLFAPredictor, "push_to_hub", lambda self, name, *, private: uploaded.append(name))
    monkeypatch.chdir(folder)
    names = prelude(folder)
    for block in blocks("python", pages=[page]):
        exec(compile(block.text, str(block), "exec"), names)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = inspect.signature(CLFAPredictor.fit)

    def fit(self: CLFAPredictor, *arguments: Any, **further: Any) -> CLFAPredictor:
        """Check the arguments, and take a model that was trained before."""
        signature.bind(self, *arguments, **further)
        trained = CLFAPredictor.load(folder / "runs" / "mine", image_root=folder)
        self._classifier, self.path = trained._classifier, trained.path
        return self

    monkeypatch.setattr(CLFAPredictor, "fit", fit)
    run_page(page, folder, monkeypatch)


@pytest.mark.slow
def test_the_first_example_trains(folder: Path, tiny_overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def tiny(source: str, overrides: Any = ()) -> Recipe:
        assert load_recipe(source, overrides)
        return load_recipe("offline", [*tiny_overrides, "training.epochs=1", "training.yardsticks=false", *overrides])

    monkeypatch.setattr(predictor_module, "load_recipe", tiny)
    run_page("README.md", folder, monkeypatch)


def test_pages_that_are_left_to_other_tests_have_them() -> None:
    for page, test in TESTED_BY_THEMSELVES.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")
