"""The section of ``docs/performance.md`` about the authors' code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import duration, seconds, times
from benchmarks.spread import ratios, spread

REFERENCE = """
The authors' script runs unchanged in its own process with its own arguments (`train_s.sh`);
[benchmarks/reference/script.py](../benchmarks/reference/script.py) lists everything that is replaced around it. Both
process the same posts, batches of 8 in training; evaluation is each side's own loop (theirs: batches of 8, every batch
run twice; ours: batches of 16 of similar length, once). Texts have no knowledge; their code then attends to an empty
knowledge text, [CLS] [SEP]; rows "with the empty knowledge" do the same on our side, with their dropout in the vision
transformer and their evaluation batch: the same architecture. With identical weights and inputs and no dropout both
then have the same loss (`python -m benchmarks check --reference DIR`).

Their peak memory is extrapolated linearly from the smallest and the largest size; other runs gave 25 GB and 41 GB. The
certain part: they hold every picture as 3 x 224 x 224 float32 values, 11.9 GB for 19,816 pictures.
"""


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """Ratios with their spread, beside the target."""
    lines = [
        "\n| what | ours | lengths | theirs | ours | ratio | target | floor | gap |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    notes = []
    for entry in comparisons:
        theirs, ours = spread(entry["theirs"]), spread(entry["ours"])
        ratio = ratios(entry["theirs"], entry["ours"])
        shown = [f"{s.median:,.0f} MB" if entry["unit"] == "MB" else seconds(s) for s in (theirs, ours)]
        verdict = "reached" if ratio.median >= entry["target"] else "MISSED"
        floor = entry.get("floor_seconds")
        cells = [entry["name"], entry.get("variant", ""), entry.get("data", ""), *shown]
        cells += [times(ratio), f"{entry['target']}x: {verdict}"]
        cells += [duration(floor), f"{ours.median / floor:.1f}"] if floor else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
        if entry.get("note"):
            notes.append(f"\n{entry['name'].capitalize()}: {entry['note']}.\n")
    replaced = sorted({name for entry in comparisons for name in entry.get("replaced", [])})
    if replaced:
        notes.append(f"\nNot installed and replaced by stand-ins on their side: {', '.join(replaced)}.\n")
    return "\n".join(lines) + "\n" + "".join(notes)


def check_line(check: Mapping[str, float]) -> str:
    """Losses on identical weights and inputs."""
    return (
        f"\nIdentical weights and inputs, dropout off: loss {check['theirs']:.7g} theirs, {check['ours']:.7g} ours "
        f"(relative difference {check['loss_difference']:.1e}); largest difference of a logit "
        f"{check['logit_difference']:.1e}, of a tensor's gradient {check['gradient_difference']:.1e} of the gradient's "
        "norm.\n"
    )
