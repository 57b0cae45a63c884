from __future__ import annotations

import builtins
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clfa.errors import DataError, ModelError
from clfa.jobs.cluster import RayCluster, require_ray
from clfa.jobs.outputs.folder import read_manifest
from clfa.jobs.run import run_job
from clfa.jobs.trouble import ClusterError
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict_job import PredictJob
from jobs.expectations import all_rows, assert_equal_to_one_process
from posts import LABELS, write_csv

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture(scope="module")
def job(tiny_run: Path) -> PredictJob:
    return PredictJob(str(tiny_run), batch_size=4)


def test_rows_errors_and_counts(job: PredictJob, tiny_run: Path, shard_folder: Path, tmp_path: Path) -> None:
    result = run_job(job, shard_folder, tmp_path / "out", shard_rows=8)
    assert_equal_to_one_process(tmp_path / "out", PostClassifier.load(tiny_run), shard_folder)
    assert (result.resumed, result.lost, result.rows) == (0, 0, 40)
    assert result.failures == {"empty text": 1, "missing image": 1, "unreadable image": 1}
    assert result.examples[0] == "0.parquet row 4 (id p3): empty text"
    assert set(result.labels) <= set(LABELS)
    assert sum(result.labels.values()) == 37
    manifest = read_manifest(tmp_path / "out")
    assert [part["rows"] for part in manifest["parts"]] == [8, 8, 8, 8, 8]
    assert [part["failed"] for part in manifest["parts"]] == [1, 0, 1, 0, 1]
    assert all(part["seconds"] > 0 for part in manifest["parts"])
    assert sum(part["seconds"] for part in manifest["parts"]) <= manifest["seconds"] <= result.seconds + 0.001
    # The order of a shard is that of its file.
    part = pq.read_table(tmp_path / "out" / "part-000003.parquet")
    assert part["row"].to_pylist() == list(range(9, 17))


def test_what_is_done_is_not_done_again(job: PredictJob, tiny_run: Path, shard_folder: Path, tmp_path: Path) -> None:
    first = run_job(job, shard_folder, tmp_path / "out", shard_rows=8)
    part = tmp_path / "out" / "part-000002.parquet"
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part*")}
    part.unlink()
    again = run_job(job, shard_folder, tmp_path / "out", shard_rows=8)
    assert again.resumed == 32
    assert again.to_dict() == first.to_dict()
    # How long an earlier run took for its shards is not known.
    times_known = [part["seconds"] is not None for part in read_manifest(tmp_path / "out")["parts"]]
    assert times_known == [False, False, True, False, False]
    changed = {path.name for path in (tmp_path / "out").glob("part*") if path.stat().st_mtime_ns != times[path.name]}
    assert changed == {part.name}
    assert_equal_to_one_process(tmp_path / "out", PostClassifier.load(tiny_run), shard_folder)


def test_a_broken_shard_does_not_keep_the_others_back(
    job: PredictJob, tiny_run: Path, shard_folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    shutil.copytree(shard_folder, source)
    broken = source / "1.parquet"
    content = broken.read_bytes()
    state = broken.stat()
    broken.write_bytes(content[:4] + b"\xff" * 200 + content[204:])
    os.utime(broken, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(DataError, match=r"1 of 5 shards failed; the others are done(.|\n)*1.parquet is damaged"):
        run_job(job, source, tmp_path / "out", shard_rows=8)
    with pytest.raises(DataError, match=r"is unfinished"):
        read_manifest(tmp_path / "out")
    broken.write_bytes(content)
    os.utime(broken, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert run_job(job, source, tmp_path / "out", shard_rows=8).resumed == 32
    assert_equal_to_one_process(tmp_path / "out", PostClassifier.load(tiny_run), source)


def test_strict(job: PredictJob, shard_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0.parquet row 4 \(id p3\): empty text"):
        run_job(job, shard_folder, tmp_path / "out", shard_rows=8, strict=True)
    assert not list((tmp_path / "out").glob("*part-*"))


def test_other_work_in_the_output(
    job: PredictJob, tiny_run: Path, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(job, shard_folder, tmp_path / "out")
    with pytest.raises(DataError, match=r"holds finished results of other work \(the division into shards differ"):
        run_job(job, shard_folder, tmp_path / "out", shard_rows=7)
    with pytest.raises(DataError, match=r"results of other work \(the input differ\), which are not replaced"):
        run_job(job, shard_folder / "0.parquet", tmp_path / "out")

    def other_model(job: PredictJob) -> PostClassifier:
        predictor = PostClassifier.load(job.model, job.batch_size)
        next(predictor.model.parameters()).data += 1
        return predictor

    other = PredictJob(job.model, job.batch_size, load=other_model)
    with pytest.raises(DataError, match=r"results of other work \(the model differ\)"):
        run_job(other, shard_folder, tmp_path / "out")
    with pytest.raises(DataError, match=r"lies in the input folder and would be read as input"):
        run_job(job, shard_folder, shard_folder / "out")
    with pytest.raises(ModelError):
        run_job(PredictJob(str(tmp_path)), shard_folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_absent_columns(job: PredictJob, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "posts.csv", [{"tweet": "so", "file": "a.jpg"}])
    with pytest.raises(
        DataError, match=r"posts.csv: no image column; name it with image=...; columns there: tweet, fil"
    ):
        run_job(job, path, tmp_path / "out")
    named = replace(job, given={"text": "words"})
    with pytest.raises(DataError, match=r"posts.csv: no column 'words' \(given as text=...\)"):
        run_job(named, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unreadable_rows_and_odd_ids(job: PredictJob, tmp_path: Path, shard_folder: Path) -> None:
    image = shutil.copy(shard_folder / "images" / "0.jpg", tmp_path / "0.jpg")
    lines = [
        '{"text": "so sunny", "image": "%s", "id": "half \\ud83d"}' % image,  # noqa: UP031 - braces
        "broken \udcff",
        '{"text": "so sunny", "image": "%s", "id": 7}' % image,  # noqa: UP031
        '{"text": "so sunny", "image": "%s"}' % image,  # noqa: UP031
    ]
    (tmp_path / "posts.jsonl").write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    result = run_job(job, tmp_path / "posts.jsonl", tmp_path / "out", shard_rows=3)
    rows = all_rows(tmp_path / "out")
    assert [row["id"] for row in rows] == ["half", "2", "7", "4"]
    assert [row["error"] is None for row in rows] == [True, False, True, True]
    assert rows[1]["error"].startswith("not valid JSON")
    assert result.failures == {"unreadable row": 1}
    assert rows[0]["prediction"] == rows[3]["prediction"] in LABELS


# Without Ray.


def test_without_ray(job: PredictJob, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_ray(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "ray":
            raise ImportError("No module named 'ray'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", no_ray)
    with pytest.raises(ClusterError, match=r"engine='ray' needs Ray, on every machine: pip install 'clfa\[ray\]'"):
        require_ray()
    with pytest.raises(ClusterError, match=r"pip install"):
        run_job(job, shard_folder, tmp_path / "out", executor=RayCluster())
    assert not (tmp_path / "out").exists()
