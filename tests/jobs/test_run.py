"""Files of any size with a stand-in for the model: order, memory, kills at any moment, tables out."""

from __future__ import annotations

import errno
import os
import signal
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clfa.errors import DataError
from clfa.jobs import parts, process
from clfa.jobs.identity import HEAD_BYTES
from clfa.jobs.journal import Journal
from clfa.jobs.outputs import parquet
from clfa.jobs.plan import FAILURES, LOCK, PLAN, RECORDS
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import StorageError
from clfa.prediction.post import Post, Prediction
from clfa.prediction.predict import predict_file
from clfa.targets.rules import Rules
from jobs.stand_in import StandIn, make_rows, names, read_parquet
from posts import read_jsonl, write_csv, write_jsonl


@pytest.fixture
def stand_in() -> Any:
    return StandIn()


# Failures.


def test_failures_are_listed(stand_in: Any, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "posts.csv", make_rows(40))
    summary = predict_file(stand_in, source, tmp_path / "out.csv", failures=tmp_path / "lists" / "failures.jsonl")
    listed = read_jsonl(tmp_path / "lists" / "failures.jsonl")
    assert [row["row"] for row in listed] == [4, 11, 18, 25, 32, 39]
    assert listed[1] == {"row": 11, "id": "p10", "reason": "even", "message": "cannot read failpost 10"}
    assert summary.failures == {
        reason: sum(row["reason"] == reason for row in listed) for reason in {row["reason"] for row in listed}
    }
    assert names(tmp_path / "lists") == ["failures.jsonl"]


