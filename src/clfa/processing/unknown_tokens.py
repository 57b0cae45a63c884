"""Whether a text encoder knows the language of texts, by its tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from clfa.processing.whole_words import WholeWords

# Smaller shares of unknown tokens are names, signs and emoji.
MOST_UNKNOWN = 0.2
# Known languages have a token for three or more characters; with more tokens, words are cut into single characters.
MOST_TOKENS = 0.7
# Scripts without an alphabet have about one token for a character; with more, characters are cut into their bytes.
MOST_WIDE_TOKENS = 1.6
# Scripts without an alphabet have a token for every character, if the encoder knows them: few are unknown.
MOST_WIDE_UNKNOWN = 0.05
# Of the words of a known language more are in the vocabulary. With MiniLM's, of English captions, tweets and memes 85
# to 90 %; of Turkish, Polish, Vietnamese, Spanish, German, or Hindi in Latin letters 10 to 45 %.
FEWEST_WHOLE = 0.6
# Shorter texts say little.
_MIN_TOKENS = 10
_MULTILINGUAL = "distilbert/distilbert-base-multilingual-cased"
_CHINESE = "hfl/chinese-roberta-wwm-ext"
# Beginnings of the Unicode names of scripts without an alphabet, whose characters are tokens.
_WIDE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


class UnknownTokens:
    """Counts of the tokens of texts that a tokenizer does not know, or has only characters for.

    Args:
        tokenizer: A tokenizer of Transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        unknown = tokenizer.unk_token_id
        special = set(tokenizer.all_special_ids)
        ends = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.cls_token_id)
        # Tokenizers of bytes know all characters, and give a token of the end as the unknown one.
        self._unknown = None if unknown in ends else unknown
        self._skipped = special - {self._unknown}
        self._words = WholeWords(tokenizer)
        self.clear()

    def clear(self) -> None:
        """Forget the texts so far."""
        self.tokens = self.unknown = 0
        # Tokens and characters of texts with an alphabet, and of texts with characters of other scripts.
        self._alphabetic_tokens = self._letters = self._wide_tokens = self._wide_letters = self._han = 0
        self._wide_unknown = 0
        self._words.clear()

    def add(self, texts: Sequence[str | None], ids: Iterable[Sequence[int]]) -> None:
        """Count the tokens of texts.

        Args:
            texts: The texts.
            ids: Their token ids; special tokens are not counted.
        """
        for text, own in zip(texts, ids, strict=True):
            if not text:
                continue
            found = [token for token in own if token not in self._skipped]
            self.tokens += len(found)
            unknown = sum(token == self._unknown for token in found)
            if text.isascii():
                wide = 0
                characters = len(text) - text.count(" ")
            else:
                names = [unicodedata.name(character, "") for character in text if not character.isspace()]
                wide, characters = sum(name.startswith(_WIDE) for name in names), len(names)
                self._han += sum(name.startswith("CJK") for name in names)
                # Emoji are no language.
                signs = sum(any(unicodedata.category(one) == "So" for one in word) for word in text.split())
                unknown = max(0, unknown - signs)
            self.unknown += unknown
            if wide:
                self._wide_tokens += len(found)
                self._wide_letters += characters
                self._wide_unknown += unknown
            else:
                self._words.add(text)
                self._alphabetic_tokens += len(found)
                self._letters += characters

    def concern(self, what: str) -> str | None:
        """Return a warning if most tokens say nothing to the encoder, with encoders that know other languages.

        Args:
            what: Name of the texts, for the message: ``"training texts"``.
        """
        if self.tokens < _MIN_TOKENS:
            return None
        wide = self._wide_tokens > self._alphabetic_tokens
        if self.unknown > MOST_UNKNOWN * self.tokens or (
            wide and self._wide_unknown > MOST_WIDE_UNKNOWN * self._wide_tokens
        ):
            why = f"{self.unknown / self.tokens:.0%} of the tokens of the {what} are unknown to the text encoder"
        elif (self._alphabetic_tokens > MOST_TOKENS * self._letters and not wide) or (
            wide and self._wide_tokens > MOST_WIDE_TOKENS * self._wide_letters
        ):
            why = f"the text encoder cuts the words of the {what} into single characters or bytes"
        elif not wide and (share := self._words.share()) is not None and share < FEWEST_WHOLE:
            why = f"only {share:.0%} of the words of the {what} are whole in the text encoder's vocabulary"
        else:
            return None
        fitting = _CHINESE if 2 * self._han > self._letters + self._wide_letters else _MULTILINGUAL
        well = " well" if why.startswith("only") else ""
        return (
            f"{why[0].upper()}{why[1:]}: it does not know their language{well}. An encoder that does, such as "
            f"model.text_encoder={fitting}, reads them better."
        )
