"""The page of ``make bench-gpu``."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

_HEAD = """# Performance on a GPU

`make bench-gpu` writes this page, within eight minutes, on a machine with CUDA and PyTorch
(`make bench-gpu REFERENCE=DIR`: also the authors' code; nothing is installed, see
[the script](../benchmarks/gpu/__main__.py)). The paper's architecture with random weights, synthetic posts with the
text lengths of MMSD, median of the rounds after a warm-up. *Share of the ceiling*: matrix operations of all tokens
without padding, divided by the time and by the fastest matrix product measured in the same run and precision.
"""


NOT_YET = "\nNot measured yet: no GPU has run it so far.\n"


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page.

    Args:
        results: By part: what it measured, or ``{"not measured": reason}``; ``ceiling`` among them, or none.
    """
    if not results:
        return _HEAD + NOT_YET
    ceiling = results["ceiling"]
    rates = ceiling.get("rates", {})
    lines = [_HEAD]
    if "machine" in ceiling:
        facts = ceiling["machine"]
        where = facts["gpu"] if ceiling["device"] == "cuda" else f"NO GPU: {facts['cpu']}, {facts['cores']} cores"
        lines.append(f"{where}; PyTorch {facts['torch']}, Transformers {facts['transformers']}, clfa {facts['clfa']}.")
        products = ", ".join(f"{name} {rate / 1e12:,.3g} TFLOP/s" for name, rate in rates.items())
        lines.append(f"Fastest matrix product: {products}. Memory: {ceiling['bandwidth'] / 1e9:,.3g} GB/s.\n")
    lines.append("| part | time | samples/s | share of the ceiling | memory | GPU memory |")
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    lines += [_row(name, found, rates) for name, found in results.items() if name != "ceiling" or not rates]
    ratio = _ratio(results)
    return "\n".join(lines) + "\n" + (f"\nTraining, theirs over ours at batch 8: **{ratio:.2f}x**.\n" if ratio else "")


def _row(name: str, found: Mapping[str, Any], rates: Mapping[str, float]) -> str:
    if "not measured" in found:
        return f"| {name} | not measured: {found['not measured'].replace('|', '/')} | | | | |"
    seconds = median(found["seconds"])
    cells = [name, f"{seconds:,.3g} s"]
    cells.append(f"{found['samples'] / seconds:,.1f}" if "samples" in found else f"{found['processes']} processes")
    rate = rates.get(str(found.get("precision")))
    used = found["operations"] / seconds / rate if rate and "operations" in found else None
    cells.append("" if used is None else f"{used:.1%}")
    cells += [f"{found[m]:,.0f} MB" if m in found else "" for m in ("peak_memory_mb", "peak_gpu_memory_mb")]
    return f"| {' | '.join(cells)} |"


def _ratio(results: Mapping[str, Mapping[str, Any]]) -> float | None:
    theirs = results.get("the authors' training", {}).get("seconds")
    ours = [found.get("seconds") for name, found in results.items() if name.startswith("training, batch 8,")]
    return median(theirs) / median(ours[-1]) if theirs and ours and ours[-1] else None
