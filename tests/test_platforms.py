"""The package without the modules that exist on POSIX only, as on Windows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# psutil's code for Linux needs `resource`, its code for Windows does not: it is imported first.
BLOCKED = "import psutil, sys; sys.modules['fcntl'] = sys.modules['resource'] = None\n"

IMPORT = """
import importlib, pkgutil, clfa
for module in pkgutil.walk_packages(clfa.__path__, "clfa."):
    importlib.import_module(module.name)
    print(module.name)
"""

TRAIN = """
import json, sys
from clfa.recipe import load_recipe
from clfa.runs.train import train
overrides, output = json.loads(sys.argv[1]), sys.argv[2]
train(load_recipe("offline", overrides), output)
"""

COMMAND_LINE = """
import sys
from clfa.cli.main import main
main()
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process that can import neither ``fcntl`` nor ``resource``."""
    command = [sys.executable, "-c", BLOCKED + code, *arguments]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)


def test_every_module_is_imported_without_fcntl_and_resource() -> None:
    done = python(IMPORT)
    assert done.returncode == 0, done.stderr
    assert {"clfa.runs.resources", "clfa.prediction.post_classifier", "clfa.cli.main"} <= set(done.stdout.split())


@pytest.mark.slow
def test_a_run_is_trained_without_fcntl_and_resource(
    tmp_path: Path, tiny_overrides: list[str], posts_csv: Path
) -> None:
    run = tmp_path / "run"
    overrides = [*tiny_overrides, "guide={name: none}", "training.epochs=1", f"data.dir={posts_csv}"]
    trained = python(TRAIN, json.dumps(overrides), str(run))
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["samples"] == 16


@pytest.mark.slow
def test_a_file_is_predicted_without_fcntl_and_resource(tmp_path: Path, tiny_run: Path, posts_csv: Path) -> None:
    output = tmp_path / "predictions.jsonl"
    predicted = python(COMMAND_LINE, "predict", str(tiny_run), str(posts_csv), "--output", str(output))
    assert predicted.returncode == 0, predicted.stderr
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 64
    assert "64 rows" in predicted.stdout


def test_peak_memory_without_resource() -> None:
    """Linux still tells by ``/proc``; without it nothing is made up."""
    read = "from clfa.runs import resources\nprint(resources.resource, resources.peak_memory_mb())\n"
    name, peak = python(read).stdout.split()
    assert name == "None"
    if Path("/proc/self/status").exists():
        assert 10 < float(peak) < 100_000
    elsewhere = "from clfa.runs import resources\nprint(resources._peak_working_set_mb())\n"
    if sys.platform != "win32":
        assert python(elsewhere).stdout.split() == ["None"]


def test_an_output_without_a_character_is_no_error(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\ndescription: 爱 and ☀\n", encoding="utf-8")
    command = [sys.executable, "-c", COMMAND_LINE, "recipes", str(recipe)]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    assert b"\\u7231 and \\u2600" in done.stdout
