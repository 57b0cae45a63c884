from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from clfa.cli.data import app
from clfa.data import READERS, read_corpus
from clfa.errors import RecipeError

runner = CliRunner()


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    texts = [f"post {n}" for n in range(20)] + [""]
    pd.DataFrame({"text": texts, "label": ["a", "b"] * 10 + ["a"]}).to_csv(tmp_path / "posts.csv", index=False)
    return tmp_path / "posts.csv"


def test_check_writes_clean_samples_dropped_samples_and_report(posts: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "out" / name for name in ("clean.parquet", "dropped.csv", "report.json")]
    arguments = ["check", "table", str(posts), "-o", "split_seed=5"]
    for flag, path in zip(("--output", "--dropped", "--report"), outputs, strict=True):
        arguments += [flag, str(path)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "empty text" in result.output
    assert sum(map(len, read_corpus("table", outputs[0]).splits.values())) == 20
    assert len(outputs[1].read_text().splitlines()) == 2
    report = json.loads(outputs[2].read_text())
    assert report["facts"]["split"].endswith("seed 5")
    assert report["dropped_counts"] == {"empty text": 1}


@pytest.mark.parametrize("option", ["fold", "=3", "fold=[1"])
def test_bad_options(posts: Path, option: str) -> None:
    result = runner.invoke(app, ["check", "table", str(posts), "-o", option])
    assert isinstance(result.exception, RecipeError)
    assert f"--option {option!r}" in str(result.exception)


def test_readers_are_listed_with_their_options() -> None:
    result = runner.invoke(app, ["readers"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{'mvsa-single':22} MVSA-Single: one annotator")
    assert "options: fold, split_seed" in lines[1]
    assert len(lines) == 2 * len(READERS.names())


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, clfa.cli.data, clfa.data; sys.exit(bool({'torch', 'datasets', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_reading_data_imports_no_torch(posts: Path) -> None:
    code = f"""
import sys
from clfa.data import READERS, read_corpus, validate
validate(read_corpus("table", {str(posts)!r}))
sys.exit(bool({{"torch", "transformers"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_knowledge_texts_are_written(tmp_path: Path) -> None:
    texts = [f"post {n} #SoGood{n}" if n % 2 else "no tags" for n in range(20)]
    pd.DataFrame({"text": texts, "label": ["a", "b"] * 10, "split": ["train"] * 15 + ["test"] * 5}).to_csv(
        tmp_path / "posts.csv", index=False
    )
    output = tmp_path / "out" / "texts.parquet"
    arguments = ["knowledge", "table", str(tmp_path / "posts.csv"), "--sources", "hashtags, column"]
    result = runner.invoke(app, [*arguments, "--output", str(output)])
    assert result.exit_code == 0, result.output
    assert "of 5 samples have a knowledge text" in result.output
    found = pd.read_parquet(output)
    assert list(found.columns) == ["id", "split", "knowledge"]
    assert len(found) == 20
    assert sorted(found.knowledge.dropna()) == sorted(f"So Good {n}" for n in range(1, 20, 2))


def test_unknown_knowledge_source(posts: Path, tmp_path: Path) -> None:
    arguments = ["knowledge", "table", str(posts), "--output", str(tmp_path / "texts.parquet"), "--sources"]
    result = runner.invoke(app, [*arguments, "hashtag"])
    assert isinstance(result.exception, RecipeError)
    assert "unknown knowledge source 'hashtag'" in str(result.exception)
    result = runner.invoke(app, [*arguments, ","])
    assert isinstance(result.exception, RecipeError)
    assert "--sources: knowledge.sources: List should have at least 1 item" in str(result.exception)
    assert not (tmp_path / "texts.parquet").exists()


def test_a_reader_that_cannot_be_imported_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_module:read", READERS.group)
    monkeypatch.setattr(READERS, "_found", {"broken": broken})
    lines = runner.invoke(app, ["readers"]).output.splitlines()
    assert any(line.startswith("table ") for line in lines)
    (line,) = [line for line in lines if line.startswith("broken")]
    assert line.split(maxsplit=1)[1].startswith("the reader 'broken' of no_such_module:read cannot be imported: Module")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["issues", "table", "POSTS", "--target", "lable"],
            "there is no target 'lable'; targets: label. Did you mean 'label'?",
        ),
        (["issues", "hub", "posts.cvs"], "no such file or directory; the hub reader expects"),
        (
            ["check", "table", "POSTS", "-o", "text=txet"],
            "no column 'txet' (given as --option text=...); columns there: text,",
        ),
        (["check", "table", "POSTS", "-o", "group_by=author"], "no column 'author' (given as --option group_by=...)"),
    ],
)
def test_names_are_checked_before_anything_heavy_is_imported(posts: Path, arguments: list[str], message: str) -> None:
    program = (
        "import sys\n"
        "from clfa.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print('LOADED', sorted({'torch', 'datasets', 'transformers', 'sklearn'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program, "data", *(str(posts) if a == "POSTS" else a for a in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=posts.parent)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stdout == "LOADED []\n"
