"""``python -m torture``: trials to destruction, of some kinds or of all."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

# Before anything imports a Hugging Face library or PyTorch.
os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

KINDS = {
    "kills": 300,
    "images": 100_000,
    "tables": 60_000,
    "recipes": 12_000,
    "processor": 30_000,
    "models": 1_000,
    "storage": 100,
    "pairs": 20,
}
"""Kinds of trials, each a module of this package, with their number in a long run."""
_MODULES = {"processor": "processors"}


def main(arguments: list[str] | None = None) -> int:
    """Carry out trials; the exit code is 1 if any of them did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all by default")
    parser.add_argument("--trials", type=int, help="trials of each kind; by default those of a long run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of the one trial to repeat")
    parser.add_argument("--minutes", type=float, default=600, help="no further trial of a kind begins after this time")
    parser.add_argument("--work", type=Path, help="folder for files, kept; by default a temporary one")
    parser.add_argument("--write", action="store_true", help="write the counts to docs/reliability.md")
    options = parser.parse_args(arguments)
    unknown = [kind for kind in options.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"unknown kind {unknown[0]!r}; choose from {', '.join(KINDS)}")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CLFA_CACHE"] = str(Path(temporary) / "cache")
        failed = [_carry_out(kind, options, Path(temporary)) for kind in options.kinds or KINDS]
    return 1 if any(failed) else 0


def _carry_out(kind: str, options: argparse.Namespace, temporary: Path) -> bool:
    from torture import page

    work = (options.work or temporary) / kind
    work.mkdir(parents=True, exist_ok=True)
    trials = 1 if options.only is not None else options.trials or KINDS[kind]
    revision = page.revision()
    deadline = time.monotonic() + 60 * options.minutes
    module = importlib.import_module(f"torture.{_MODULES.get(kind, kind)}")
    tally = module.run(trials, options.seed, work.resolve(), deadline, options.only or 0)
    outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(tally.outcomes.items()))
    print(f"{kind}: {tally.trials:,} trials in {tally.seconds:,.0f} s: {outcomes}")
    print(f"  {tally.faults:,} faults; slowest {tally.slowest:.1f} s; memory {tally.peak_mb:,.0f} MB", flush=True)
    for line in tally.listed:
        print(f"  {line}", file=sys.stderr, flush=True)
    if options.write:
        command = f"python -m torture {kind} --trials {trials} --seed {options.seed}"
        held = page.keep({**tally.to_dict(), "command": command, "revision": revision})
        page.write(held, list(KINDS))
    return tally.faults > 0


if __name__ == "__main__":
    sys.exit(main())
