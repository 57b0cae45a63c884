"""The built package: what it holds, and what it says in an environment without the extras."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clfa.extras import EXTRAS, missing_package
from clfa.version import __version__
from hidden_packages import run_without

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HIDDEN = {module for modules in EXTRAS.values() for module in modules} - {"aiohttp"}  # aiohttp: `datasets` needs it.

# Runs commands in one process, as imports take seconds.
COMMANDS = """
import json, sys
from clfa.cli.main import main

for command in json.loads(sys.argv[1]):
    sys.argv = ["clfa", *command]
    print("\\x1e", end="", flush=True)
    try:
        main()
    except SystemExit as ended:
        print(f"exit {ended.code or 0}", flush=True)
    else:
        print("exit 0", flush=True)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    build = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, str(folder)], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    assert wheel.name == f"clfa-{__version__}-py3-none-any.whl"
    files = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "clfa").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (information,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(information))
    assert {name for name in names if name.startswith("clfa/")} == {name for name in files if "__pycache__" not in name}
    assert {"clfa/py.typed", "clfa/recipes/good.yaml", "clfa/report/template.html"} <= names
    assert metadata["Requires-Python"] == PROJECT["requires-python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert f"Programming Language :: Python :: {sys.version_info[0]}.{sys.version_info[1]}" in PROJECT["classifiers"]


def test_messages_know_the_packages_of_each_extra() -> None:
    known = PROJECT["optional-dependencies"]
    core = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert set(EXTRAS) == set(known) - {"dev", "docs"}
    for extra, modules in EXTRAS.items():
        packages = {canonicalize_name(Requirement(text).name) for text in known[extra]} - core
        if extra == "onnx":
            packages -= {"onnxruntime"}
        if extra not in ("urls", "mlflow"):
            assert {canonicalize_name(module) for module in modules} == packages, extra
    assert missing_package("clfa.absent") is None
    assert missing_package("sklearn.svm") == (
        "this needs the package scikit-learn, which is not installed: pip install scikit-learn."
    )


def test_the_list_for_prediction_without_pytorch_has_the_bounds_of_the_project() -> None:
    lines = (ROOT / "requirements" / "onnx-runtime.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert set(listed) <= {*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["onnx-runtime"]}
    assert not any(line.startswith("torch") for line in listed)


@pytest.mark.slow
def test_an_environment_without_extras_trains_predicts_and_names_what_is_missing(
    wheel: Path, tiny_run: Path, tiny_overrides: list[str], posts_csv: Path, tmp_path: Path
) -> None:
    site, bare = tmp_path / "site", tmp_path / "bare"
    bare.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    run, posts, made = str(tiny_run), str(posts_csv), str(tmp_path / "made")
    export = tmp_path / "export"
    shutil.copytree(tiny_run / "model", export)
    (export / "model.onnx").write_bytes(b"")
    (export / "export.json").write_text("{}", encoding="utf-8")
    sheet = tmp_path / "posts.xlsx"
    pd.read_csv(posts_csv).to_excel(sheet, index=False)
    small = ["guide={name: none}", "model.alpha=0", "training.epochs=1", "training.yardsticks=false"]
    own = ["--data-dir", posts, "--output"]
    whole = [["--help"], ["train", "offline", *own, made, *tiny_overrides, *small]]
    whole += [["predict", made, posts, "--output", str(tmp_path / "made.jsonl")]]
    lacking = {
        "offline": ["train", "good", *own, f"{made}-1"],
        "ocr": [
            "train",
            "offline",
            *own,
            f"{made}-2",
            *tiny_overrides,
            "knowledge.sources=[ocr]",
            "model.use_knowledge=true",
        ],
        "onnx-runtime": ["predict", str(export), posts, "--engine", "onnx", "--output", f"{made}.csv"],
        "onnx": ["export", "onnx", run, "--output", f"{made}-3"],
        "ray": ["predict", run, posts, "--engine", "ray", "--output", f"{made}.csv"],
        "excel": ["predict", run, str(sheet), "--output", f"{made}.csv"],
        "tune": ["tune", "offline", *own, f"{made}-4"],
        "lora": [
            "train",
            "offline",
            *own,
            f"{made}-5",
            *tiny_overrides,
            *small,
            "training.lora.rank=2",
            "model.freeze_text_encoder=false",
        ],
        "explain": ["explain", run, posts, "--method", "gradients", "--output", f"{made}.html"],
        "serve": ["serve", run],
    }
    commands = [*whole, *lacking.values()]
    done = run_without(HIDDEN, COMMANDS, json.dumps(commands), site=bare, package=site)
    outputs = done.stdout.split("\x1e")[1:]
    assert len(outputs) == len(commands), done.stdout
    assert "Traceback" not in done.stdout
    for output in outputs[: len(whole)]:
        assert output.endswith("exit 0\n"), output
    assert (Path(made) / "metrics.json").is_file()
    for (extra, command), output in zip(lacking.items(), outputs[len(whole) :], strict=True):
        (told,) = [line for line in output.splitlines() if line.startswith("Error: ")]
        assert f"pip install 'clfa[{extra}]'" in told, (command, output)
        assert output.endswith("exit 1\n"), output
