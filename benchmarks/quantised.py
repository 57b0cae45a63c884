"""``python -m benchmarks.quantised RUN TABLE``: a run by PyTorch, ONNX Runtime (fp32, int8) and OpenVINO (fp32, bf16).

OpenVINO is left out where it is not installed, and its bf16 on processors without instructions for it. Each predicts on
all labelled posts of TABLE, from files to labels, in a process of its own, in turns; the order changes from round to
round, and the first round does not count. Printed are posts per second (median of the rounds), processor
time per post, peak memory of the process, the share of posts with PyTorch's label, accuracy and macro F1. The int8
export is calibrated as by ``clfa export onnx``: with ``--calibration``, or the run's own validation posts.

``--split test`` keeps the rows whose split column says so; ``clfa data check READER DIR --output posts.parquet`` writes
such a table of any data set.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from benchmarks.probe import Channel, Probe
from benchmarks.spread import alternate
from clfa.cpu import native_bfloat16
from clfa.data import read_corpus, validate
from clfa.errors import DataError
from clfa.prediction.engines.base import Precision
from clfa.prediction.onnx_export import export_onnx
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.tables.access import Access

TORCH, FP32, INT8 = "PyTorch, fp32", "ONNX Runtime, fp32", "ONNX Runtime, int8"
OPENVINO, OPENVINO_BF16 = "OpenVINO, fp32", "OpenVINO, bf16"


def labelled(table: str, split: str | None) -> tuple[list[Post], list[str]]:
    """Return the posts of a table that have a label and can be read, and the names of their classes.

    Raises:
        DataError: If there is no such split, or no post is left.
    """
    corpus = validate(read_corpus("table", table, access=Access.of(False, True)))
    posts, labels = [], []
    for name, rows in corpus.splits.items():
        if split in (None, name):
            for text, image, label in zip(rows["text"][:], rows["image"][:], corpus.labels(name), strict=True):
                if label is not None:
                    posts.append(Post(text, image))
                    labels.append(str(label))
    if not posts:
        raise DataError(f"{table} has no labelled posts{'' if split is None else f' of the split {split!r}'}.")
    return posts, labels


def predict(
    channel: Channel, model: str, engine: str, precision: Precision, table: str, split: str | None, batch: int
) -> None:
    """A round predicts on all posts.

    Args:
        channel: To the caller.
        model: Run folder or export.
        engine: ``torch``, ``onnx`` or ``openvino``.
        precision: Of the engine.
        table: Table of posts.
        split: See the module.
        batch: Posts per forward pass.
    """
    classifier = PostClassifier.load(model, batch, engine=engine, precision=precision)
    posts, _ = labelled(table, split)
    for _ in channel.rounds():
        start, used = time.perf_counter(), time.process_time()
        found = classifier(posts)
        seconds, processor = time.perf_counter() - start, time.process_time() - used
        labels = [None if one.label is None else str(one.label) for one in found]
        channel.report(seconds=seconds, processor=processor, labels=labels)


def table_lines(reports: dict[str, list[dict[str, Any]]], labels: Sequence[str]) -> list[str]:
    """Return the Markdown table.

    Args:
        reports: By contender those of its rounds; the first is the reference.
        labels: True labels.
    """
    lines = [
        "| what | posts/s | times as fast | processor per post | peak memory | as PyTorch | accuracy | macro F1 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    reference = reports[TORCH]
    truth = np.array(labels)
    expected = np.array([str(one) for one in reference[0]["labels"]])
    first: tuple[float, float] | None = None
    for name, own in reports.items():
        seconds = median(one["seconds"] for one in own)
        ratio = median(a["seconds"] / b["seconds"] for a, b in zip(reference, own, strict=True))
        found = np.array([str(one) for one in own[0]["labels"]])
        classes = sorted(set(truth))
        scores = accuracy_score(truth, found), f1_score(truth, found, labels=classes, average="macro", zero_division=0)
        first = first or scores
        shown = [
            f"{100 * score:.2f}" + ("" if name == TORCH else f" ({100 * (score - base):+.2f})")
            for score, base in zip(scores, first, strict=True)
        ]
        lines.append(
            f"| {name} | {len(labels) / seconds:.1f} | {ratio:.2f} | "
            f"{1000 * median(one['processor'] for one in own) / len(labels):.1f} ms | "
            f"{max(one['peak_memory_mb'] for one in own):,.0f} MB | {np.mean(found == expected):.1%} | "
            f"{' | '.join(shown)} |"
        )
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Export, measure in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    parser.add_argument("table", help="labelled posts, pictures as paths or bytes")
    parser.add_argument("--split", help="keep the rows of this split")
    parser.add_argument("--calibration", help="table of posts; the run's validation posts when not given")
    parser.add_argument("--calibration-posts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, help="of each process")
    options = parser.parse_args(arguments)
    _, labels = labelled(options.table, options.split)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        plain, small = f"{folder}/fp32", f"{folder}/int8"
        export_onnx(options.run, plain)
        report = export_onnx(
            options.run,
            small,
            precision="int8",
            calibration=options.calibration,
            calibration_posts=options.calibration_posts,
            access=Access.of(False, True),
        )
        print(f"int8: {report.int8}", flush=True)
        places: dict[str, tuple[str, str, Precision]] = {
            TORCH: (options.run, "torch", "fp32"),
            FP32: (plain, "onnx", "auto"),
            INT8: (small, "onnx", "auto"),
        }
        if find_spec("openvino") is not None:
            places[OPENVINO] = (plain, "openvino", "fp32")
            if native_bfloat16():
                places[OPENVINO_BF16] = (plain, "openvino", "bf16")
        reports: dict[str, list[dict[str, Any]]] = {name: [] for name in places}
        given = {"table": options.table, "split": options.split, "batch": options.batch_size}

        def contender(name: str, model: str, engine: str, precision: Precision) -> Callable[[], float]:
            task = {"model": model, "engine": engine, "precision": precision, **given}
            probe = stack.enter_context(Probe("quantised:predict", task, threads=options.threads))

            def once() -> float:
                reports[name].append(probe.round())
                return float(reports[name][-1]["seconds"])

            return once

        alternate({name: contender(name, *place) for name, place in places.items()}, options.rounds)
    print(f"{len(labels)} posts, {options.rounds} rounds, batches of {options.batch_size}")
    print("\n".join(table_lines({name: own[1:] for name, own in reports.items()}, labels)))


if __name__ == "__main__":
    main()
