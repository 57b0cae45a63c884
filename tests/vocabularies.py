"""Tokenizers small enough for tests."""

from __future__ import annotations

import string

from transformers import BertTokenizerFast, CLIPTokenizerFast

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("so", "sunny", "today", "what", "a", "lovely", "rainy", "day", "cat", "dog", "good", "bad", "great", "the")


def tiny_vocab() -> dict[str, int]:
    """A word-piece vocabulary that spells every word of ASCII letters and digits."""
    characters = string.ascii_lowercase + string.digits
    pieces = [*SPECIALS, *WORDS, *characters, *("##" + c for c in characters), *"!?.,'#@"]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def tiny_bert_tokenizer() -> BertTokenizerFast:
    return BertTokenizerFast(vocab=tiny_vocab())


def tiny_clip_tokenizer() -> CLIPTokenizerFast:
    pieces = [*string.printable.split()[0], *(c + "</w>" for c in string.printable.split()[0])]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizerFast(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, merges=[])
