"""PNG files without their texts, which are no part of the picture."""

from __future__ import annotations

from clfa.errors import ImageError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Texts and colour profiles may be compressed: a few bytes expand to gigabytes.
_DROPPED = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
# An uncompressed text that gives the orientation where there is no EXIF.
_XMP = b"XML:com.adobe.xmp\0\0"
_MAX_XMP = 1 << 20
# Each costs time; the usual ones of pixels have at least 8 KiB.
_MAX_CHUNKS = 1 << 16


def without_texts(content: bytes) -> bytes:
    """Return a PNG file without texts and colour profile; any other content, and a damaged file, unchanged.

    Pillow refuses a picture whose texts (prompts, histories of editing) are larger than a limit. XMP of at most
    1 MiB is kept, because it can hold the orientation.

    Args:
        content: The encoded picture.

    Raises:
        ImageError: If the file consists of more than 65,536 chunks.
    """
    if not content.startswith(_SIGNATURE):
        return content
    kept: list[bytes] = [_SIGNATURE]
    start = position = len(_SIGNATURE)
    chunks = 0
    while position + 8 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        kind = content[position + 4 : position + 8]
        chunks += 1
        if chunks > _MAX_CHUNKS:
            raise ImageError(f"image consists of more than {_MAX_CHUNKS:,} chunks; save it again")
        end = position + 12 + length
        if end > len(content):
            break
        xmp = kind == b"iTXt" and length <= _MAX_XMP and content.startswith(_XMP, position + 8)
        if kind in _DROPPED and not xmp:
            kept.append(content[start:position])
            start = end
        position = end
        if kind == b"IEND":
            break
    # Without anything left out, the content is not copied.
    return content if len(kept) == 1 else b"".join([*kept, content[start:]])
