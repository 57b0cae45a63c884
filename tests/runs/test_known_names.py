from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clfa.errors import ModelError, RecipeError
from clfa.recipe import load_recipe
from clfa.runs.known_names import check_encoders, check_known
from clfa.runs.trained_place import require_trained


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.reader=tabel", "unknown reader 'tabel'; .*mean 'table'"),
        ("model.fusion=conct", "unknown fusion 'conct'; .*mean 'concat'"),
        ("model.alignment=guidd", "unknown alignment 'guidd'; .*mean 'guided'"),
        ("model.pooling=meen", "unknown pooling 'meen'; .*mean 'mean'"),
        ("model.readout=pool", "unknown readout 'pool'; .*mean 'pooled'"),
        ("model.baseline=text-cnn", "unknown baseline 'text-cnn'; .*mean 'text_cnn'"),
        ("guide.name=clp", "unknown guide 'clp'; .*mean 'clip'"),
        ("training.alpha_schedule=linear", "unknown alpha schedule 'linear'; .*mean 'linear_decay'"),
        ("knowledge.sources=[orc]", "unknown knowledge source 'orc'; .*mean 'ocr'"),
        ("knowledge.lexicon=vadr", "unknown lexicon 'vadr'; .*mean 'vader'"),
    ],
)
def test_a_misspelt_name(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_known(load_recipe("offline", ["model.use_knowledge=true", override]))


def test_names_are_checked_without_importing_what_they_stand_for() -> None:
    program = (
        "import sys\n"
        "from clfa.recipe import load_recipe\n"
        "from clfa.runs.known_names import check_encoders, check_known\n"
        "from clfa.runs.trained_place import require_trained\n"
        "recipe = load_recipe('offline')\n"
        "check_known(recipe); check_encoders(recipe)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'sklearn', 'matplotlib'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "LOADED []\n"


def test_encoders_exist(tiny_bert_dir: Path) -> None:
    check_encoders(load_recipe("offline", [f"model.text_encoder={tiny_bert_dir}"]))
    with pytest.raises(ModelError, match=f"^model directory '{tiny_bert_dir}s' does not exist. Did you mean '"):
        check_encoders(load_recipe("offline", [f"model.text_encoder={tiny_bert_dir}s"]))
    with pytest.raises(ModelError, match=r"^cannot load 'nosuch': there is no folder .* Give a directory, a hub id,"):
        check_encoders(load_recipe("offline", ["model.vision_encoder=nosuch"]))


def test_other_models_of_a_recipe_exist(tiny_bert_dir: Path) -> None:
    here = [f"model.text_encoder={tiny_bert_dir}"]
    with pytest.raises(ModelError, match=f"^model directory '{tiny_bert_dir}s' does not exist. Did you mean '"):
        check_encoders(load_recipe("offline", [*here, f"guide={{name: clip, model: {tiny_bert_dir}s}}"]))
    caption = ["model.use_knowledge=true", "knowledge.sources=[caption]", f"knowledge.caption_model={tiny_bert_dir}s"]
    with pytest.raises(ModelError, match="does not exist"):
        check_encoders(load_recipe("offline", [*here, *caption]))


def test_a_trained_model_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    require_trained("runs/mine")
    with pytest.raises(ModelError, match=r"^there is no run folder or model directory 'runs/mien'. Did .*runs/mine'\?"):
        require_trained("runs/mien")
    with pytest.raises(ModelError, match=r"^there is no run folder or model directory 'runs/zzzzzz'\.$"):
        require_trained("runs/zzzzzz")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", None)
    with pytest.raises(ModelError, match=r"^there is no run folder or model directory 'runz/mine'. Did .*runs/mine'\?"):
        require_trained("runz/mine")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"^there is no folder 'mine' here, .*OFFLINE .* Did you mean 'runs/mine'\?"):
        require_trained("mine")
    (tmp_path / "runs" / "mine" / "recipe.yaml").touch()
    with pytest.raises(ModelError, match=r"^the run in runs/mine did not finish"):
        require_trained("runs/mine")
