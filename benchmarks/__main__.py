"""``python -m benchmarks``: measure, compare, plot growth, guard."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.recorder import PRECISIONS, TRAIN_SAMPLES, Settings
from clfa.errors import CLFAError
from clfa.files import atomic_write, write_json

# With --quick: posts of an epoch, and of prediction.
QUICK_SAMPLES = {"paper": 24}
QUICK_POSTS = 32
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; the exit code is 1 when the guard, the check or a measurement fails."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except CLFAError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(required=True)

    def command(name: str, work: object, description: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=description, description=description)
        sub.set_defaults(command=work)
        sub.add_argument("--work", type=Path, default=Path("runs/bench"), help="folder for posts, encoders and results")
        return sub

    run = command("run", _run, "Measure, and write the page.")
    run.add_argument("--reference", type=Path, help="checkout of the authors' code, run alongside")
    run.add_argument(
        "--reference-data", nargs="+", default=["mmsd", "mvsa-single"], help="data sets whose text lengths that has"
    )
    run.add_argument("--data-dir", type=Path, help="folder with mvsa-single/: the start of a run on real data, too")
    run.add_argument("--architectures", nargs="+", default=["paper", "offline"], choices=list(TRAIN_SAMPLES))
    run.add_argument("--repetitions", type=int, help="values kept of each measurement; default 7, with --quick 3")
    run.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        help="default: those that this machine has instructions for; bf16 by emulation takes many times as long",
    )
    run.add_argument(
        "--quick",
        action="store_true",
        help="about five minutes: training, prediction and comparison, few posts with MMSD's text lengths, the paper's "
        "architecture; the page goes to the folder of --work",
    )
    run.add_argument("--memory-samples", type=int, default=24_635, help="posts of the memory measurement")
    run.add_argument(
        "--only",
        nargs="+",
        default=[],
        help="training, prediction, guide, images, startup, memory, reference: measured anew, the others kept",
    )
    run.add_argument("--document", type=Path, help="page to write; default docs/performance.md")

    check = command("check", _check, "Losses of both codes on identical weights and inputs.")
    check.add_argument("--reference", type=Path, required=True)
    check.add_argument("--batch-size", type=int, default=8)

    growth = command("growth", _growth, "Time and memory against samples, text length, batch size, classes, processes.")
    growth.add_argument("--architecture", default="small", choices=["paper", "small"])
    growth.add_argument("--repetitions", type=int, default=3)
    growth.add_argument("--only", nargs="+", default=[], help="samples, length, batch, classes, processes")
    growth.add_argument("--plots", type=Path, default=DOCUMENT.parent / "performance", help="folder of the pictures")

    guard = command("guard", _guard, "Ratios and counts within one run; fails on a clear regression.")
    guard.add_argument("--repetitions", type=int, default=5)
    guard.add_argument("--only", nargs="+", default=[], help="names of checks")

    levers = command("levers", _levers, "What each lever is worth on a CPU: training steps with it and without it.")
    levers.add_argument("--repetitions", type=int, default=5)
    levers.add_argument("--only", nargs="+", default=[], help="names of levers")

    render = command("render", _render, "Write the page again from the results.")
    render.add_argument("--document", type=Path, default=DOCUMENT)

    checksums = command("checksums", _checksums, "What the checksums of feature caches cost beside an epoch.")
    checksums.add_argument("--samples", type=int, default=2000)

    lengths = command("lengths", _lengths, "Count the text lengths of the data sets anew.")
    lengths.add_argument("--data-dir", type=Path, required=True, help="folder with mmsd/ and mvsa-single/")
    return top


def settings_of(options: argparse.Namespace) -> Settings:
    """What the options of ``run`` ask for."""
    settings = Settings(
        work=options.work.resolve(),
        architectures=tuple(options.architectures),
        repetitions=options.repetitions or 7,
        reference=None if options.reference is None else options.reference.resolve(),
        memory_samples=options.memory_samples,
        only=tuple(options.only),
        reference_data=tuple(options.reference_data),
        data_dir=None if options.data_dir is None else options.data_dir.resolve(),
        **({"precisions": tuple(options.precisions)} if options.precisions else {}),
    )
    if not options.quick:
        return settings
    return replace(
        settings,
        architectures=("paper",),
        repetitions=options.repetitions or 3,
        only=settings.only or ("training", "prediction", "reference"),
        reference_data=("mmsd",),
        data_sets=("mmsd",),
        train_samples=QUICK_SAMPLES,
        prediction_samples=QUICK_POSTS,
    )


def _run(options: argparse.Namespace) -> int:
    from benchmarks.measure import Bench

    settings = settings_of(options)
    if settings.reference is not None:
        from benchmarks.reference.script import check_folder

        check_folder(settings.reference)
        if not settings.only or "reference" in settings.only:
            # In a process of its own: two models are not to stay in memory beside those that are measured.
            where = ["--work", options.work, "--reference", settings.reference]
            subprocess.run([sys.executable, "-m", "benchmarks", "check", *where], check=False)
    bench = Bench(settings, options.work / ("quick.json" if options.quick else "results.json"))
    if options.only and bench.output.is_file():
        bench.keep(json.loads(bench.output.read_text(encoding="utf-8")))
    results = bench.run()
    page = settings.work / "quick.md" if options.quick else DOCUMENT
    _write(options.work, bench.output.stem, options.document or page)
    return 1 if results["failures"] else 0


def _check(options: argparse.Namespace) -> int:
    from benchmarks.architectures import write_encoders
    from benchmarks.reference.check import check

    work = options.work.resolve()
    encoders = write_encoders(work / "encoders" / "paper", "paper")
    found = check(options.reference.resolve(), encoders, work / "theirs", options.batch_size)
    write_json(options.work / "check.json", found)
    print(json.dumps(found, indent=2))
    return 1 if found["loss_difference"] > 1e-5 or found["gradient_difference"] > 1e-4 else 0


def _growth(options: argparse.Namespace) -> int:
    from benchmarks.growth import measure

    measure(options.work.resolve(), options.plots, options.architecture, options.repetitions, options.only)
    return 0


def _guard(options: argparse.Namespace) -> int:
    from benchmarks.guard import guard

    return guard(options.work.resolve(), options.repetitions, options.only)


def _levers(options: argparse.Namespace) -> int:
    from benchmarks.levers import measure

    measure(options.work.resolve(), options.repetitions, options.only)
    return 0


def _render(options: argparse.Namespace) -> int:
    _write(options.work, "results", options.document)
    return 0


def _write(work: Path, results: str, document: Path) -> None:
    from benchmarks.render import render

    def read(name: str) -> str | None:
        path = work / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    files = {"results": results, "check": "check", "levers": "levers"}
    found = {name: read(f"{file}.json") for name, file in files.items()}
    parts = {name: None if content is None else json.loads(content) for name, content in found.items()}
    with atomic_write(document) as file:
        file.write(render(**parts, growth=read("growth.md") or ""))
    print(f"{document} written.")


def _checksums(options: argparse.Namespace) -> int:
    from benchmarks.checksums import measure

    found = measure(options.samples)
    print(f"epoch {found['epoch']:.2f} s, checksums {found['checksums']:.3f} s: {found['share']:.2%} of the epoch")
    return 0 if found["share"] < 0.02 else 1


def _lengths(options: argparse.Namespace) -> int:
    from benchmarks.lengths import COUNTS, count

    with atomic_write(COUNTS) as file:
        lines = (f"  {json.dumps(name)}: {json.dumps(counts)}" for name, counts in count(options.data_dir).items())
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
