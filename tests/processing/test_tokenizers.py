from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, BertConfig, BertJapaneseTokenizer, BertModel, BertweetTokenizer

from clfa.errors import ModelError
from clfa.processing.processor import CLFAProcessor
from clfa.processing.tokenizers import tokenizer_digest
from vocabularies import tiny_vocab


def written_in_python(folder: Path, **settings: Any) -> Any:
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(tiny_vocab()), encoding="utf-8")
    return BertJapaneseTokenizer(vocab_file=str(vocab), word_tokenizer_type="basic", **settings)


def test_the_digest_of_a_tokenizer_written_in_python(tmp_path: Path) -> None:
    tokenizer = written_in_python(tmp_path)
    assert not tokenizer.is_fast
    digest = tokenizer_digest(tokenizer)
    tokenizer.save_pretrained(tmp_path / "saved")
    assert tokenizer_digest(AutoTokenizer.from_pretrained(tmp_path / "saved")) == digest
    others = [
        written_in_python(tmp_path, do_lower_case=True),
        written_in_python(tmp_path, subword_tokenizer_type="character"),
        written_in_python(tmp_path, unk_token="[X]"),
    ]
    assert len({digest, *map(tokenizer_digest, others)}) == 4


def encoder_dir(folder: Path, tokenizer: Any) -> Path:
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_processor_with_a_tokenizer_written_in_python(tmp_path: Path) -> None:
    folder = encoder_dir(tmp_path / "encoder", written_in_python(tmp_path))
    processor = CLFAProcessor.from_encoders(folder, None)
    processor.save_pretrained(tmp_path / "model")
    again = CLFAProcessor.from_pretrained(tmp_path / "model")
    assert again.token_ids(["a lovely day"]) == processor.token_ids(["a lovely day"])


def test_a_tokenizer_that_is_saved_incompletely_is_refused(tmp_path: Path) -> None:
    vocab, merges = tmp_path / "vocab.txt", tmp_path / "bpe.codes"
    vocab.write_text("so 1\nwe@@ 1\nr</w> 1\n", encoding="utf-8")
    merges.write_text("w e 9\ns o</w> 5\n", encoding="utf-8")
    folder = encoder_dir(tmp_path / "encoder", BertweetTokenizer(vocab_file=str(vocab), merges_file=str(merges)))
    # As on the hub: with the file that the tokenizer was trained to.
    (folder / "bpe.codes").write_bytes(merges.read_bytes())
    with pytest.raises(
        ModelError,
        match=r"encoder' cannot be the text encoder: Transformers does not save its BertweetTokenizer as it is, .* "
        "Give a text encoder with a fast tokenizer",
    ):
        CLFAProcessor.from_encoders(folder, None)
