from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# What a person who asks about one post need not wait for.
HEAVY = (
    "accelerate",
    "datasets",
    "matplotlib",
    "pandas",
    "scipy",
    "sklearn",
    "tensorboard",
    "torch._dynamo",
)

COMMAND = """
import json, sys
from clfa.cli.main import main
sys.argv = ["clfa", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit as stop:
    print("exit", stop.code)
print(json.dumps(sorted(sys.modules)))
"""


def run(*arguments: str) -> tuple[list[str], set[str]]:
    """What the command prints in a process of its own, and the modules there at its end."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, json.dumps(arguments)], capture_output=True, text=True, check=True
    )
    *lines, modules = done.stdout.splitlines()
    return lines, set(json.loads(modules))


@pytest.fixture(scope="module")
def picture(posts_csv: Path) -> str:
    return str(next(posts_csv.parent.rglob("*.jpg")))


@pytest.fixture(scope="module")
def answered(tiny_run: Path, picture: str) -> tuple[list[str], set[str]]:
    """:func:`run` of a prediction."""
    return run("predict", str(tiny_run), "--image", picture, "--text", "so sunny")


def test_one_post_needs_no_library_of_training(answered: tuple[list[str], set[str]]) -> None:
    lines, modules = answered
    assert lines[0] in ("good", "bad")
    assert "torch" in modules
    assert not modules & {*HEAVY, "transformers.trainer", "clfa.training", "clfa.runs.train"}


def test_the_lean_start_changes_no_prediction(
    tiny_run: Path, picture: str, answered: tuple[list[str], set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    from clfa.cli.one_post import predict_one

    # Here Transformers is imported already, in the usual way.
    predict_one(str(tiny_run), "so sunny", [picture], engine="torch", precision="auto")
    assert capsys.readouterr().out.splitlines() == answered[0][:-1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "Usage"),
        (["train", "ofline", "--data-dir", "x"], "Did you mean 'offline'?"),
        (["recipes"], "offline"),
    ],
)
def test_help_and_mistakes_need_no_torch(arguments: list[str], expected: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, json.dumps(arguments)], capture_output=True, text=True, check=True
    )
    assert expected in done.stdout + done.stderr
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert not modules & {*HEAVY, "torch", "transformers", "numpy"}
