from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image, PngImagePlugin

from clfa.data.images import load_image
from clfa.data.png import without_texts
from clfa.errors import ImageError

PIXELS = Image.linear_gradient("L").resize((16, 16))


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png(**options: object) -> bytes:
    buffer = io.BytesIO()
    PIXELS.save(buffer, format="PNG", **options)
    return buffer.getvalue()


BIG = b"\0" * (3 << 20)
LARGE = {
    "compressed text": chunk(b"zTXt", b"prompt\0\0" + zlib.compress(BIG)),
    "compressed international text": chunk(b"iTXt", b"history\0\1\0\0\0" + zlib.compress(BIG)),
    "colour profile": chunk(b"iCCP", b"icc\0\0" + zlib.compress(BIG)),
    "many texts": chunk(b"zTXt", b"note\0\0" + zlib.compress(BIG[: 1 << 20])) * 70,
    "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + BIG),
    "broken profile": chunk(b"iCCP", b"icc\0\7garbage"),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("place", ["before", "after"])
def test_large_metadata_do_not_make_a_picture_broken(name: str, place: str) -> None:
    content = png()
    at = content.index(b"IDAT") - 4 if place == "before" else len(content) - 12
    assert load_image(content[:at] + LARGE[name] + content[at:]).tobytes() == PIXELS.convert("RGB").tobytes()


def test_what_is_part_of_the_picture_is_kept() -> None:
    content = png(transparency=PIXELS.getpixel((0, 0)))
    assert without_texts(content) is content
    assert load_image(content).getpixel((0, 0)) == (255, 255, 255)
    assert without_texts(b"GIF89a") == b"GIF89a"
    assert without_texts(content[:30]) == content[:30]
    plain = png()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("note", "hello")
    assert without_texts(png(pnginfo=texts)) == plain


def test_the_orientation_in_xmp_is_kept() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    content = png()
    at = content.index(b"IDAT") - 4
    turned = content[:at] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + content[at:]
    assert load_image(turned).tobytes() == PIXELS.convert("RGB").rotate(180).tobytes()


def test_too_many_chunks() -> None:
    with pytest.raises(ImageError, match="image consists of more than 65,536 chunks"):
        load_image(png()[:-12] + chunk(b"tEXt", b"") * 70_000)
