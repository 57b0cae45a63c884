from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from clfa.cli.main import app
from clfa.errors import CLFAError, RecipeError
from clfa.experiments import load_experiment, plan_runs, pool
from clfa.experiments.execute import run_path
from warm import warm_context

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def invoke(*arguments: Any, code: int = 0) -> str:
    result = runner.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def tiny_file(tmp_path: Path, tiny_overrides: list[str], posts_csv: Path) -> Path:
    content = {
        "recipe": "offline",
        "overrides": [*tiny_overrides, "training.epochs=1"],
        "rows": [
            {"name": "alpha 0", "overrides": ["model.alpha=0"]},
            {"name": "broken", "overrides": ["model.text_encoder=/nowhere"]},
        ],
        "data": {"dir": str(posts_csv)},
        "baseline_row": "alpha 0",
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_help_teaches() -> None:
    shown = invoke("experiment", "--help")
    assert all(option in shown for option in ("--data-dir", "--jobs", "--only", "--dry-run", "--output"))
    assert "clfa experiment smoke" in shown
    assert all(option in invoke("report", "--help") for option in ("--output", "--metric", "--no-samples"))


def test_dry_run_lists_and_leaves_nothing(tiny_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shown = invoke("experiment", tiny_file, "--output", output, "--dry-run")
    assert "      alpha 0, seed 1  [model.alpha=0]\n" in shown
    assert f"tiny: 2 runs of 2 rows in {output}, 0 of them done." in shown
    assert not output.exists()
    assert "1 runs of 1 rows" in invoke("experiment", tiny_file, "--output", output, "--dry-run", "--only", "alpha*")


def test_mistakes_are_found_before_anything_runs(tiny_file: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(tiny_file.read_text(encoding="utf-8"))
    for change, message in (
        ({"published": "mvsa"}, "no table 'mvsa'"),
        ({"overrides": ["model.fusion=glue"]}, "unknown fusion 'glue'"),
        ({"baseline_row": "alpha"}, "there is no row 'alpha'"),
        ({"data": {"dir": "nowhere.csv"}}, r"row 'alpha 0': nowhere\.csv: no such file"),
        ({"data": {"dir": content["data"]["dir"], "options": {"text": "tweet"}}}, "row 'alpha 0': .*no column 'tweet'"),
    ):
        tiny_file.write_text(yaml.safe_dump({**content, **change}), encoding="utf-8")
        with pytest.raises(CLFAError, match=message):
            invoke("experiment", tiny_file, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_experiment_and_report(tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_spawn", warm_context())
    output = tmp_path / "out"
    shown = invoke("experiment", tiny_file, "--output", output, code=1)
    assert re.search(r"alpha 0, seed 1: validation accuracy [\d.]+, \d+ s", shown)
    assert "broken, seed 1: FAILED: model directory '/nowhere' does not exist." in shown
    assert "1 runs finished, 0 were finished before, 1 failed." in shown
    assert "tiny: validation split, mean ± standard deviation" in shown
    again = invoke("experiment", tiny_file, "--output", output, "--only", "alpha 0")
    assert "0 runs finished, 1 were finished before, 0 failed." in again
    assert "done  alpha 0, seed 1" in invoke("experiment", tiny_file, "--output", output, "--dry-run")
    run = plan_runs(load_experiment(tiny_file))[0]
    assert not (run_path(output, run) / "model").exists()
    assert (output / "logs" / f"{run.slug}.log").is_file()
    pages = invoke("report", output, "--output", tmp_path / "page.html")
    assert pages.split() == [str(tmp_path / "page.html"), str(tmp_path / "page.md")]
    assert "VALIDATION" in (tmp_path / "page.html").read_text(encoding="utf-8")

    other = tmp_path / "other.yaml"
    other.write_text(tiny_file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(RecipeError, match="holds the experiment 'tiny'; give 'other' another output"):
        invoke("experiment", other, "--output", output)
