from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from clfa.data.schema import schema_features
from clfa.errors import DataError, ModelError, RecipeError
from clfa.knowledge.graphs import WordGraphs
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.processing.biases import WordPairBiases
from clfa.processing.collator import CLFACollator
from clfa.processing.dataset import EncodedDataset
from clfa.processing.processor import CLFAProcessor
from clfa.processing.sparse import dense
from clfa.targets.default_label import default_label
from knowledge.wordnet import write_wordnet

pytest.importorskip("nltk")

TEXTS = ["so good man", "a bad day", "what a lovely day today so good bad"]
KNOWLEDGE = ["bad woman", None, "great"]
# |0.5 - -0.5| * exp(0.25).
GOOD_BAD = 1.284025


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeRecipe:
    folder = tmp_path_factory.mktemp("knowledge")
    lexicon = folder / "lexicon.txt"
    lexicon.write_text("good\t2\nbad\t-2\ngreat\t3\n")
    wordnet = write_wordnet(folder / "dict")
    return KnowledgeRecipe(lexicon_path=str(lexicon), wordnet_path=str(wordnet), gamma=2.0, lambda1=3.0, lambda2=-1.0)


@pytest.fixture
def processor(tiny_bert_dir: Path, recipe: KnowledgeRecipe) -> CLFAProcessor:
    return CLFAProcessor.from_encoders(tiny_bert_dir, None, max_length=8, knowledge_max_length=7, knowledge=recipe)


def expected_text_bias(width: int) -> np.ndarray:
    """Of TEXTS[0]: [CLS] so good m ##a ##n [SEP]; only good is known."""
    bias = np.zeros((width, width))
    bias[0, 0] = bias[6, 6] = 2
    return bias


def test_worked_by_hand(processor: CLFAProcessor, tmp_path: Path) -> None:
    biases = WordPairBiases(processor, TEXTS, KNOWLEDGE, tmp_path)
    np.testing.assert_allclose(dense([biases.text(0)], 8, 8)[0], expected_text_bias(8), atol=1e-5)
    # [CLS] what a lovely day today so [SEP]: good and bad are cut off.
    third = dense([biases.text(2)], 8, 8)[0]
    assert np.argwhere(third).tolist() == [[0, 0], [7, 7]]
    # [CLS] so good m ##a ##n [SEP] against [CLS] bad w ##o ##m ##a [SEP], cut at 7 tokens.
    pair = np.zeros((8, 7))
    pair[2, 1] = 3 * GOOD_BAD
    pair[3:6, 2:6] = -1.0
    np.testing.assert_allclose(dense([biases.pair(0)], 8, 7)[0], pair, atol=1e-5)
    assert biases.pair(1).shape == (0, 3)


def test_the_processor_gives_the_same(processor: CLFAProcessor, tmp_path: Path) -> None:
    biases = WordPairBiases(processor, TEXTS, KNOWLEDGE, tmp_path)
    batch = processor(text=TEXTS, knowledge=KNOWLEDGE)
    assert batch["text_bias"].shape == (3, 8, 8)
    assert batch["knowledge_bias"].shape == (3, 8, 7)
    np.testing.assert_allclose(batch["text_bias"], dense([biases.text(i) for i in range(3)], 8, 8), atol=1e-6)
    np.testing.assert_allclose(batch["knowledge_bias"], dense([biases.pair(i) for i in range(3)], 8, 7), atol=1e-6)
    alone = processor(text=TEXTS[1:2], knowledge=[None])
    assert set(alone) == {"input_ids", "attention_mask", "text_bias"}
    assert set(processor(text=TEXTS)) == {"input_ids", "attention_mask", "text_bias"}


def test_a_batch_has_them_padded(processor: CLFAProcessor, tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "text": text, "image": None, "knowledge": extra, "targets": [0]}
        for i, (text, extra) in enumerate(zip(TEXTS, KNOWLEDGE, strict=True))
    ]
    split = Dataset.from_list(rows, features=schema_features([default_label(["x"])]))
    biases = WordPairBiases(processor, TEXTS, KNOWLEDGE, tmp_path)
    dataset = EncodedDataset(split, processor, use_knowledge=True, biases=biases)
    batch = CLFACollator()([dataset[0], dataset[1]])
    direct = processor(text=TEXTS[:2], knowledge=KNOWLEDGE[:2])
    for name in ("input_ids", "text_bias", "knowledge_bias"):
        torch.testing.assert_close(batch[name], direct[name])
    without = CLFACollator()([dataset[1]])
    assert "knowledge_bias" not in without
    assert without["text_bias"].shape == (1, 5, 5)