def test_rows_that_cannot_be_parsed_are_listed(stand_in: Any, tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_bytes(b"id,text\na,one\nb," + b"\x81\x01\x02\x03" * 20 + b"\nc,caf\xe9\n")
    predict_file(stand_in, tmp_path / "posts.csv", tmp_path / "out.jsonl", failures=tmp_path / "failures.jsonl")
    (listed,) = read_jsonl(tmp_path / "failures.jsonl")
    assert (listed["row"], listed["id"], listed["reason"]) == (2, "2", "unreadable row")
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a", "2", "c"]


# Resuming.


def killed(work: Callable[[], Any], at: int) -> bool:
    """Do the work in a child process that is killed before its ``at``-th step on the disk; whether it was."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
        return os.WIFSIGNALED(status)
    steps = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*args, **kwargs)

        return counting

    try:
        os.fsync, os.replace = counted(os.fsync), counted(os.replace)  # type: ignore[assignment]
        Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
        Journal.append = counted(Journal.append)  # type: ignore[method-assign]
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_killed_before_every_step_and_resumed(stand_in: Any, tmp_path: Path, kind: str) -> None:
    rows = make_rows(50)
    source = write_jsonl(tmp_path / "posts.jsonl", rows)
    whole = tmp_path / f"whole.{kind}"
    predict_file(stand_in, source, whole, failures=tmp_path / "whole.failures")
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        output, failures = folder / f"out.{kind}", folder / "failures.jsonl"

        def work(output: Path = output, failures: Path = failures) -> Summary:
            return predict_file(stand_in, source, output, failures=failures, commit_rows=1)

        was_killed = killed(work, at)
        if was_killed:
            # Whole or not there; and killed once more on the way.
            assert not output.exists() or output.read_bytes() == whole.read_bytes()
            killed(work, 5)
            summary = work()
            assert summary.rows == 50
            assert summary.resumed % 16 in (0, 50 % 16)
        assert output.read_bytes() == whole.read_bytes()
        assert failures.read_bytes() == (tmp_path / "whole.failures").read_bytes()
        assert names(folder) == ["failures.jsonl", output.name]
        if not was_killed:
            break
    assert at > 20


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 60), max_size=4), count=st.integers(0, 70), commit_rows=st.integers(1, 64))
def test_every_row_once_and_in_order(
    stand_in: Any, tmp_path_factory: pytest.TempPathFactory, kills: list[int], count: int, commit_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("kills")
    rows = make_rows(count)
    source, output = write_jsonl(folder / "posts.jsonl", rows), folder / "out.jsonl"
    for at in kills:
        killed(lambda at=at: predict_file(stand_in, source, output, commit_rows=commit_rows), at)
    summary = predict_file(stand_in, source, output, commit_rows=commit_rows)
    assert summary.rows == count
    assert [row["id"] for row in read_jsonl(output)] == [row["id"] for row in rows]
    assert sum(summary.failures.values()) == sum("error" in row for row in read_jsonl(output))


def interrupted(stand_in: Any, source: Path, output: Path, **options: Any) -> None:
    """A run that stops after three windows as Ctrl-C stops it."""

    def stream(windows: Iterable[Sequence[Post]], rules: Rules | None) -> Iterator[list[Prediction]]:
        for number, posts in enumerate(windows):
            if number == 3:
                raise KeyboardInterrupt
            yield [StandIn.predict(stand_in, post) for post in posts]

    stand_in.stream = stream
    with pytest.raises(KeyboardInterrupt):
        predict_file(stand_in, source, output, commit_rows=1, **options)
    del stand_in.stream


def test_an_interrupt_can_be_resumed(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))
    output = tmp_path / "out.jsonl"
    interrupted(stand_in, source, output)
    assert names(tmp_path) == ["out.jsonl.partial", "posts.jsonl"]
    assert names(tmp_path / "out.jsonl.partial") == sorted([FAILURES, LOCK, PLAN, RECORDS])
    summary = predict_file(stand_in, source, output)
    assert (summary.rows, summary.resumed) == (100, 48)
    # The counts are those of the whole file.
    assert sum(summary.labels.values()) + sum(summary.failures.values()) == 100
    assert len(summary.examples) == 10
    assert names(tmp_path) == ["out.jsonl", "posts.jsonl"]


def test_an_interrupt_before_anything_counts_leaves_nothing(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))

    def stream(windows: Iterable[Sequence[Post]], rules: Rules | None) -> Iterator[list[Prediction]]:
        next(iter(windows))
        raise KeyboardInterrupt
        yield []

    stand_in.stream = stream
    with pytest.raises(KeyboardInterrupt):
        predict_file(stand_in, source, tmp_path / "out.jsonl")
    assert names(tmp_path) == ["posts.jsonl"]


def test_what_changed_is_refused(stand_in: Any, tmp_path: Path) -> None:
    rows = make_rows(100)
    source, output = write_jsonl(tmp_path / "posts.jsonl", rows), tmp_path / "out.jsonl"
    times = source.stat().st_atime_ns, source.stat().st_mtime_ns
    interrupted(stand_in, source, output)
    work = tmp_path / "out.jsonl.partial"
    before = {path: path.read_bytes() for path in work.iterdir()}

    def refused(message: str, **options: Any) -> None:
        with pytest.raises(DataError) as caught:
            predict_file(stand_in, source, output, **options)
        assert str(caught.value) == (
            f"{output} is unfinished, and {message} changed since it was begun. To discard that work and begin anew, "
            "give restart=True; to keep it, give another output."
        )
        assert {path: path.read_bytes() for path in work.iterdir()} == before

    stand_in.fingerprint = "another"
    refused("the model")
    stand_in.fingerprint = "one"
    refused("the columns", text="id")
    refused("the image root", image_root=tmp_path)
    refused("the columns, the image root", image="file", image_root=tmp_path)
    # A later time alone, then another beginning at the same time and size.
    os.utime(source, ns=(times[0], times[1] + 1))
    refused("the input")
    content = source.read_bytes()
    source.write_bytes(content.replace(b"p0", b"q0", 1))
    os.utime(source, ns=times)
    refused("the input")
    assert predict_file(stand_in, source, output, restart=True).resumed == 0
    assert read_jsonl(output)[0]["id"] == "q0"


def test_damaged_work_is_refused(stand_in: Any, tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "posts.jsonl", make_rows(100)), tmp_path / "out.jsonl"
    interrupted(stand_in, source, output)
    lines, plan = (tmp_path / "out.jsonl.partial" / name for name in (RECORDS, PLAN))
    lines.write_bytes(lines.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"cannot go on with .*out.jsonl: .*records.jsonl is shorter than the plan"):
        predict_file(stand_in, source, output)
    plan.write_text("{")
    with pytest.raises(DataError, match=r"_plan.json, the record of unfinished work, is damaged .* give restart=True;"):
        predict_file(stand_in, source, output)
    plan.write_text('{"version": 1}')
    with pytest.raises(DataError, match=r"is of another version of clfa. To discard that work"):
        predict_file(stand_in, source, output)
    assert predict_file(stand_in, source, output, restart=True).rows == 100
    assert names(tmp_path) == ["out.jsonl", "posts.jsonl"]


def test_restart_discards_and_keeps_what_is_finished(stand_in: Any, tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "posts.jsonl", make_rows(100)), tmp_path / "out.jsonl"
    output.write_text("an earlier result\n")
    interrupted(stand_in, source, output)
    assert output.read_text() == "an earlier result\n"
    # Nothing to discard is no error.
    assert predict_file(stand_in, source, tmp_path / "new.jsonl", restart=True).resumed == 0
    assert predict_file(stand_in, source, output, restart=True).resumed == 0
    assert output.read_bytes() == (tmp_path / "new.jsonl").read_bytes()


def test_two_runs_at_one_output(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(3))
    (tmp_path / "out.jsonl.partial").mkdir()
    with FileLock(tmp_path / "out.jsonl.partial" / LOCK):
        for restart in (False, True):
            with pytest.raises(DataError, match=r"out.jsonl is being written by another process; wait for it"):
                predict_file(stand_in, source, tmp_path / "out.jsonl", restart=restart)
    assert predict_file(stand_in, source, tmp_path / "out.jsonl").rows == 3


# Trouble in the midst of work.


class Broken:
    """Rows of which the reader gives some and then fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: int, error: Exception) -> None:
        self.rows, self.error, self.broken = rows, error, True
        self.real = process.piece_rows
        monkeypatch.setattr(process, "piece_rows", self)

    def __call__(self, *arguments: Any) -> Iterator[Any]:
        for row in self.real(*arguments):
            if self.broken and row.number > self.rows:
                raise self.error
            yield row


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "folder"])
@pytest.mark.parametrize(
    ("error", "kind_of_error"),
    [(OSError(5, "Input/output error"), StorageError), (DataError("posts.jsonl is damaged"), DataError)],
    ids=["disk", "content"],
)
def test_what_was_finished_before_a_read_error_is_kept(
    stand_in: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    error: Exception,
    kind_of_error: type[Exception],
) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))
    output = tmp_path / ("out" if kind == "folder" else f"out.{kind}")
    whole = output.with_name(f"whole{output.suffix}")
    options: dict[str, Any] = {"shard_rows": 10} if kind == "folder" else {"commit_rows": 1}
    predict_file(stand_in, source, whole, failures=tmp_path / "whole.failures", **options)
    reader = Broken(monkeypatch, 70, error)
    with pytest.raises(kind_of_error) as caught:
        predict_file(stand_in, source, output, failures=tmp_path / "failures", **options)
    kept = 70 if kind == "folder" else 64
    assert f"{kept} finished rows are kept; once it is mended, the same call goes on from there." in str(caught.value)
    assert not (tmp_path / "failures").exists()
    reader.broken = False
    summary = predict_file(stand_in, source, output, failures=tmp_path / "failures", **options)
    assert (summary.rows, summary.resumed) == (100, kept)
    assert (tmp_path / "failures").read_bytes() == (tmp_path / "whole.failures").read_bytes()
    if kind == "folder":
        assert read_parquet(output) == read_parquet(whole)
    else:
        assert output.read_bytes() == whole.read_bytes()


