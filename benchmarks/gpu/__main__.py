"""``make bench-gpu``: training and prediction of the paper's architecture on a GPU, in at most eight minutes.

Nothing is installed. A machine with CUDA, PyTorch and no index needs the other packages as wheels, carried along from a
machine with an index (the same Python and system)::

    pip download --dest wheels . && rm -f wheels/torch-* wheels/nvidia_* wheels/triton-*    # in a checkout of clfa
    pip install --no-index --find-links wheels --no-deps wheels/*.whl      # there; PyTorch stays as it is
    PYTHONPATH=src python -m benchmarks.gpu --reference ../CLFA

Each part has a share of the time and is cut at its end; the page then says that it was not measured.
``--device cpu --tiny`` tries all of it out without a GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.limited import limited
from benchmarks.gpu.page import page
from clfa.files import atomic_write, write_json

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance-gpu.md"
# Seconds of all parts together, and of one.
LIMIT, PART_LIMIT = 480.0, 90.0


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the page; the exit code is 1 if a part was not measured."""
    options = parser().parse_args(arguments)
    paths = [str(DOCUMENT.parents[1]), str(DOCUMENT.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"}
    if options.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    end = time.monotonic() + options.limit
    results: dict[str, dict[str, Any]] = {}
    for title, (name, given) in plan(options).items():
        left = min(end - time.monotonic(), PART_LIMIT)
        print(f"{title}, at most {max(left, 0):.0f} s ...", file=sys.stderr, flush=True)
        results[title] = limited(name, given, left, environment) | {"precision": given.get("precision")}
        write_json(options.work / "gpu.json", results)
        if title == "ceiling" and options.device == "cuda" and results[title].get("device") != "cuda":
            print("No GPU is at hand; --device cpu --tiny tries the script out.", file=sys.stderr)
            return 2
    with atomic_write(options.document) as file:
        file.write(page(results))
    print(f"{options.document} written.")
    return 1 if any("not measured" in found for found in results.values()) else 0


def plan(options: argparse.Namespace) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the parts by title: a function of :mod:`benchmarks.gpu.parts` and its arguments."""
    size = "small" if options.tiny else "paper"
    samples, rounds, large = (24, 1, 16) if options.tiny else (520, 3, 64)
    common = {"work": str(options.work.resolve()), "size": size, "samples": samples}
    precisions = ("fp32",) if options.tiny else ("bf16", "fp32")
    parts: dict[str, tuple[str, dict[str, Any]]] = {"ceiling": ("ceiling", {"size": size})}
    for precision in precisions:
        more = {**common, "rounds": rounds, "precision": precision}
        for batch_size in (8, large):
            given = {**more, "batch_size": batch_size}
            parts[f"training, batch {batch_size}, {precision}"] = ("training", given)
        parts[f"prediction, batch {large}, {precision}"] = ("prediction", {**more, "batch_size": large})
    if options.reference is not None:
        theirs = {**common, "rounds": 1, "directory": str(options.reference.resolve())}
        parts["the authors' training"] = ("reference", theirs)
    parts["torchrun, training from start to end"] = ("processes", common)
    kept = {title: part for title, part in parts.items() if not options.only or part[0] in (*options.only, "ceiling")}
    # What matters most comes first: bf16, the authors' code, the processes, then the rest.
    return dict(sorted(kept.items(), key=lambda item: item[1][1].get("precision") == "fp32"))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    top.add_argument("--reference", type=Path, help="checkout of the authors' code, run alongside")
    top.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    top.add_argument("--tiny", action="store_true", help="small sizes, to try the script out")
    top.add_argument("--limit", type=float, default=LIMIT, help="seconds of all parts together")
    names = ("training", "prediction", "reference", "processes")
    top.add_argument("--only", nargs="+", default=[], choices=names, help="parts to run, beside the ceiling")
    top.add_argument("--work", type=Path, default=Path("runs/bench-gpu"), help="folder for posts, encoders and results")
    top.add_argument("--document", type=Path, default=DOCUMENT, help="page to write")
    return top


if __name__ == "__main__":
    sys.exit(main())
