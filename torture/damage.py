"""Damage to bytes that any format can suffer."""

from __future__ import annotations

from random import Random


def flip_bits(content: bytes, random: Random) -> bytes:
    """Flip 1 to 16 bits."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(content: bytes, random: Random) -> bytes:
    """Cut the end off."""
    return content[: random.randrange(len(content))]


def swap(content: bytes, random: Random) -> bytes:
    """Swap two stretches of equal length."""
    length = random.randint(1, max(1, len(content) // 4))
    first, second = sorted(random.randrange(len(content)) for _ in range(2))
    length = min(length, second - first, len(content) - second)
    a, b = content[first : first + length], content[second : second + length]
    return content[:first] + b + content[first + length : second] + a + content[second + length :]


def remove(content: bytes, random: Random) -> bytes:
    """Take a stretch out."""
    start = random.randrange(len(content))
    return content[:start] + content[start + random.randint(1, 64) :]


def repeat(content: bytes, random: Random) -> bytes:
    """Repeat a stretch."""
    start = random.randrange(len(content))
    stretch = content[start : start + random.randint(1, 64)]
    return content[:start] + stretch * random.randint(1, 20) + content[start:]


def overwrite(content: bytes, random: Random) -> bytes:
    """Overwrite a stretch with extreme or random bytes."""
    start = random.randrange(len(content))
    length = min(random.choice((1, 2, 4, 4, 8, 32)), len(content) - start)
    fill = random.choice((b"\0" * length, b"\xff" * length, random.randbytes(length)))
    return content[:start] + fill + content[start + length :]


DAMAGES = (flip_bits, truncate, swap, remove, repeat, overwrite)


def damaged(content: bytes, random: Random) -> bytes:
    """Return the content with one to three kinds of damage."""
    for _ in range(random.choice((1, 1, 2, 3))):
        if content:
            content = random.choice(DAMAGES)(content, random)
    return content