def test_a_damaged_row_group(stand_in: Any, tmp_path: Path) -> None:
    source, output = tmp_path / "posts.parquet", tmp_path / "out.csv"
    # The damage lies beyond the beginning that belongs to the file's identity.
    rows = [{**row, "text": row["text"] + Random(row["id"]).randbytes(200).hex()} for row in make_rows(1200)]
    pq.write_table(pa.Table.from_pylist(rows), source, row_group_size=400)
    predict_file(stand_in, source, tmp_path / "whole.csv")
    content, times = source.read_bytes(), (source.stat().st_atime_ns, source.stat().st_mtime_ns)
    start = pq.read_metadata(source).row_group(2).column(1).data_page_offset
    assert start > HEAD_BYTES
    source.write_bytes(content[:start] + b"\xff" * 60 + content[start + 60 :])
    os.utime(source, ns=times)
    with pytest.raises(DataError, match=r"posts.parquet is damaged after row 768: (.|\n)* 768 finished rows are kept"):
        predict_file(stand_in, source, output, commit_rows=1)
    source.write_bytes(content)
    os.utime(source, ns=times)
    assert predict_file(stand_in, source, output).resumed == 768
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_an_input_that_is_gone_for_a_while(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))
    interrupted(stand_in, source, tmp_path / "out.jsonl")
    source.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="does not exist"):
        predict_file(stand_in, source, tmp_path / "out.jsonl")
    (tmp_path / "elsewhere").rename(source)
    assert predict_file(stand_in, source, tmp_path / "out.jsonl").resumed == 48


@pytest.mark.parametrize("kind", ["jsonl", "folder"])
def test_a_full_disk(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))
    output = tmp_path / ("out" if kind == "folder" else "out.jsonl")
    whole = output.with_name(f"whole{output.suffix}")
    options: dict[str, Any] = {"shard_rows": 16} if kind == "folder" else {"commit_rows": 1}
    predict_file(stand_in, source, whole, **options)
    fsync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written to: .*No space left on device.* finished rows are kept"):
        predict_file(stand_in, source, output, **options)
    monkeypatch.setattr(os, "fsync", fsync)
    # In a file there are two files to a commit.
    assert predict_file(stand_in, source, output, **options).resumed == (64 if kind == "folder" else 32)
    if kind == "folder":
        assert read_parquet(output) == read_parquet(whole)
    else:
        assert output.read_bytes() == whole.read_bytes()


