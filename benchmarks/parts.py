"""``python -m benchmarks.parts RUN TABLE``: where the time of a prediction goes, and the floor of each part.

The posts of TABLE are predicted on in PyTorch and float32, in batches, as ``clfa predict`` does it; then each part of
that work is done alone, on the same batches. Printed is a Markdown table: the median over the rounds, in milliseconds
per post, and the least that the part could take on this machine. The floor of decoding and resizing is what Pillow
needs for the bare work, that of tokenising the bare tokenizer's time, and that of the encoders and of what follows them
the operations of their matrix products and convolutions over the rate of the fastest matrix product measured here.

``--flame FILE.svg`` also draws a flame graph of the prediction with py-spy (``pip install py-spy``).
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import machine
from benchmarks.operations import operations
from benchmarks.quantised import labelled
from clfa.cpu import busy
from clfa.data.images import load_image, read_image_bytes
from clfa.errors import CLFAError, DataError
from clfa.modeling.encoders import encode_image, encode_text
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier, Readable
from clfa.targets.prediction import predict_targets

# Seconds that the flame graph looks at, and samples a second.
_FLAME_SECONDS, _FLAME_RATE = 20, 200


@dataclass(frozen=True)
class Part:
    """A part of the work on a batch.

    Args:
        name: For a person.
        work: Does it once.
        floor: Does the least that it needs, or how many seconds that takes; ``None`` where nothing is known.
    """

    name: str
    work: Callable[[], Any]
    floor: Callable[[], Any] | float | None = None


def parts(classifier: PostClassifier, posts: Sequence[Post], rate: float) -> list[Part]:
    """Return the parts of the prediction on one batch, in their order.

    Args:
        classifier: A model in PyTorch with both modalities, without knowledge.
        posts: Its posts, each with a text and one picture.
        rate: Matrix operations per second.
    """
    model, processor = classifier.model, classifier.processor
    pictures = [post.image for post in posts]
    encoded = [read_image_bytes(picture) for picture in pictures]
    loaded = [load_image(picture) for picture in pictures]
    read = [found for found in map(classifier.read, posts) if isinstance(found, Readable)]
    texts = [found.text for found in read]
    inputs = dict(processor(text=texts, return_tensors="np"))
    inputs |= processor.image_inputs([found.pixels for found in read])
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    size = tensors["pixel_values"].shape[-2:]
    pixels = tensors["pixel_values"].contiguous(memory_format=torch.channels_last)
    ids, mask = tensors["input_ids"], tensors["attention_mask"]
    towers = model.clfa
    with torch.inference_mode():
        whole = towers(**{name: one for name, one in tensors.items() if not name.startswith("term")}).encoded
        rest = {name: one for name, one in whole.items() if one is not None}
        rest |= {name: one for name, one in tensors.items() if name.startswith("term")}
        output = classifier.runtime(inputs)

    def within(work: Callable[[], Any]) -> Callable[[], Any]:
        def once() -> Any:
            with torch.inference_mode():
                return work()

        return once

    def computed(name: str, work: Callable[[], Any]) -> Part:
        return Part(name, within(work), operations(within(work)) / rate)

    return [
        Part("read files", lambda: [read_image_bytes(picture) for picture in pictures]),
        Part(
            "decode",
            lambda: [load_image(content) for content in encoded],
            lambda: [Image.open(io.BytesIO(content)).convert("RGB") for content in encoded],
        ),
        Part(
            "resize, normalise",
            lambda: [processor.pixel_array([picture]) for picture in loaded],
            lambda: [picture.resize(size[::-1], Image.Resampling.BILINEAR) for picture in loaded],
        ),
        Part(
            "tokens and terms",
            lambda: processor(text=texts, return_tensors="np"),
            lambda: processor.tokenizer.backend_tokenizer.encode_batch(texts),
        ),
        computed("vision encoder", lambda: encode_image(towers.vision_encoder, pixels)),
        computed("text encoder", lambda: encode_text(towers.text_encoder, ids, mask)),
        computed("projections, fusion, head", lambda: model(**rest)),
        Part("labels and probabilities", lambda: predict_targets(classifier.targets, output.logits)),
    ]


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(
    classifier: PostClassifier, posts: Sequence[Post], rounds: int
) -> tuple[dict[str, tuple[float, float]], float]:
    """Return the seconds of each part and of its floor (NaN if unknown), and those of the whole prediction, all posts.

    Args:
        classifier: See :func:`parts`.
        posts: Posts, in batches of the classifier.
        rounds: Times that everything is measured; the first one more does not count.
    """
    rate = max(machine.rate("fp32").values())
    ordered = sorted(posts, key=lambda post: len(post.text))
    size = classifier.batch_size
    batches = [parts(classifier, ordered[at : at + size], rate) for at in range(0, len(ordered), size)]
    names = [part.name for part in batches[0]]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    whole = []
    for number in range(rounds + 1):
        found = {name: [0.0, 0.0] for name in names}
        with busy():
            for batch in batches:
                for part in batch:
                    floor = part.floor
                    found[part.name][0] += timed(part.work)
                    found[part.name][1] += np.nan if floor is None else timed(floor) if callable(floor) else floor
        seconds = timed(lambda: classifier(posts))
        if number:
            whole.append(seconds)
            for name, (own, least) in found.items():
                times[name].append((own, least))
    medians = {name: (median(a for a, _ in own), median(b for _, b in own)) for name, own in times.items()}
    return medians, median(whole)


def table_lines(found: dict[str, tuple[float, float]], whole: float, posts: int) -> list[str]:
    """Return the Markdown table.

    Args:
        found: Seconds of each part and of its floor, all posts.
        whole: Seconds of the whole prediction.
        posts: Number of posts.
    """
    total = sum(own for own, _ in found.values())
    floors = float(np.nansum([least for _, least in found.values()]))

    def line(name: str, own: float, least: float) -> str:
        floor, gap = ("", "") if np.isnan(least) else (f"{1000 * least / posts:.2f}", f"{own / least:.1f}")
        return f"| {name} | {1000 * own / posts:.2f} | {own / total:.0%} | {floor} | {gap} |"

    return [
        "| part | ms per post | share | floor, ms | gap |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(line(name, *values) for name, values in found.items()),
        line("sum of the parts", total, floors),
        line("the whole, parts side by side", whole, np.nan),
    ]


def draw_flame(path: Path, arguments: Sequence[str]) -> None:
    """Draw a flame graph of this program's prediction.

    Args:
        path: SVG file to write.
        arguments: Of the program, without ``--flame``.

    Raises:
        CLFAError: If py-spy is not installed.
    """
    spy = shutil.which("py-spy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if spy is None:
        raise CLFAError("a flame graph needs py-spy: pip install py-spy")
    command = [sys.executable, "-m", "benchmarks.parts", *arguments, "--only-predict", str(_FLAME_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        # It says so when the model is loaded and warm.
        process.stdout.readline()
        subprocess.run(
            [
                *(spy, "record", "--function", "--format", "flamegraph", "--output", str(path)),
                *("--pid", str(process.pid), "--rate", str(_FLAME_RATE), "--duration", str(_FLAME_SECONDS - 2)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        process.terminate()
    # The title is the command, with the paths of this machine.
    drawn = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*', r"\1clfa: prediction", drawn), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder of a model that reads text and one picture, without knowledge")
    parser.add_argument("table", help="labelled posts, pictures as paths or bytes")
    parser.add_argument("--split", help="keep the rows of this split")
    parser.add_argument("--posts", type=int, default=256, help="keep the first so many")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--flame", type=Path, help="SVG file of a flame graph")
    parser.add_argument("--only-predict", type=float, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    posts = [post for post in labelled(options.table, options.split)[0] if post.text and post.image is not None]
    posts = posts[: options.posts]
    if not posts:
        raise DataError(f"{options.table} has no posts with a text and a picture.")
    classifier = PostClassifier.load(options.run, options.batch_size)
    if options.only_predict:
        classifier(posts)
        print("ready", flush=True)
        end = time.monotonic() + options.only_predict
        while time.monotonic() < end:
            classifier(posts)
        return
    if options.flame is not None:
        given = list(sys.argv[1:] if arguments is None else arguments)
        at = next(place for place, one in enumerate(given) if one.startswith("--flame"))
        del given[at : at + (1 if "=" in given[at] else 2)]
        draw_flame(options.flame, given)
    found, whole = measure(classifier, posts, options.rounds)
    print(
        f"{len(posts)} posts, batches of {options.batch_size}, "
        f"{torch.get_num_threads()} threads, {options.rounds} rounds"
    )
    print("\n".join(table_lines(found, whole, len(posts))))


if __name__ == "__main__":
    main()
