"""Memory and time of `clfa predict` on any number of rows, with a kill and a resume on the way.

    python benchmarks/predict_at_scale.py runs/mine posts.parquet --rows 1000000 --kill-at 0.4 --output runs/predict-1m
    python benchmarks/predict_at_scale.py runs/text-only posts.parquet --rows 1000000 --no-images --output runs/text-1m

Repeats the posts of a table (a file that `clfa predict` takes; `clfa data check --output` makes one of a data set)
until there are so many rows, predicts on them in a process of its own, kills that with SIGKILL and resumes it once, and
samples its memory and its finished rows all the while. Then it checks that every row is there once and in order, and
counts equal posts with different predictions. Everything is in --output: figures.json, memory-and-time.png, and the
files themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from matplotlib.figure import Figure

from clfa.figures import write_plot
from clfa.files import atomic_write, write_json
from clfa.jobs.plan import PLAN
from clfa.runs.resources import versions
from clfa.tables.cells import read_image
from clfa.tables.rows import iter_rows

GB = 1e9


def read_posts(table: Path, columns: dict[str, str], images: bool) -> list[dict[str, Any]]:
    """The table's posts, their pictures named by absolute paths; encoded ones cannot be repeated a million times."""
    posts = []
    for row in iter_rows(table):
        post = {"text": row.values.get(columns["text"])}
        if images:
            image = read_image(row.values.get(columns["image"]), str(table.parent.resolve()))
            path = image.get("path") if isinstance(image, dict) else image
            if not isinstance(path, str):
                sys.exit(f"{table} row {row.number}: no path of a picture; give a table of paths, or --no-images.")
            post["image"] = path
        posts.append(post)
    if not posts:
        sys.exit(f"{table} is empty.")
    return posts


def repeat_posts(posts: list[dict[str, Any]], rows: int, path: Path) -> None:
    """Write so many rows as JSON lines, the posts over and over, numbered."""
    with atomic_write(path) as file:
        for number in range(rows):
            file.write(json.dumps({"id": number, **posts[number % len(posts)]}, ensure_ascii=False) + "\n")


class Watch:
    """Runs of one command, and what they were seen to do.

    Args:
        command: What to run.
        progress: The file in which it keeps its progress.
        log: What it prints is appended to this file.
        interval: Seconds between two looks.
    """

    def __init__(self, command: list[str], progress: Path, log: Path, interval: float) -> None:
        self.command, self.progress, self.log, self.interval = command, progress, log, interval
        self.samples: list[dict[str, float]] = []
        self.begin = time.monotonic()

    def run(self, name: str, extra: tuple[str, ...] = (), kill_at: int | None = None) -> float:
        """Run it, or kill it once so many rows are finished; the seconds it took."""
        start = time.monotonic()
        with open(self.log, "a", encoding="utf-8") as log:
            process = subprocess.Popen([*self.command, *extra], stdout=log, stderr=subprocess.STDOUT)
            seen = psutil.Process(process.pid)
            while process.poll() is None:
                rows = self._look(seen, name)
                if kill_at is not None and rows >= kill_at:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    return time.monotonic() - start
                time.sleep(self.interval)
        if process.returncode != 0:
            sys.exit(f"{' '.join(self.command)} failed; see {self.log}.")
        return time.monotonic() - start

    def _look(self, process: psutil.Process, name: str) -> int:
        try:
            memory = process.memory_info().rss
            rows = int(json.loads(self.progress.read_text(encoding="utf-8"))["summary"]["rows"])
        except (psutil.Error, FileNotFoundError):
            return 0
        sample = {"seconds": time.monotonic() - self.begin, "rows": rows, "memory_gb": memory / GB}
        self.samples.append({**sample, "run": 1.0 if name == "resumed" else 0.0})
        return rows


def check_output(output: Path, failures: Path, rows: int, period: int) -> dict[str, int]:
    """Count what is wrong with the finished predictions: nothing, if all is well."""
    first: list[Any] = []
    found = failed = misplaced = different = 0
    for number, line in enumerate(_lines(output)):
        found += 1
        failed += "error" in line
        misplaced += line["id"] != str(number)
        if number < period:
            first.append(line["prediction"])
        else:
            different += line["prediction"] != first[number % period]
    listed = sum(1 for _ in _lines(failures))
    return {
        "rows": found,
        "rows_missing": rows - found,
        "rows_out_of_place": misplaced,
        "rows_failed": failed,
        "failures_not_listed": failed - listed,
        "equal_posts_predicted_differently": different,
    }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def tenths(samples: list[dict[str, float]], rows: int) -> list[dict[str, float]]:
    """Largest memory and speed over each tenth of the rows, as far as it was sampled twice without a kill between."""
    found = []
    for tenth in range(10):
        inside = [s for s in samples if tenth * rows / 10 <= s["rows"] < (tenth + 1) * rows / 10]
        inside = [s for s in inside if s["run"] == inside[-1]["run"]]
        if len(inside) > 1 and inside[-1]["rows"] > inside[0]["rows"]:
            speed = (inside[-1]["rows"] - inside[0]["rows"]) / (inside[-1]["seconds"] - inside[0]["seconds"])
            memory = max(s["memory_gb"] for s in inside)
            found.append({"tenth": tenth + 1, "memory_gb": round(memory, 3), "rows_per_second": round(speed, 1)})
    return found