def test_outputs_that_cannot_be_written_are_refused_before_the_model_is_loaded(tmp_path: Path) -> None:
    def refused(match: str, output: Path, **options: Any) -> None:
        with pytest.raises(DataError, match=match):
            # There is no such model.
            predict_file(tmp_path / "model", source, output, **options)

    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(1))
    known = ".jsonl, .ndjson, .csv, .parquet, or none for a folder"
    refused(rf"out.xlsx: unknown suffix '.xlsx'; use one of {known}", tmp_path / "out.xlsx")
    refused(r"posts.jsonl.csv cannot be written: Not a directory", source / "posts.jsonl.csv")
    refused(r"cannot be written: Not a directory", tmp_path / "out.csv", failures=source / "failures.jsonl")
    (tmp_path / "taken").write_text("mine")
    refused(r"taken is a file; give another output", tmp_path / "taken")
    (tmp_path / "out.csv.partial").write_text("mine")
    refused(r"out.csv.partial is in the way: it is no folder of unfinished work", tmp_path / "out.csv")
    refused(r"posts.jsonl is the input; give another output", source)


# Memory.


def test_memory_is_the_same_for_any_number_of_rows(
    stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 200)
    stand_in.window_size = 64
    peaks = {}
    # The first one is not counted: it fills caches and imports.
    for count in (200, 1_000, 8_000):
        # Each file is larger than any buffer.
        rows = [{**row, "text": row["text"] + " word" * 200} for row in make_rows(count)]
        source = write_jsonl(tmp_path / f"{count}.jsonl", rows)
        del rows
        tracemalloc.start()
        summary = predict_file(stand_in, source, tmp_path / f"{count}.parquet", failures=tmp_path / f"{count}.list")
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert summary.rows == count
    assert peaks[8_000] < peaks[1_000] + 100_000
    assert peaks[8_000] < (tmp_path / "8000.jsonl").stat().st_size / 4
    assert pq.read_metadata(tmp_path / "8000.parquet").num_row_groups == 40


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [40, 700])
def test_a_flipped_bit_in_unfinished_work_is_noticed(stand_in: Any, tmp_path: Path, place: int) -> None:
    source, output = write_jsonl(tmp_path / "posts.jsonl", make_rows(100)), tmp_path / "out.jsonl"
    interrupted(stand_in, source, output)
    work = tmp_path / "out.jsonl.partial"
    flip(work / RECORDS, place)
    with pytest.raises(
        DataError, match=r"cannot go on with .*out.jsonl: .*records.jsonl is damaged: it has another ch"
    ):
        predict_file(stand_in, source, output)
    flip(work / RECORDS, place)
    # A digit, so that the file stays JSON.
    flip(work / PLAN, (work / PLAN).read_bytes().index(b'"rows": ') + len('"rows": '))
    with pytest.raises(
        DataError, match=r"_plan.json, the record of unfinished work, is damaged \(it has another digest"
    ):
        predict_file(stand_in, source, output)
    assert predict_file(stand_in, source, output, restart=True).rows == 100


def test_a_flipped_bit_in_a_finished_part_is_noticed(stand_in: Any, tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "posts.jsonl", make_rows(60)), tmp_path / "out"
    predict_file(stand_in, source, output, shard_rows=30)
    (output / "_manifest.json").unlink()
    part = output / "part-000000.parquet"
    column = pq.read_metadata(part).row_group(0).column(2)
    end = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size
    for place in (end - 2, end - 9):
        flip(part, place)
        with pytest.raises(DataError, match=r"part-000000.parquet is damaged or of another origin; delete it"):
            predict_file(stand_in, source, output, shard_rows=30)
        flip(part, place)
    assert predict_file(stand_in, source, output, shard_rows=30).resumed == 60


def test_a_part_that_cannot_be_read_now_is_not_called_damaged(
    stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write_jsonl(tmp_path / "posts.jsonl", make_rows(60)), tmp_path / "out"
    predict_file(stand_in, source, output, shard_rows=30)
    (output / "_manifest.json").unlink()

    def fail(*args: Any, **options: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(parts.pq, "ParquetFile", fail)
        with pytest.raises(StorageError, match=r"part-000000.parquet cannot be read: .*Input/output error"):
            predict_file(stand_in, source, output, shard_rows=30)
    assert predict_file(stand_in, source, output, shard_rows=30).resumed == 60
