"""What is put in place around the authors' code; that code itself is needed only for the last test."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.architectures import vocabulary, write_encoders
from benchmarks.material import write_posts
from benchmarks.probe import Channel
from torch.utils.data import TensorDataset
from transformers import BertTokenizerFast, ViTConfig, ViTModel

from benchmarks import reference
from clfa.errors import DataError


def test_a_folder_without_their_code_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run_classifier\.py is missing; --reference takes a checkout"):
        reference.check_folder(tmp_path)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("clfa.text_encoder.encoder.layer.3.output.dense.weight", "bert.encoder.layer.3.output.dense.weight"),
        ("clfa.text_projection.fc1.bias", "mlp_text.fc1.bias"),
        (
            "clfa.fusion.layers.1.self_attention.query.weight",
            "attention_net.layer.1.textSelfAttn.bertCoAttn.query.weight",
        ),
        (
            "clfa.fusion.layers.0.cross_attention.image.output.bias",
            "attention_net.layer.0.imageCrossAttn.output.dense.bias",
        ),
        (
            "clfa.fusion.layers.0.cross_attention.knowledge.layer_norm.weight",
            "attention_net.layer.0.knowledgeCrossAttn.output.LayerNorm.weight",
        ),
        ("clfa.fusion.layers.2.feed_forward.fc2.weight", "attention_net.layer.2.output.dense.weight"),
        ("clfa.vision_encoder.layers.5.attention.o_proj.weight", "model.transformer.encoder.layer.5.attn.out.weight"),
        ("clfa.vision_encoder.layers.5.layernorm_after.bias", "model.transformer.encoder.layer.5.ffn_norm.bias"),
        ("clfa.vision_encoder.layernorm.weight", "model.transformer.encoder.encoder_norm.weight"),
        ("clfa.vision_encoder.embeddings.cls_token", "model.transformer.embeddings.cls_token"),
        ("classifier.weight", "classifier.weight"),
    ],
)
def test_names_of_their_tensors(ours: str, theirs: str) -> None:
    assert reference.their_name(ours) == theirs


@pytest.mark.parametrize("saved", [False, True], ids=["module", "file"])
def test_a_vit_in_the_layout_of_its_release(saved: bool, tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    model = ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes), add_pooling_layer=False)
    state = model.state_dict()
    if saved:
        from safetensors.torch import load_file

        model.save_pretrained(tmp_path)
        state = load_file(tmp_path / "model.safetensors")
    found = reference.vit_tensors(state)
    layer = model.layers[1]
    block = "Transformer/encoderblock_1"
    assert torch.equal(found[f"{block}/MultiHeadDotProductAttention_1/key/kernel"], layer.attention.k_proj.weight.T)
    assert torch.equal(found[f"{block}/MlpBlock_3/Dense_1/kernel"], layer.mlp.fc2.weight.T)
    assert torch.equal(found[f"{block}/LayerNorm_2/scale"], layer.layernorm_after.weight)
    # Height, width, channels in, channels out.
    assert found["embedding/kernel"].shape == (16, 16, 3, 8)
    assert len(found) == 6 + 2 * 16


def test_examples_carry_the_posts_tokens_and_no_knowledge(tmp_path: Path) -> None:
    tokenizer = BertTokenizerFast(vocab=vocabulary(2000))
    tokenizer.save_pretrained(tmp_path / "bert")
    write_posts(tmp_path / "posts", [5, 4, 3], (1, 1, 1), side=48)
    reference.write_examples(tmp_path / "posts", tmp_path / "bert", tmp_path)
    row = json.loads((tmp_path / "posts" / "posts.jsonl").read_text(encoding="utf-8").splitlines()[1])
    # Pickles of this test's own making.
    (example,) = pickle.loads((tmp_path / "valid.with_graph.pkl").read_bytes()).values()  # noqa: S301
    assert example["tokens"] == tokenizer(row["text"], add_special_tokens=False)["input_ids"]
    assert len(example["tokens"]) == 2
    assert example["knowledge_tokens"] == []
    assert example["text_graph"].shape == (2, 2)
    assert len(example["image_embed"]) == 512
    assert example["label"] == 1


def test_loops_over_the_first_two_loaders_are_timed() -> None:
    out = io.StringIO()
    loader: Any = reference.gated_loader(Channel(io.StringIO("go\ngo\n"), out), ["wordninja"])
    data = TensorDataset(torch.arange(5))
    train, validation, test = (loader(data, batch_size=2) for _ in range(3))
    assert [len(batch[0]) for batch in train] == [2, 2, 1]
    assert [len(batch[0]) for batch in validation] == [2, 2, 1]
    assert len(list(test)) == 3
    with pytest.raises(SystemExit):
        next(iter(train))
    reports = [json.loads(line.split("\t")[1]) for line in out.getvalue().splitlines()]
    assert [(r["phase"], r["samples"], r["steps"], r["replaced"]) for r in reports] == [
        ("train", 5, 3, ["wordninja"]),
        ("evaluate", 5, 3, ["wordninja"]),
    ]


def test_only_what_is_missing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wordninja", "ml_collections", "torchvision", "torchvision.transforms"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name != "torchvision" else object())
    assert reference.stand_in() == ["wordninja", "ml_collections"]
    import ml_collections

    config = ml_collections.ConfigDict()
    config.patches = ml_collections.ConfigDict({"size": (32, 32)})
    assert config.patches.get("grid") is None
    assert config.patches["size"] == (32, 32)
    del config.patches.size
    assert not config.patches
    with pytest.raises(AttributeError):
        _ = config.nothing
    for name in ("wordninja", "ml_collections"):
        monkeypatch.delitem(sys.modules, name)


def test_the_stand_in_transforms() -> None:
    from PIL import Image

    t = reference._torchvision().transforms
    sys.modules.pop("torchvision.transforms")
    pixels = np.full((4, 6, 3), 51, np.uint8)
    steps = [t.Resize((2, 3)), t.ToTensor(), t.Normalize((0.1, 0.2, 0.3), (0.5, 1.0, 2.0))]
    found = t.Compose(steps)(Image.fromarray(pixels))
    assert found.shape == (3, 2, 3)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([0.2, 0.0, -0.05]))


@pytest.mark.slow
def test_losses_are_equal_on_identical_weights_and_inputs(tmp_path: Path) -> None:
    directory = os.environ.get("CLFA_REFERENCE")
    if not directory:
        pytest.skip("set CLFA_REFERENCE to a checkout of the authors' code (github.com/ChangKe123/CLFA)")
    encoders = write_encoders(tmp_path / "encoders", "paper", clip=False)
    found = reference.check(Path(directory), encoders, tmp_path / "theirs", batch_size=2)
    assert found["loss_difference"] < 1e-5
    assert found["logit_difference"] < 1e-4
    assert found["gradient_difference"] < 1e-4