def test_graphs_are_computed_once_whatever_their_weights(
    processor: CLFAProcessor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: KnowledgeRecipe
) -> None:
    before = WordPairBiases(processor, TEXTS, KNOWLEDGE, tmp_path)
    for name in ("affective", "antonym"):
        monkeypatch.setattr(WordGraphs, name, lambda *args: pytest.fail("not cached"))
    lighter = recipe.model_copy(update={"gamma": 1.0, "lambda1": 0.0})
    other = CLFAProcessor(None, processor.tokenizer, max_length=8, knowledge_max_length=7, knowledge=lighter)
    after = WordPairBiases(other, TEXTS, KNOWLEDGE, tmp_path)
    np.testing.assert_allclose(after.text(0)[:, 2] * 2, before.text(0)[:, 2])
    assert set(after.pair(0)[:, 2]) == {-1.0}


def test_another_length_or_lexicon_is_another_graph(
    processor: CLFAProcessor, tmp_path: Path, recipe: KnowledgeRecipe
) -> None:
    WordPairBiases(processor, TEXTS, KNOWLEDGE, tmp_path)
    longer = CLFAProcessor(None, processor.tokenizer, max_length=20, knowledge_max_length=7, knowledge=recipe)
    third = dense([WordPairBiases(longer, TEXTS, KNOWLEDGE, tmp_path).text(2)], 13, 13)[0]
    # Now good and bad, the last words before [SEP], are there.
    assert third.max() == pytest.approx(2 * GOOD_BAD, rel=1e-5)
    lexicon = tmp_path / "other.txt"
    lexicon.write_text("good\t4\nbad\t-4\n")
    changed = recipe.model_copy(update={"lexicon_path": str(lexicon)})
    other = CLFAProcessor(None, processor.tokenizer, max_length=8, knowledge_max_length=7, knowledge=changed)
    pair = WordPairBiases(other, TEXTS, KNOWLEDGE, tmp_path).pair(0)
    # |1 - -1| * exp(1)
    assert pair[:, 2].max() == pytest.approx(3 * 2 * np.e, rel=1e-5)


def test_saved_and_loaded(processor: CLFAProcessor, tmp_path: Path, recipe: KnowledgeRecipe) -> None:
    processor.save_pretrained(tmp_path)
    loaded = CLFAProcessor.from_pretrained(tmp_path)
    assert loaded.knowledge == recipe
    expected = processor(text=TEXTS, knowledge=KNOWLEDGE)
    found = loaded(text=TEXTS, knowledge=KNOWLEDGE)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_another_lexicon_than_the_models(tiny_bert_dir: Path, tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("good\t2\n")
    recipe = KnowledgeRecipe(lexicon_path=str(lexicon), gamma=1)
    CLFAProcessor.from_encoders(tiny_bert_dir, None, knowledge=recipe).save_pretrained(tmp_path / "model")
    lexicon.write_text("good\t3\n")
    with pytest.raises(ModelError, match="not the one that the model was trained with"):
        CLFAProcessor.from_pretrained(tmp_path / "model")(text=["so good"])
    lexicon.unlink()
    with pytest.raises(DataError, match=r"lexicon\.txt cannot be read"):
        CLFAProcessor.from_pretrained(tmp_path / "model")(text=["so good"])


def test_a_slow_tokenizer(processor: CLFAProcessor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(processor.tokenizer), "is_fast", property(lambda self: False))
    with pytest.raises(RecipeError, match="word graphs need a fast tokenizer, and BertTokenizer"):
        _ = processor.word_graphs


def test_no_weights_no_graphs(tiny_bert_dir: Path) -> None:
    plain = CLFAProcessor.from_encoders(tiny_bert_dir, None, knowledge=KnowledgeRecipe(lexicon="senticnet"))
    assert plain.word_graphs is None
    assert set(plain(text=["so good"], knowledge=["bad"])) == {
        "input_ids",
        "attention_mask",
        "knowledge_input_ids",
        "knowledge_attention_mask",
    }


def test_absent_texts_have_no_graph(processor: CLFAProcessor, tmp_path: Path) -> None:
    biases = WordPairBiases(processor, ["so good", None, ""], ["bad", "bad", "bad"], tmp_path)
    assert [len(biases.text(i)) for i in range(3)] == [2, 0, 0]
    assert [len(biases.pair(i)) > 0 for i in range(3)] == [True, False, False]
    batch = processor(text=["so good", None], knowledge=["bad", "bad"])
    assert batch["text_bias"][1].abs().sum() == 0
    assert batch["knowledge_bias"].abs().sum(dim=(1, 2)).gt(0).tolist() == [True, False]


def test_a_data_set_can_go_to_loader_processes(processor: CLFAProcessor, tmp_path: Path) -> None:
    from multiprocessing.reduction import ForkingPickler

    biases = WordPairBiases(processor, TEXTS, KNOWLEDGE, tmp_path)
    for part in (processor, biases):
        assert len(ForkingPickler.dumps(part)) < 1_000_000
    # Still there for this process.
    assert processor._word_graphs is not None


def test_equal_places_add_up() -> None:
    triples = np.array([[0, 1, 0.5], [0, 1, 0.25], [1, 0, -1]], np.float32)
    assert dense([triples], 2, 2).tolist() == [[[0, 0.75], [-1, 0]]]
