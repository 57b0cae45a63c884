from __future__ import annotations

import codecs
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.errors import DataError
from clfa.tables.encoding import clean_text, decode_bytes, decode_text, usual_encoding

SAMPLES = {
    "cp1252": [
        "Café “déjà vu” – it’s naïve",
        "don’t",
        "£5 only…",
        "Über schön, größer",
        "¿Qué? Mañana no",
        "résumés",
        "garçon très élégant à l’œuvre",
        "what a “great” day…",
        "100 °C today",
        "© 2015 me",
        "RT @bob: ‘ok’",
        "création",
    ],
    "gb18030": [
        "加油",
        "今天天气真好，我很开心！",
        "“quotes” and … more",
        "Café “déjà vu”",
        "Привет мир",
        "I love 北京 so much",
        "残りの4人",
        "@bob 哈哈哈 so funny",
        "東京タワー",
        "€5 – ok",
        "我",
    ],
    "cp1251": ["Привет мир", "RT @bob: что это такое?", "Не знаю", "лето 2015 #лето"],
    "cp932": ["今日はとても楽しかったです", "かわいい", "RT @bob: すごい！", "カラオケ"],
    "utf-8": [
        "加油",
        "Café “déjà vu”",
        "Привет",
        "😂😂 lol",
        "don’t",
        "é",
        "한국어",
        "ไทย",
        "العربية",
        "£5",
        "ありがとう",
    ],
}


@pytest.mark.parametrize(("encoding", "text"), [(e, t) for e, texts in SAMPLES.items() for t in texts])
def test_invented_posts_in_each_encoding(encoding: str, text: str) -> None:
    assert decode_text(text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize("text", SAMPLES["utf-8"] + SAMPLES["gb18030"])
def test_hint_does_not_overrule_clear_utf8(text: str) -> None:
    assert decode_text(text.encode("utf-8"), usual="gb18030")[0] == text


def test_hint_decides_where_bytes_read_both_ways() -> None:
    raw = "@bob (笑) look".encode("gb18030")
    assert raw.decode("utf-8") == "@bob (Ц) look"
    assert decode_text(raw) == ("@bob (Ц) look", "utf-8")
    assert decode_text(raw, usual="gb18030") == ("@bob (笑) look", "gb18030")


def test_ascii_is_called_ascii() -> None:
    assert decode_text(b"  plain\ttext \r\n") == ("plain text", "ascii")
    assert decode_text(b"") == ("", "ascii")


@pytest.mark.parametrize(
    ("mark", "encoding", "name"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    ],
)
def test_byte_order_marks(mark: bytes, encoding: str, name: str) -> None:
    assert decode_text(mark + "né 加油\n".encode(encoding)) == ("né 加油", name)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_mark(encoding: str) -> None:
    assert decode_text("hello world".encode(encoding)) == ("hello world", encoding)


def test_text_cut_inside_its_last_character_loses_only_that() -> None:
    assert decode_text("all of it… 加油".encode()[:-1]) == ("all of it… 加", "utf-8")
    assert decode_text("他说“今天天气很好”然后走了".encode("gb18030")[:-1])[0] == "他说“今天天气很好”然后走"


def test_bytes_no_codec_reads_are_left_out_and_reported() -> None:
    raw = "a long enough post about café culture ".encode() + b"\x98\x81\xff\xff" + "déjà vu and so on".encode()
    text, encoding = decode_text(raw)
    assert encoding == "utf-8 (damaged)"
    assert text == "a long enough post about café culture déjà vu and so on"


def test_binary_data_is_not_text() -> None:
    with pytest.raises(DataError, match="not text in any known encoding"):
        decode_text(bytes(range(32)) * 20)


def test_private_use_characters_are_removed() -> None:
    raw = b"off me \xac\xeb\xfd\xbf \xa1\xb0now\xa1\xb1\xa1\xad and more"
    assert decode_text(raw, usual="gb18030") == ("off me “now”… and more", "gb18030")


def test_decode_bytes_keeps_lines() -> None:
    assert decode_bytes("né\r\nb\t".encode()) == ("né\r\nb\t", "utf-8")


def test_clean_text() -> None:
    assert clean_text("\ufeff a\x00b\u2028c\u3000d\x07e\ufffd\u200b ") == "a b c de"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"ascii": 1000, "gb18030": 99, "utf-8": 1}, "gb18030"),
        ({"ascii": 1000, "gb18030": 15, "utf-8": 15}, None),
        ({"ascii": 1000, "gb18030": 19}, None),
        ({"ascii": 1000}, None),
        ({"cp1252 (damaged)": 50}, None),
    ],
)
def test_usual_encoding(counts: dict[str, int], expected: str | None) -> None:
    assert usual_encoding(counts) == expected


@given(
    st.sampled_from(["abc éüñ…“”’", "加油日本。", "привет !", "ありがとう", "ok 😂🎉", "한국 !", "£€ 5"]).flatmap(
        st.text
    )
)
def test_utf8_round_trip(text: str) -> None:
    decoded, encoding = decode_text(("A plain start, " + text).encode())
    assert decoded == clean_text("A plain start, " + text)
    assert encoding in ("ascii", "utf-8")


@given(st.binary(max_size=300), st.sampled_from([None, "gb18030", "cp1252"]))
def test_any_bytes_give_readable_text_or_data_error(raw: bytes, usual: str | None) -> None:
    try:
        text, _ = decode_text(raw, usual=usual)
    except DataError:
        return
    assert not re.search("[\x00-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]", text)
    assert text == text.strip()


@given(st.text())
def test_clean_text_is_idempotent(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.real_data
def test_every_real_text_reads_as_text(real_data_dir: Path) -> None:
    raws = [path.read_bytes() for path in sorted((real_data_dir / "mvsa-single" / "data").glob("*.txt"))]
    counts = Counter(decode_text(raw)[1] for raw in raws)
    assert counts == {"ascii": 3343, "gb18030": 1013, "utf-8": 2}
    usual = usual_encoding(counts)
    assert usual == "gb18030"
    texts = [decode_text(raw, usual=usual) for raw in raws]
    assert Counter(encoding for _, encoding in texts) == {"ascii": 3343, "gb18030": 1015}
    for text, _ in texts:
        assert text
        assert not re.search("[\x00-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]", text), text
