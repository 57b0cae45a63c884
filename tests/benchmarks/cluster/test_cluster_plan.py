"""Measured shards, draws, points, and the command that puts them together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.cluster.__main__ import main
from benchmarks.cluster.check import check, held, line, verdict
from benchmarks.cluster.draws import Draw, draw
from benchmarks.cluster.measured import Measured, read_measured
from benchmarks.cluster.scaling import first_below, point, scale
from benchmarks.cluster.simulate import Cluster
from benchmarks.cluster.sleep_job import SleepJob, write_rows

from clfa.errors import DataError
from clfa.files import write_json
from clfa.jobs.run import run_job


def shards(**changes: Any) -> dict[str, Any]:
    return {"wall": 33.0, "workers": 2, "rows": [10, 10, 5], "seconds": [10.0, 20.0, 5.0], **changes}


def written(path: Path, **changes: Any) -> Path:
    write_json(path, shards(**changes))
    return path


def test_a_jobs_folder_has_its_shard_times(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "rows.parquet", [10, 10, 10, 30, 30, 30, 2], 3)
    run_job(SleepJob(), source, tmp_path / "out", shard_rows=3)
    measured = read_measured(tmp_path / "out")
    assert measured.rows.tolist() == [3, 3, 1]
    assert (measured.seconds >= [0.03, 0.09, 0.002]).all()
    assert measured.wall >= measured.seconds.sum()
    assert measured.start_up == pytest.approx(measured.wall - measured.seconds.sum())
    # A file keeps them.
    write_json(tmp_path / "kept.json", measured.to_dict())
    assert read_measured(tmp_path / "kept.json").to_dict() == measured.to_dict()
    # What an earlier run did has no times.
    (tmp_path / "out" / "part-000001.parquet").unlink()
    run_job(SleepJob(), source, tmp_path / "out", shard_rows=3)
    with pytest.raises(DataError, match=r"out: the seconds of 2 of 3 shards are not known: an earlier run"):
        read_measured(tmp_path / "out")


def test_start_up_is_what_the_shards_do_not_explain(tmp_path: Path) -> None:
    # Two workers: 10 + 5 seconds, and 20 seconds.
    assert read_measured(written(tmp_path / "shards.json")).start_up == pytest.approx(13)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": []},
        {"rows": [10, 10]},
        {"rows": [10, 10, 0]},
        {"seconds": [1, 2, -3]},
        {"seconds": [1, 2, float("inf")]},
        {"seconds": "much"},
        {"workers": 0},
        {"wall": None},
    ],
)
def test_files_without_shard_times_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "shards.json"
    path.write_text(json.dumps(shards(**changes)), encoding="utf-8")
    with pytest.raises(DataError, match=r"shards.json has no shard times"):
        read_measured(path)


def test_draws_are_measured_rates() -> None:
    measured = Measured(np.array([10.0, 20.0]), np.array([1.0, 6.0]), 7.0)
    drawn = draw(measured, 25, 10, 1000.0, 0.5, 4, seed=3)
    assert drawn.read.tolist() == [10_000, 10_000, 5_000]
    assert set((drawn.seconds / [10, 10, 5]).round(9)) <= {0.1, 0.3}
    assert drawn.losses.shape == (4, 3)
    again = draw(measured, 25, 10, 1000.0, 0.5, 4, seed=3)
    assert np.array_equal(again.losses, drawn.losses, equal_nan=True)
    assert np.isnan(draw(measured, 25, 10, 0.0, 0.0, 4, seed=3).losses).all()


def test_a_point_is_hours_cost_and_where_the_time_goes() -> None:
    drawn = Draw(np.full(4, 3600.0), np.zeros(4), np.full((1, 4), np.nan))
    found = point([drawn, drawn], Cluster(3), price=2.0)
    assert (found.hours, found.cost, found.efficiency) == pytest.approx((2, 12, 4 / 6))
    assert found.spent["idle"] == pytest.approx(1 / 3)
    assert found.reason.startswith("idle")
    slow = point([drawn], Cluster(2, start_up=7200.0), price=0.0)
    assert (slow.efficiency, slow.reason) == (pytest.approx(0.5), "start-up")


def test_where_scaling_stops() -> None:
    assert first_below(0.5, 1, 256, lambda machines: 10 / machines) == 21
    drawn = Draw(np.full(10, 60.0), np.zeros(10), np.full((1, 10), np.nan))
    points, below = scale([drawn], Cluster(1), 1.0, 48)
    assert [p.machines for p in points] == [1, 2, 4, 8, 16, 32, 48]
    assert below is not None
    assert below.machines == 21
    assert scale([drawn], Cluster(1), 1.0, 8)[1] is None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = written(tmp_path / "shards.json")
    options = ["--rows", "1000", "--shard-rows", "20", "--machines", "64", "--draws", "2", "--loss", "0"]
    code = main(
        ["plan", str(place), *options, "--plot", str(tmp_path / "plot.png"), "--save", str(tmp_path / "k.json")]
    )
    said = capsys.readouterr().out
    assert code == 0
    assert said.startswith("3 measured shards: 0.7 posts/s and worker; start-up 13.0 s; 50 shards to do.\n")
    assert [line.split("|")[1].strip() for line in said.splitlines() if re.match(r"\| \d", line)] == [
        *("1", "2", "4", "8", "16", "32", "64")
    ]
    assert re.search(r"From \d+ machines on, less than 50% of the paid time is useful \(\d+\.\d%\); most of", said)
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "k.json").read_text(encoding="utf-8")) == shards()
    assert main(["plan", str(tmp_path / "none")]) == 2
    assert "has no results" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("--rows", "0"), ("--loss", "2"), ("--shared-mb", "0"), ("--price", "-1")]
)
def test_impossible_options_are_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "out", option, value])
    assert f"argument {option}: {value} is not a" in capsys.readouterr().err


def test_the_check_compares_and_takes_turns() -> None:
    asked: list[int] = []

    def on_nodes(job: object, source: object, shard_rows: int, nodes: int) -> Measured:
        asked.append(nodes)
        # Five seconds of start-up; on two nodes a shard takes a tenth longer.
        return Measured(
            np.full(4, 1.0), np.full(4, 10.0 * (1.1 if nodes == 2 else 1)), 45.0 if nodes == 1 else 27.0, nodes
        )

    found = check(SleepJob(), Path("rows"), 1, 2, on_nodes)
    assert asked == [1, 2, 2, 1]
    assert line(found[0]) == (
        "two nodes: 27.0 s measured, 25.0 s predicted, -7.4%; a shard took 1.10 times as long as on one node"
    )
    assert held(found)
    assert verdict(found) == "median of 2: -7.4%, within 15%"
