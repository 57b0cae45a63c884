"""Write ``old_run_folders.json``. Meant for the revision 9d99400 alone: the file says what that revision wrote.

    git worktree add /tmp/old 9d99400
    PYTHONPATH=/tmp/old/src python tests/golden/record_old_run_folders.py

Never run it on a newer revision to make a test pass: the folders of today's users do not change with it. Run folders of
a newer form get a fixture of their own.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from golden_material import make_encoders, tiny_overrides
from golden_observe import observe_evaluation, observe_run
from golden_old_runs import FIXTURE, RUNS, build_cache, build_run, write_posts
from safetensors.numpy import load_file
from typer.testing import CliRunner

OVERRIDES = {
    "label": ["training.class_weights=balanced"],
    "targets": [
        "data.targets={sarcasm: {label_names: ['no', 'yes']}, "
        "emotions: {problem_type: multi_label_classification, label_names: [anger, joy, sadness]}, "
        "intensity: {problem_type: regression, weight: 0.5}}",
        "training.tune_thresholds=true",
        "training.class_weights={sarcasm: balanced, emotions: balanced}",
        "model.fusion=two_way",
        "model.pooling=max",
    ],
    "knowledge": [
        "model.use_knowledge=true",
        "knowledge.sources=[column, hashtags]",
        "knowledge.lexicon_path=lexicon.txt",
        "knowledge.gamma=1.5",
        "knowledge.lambda1=2",
        "model.allow_missing_modalities=true",
        "model.modality_dropout=0.3",
        "model.pooling=cls",
    ],
}
SHARED = ("model/tokenizer.json", "model/tokenizer_config.json", "model/preprocessor_config.json")


def capture(run: Path) -> dict[str, Any]:
    """The texts of a run folder, and the names and shapes of its model's tensors."""
    texts = [path for path in sorted(run.rglob("*")) if path.suffix in (".json", ".jsonl", ".yaml")]
    files = {
        name: path.read_text(encoding="utf-8")
        for path in texts
        if (name := path.relative_to(run).as_posix()) not in SHARED and "checkpoints" not in name
    }
    tensors = load_file(run / "model" / "model.safetensors")
    return {"files": files, "tensors": {name: list(tensor.shape) for name, tensor in sorted(tensors.items())}}


def capture_store(folder: Path) -> dict[str, Any]:
    """Keys and lengths of a feature store."""
    with np.load(folder / "index.npz") as index:
        return {
            "keys": [key.tobytes().hex() for key in index["keys"]],
            "lengths": index["lengths"].tolist(),
            "width": int(index["width"]),
            "dtype": str(index["dtype"]),
        }


def main() -> None:
    """Train, capture, build again with seeded weights, observe."""
    from clfa.cli.main import app

    fixture: dict[str, Any] = {"revision": "9d99400", "transformers": transformers.__version__, "runs": {}}
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ["CLFA_CACHE"] = "cache"
        write_posts(Path())
        make_encoders(Path("encoders"))
        for name in RUNS:
            arguments = ["train", "offline", "--data-dir", "posts/posts.csv", "--output", f"trained/{name}"]
            overrides = [*tiny_overrides("encoders"), *OVERRIDES[name], "training.epochs=1"]
            result = CliRunner().invoke(app, [*arguments, *overrides])
            assert result.exit_code == 0, result.output
            fixture["runs"][name] = capture(Path("trained") / name)
        fixture["shared"] = {name: (Path("trained/label") / name).read_text(encoding="utf-8") for name in SHARED}
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ["CLFA_CACHE"] = "cache"
        write_posts(Path())
        for name in RUNS:
            build_run(Path(), name, fixture)
            fixture["runs"][name]["expected"] = observe_run(name)
        fixture["runs"]["label"]["evaluation"] = observe_evaluation("label")
        stores = sorted(path.parent for path in Path("cache/features").rglob("index.npz"))
        fixture["stores"] = {store.relative_to("cache").as_posix(): capture_store(store) for store in stores}
        os.environ["CLFA_CACHE"] = "doctored"
        build_cache(Path("doctored"), fixture)
        fixture["runs"]["label"]["evaluation from the cache"] = observe_evaluation("label")
    text = json.dumps(fixture, indent=1, ensure_ascii=False)
    # Rows of numbers and short lists on one line.
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
    assert json.loads(text) == fixture
    FIXTURE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