def plot(samples: list[dict[str, float]], path: Path, title: str) -> None:
    """Memory and time against finished rows, the two runs in two colours."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for run, label, colour in ((0.0, "until killed", "#2b6cb0"), (1.0, "resumed", "#c05621")):
            own = [s for s in samples if s["run"] == run]
            if own:
                rows = [s["rows"] for s in own]
                left.plot(rows, [s["memory_gb"] for s in own], color=colour, label=label)
                right.plot(rows, [s["seconds"] / 60 for s in own], color=colour, label=label)
        left.set_ylim(bottom=0)
        left.set_ylabel("resident memory (GB)")
        right.set_ylabel("time (minutes)")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set_xlabel("rows finished")
            axes.set_xlim(left=0)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.tick_params(axis="x", labelrotation=20)
            axes.grid(alpha=0.3)
            axes.legend()
        figure.suptitle(title, fontsize=11)
        figure.tight_layout()

    write_plot(path, 9, 3.6, draw)


def main() -> None:
    """Measure, check, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder, model directory, or export")
    parser.add_argument("table", type=Path, help="posts to repeat: JSONL, CSV, TSV or Parquet")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--images", action=argparse.BooleanOptionalAction, default=True, help="for models that see them"
    )
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--image-column", default="image")
    parser.add_argument("--kill-at", type=float, default=0.4, help="part of the rows after which to kill; 0: never")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two looks")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    options = parser.parse_args()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    posts = read_posts(options.table, {"text": options.text_column, "image": options.image_column}, options.images)
    source, output, failures = folder / "posts.jsonl", folder / "predictions.jsonl", folder / "failures.jsonl"
    print(f"writing {options.rows:,} rows: {len(posts):,} posts repeated")
    repeat_posts(posts, options.rows, source)
    command = [sys.executable, "-m", "clfa.cli.main", "predict", options.run, str(source), "--output", str(output)]
    command += ["--failures", str(failures), "--text-column", "text", "--image-column", "image", "--id-column", "id"]
    command += ["--batch-size", str(options.batch_size), "--engine", options.engine, "--precision", options.precision]
    watch = Watch(command, folder / "predictions.jsonl.partial" / PLAN, folder / "log.txt", options.interval)
    seconds = {}
    if options.kill_at:
        print(f"predicting; SIGKILL after {options.kill_at:.0%} of the rows")
        seconds["until killed"] = watch.run("until killed", kill_at=int(options.kill_at * options.rows))
        print("killed; resuming")
        seconds["resumed"] = watch.run("resumed")
    else:
        print("predicting")
        seconds["whole"] = watch.run("whole")
    figures = {
        "command": command[1:],
        "rows": options.rows,
        "posts": len(posts),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "rows_per_second": round(options.rows / sum(seconds.values()), 1),
        "peak_memory_gb": round(max((s["memory_gb"] for s in watch.samples), default=0.0), 3),
        "tenths": tenths(watch.samples, options.rows),
        "check": check_output(output, failures, options.rows, len(posts)),
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "versions": versions(),
        "samples": watch.samples,
    }
    write_json(folder / "figures.json", figures)
    plot(watch.samples, folder / "memory-and-time.png", f"clfa predict, {options.rows:,} rows")
    print("\n| rows | largest memory (GB) | rows/s |\n| --- | ---: | ---: |")
    for tenth in figures["tenths"]:
        until = tenth["tenth"] * options.rows // 10
        print(f"| to {until:,} | {tenth['memory_gb']:.3f} | {tenth['rows_per_second']:,.1f} |")
    print(f"\n{json.dumps(figures['check'], indent=2)}\nEverything is in {folder}.")
    wrong = {k: v for k, v in figures["check"].items() if v and k not in ("rows", "rows_failed")}
    if wrong.keys() - {"equal_posts_predicted_differently"}:
        sys.exit(f"the output is not whole: {wrong}")


if __name__ == "__main__":
    main()
