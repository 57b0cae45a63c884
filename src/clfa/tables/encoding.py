"""Detection of text encodings and decoding of texts in mixed encodings.

Collections of posts often mix encodings, because tools write in the default encoding of a machine: MVSA's texts are
ASCII or GBK (curly quotes, accents and Cyrillic included), other copies contain Windows-1252. Statistical detectors are
unreliable on a line of 100 bytes with two non-ASCII bytes. This module computes a cost for each candidate encoding that
can decode the bytes. The cost of a character is about its information content in a post, in bits: low for an accented
letter inside a word, higher for a single ideograph between Latin letters, very high for a control character. The
encoding with the lowest total cost is chosen.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from clfa.errors import DataError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Prior cost of each encoding in bits. Bytes that are valid UTF-8 are usually UTF-8.
_PRIORS = {"utf-8": 0.0, "gb18030": 12.0, "cp1252": 12.0, "cp1251": 18.0, "cp932": 18.0}
_WIDE_PRIORS = {"utf-16-le": 8.0, "utf-16-be": 8.0}
_USUAL_PRIOR = 0.0
_UNUSUAL_UTF8_PRIOR = 4.0

_BROKEN = 40.0
# GBK's user-defined zone, which some tools use for emoji.
_PRIVATE_USE = 15.0
_INCOMPLETE_TAIL = 25.0
_HEAD_BYTES = 2048
_MOST_BROKEN = 0.1

_PUNCTUATION = frozenset("‘’‚“”„…–—•™€′″")
_FREQUENT_LATIN = frozenset("éèàáíóúñüöäçãõêâîôûëïßåøæœìòùÉÜÖÄÅŞşığ")
_FREQUENT_SYMBOLS = frozenset("£©®°«»¿¡·½´×º²³")
_FREQUENT_CYRILLIC = frozenset("оеаинтсрвлкмдпуяыьгзб")

_DAMAGE = re.compile("\ufffd+")
_SPACE = re.compile(r"[\s\x00\x1c-\x1f\x85\u200b\ufeff]+")
_UNREADABLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ue000-\uf8ff\ufffd\ufffe\uffff]|[\U000f0000-\U0010ffff]"
)


def decode_text(raw: bytes, *, usual: str | None = None) -> tuple[str, str]:
    """Decode bytes to one line of text, and return the text and its encoding.

    Args:
        raw: Content of a text file or one line of it, in any of UTF-8, UTF-16 or UTF-32 with a byte order mark,
            GB18030 (GBK, GB2312), Windows-1252, Windows-1251 or Shift_JIS (cp932).
        usual: Encoding of the other texts of the same collection, if known. It decides between encodings of similar
            cost, for instance for a single GBK character that is also valid UTF-8.

    Returns:
        The text cleaned by :func:`clean_text`, and a codec name: ``"ascii"`` if all bytes are ASCII; a name ending in
        ``" (damaged)"`` if no codec decodes all bytes and undecodable bytes were left out.

    Raises:
        DataError: If the bytes are not text (binary data).
    """
    text, encoding = decode_bytes(raw, usual=usual)
    return clean_text(text), encoding


def decode_bytes(raw: bytes, *, usual: str | None = None) -> tuple[str, str]:
    """Decode bytes as :func:`decode_text` does, but keep line breaks and all other characters."""
    if raw.isascii() and b"\x00" not in raw:
        return _readable(raw.decode("ascii")), "ascii"
    if len(raw) > 2 * _HEAD_BYTES:
        # The content of a picture is refused by its beginning, because a choice for all of it takes seconds.
        _readable(_choose(raw[:_HEAD_BYTES], usual)[0])
    text, encoding = _choose(raw, usual)
    return _readable(text), encoding


def _readable(text: str) -> str:
    broken = len(_UNREADABLE.findall(text))
    if broken > _MOST_BROKEN * max(len(text), 1):
        raise DataError(f"not text in any known encoding: {broken} of {len(text)} characters are unreadable")
    return text


def usual_encoding(counts: Mapping[str, int]) -> str | None:
    """Return the common encoding of a collection's non-ASCII texts.

    Args:
        counts: Number of texts by encoding, from :func:`decode_text` without ``usual``.

    Returns:
        A value for ``usual`` in :func:`decode_text`; ``None`` for fewer than 20 non-ASCII texts, or if fewer than 90 %
        of them have the same encoding.
    """
    others = {encoding: count for encoding, count in counts.items() if encoding != "ascii"}
    total = sum(others.values())
    if total < 20:
        return None
    encoding, count = max(others.items(), key=lambda item: item[1])
    return encoding if count >= 0.9 * total and encoding in _PRIORS else None


def clean_text(text: str) -> str:
    """Remove control, private-use and replacement characters, and replace each run of white space by one blank."""
    return _SPACE.sub(" ", _UNREADABLE.sub("", _SPACE.sub(" ", text))).strip()


def _choose(raw: bytes, usual: str | None) -> tuple[str, str]:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                return raw.decode(encoding), encoding
            except UnicodeDecodeError:
                break
    priors = dict(_PRIORS)
    if raw.count(b"\x00") > len(raw) // 4:
        priors |= _WIDE_PRIORS
    if usual is not None and usual != "utf-8":
        priors |= {"utf-8": _UNUSUAL_UTF8_PRIOR, usual: _USUAL_PRIOR}
    best: tuple[float, str, str] | None = None
    for encoding, prior in priors.items():
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            # Posts may be truncated to a number of bytes; ignore an incomplete last character.
            text = decoder.decode(raw)
        except UnicodeDecodeError:
            continue
        cost = prior + _cost(text) + (_INCOMPLETE_TAIL if decoder.getstate()[0] else 0.0)
        if best is None or cost < best[0]:
            best = (cost, text, encoding)
    if best is not None:
        return best[1], best[2]
    damaged = ((text := raw.decode(encoding, "replace"), encoding) for encoding in priors)
    # A run of undecodable bytes counts as one error, whatever its length.
    text, encoding = min(damaged, key=lambda reading: priors[reading[1]] + _cost(_DAMAGE.sub("\ufffd", reading[0])))
    return text, f"{encoding} (damaged)"


def _cost(text: str) -> float:
    """Return the cost of ``text`` in bits; ASCII characters cost nothing."""
    total = 0.0
    for index, char in enumerate(text):
        if char >= "\x80" or char < " ":
            before = text[index - 1] if index else " "
            after = text[index + 1] if index + 1 < len(text) else " "
            total += _char_cost(char) + _context_cost(char, before, after)
    return total


def _context_cost(char: str, before: str, after: str) -> float:
    kind, left, right = _script(char), _script(before), _script(after)
    if kind in ("other", "ascii"):
        return 0.0
    if kind == "ideograph":
        # An ideograph between Latin letters is probably a wrongly decoded accent; beside other ideographs it is usual.
        alone = "ideograph" not in (left, right)
        in_a_word = 10.0 * (left in ("ascii", "latin")) + 6.0 * (right in ("ascii", "latin")) * (left != "ideograph")
        return 4.0 * alone + in_a_word
    if kind == "latin":
        strange = (left not in ("latin", "ascii", "other")) + (right not in ("latin", "ascii", "other"))
        alone = left == "other" and right == "other"
        # Latin-script languages accent single letters; a word of accented letters is probably a wrongly decoded script.
        crowded = 4.0 * (left == "latin") + 4.0 * (right == "latin")
        return 8.0 * strange + 4.0 * alone + crowded + 8.0 * (char.isupper() and before.islower())
    alone = kind not in (left, right)
    mixed = "ascii" in (left, right) or "latin" in (left, right)
    return 7.0 * alone + 8.0 * mixed + 8.0 * (char.isupper() and before.islower())


@lru_cache(maxsize=8192)
def _script(char: str) -> str:
    if char < "\x80":
        return "ascii" if char.isalpha() else "other"
    if not char.isalpha():
        return "other"
    name = unicodedata.name(char, "UNNAMED").split()[0]
    if name in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "IDEOGRAPHIC", "HANGUL"):
        return "ideograph"
    return "latin" if name in ("LATIN", "MASCULINE", "FEMININE", "MICRO") else name


@lru_cache(maxsize=8192)
def _char_cost(char: str) -> float:
    if char in "\t\n\r\f\v ":
        return 0.0
    if "\ue000" <= char <= "\uf8ff":
        return _PRIVATE_USE
    if _UNREADABLE.match(char):
        return _BROKEN
    if char in _PUNCTUATION:
        return 4.0
    category, name = unicodedata.category(char), unicodedata.name(char, "")
    if category in ("Cc", "Cn", "Cs"):
        return _BROKEN
    if name.startswith("LATIN"):
        return 4.0 if char in _FREQUENT_LATIN else 9.0
    if char in _FREQUENT_SYMBOLS:
        return 9.0
    if char <= "\xff":
        return 12.0
    if name.startswith(("HIRAGANA", "KATAKANA")):
        return 5.0
    if name.startswith("CYRILLIC"):
        return 4.0 if char in _FREQUENT_CYRILLIC else 6.0 if char.lower() in _FREQUENT_CYRILLIC else 7.0
    if name.startswith("CJK UNIFIED"):
        return _ideograph_cost(char)
    if name.startswith("HALFWIDTH"):
        return 12.0
    if name.startswith(("IDEOGRAPHIC", "FULLWIDTH")):
        return 6.0
    if category == "So" or char in "\u200d\ufe0f":
        return 6.0
    return 7.0 if category.startswith("L") else 9.0


def _ideograph_cost(char: str) -> float:
    # Both national standards have two levels of characters, the frequent ones in the first.
    for standard, last_frequent in (("gb2312", 0xD7), ("euc_jp", 0xCF)):
        try:
            lead = char.encode(standard)[0]
        except UnicodeEncodeError:
            continue
        if 0xB0 <= lead <= last_frequent:
            return 9.5
    return 14.0 if char <= "\u9fff" else 20.0


def wide_encoding(head: bytes) -> str | None:
    """Return the codec of a UTF-16 or UTF-32 file, with or without a byte order mark; ``None`` for other encodings.

    Without a mark, they are detected by two ASCII characters at the beginning, as in ``id,text`` or ``{"id"``; UTF-16
    also by zero bytes at even or at odd positions only.

    Args:
        head: The file's first bytes.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark) and encoding != "utf-8-sig":
            # The decoder of a fixed byte order would keep the mark.
            return encoding
    head = head[:4096]
    if len(head) >= 8 and head[0] and head[4] and not any((*head[1:4], *head[5:8])):
        return "utf-32-le"
    if len(head) >= 8 and head[3] and head[7] and not any((*head[:3], *head[4:7])):
        return "utf-32-be"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    pairs = max(len(head) // 2, 1)
    if len(head) >= 4 and head[1] == head[3] == 0 and head[0] and head[2] and even <= 0.01 * pairs:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == head[2] == 0 and head[1] and head[3] and odd <= 0.01 * pairs:
        return "utf-16-be"
    if odd > max(4, 0.2 * pairs) and not even:
        return "utf-16-le"
    if even > max(4, 0.2 * pairs) and not odd:
        return "utf-16-be"
    return None
