"""Image loading: read, decode, resize, normalise."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.probe import Channel
from clfa.data.images import load_image
from clfa.processing.processor import CLFAProcessor


def load(channel: Channel, processor: str, pictures: str, limit: int, cache: str) -> None:
    """A round brings pictures from files to tensors, one at a time as the training loader does.

    Args:
        channel: To the caller.
        processor: Directory of a vision encoder.
        pictures: Folder of JPEG files.
        limit: Number of pictures.
        cache: Not used; every task has one.
    """
    prepare = CLFAProcessor.from_encoders(None, processor)
    paths = sorted(Path(pictures).glob("*.jpg"))[:limit]
    for _ in channel.rounds():
        start = decoded = time.perf_counter()
        decoding = 0.0
        for path in paths:
            decoded = time.perf_counter()
            picture = load_image(path)
            decoding += time.perf_counter() - decoded
            prepare.pixels([picture])
        channel.report(seconds=time.perf_counter() - start, decoding_seconds=decoding, samples=len(paths))
