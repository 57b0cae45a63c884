"""Text files in mixed encodings, decoded one by one to text that reads as text.

Collections of posts are often written by tools that fell back to the encoding of somebody's machine: MVSA's texts are
ASCII or GBK (curly quotes, accents and Cyrillic included), other copies hold Windows-1252. Statistical detectors guess
wildly on a line of 100 bytes of which two are not ASCII. Here every candidate encoding that can decode the bytes is
priced: each character costs about as many bits as it is surprising in a post (an accented letter inside a word is
cheap, a lone ideograph between Latin letters is not, a control character hardly ever happens), and the cheapest reading
wins.
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

# Bits to pay for assuming an encoding at all. Bytes that happen to be valid UTF-8 mostly are UTF-8.
_PRIORS = {"utf-8": 0.0, "gb18030": 12.0, "cp1252": 12.0, "cp1251": 18.0, "cp932": 18.0}
_WIDE_PRIORS = {"utf-16-le": 8.0, "utf-16-be": 8.0}
_USUAL_PRIOR = 0.0
_UNUSUAL_UTF8_PRIOR = 4.0

_BROKEN = 40.0
# GBK's user-defined zone: what became of some emoji.
_PRIVATE_USE = 15.0
_INCOMPLETE_TAIL = 25.0
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
    """The text in ``raw`` on one line, and the encoding it was read as.

    Args:
        raw: Content of a text file or one line of it, in any of UTF-8, UTF-16 or UTF-32 with a byte order mark,
            GB18030 (GBK, GB2312), Windows-1252, Windows-1251 or Shift_JIS (cp932).
        usual: Encoding in which the other texts of the same collection are, if known. It breaks ties where bytes read
            well in two ways, for instance a single GBK character that is valid UTF-8 by accident.

    Returns:
        The text cleaned by :func:`clean_text`, and a codec name; ``"ascii"`` where any would do, and a name ending in
        ``" (damaged)"`` where no codec read all bytes and the unreadable ones were left out.

    Raises:
        DataError: The bytes are not text (binary data).
    """
    text, encoding = decode_bytes(raw, usual=usual)
    return clean_text(text), encoding


def decode_bytes(raw: bytes, *, usual: str | None = None) -> tuple[str, str]:
    """Like :func:`decode_text`, with line breaks and every other character kept."""
    if raw.isascii() and b"\x00" not in raw:
        text, encoding = raw.decode("ascii"), "ascii"
    else:
        text, encoding = _choose(raw, usual)
    broken = len(_UNREADABLE.findall(text))
    if broken > _MOST_BROKEN * max(len(text), 1):
        raise DataError(f"not text in any known encoding: {broken} of {len(text)} characters are unreadable")
    return text, encoding


def usual_encoding(counts: Mapping[str, int]) -> str | None:
    """The encoding of a collection, where nearly all of its texts that are not ASCII agree on one.

    Args:
        counts: Number of texts by encoding, as :func:`decode_text` named them without a hint.

    Returns:
        A value for ``usual`` in :func:`decode_text`, or ``None``: fewer than 20 such texts or below 90 % agreement.
    """
    others = {encoding: count for encoding, count in counts.items() if encoding != "ascii"}
    total = sum(others.values())
    if total < 20:
        return None
    encoding, count = max(others.items(), key=lambda item: item[1])
    return encoding if count >= 0.9 * total and encoding in _PRIORS else None


def clean_text(text: str) -> str:
    """One line: control, private-use and replacement characters gone, runs of white space one blank, ends stripped."""
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
            # Posts are cut to a number of bytes; an incomplete last character is dropped, not fatal.
            text = decoder.decode(raw)
        except UnicodeDecodeError:
            continue
        cost = prior + _cost(text) + (_INCOMPLETE_TAIL if decoder.getstate()[0] else 0.0)
        if best is None or cost < best[0]:
            best = (cost, text, encoding)
    if best is not None:
        return best[1], best[2]
    damaged = ((text := raw.decode(encoding, "replace"), encoding) for encoding in priors)
    # A stretch of unreadable bytes is one accident, however long.
    text, encoding = min(damaged, key=lambda reading: priors[reading[1]] + _cost(_DAMAGE.sub("\ufffd", reading[0])))
    return text, f"{encoding} (damaged)"


def _cost(text: str) -> float:
    """Surprise of ``text`` in bits, ASCII letters for free."""
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
        # Between Latin letters an ideograph is an accented word read wrongly; beside its own kind it is at home.
        alone = "ideograph" not in (left, right)
        in_a_word = 10.0 * (left in ("ascii", "latin")) + 6.0 * (right in ("ascii", "latin")) * (left != "ideograph")
        return 4.0 * alone + in_a_word
    if kind == "latin":
        strange = (left not in ("latin", "ascii", "other")) + (right not in ("latin", "ascii", "other"))
        alone = left == "other" and right == "other"
        # Languages in Latin script accent single letters; whole accented words are another alphabet read wrongly.
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
    # Both national standards order their characters in two levels, the frequent ones first.
    for standard, last_frequent in (("gb2312", 0xD7), ("euc_jp", 0xCF)):
        try:
            lead = char.encode(standard)[0]
        except UnicodeEncodeError:
            continue
        if 0xB0 <= lead <= last_frequent:
            return 9.5
    return 14.0 if char <= "\u9fff" else 20.0


def wide_encoding(head: bytes) -> str | None:
    """Return the codec of a file in UTF-16 or UTF-32, with or without a byte order mark, ``None`` for any other.

    Without a mark it is told by its first two characters being ASCII, as in ``id,text`` or ``{"id"``, or by a share of
    zero bytes at even or odd places only.

    Args:
        head: The file's first bytes.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark) and encoding != "utf-8-sig":
            # A decoder for the mark's byte order would keep the mark.
            return encoding
    head = head[:4096]
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
