from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from clfa.errors import ModelError
from clfa.predictor import CLFAPredictor
from predictor.hub_stand_in import hub

PROGRAM = """
import sys
from clfa import CLFAPredictor, ModelError

run, pictures = sys.argv[1:]
local = CLFAPredictor.load(run, image_root=pictures)
print(local.push_to_hub("somebody/posts", token="hf_x"))
there = CLFAPredictor.load("somebody/posts", image_root=pictures)
posts = [("what a great red day", "images/0.jpg"), ("bad", "images/1.jpg")]
assert there.predict_proba(posts).equals(local.predict_proba(posts))
try:
    local.push_to_hub("closed/posts", token="hf_x")
except ModelError as error:
    print(error)
"""


@pytest.mark.slow
def test_to_the_hub_and_back(tiny_run: Path, posts_csv: Path, tmp_path: Path) -> None:
    with hub() as (address, stand_in):
        environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, "-c", PROGRAM, str(tiny_run), str(posts_csv.parent)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
    place, refusal = done.stdout.strip().splitlines()
    assert place == f"{address}/somebody/posts"
    assert refusal.startswith("the hub did not take 'closed/posts': ")
    uploaded = stand_in.files["somebody/posts"]
    assert uploaded == {path.name: path.read_bytes() for path in (tiny_run / "model").iterdir() if path.is_file()}
    assert ModelCard(uploaded["README.md"].decode()).data.library_name == "clfa"


def test_what_cannot_be_uploaded(tiny_run: Path) -> None:
    loaded = CLFAPredictor.load(tiny_run)
    with pytest.raises(ModelError, match=r"'a/b/c' is no name of a repository, such as owner/name"):
        loaded.push_to_hub("a/b/c")
    with pytest.raises(ModelError, match="the hub cannot be reached while HF_HUB_OFFLINE is set"):
        loaded.push_to_hub("somebody/posts", token="hf_x")
    loaded.path = Path("somebody/posts")
    with pytest.raises(ModelError, match="posts is no folder with a model; only a model on this machine"):
        loaded.push_to_hub("somebody/posts")
