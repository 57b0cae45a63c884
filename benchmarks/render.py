"""``docs/performance.md`` from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import duration, seconds, times
from benchmarks.reference.render import REFERENCE, check_line, comparison_table
from benchmarks.spread import ratios, spread

TITLE = "# Performance\n\n"

INTRODUCTION = """
## How it is measured

`make bench` writes this page from its measurements; only the summary is written by hand, in
[benchmarks/summary.md](../benchmarks/summary.md). Texts and pictures are synthetic, text lengths are those of MMSD and
MVSA-Single ([counts](../benchmarks/lengths.json)), and weights are random: times do not depend on learned values.

```sh
make bench                              # ours
make bench REFERENCE=../CLFA            # and the authors' code beside it, after: git clone https://github.com/ChangKe123/CLFA
make bench BENCH=--quick                # about five minutes; bf16 is left out where it is emulated (--precisions)
make bench-guard                        # what CI runs: ratios within one run, no seconds
make bench-levers                       # the effect of each optimisation
make bench-growth                       # time and memory against samples, length, batch, classes, processes
```

Every program is a separate process and works only in its turn; the order changes from round to round, and the first
round is discarded. Shown are the median and the quartiles (of fewer than four values the smallest and the largest). A
*floor* is the least time that the work can take on this machine: the matrix operations of all tokens without padding,
divided by the rate of the fastest matrix product measured in the same run, plus the optimiser's bytes divided by the
measured bandwidth. *Gap* is the measured time divided by the floor; *use* is the share of the matrix rate that the
operations reach (MFU, with the measured rate instead of the data sheet's). For memory, the floor is what the libraries
use before any data is read; for a start, the import of PyTorch and Transformers. Peak memory with ONNX Runtime is that
of the export, which the same process makes first.
"""

LEVERS = """
## What was tried

Each optimisation (*lever*) alone, on the paper's architecture with MMSD's text lengths and batches of 8: the same work
with it and without it, in turns, everything else as in normal use (`make bench-levers`; median and quartiles of the
repetitions). A ratio above 1 means that the work is faster with it.

"""

NOT_TIMED = """
Not timed separately: no work for absent knowledge (the text encoder's pass over up to 66 tokens per sample), one
forward pass per evaluation batch, PyTorch's fused attention on GPUs and in float32 without dropout, frozen features and
guides cached in memory-mapped files (`caching pays` in the guard), pages of 2 MB by `THP_MEM_ALLOC_ENABLE=1` (tried
once: no gain beyond that of keeping freed memory).
"""

# Written by hand, with the figures of one run.
SUMMARY = Path(__file__).with_name("summary.md")
_PENDING = "\nNo figures yet: `make bench` writes them here.\n"


def render(
    results: Mapping[str, Any] | None,
    check: Mapping[str, float] | None = None,
    levers: Mapping[str, Any] | None = None,
    growth: str = "",
) -> str:
    """The page.

    Args:
        results: Of :class:`benchmarks.measure.Bench`; ``None`` when nothing was measured.
        check: Of :func:`benchmarks.reference.check.check`.
        levers: Of :func:`benchmarks.levers.measure`.
        growth: Markdown of :mod:`benchmarks.growth`.
    """
    parts = [TITLE, SUMMARY.read_text(encoding="utf-8"), INTRODUCTION]
    if results is None:
        parts.append(_PENDING)
    else:
        parts += [machine_section(results), measurement_section(results)]
        if results["comparisons"] or check:
            parts.append("\n## Beside the authors' code\n" + REFERENCE)
            parts.append(comparison_table(results["comparisons"]))
            if check:
                parts.append(check_line(check))
        if levers:
            parts += [LEVERS, lever_table(levers["levers"]), NOT_TIMED]
        if results["failures"]:
            parts.append("\n## What failed\n")
            parts += [f"\n- {name}: {problem.splitlines()[-1]}" for name, problem in results["failures"].items()]
            parts.append("\n")
    if growth:
        parts.append("\n## Growth\n\n" + growth)
    return "".join(parts).rstrip() + "\n"


def machine_section(results: Mapping[str, Any]) -> str:
    """The machine and its rates."""
    m = results["machine"]
    versions = f"PyTorch {m['torch']}, Transformers {m['transformers']}, Python {m['python']}, clfa {m['clfa']}"
    lines = [
        f"\n## The machine\n\n{m['cpu']}, {m['cores']} cores ({m['cpu_capability']}), {m['memory_gb']} GB of memory, "
        f"{m['gpu'] or 'no GPU'}; {m['threads']} threads; {versions}; "
        f"load before the run {m['load_before']}. Measured {results['measured']}.\n",
        *(f"\nLeft out: {name}, {why}.\n" for name, why in results.get("left_out", {}).items()),
        "\n| matrix product | " + " | ".join(f"{name}, GFLOP/s" for name in results["rates"]) + " |",
        "| --- | " + " | ".join("---:" for _ in results["rates"]) + " |",
    ]
    for shape in next(iter(results["rates"].values())):
        cells = " | ".join(f"{rates[shape] / 1e9:.0f}" for rates in results["rates"].values())
        lines.append(f"| {shape} | {cells} |")
    lines.append(f"\nMemory bandwidth (reading and writing both counted): {results['bandwidth'] / 1e9:.1f} GB/s.\n")
    return "\n".join(lines)


def measurement_section(results: Mapping[str, Any]) -> str:
    """One row per measurement."""
    lines = [
        "\n## Ours\n",
        "| what | architecture | lengths | precision | time | samples/s | floor | gap | use | peak memory |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in results["measurements"]:
        cells = [entry["name"], *(entry.get(name, "") for name in ("architecture", "data", "precision"))]
        if "seconds" in entry:
            time = spread(entry["seconds"])
            verdict = ""
            if "at_most" in entry:
                reached = "reached" if time.median <= entry["at_most"] else "MISSED"
                verdict = f"; at most {duration(entry['at_most'])}: {reached}"
            cells.append(seconds(time) + verdict)
            # Without an epoch or a batch there is nothing to count per second.
            cells.append(f"{entry['samples'] / time.median:,.1f}" if "samples" in entry else "")
        else:
            cells += ["", f"{entry['samples']:,} samples" if "samples" in entry else ""]
            time = None
        if "floor_seconds" in entry and time is not None:
            floor = entry["floor_seconds"]
            use = entry["operations"] / entry["operations_per_second"] / time.median
            cells += [duration(floor), f"{time.median / floor:.1f}", f"{100 * use:.0f} %"]
        elif "floor_mb" in entry:
            # What the libraries alone take.
            cells += [f"{entry['floor_mb']:,.0f} MB", f"{entry['peak_memory_mb'] / entry['floor_mb']:.1f}", ""]
        else:
            cells += ["", "", ""]
        memory = [f"{entry['peak_memory_mb']:,.0f} MB"] if "peak_memory_mb" in entry else []
        if "peak_gpu_memory_mb" in entry:
            memory.append(f"GPU {entry['peak_gpu_memory_mb']:,.0f} MB")
        cells.append(", ".join(memory))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def lever_table(levers: Sequence[Mapping[str, Any]]) -> str:
    """Time without a lever over time with it."""
    lines = ["| lever | the work | without it | with it | ratio | kept |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for lever in levers:
        cells = [lever["name"], lever["of"], *(duration(spread(lever[side]).median) for side in ("without", "with"))]
        lines.append("| " + " | ".join([*cells, times(ratios(lever["without"], lever["with"])), lever["kept"]]) + " |")
    return "\n".join(lines) + "\n"
