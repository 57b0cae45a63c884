from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clfa.cli.guide import app
from clfa.errors import DataError, ModelError, RecipeError
from clfa.guides.fitted_on import count_fitted_on
from clfa.recipe import load_recipe
from clfa.runs.fit_guide import check_saved_guide
from clfa.runs.train import train
from clfa.store import text_key
from posts import make_posts, read_jsonl, write_csv

runner = CliRunner()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    rows = [{"caption": row["text"], "photo": row["image"]} for row in make_posts(folder, 40)]
    return write_csv(folder / "pairs.csv", [*rows, {"caption": "gone", "photo": "gone.jpg"}])


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 pairs, each once more with another text, and one with the text of another."""
    folder = tmp_path_factory.mktemp("held-out")
    rows: list[dict[str, Any]] = []
    for row in make_posts(folder, 60)[40:]:
        rows += [{"text": row["text"], "image": row["image"]}, {"text": row["text"] + " again", "image": row["image"]}]
    return write_csv(folder / "held-out.csv", [*rows, {"text": rows[0]["text"], "image": rows[2]["image"]}])


@pytest.fixture(scope="module")
def fitting(tiny_overrides: list[str]) -> list[str]:
    """Options of ``clfa guide fit`` for tiny encoders, and a guide of little work."""
    words = [f"{key.removeprefix('model.').replace('_', '-')}={value}" for key, _, value in _parts(tiny_overrides)]
    encoders = [f"--{word}" for word in words if word.startswith(("text-encoder", "vision-encoder"))]
    small = ["model.image_grid_size=null", "guide.epochs=3", "guide.conse=false", "guide.dim=8"]
    return [*encoders, *(word for option in small for word in ("-o", option))]


def _parts(overrides: list[str]) -> list[tuple[str, str, str]]:
    return [override.partition("=") for override in overrides]


@pytest.fixture(scope="module")
def saved(pairs: Path, fitting: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("guides") / "mine"
    result = runner.invoke(app, ["fit", str(pairs), "--output", str(target), *fitting], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "40 pairs; left out: 1 x missing image ->" in result.output
    return target


def test_fit_writes_the_guide_its_recipe_and_the_rows_left_out(saved: Path, pairs: Path) -> None:
    names = ["dropped.jsonl", "fitted-on.safetensors", "guide.json", "guide.safetensors", "recipe.yaml"]
    assert sorted(path.name for path in saved.iterdir()) == names
    assert load_recipe(saved / "recipe.yaml").guide.options["dim"] == 8
    (dropped,) = read_jsonl(saved / "dropped.jsonl")
    assert (dropped["source"], dropped["reason"]) == (f"{pairs}:42", "missing image")


def test_check_prints_both_directions_and_chance(saved: Path, held_out: Path) -> None:
    result = runner.invoke(app, ["check", str(saved), str(held_out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = check_saved_guide(saved, [held_out])
    assert found.pairs == 41
    assert found.text_to_image.candidates == found.image_to_text.candidates == 20
    for name, report in (("text to image", found.text_to_image), ("image to text", found.image_to_text)):
        (line,) = [line for line in result.output.splitlines() if name in line]
        figures = ["20", f"{report.rank1:.1%}", f"{report.rank10:.1%}", f"{report.median_rank:g}"]
        assert [cell.strip() for cell in line.strip("│").split("│")] == [name, *figures]
    (line,) = [line for line in result.output.splitlines() if "chance" in line and "│" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["chance", "20", "5.0%", "50.0%", "10.5"]


def test_check_of_the_first_pairs(saved: Path, held_out: Path) -> None:
    assert check_saved_guide(saved, [held_out], limit=7).text_to_image.candidates == 7
    with pytest.raises(DataError, match="needs at least two pairs with different texts and images; found 1"):
        check_saved_guide(saved, [held_out], limit=1)


def test_a_run_uses_the_guide(
    saved: Path, tiny_overrides: list[str], posts_csv: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = [f"guide={{name: fitted, path: {saved}}}", f"data.dir={posts_csv}", "training.epochs=1"]
    result = train(load_recipe("offline", [*tiny_overrides, *changes]), tmp_path / "run")
    assert result.metrics["guide"]["dim"] == 8
    # The guide's pairs are the first 40 posts; 8 of them are validation and 8 are test posts of the run.
    assert f"THE GUIDE IN {saved} WAS FITTED ON 32 TEXTS OR IMAGES OF THE VALIDATION OR TEST SPLIT" in caplog.text
    # The guide of a run folder is checked with the recipe of the run.
    assert check_saved_guide(result.folder.guide, [posts_csv]).text_to_image.candidates == 64


def test_excluded_texts_and_images(pairs: Path, fitting: list[str], tmp_path: Path) -> None:
    rows = make_posts(tmp_path, 40)
    excluded = write_csv(tmp_path / "test.csv", [{"text": row["text"], "image": None} for row in rows[:3]])
    arguments = ["fit", str(pairs), "--output", str(tmp_path / "guide"), "--exclude", str(excluded), *fitting]
    result = runner.invoke(app, arguments, catch_exceptions=False)
    assert "37 pairs; left out: 3 x held out, 1 x missing image" in result.output
    keys = {text_key(row["text"]) for row in rows}
    assert count_fitted_on(tmp_path / "guide", keys) == 37
    assert count_fitted_on(tmp_path, keys) == 0


def test_named_columns(pairs: Path, fitting: list[str], tmp_path: Path) -> None:
    arguments = ["fit", str(pairs), "--output", str(tmp_path / "guide"), "--text-column", "words", *fitting]
    error = runner.invoke(app, arguments).exception
    assert isinstance(error, DataError)
    assert "no column 'words' (given as text=...)" in str(error)


def test_refused_recipes_and_folders(pairs: Path, saved: Path, tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        error = runner.invoke(app, ["fit", str(pairs), *arguments]).exception
        assert isinstance(error, RecipeError)
        return str(error)

    assert "exists and is not an empty folder; give another output" in refused("--output", str(saved))
    other = refused("--output", str(tmp_path / "a"), "--recipe", "paper-mmsd")
    assert "recipe 'paper-mmsd' has the guide 'clip', which is not fitted on pairs" in other
    one = refused("--output", str(tmp_path / "a"), "-o", "model.text_encoder=null")
    assert "needs both a text and a vision encoder" in one


def test_a_folder_without_guide_or_recipe(
    saved: Path, held_out: Path, tmp_path: Path, tiny_overrides: list[str]
) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RecipeError, match=r"there is no recipe.yaml in .* or above it; name the recipe"):
        check_saved_guide(tmp_path / "a", [held_out])
    with pytest.raises(ModelError, match="is not a fitted guide"):
        check_saved_guide(tmp_path / "a", [held_out], recipe=load_recipe("offline", tiny_overrides))


def test_a_guide_near_chance_is_named(saved: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clfa.guides.fitted import FittedGuide

    monkeypatch.setattr(FittedGuide, "embed_pairs", lambda guide, pairs, cache: 2 * (np.ones((len(pairs), 2)),))
    result = runner.invoke(app, ["check", str(saved), str(held_out)], catch_exceptions=False)
    assert "The guide is near chance on these pairs" in result.output


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, clfa.cli.guide; sys.exit(bool({'torch', 'datasets', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
