"""What identifies a tokenizer, and whether its saved copy is the same."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from clfa.errors import ModelError
from clfa.pretrained import pretrained

# A text that settings of tokenizers change: letter case, marks, names, addresses, white space.
_PROBE = "  So SUNNY, it's 12\tof @user #day: https://example.org/a\u00e9\u0065\u0301\n:) !! wonderful weather"


def tokenizer_digest(tokenizer: Any) -> str:
    """Return a hexadecimal digest of a tokenizer's vocabulary and rules, for the names of caches.

    Args:
        tokenizer: A tokenizer of Transformers.
    """
    if not tokenizer.is_fast:
        return _slow_tokenizer_digest(tokenizer)
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    # Truncation and padding depend on the last call, not on the tokenizer.
    content = {name: value for name, value in content.items() if name not in ("truncation", "padding")}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _slow_tokenizer_digest(tokenizer: Any) -> str:
    """Return the digest of a tokenizer written in Python: of its class, vocabulary, and what it makes of a text."""
    tokens = [str(token) for token in tokenizer.all_special_tokens]
    # Settings are listed with their values only where they were given, so that what they do is compared.
    rules = [type(tokenizer).__name__, tokens, tokenizer.get_added_vocab(), tokenizer(_PROBE)["input_ids"]]
    digest = hashlib.blake2b(json.dumps(rules, sort_keys=True).encode(), digest_size=16)
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(map(Path, tokenizer.save_vocabulary(folder))):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def require_same_copy(tokenizer: Any, name: str | os.PathLike[str]) -> None:
    """Check that a tokenizer reads texts alike after it is saved and loaded, as it will be with a trained model.

    Some that are written in Python are saved incompletely by Transformers, as BERTweet's in 5.24. Fast ones are saved
    as a whole.

    Args:
        tokenizer: A tokenizer of Transformers.
        name: Where it comes from, for the message.

    Raises:
        ModelError: When the copy reads a text otherwise.
    """
    if tokenizer.is_fast:
        return
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        copy = pretrained(AutoTokenizer, folder)
        if copy(_PROBE)["input_ids"] != tokenizer(_PROBE)["input_ids"]:
            raise ModelError(
                f"{os.fspath(name)!r} cannot be the text encoder: Transformers does not save its "
                f"{type(tokenizer).__name__} as it is, so that a trained model would read texts otherwise. Give a text "
                "encoder with a fast tokenizer."
            )
