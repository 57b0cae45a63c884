"""``python -m benchmarks.cluster``: what N machines take for a large job, and how true that is."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.cluster.draws import draw
from benchmarks.cluster.measured import read_measured
from benchmarks.cluster.render import plot, stops_scaling, table
from benchmarks.cluster.scaling import scale
from benchmarks.cluster.simulate import Cluster
from clfa.errors import CLFAError
from clfa.files import write_json
from clfa.jobs.cluster import MAX_ATTEMPTS

LIMIT = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; the exit code is 1 if the check fails."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except CLFAError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    commands = top.add_subparsers(required=True)

    plan = commands.add_parser("plan", help="table and plot of hours, cost and efficiency by the number of machines")
    plan.set_defaults(command=_plan)
    plan.add_argument("job", type=Path, help="output folder of a finished job, or a file of --save")
    plan.add_argument("--job-workers", type=_count, default=1, help="workers of that job")
    plan.add_argument("--save", type=Path, help="file to keep the shard times in")
    plan.add_argument("--rows", type=_count, default=10_000_000, help="posts")
    plan.add_argument("--shard-rows", type=_count, default=10_000, help="posts of a shard")
    plan.add_argument("--machines", type=_count, default=256, help="most machines")
    plan.add_argument("--workers", type=_count, default=1, help="workers of a machine")
    plan.add_argument("--start-up", type=_amount, help="seconds until a worker works; default: as in the job")
    plan.add_argument("--post-kb", type=_amount, default=100.0, help="kB read for a post")
    plan.add_argument("--machine-mb", type=_positive, default=500.0, help="MB/s that a machine can read")
    plan.add_argument("--shared-mb", type=_positive, default=2000.0, help="MB/s that all machines together can read")
    plan.add_argument("--price", type=_amount, default=0.1, help="of a machine per hour")
    plan.add_argument("--loss", type=_chance, default=0.001, help="chance that a shard is lost with its worker")
    plan.add_argument("--attempts", type=_count, default=MAX_ATTEMPTS, help="attempts at a shard")
    plan.add_argument("--draws", type=_count, default=10, help="courses of which the mean is shown")
    plan.add_argument("--seed", type=int, default=0)
    plan.add_argument("--plot", type=Path, help="PNG file to write")

    check = commands.add_parser("check", help="predict a run on two local Ray nodes from one on one node, and do it")
    check.set_defaults(command=_check)
    check.add_argument("run", help="run folder or model directory")
    check.add_argument("table", type=Path, help="posts")
    check.add_argument("--shard-rows", type=_count, default=96)
    check.add_argument("--repetitions", type=_count, default=3)
    return top


def _plan(options: argparse.Namespace) -> int:
    measured = read_measured(options.job, options.job_workers)
    if options.save is not None:
        write_json(options.save, measured.to_dict())
    start_up = measured.start_up if options.start_up is None else options.start_up
    size = options.rows, options.shard_rows, options.post_kb * 1e3
    seeds = range(options.seed, options.seed + options.draws)
    draws = [draw(measured, *size, options.loss, options.attempts, seed) for seed in seeds]
    cluster = Cluster(1, options.workers, start_up, options.machine_mb * 1e6, options.shared_mb * 1e6)
    points, below = scale(draws, cluster, options.price, options.machines, LIMIT)
    rate = measured.rows.sum() / measured.seconds.sum()
    print(
        f"{len(measured.rows):,} measured shards: {rate:,.1f} posts/s and worker; start-up {start_up:.1f} s; "
        f"{len(draws[0].seconds):,} shards to do.\n\n{table(points)}\n\n{stops_scaling(points, below, LIMIT)}"
    )
    if options.plot is not None:
        plot(points, options.plot, f"{options.rows:,} posts, {rate:,.0f} posts/s and worker")
    return 0


def _check(options: argparse.Namespace) -> int:
    from benchmarks.cluster.check import check, held, run_on_nodes, verdict
    from clfa.prediction.predict_job import PredictJob

    job = PredictJob(str(Path(options.run).absolute()))
    found = check(job, options.table.absolute(), options.shard_rows, options.repetitions, run_on_nodes)
    print(verdict(found))
    return 0 if held(found) else 1


def _number(what: str, fits: Callable[[float], bool], kind: type = float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value: float = kind(text)
        if not (math.isfinite(value) and fits(value)):
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return value

    return convert


_count = _number("a whole number from 1 on", lambda value: value >= 1, int)
_amount = _number("a number from 0 on", lambda value: value >= 0)
_positive = _number("a number above 0", lambda value: value > 0)
_chance = _number("a number from 0 to 1", lambda value: 0 <= value <= 1)

if __name__ == "__main__":
    sys.exit(main())
