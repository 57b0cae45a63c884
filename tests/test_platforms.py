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
from clfa.runs import resources
print(resources.resource, resources.peak_memory_mb(), resources._peak_working_set_mb())
"""

TRAIN_AND_PREDICT = """
import json, sys
from clfa.cli.main import main
from clfa.recipe import load_recipe
from clfa.runs.train import train
overrides, output = json.loads(sys.argv[1]), sys.argv[2]
train(load_recipe("offline", overrides), output)
sys.argv[1:] = ["predict", output, *sys.argv[3:]]
main()
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
    *modules, read = done.stdout.splitlines()
    assert {"clfa.runs.resources", "clfa.prediction.post_classifier", "clfa.cli.main"} <= set(modules)
    # Linux still tells its peak of memory by ``/proc``; without it nothing is made up.
    resource, peak, elsewhere = read.split()
    assert resource == "None"
    if Path("/proc/self/status").exists():
        assert 10 < float(peak) < 100_000
    if sys.platform != "win32":
        assert elsewhere == "None"


@pytest.mark.slow
def test_a_run_is_trained_and_a_file_predicted_without_fcntl_and_resource(
    tmp_path: Path, tiny_overrides: list[str], posts_csv: Path
) -> None:
    run, output = tmp_path / "run", tmp_path / "predictions.jsonl"
    overrides = [*tiny_overrides, "guide={name: none}", "training.epochs=1", f"data.dir={posts_csv}"]
    done = python(TRAIN_AND_PREDICT, json.dumps(overrides), str(run), str(posts_csv), "--output", str(output))
    assert done.returncode == 0, done.stderr
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["samples"] == 16
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 64
    assert "64 rows" in done.stdout


def test_an_output_without_a_character_is_no_error(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\ndescription: 爱 and ☀\n", encoding="utf-8")
    command = [sys.executable, "-c", COMMAND_LINE, "recipes", str(recipe)]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    assert b"\\u7231 and \\u2600" in done.stdout
