"""Files of any size with a stand-in for the model: order, memory, kills at any moment, tables out."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import signal
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clfa.errors import DataError
from clfa.prediction import table as prediction_table
from clfa.prediction.journal import PredictionJournal, PredictionSummary, file_identity
from clfa.prediction.post import Post, Prediction
from clfa.prediction.predict import predict_file, predict_folder
from clfa.prediction.table import flat_record, table_columns
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction
from posts import read_jsonl, write_csv, write_jsonl


class StandIn:
    """Says "good" where the text has an even number of letters; fails on a text that says so."""

    window_size = 16
    label_names = ("bad", "good")
    targets: Sequence[Target] = ()
    knowledge = None
    processor = SimpleNamespace(tokenizer="any", image_processor=None)
    fingerprint = "one"

    def predict(self, post: Post) -> Prediction:
        text = post.text or ""
        if "fail" in text:
            return Prediction(None, {}, error=f"cannot read {text}", reason=("odd", "even")[len(text) % 2])
        good = 1 - (len(text) % 2) * 0.75
        return Prediction("good" if good > 0.5 else "bad", {"bad": 1 - good, "good": good})

    def busy(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stream(self, windows: Iterable[Sequence[Post]]) -> Iterator[list[Prediction]]:
        for posts in windows:
            yield [self.predict(post) for post in posts]


@pytest.fixture
def stand_in() -> Any:
    return StandIn()


def make_rows(count: int) -> list[dict[str, str]]:
    return [{"id": f"p{n}", "text": "fail" * (n % 7 == 3) + f"post {n}" + "!" * (n % 5)} for n in range(count)]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=40)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Formats.


@pytest.mark.parametrize(("suffix", "write"), [("jsonl", write_jsonl), ("csv", write_csv), ("parquet", write_parquet)])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_every_format_in_and_out(stand_in: Any, tmp_path: Path, suffix: str, write: Any, kind: str) -> None:
    rows = make_rows(100)
    source = write(tmp_path / f"posts.{suffix}", rows)
    output = tmp_path / "out" / f"predictions.{kind}"
    summary = predict_file(stand_in, source, output)
    expected = [stand_in.predict(Post(row["text"])) for row in rows]
    assert (summary.rows, summary.resumed) == (100, 0)
    assert summary.labels == Counter(prediction.label for prediction in expected if prediction.label)
    assert sum(summary.failures.values()) == 14
    assert names(tmp_path / "out") == [f"predictions.{kind}"]
    if kind == "jsonl":
        found = [flat_record(record) for record in read_jsonl(output)]
    else:
        found = read_csv(output) if kind == "csv" else read_parquet(output)
        assert list(found[0]) == ["id", "prediction", "probability_bad", "probability_good", "error"]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, prediction in zip(found, expected, strict=True):
        assert (row["prediction"] or None) == prediction.label
        assert (row["error"] or None) == prediction.error
        if prediction.error is None:
            assert float(row["probability_good"]) == prediction.probabilities["good"]
        else:
            assert not row.get("probability_good")


def test_columns_of_other_targets() -> None:
    emotions = Target("emotions", "multi_label_classification", ("joy", "fear"))
    mood = Target("mood", "single_label_classification", ("up", "down"))
    strength = Target("strength", "regression", ())
    assert table_columns((), [emotions]) == {
        "id": "text",
        "prediction": "texts",
        "probability_joy": "number",
        "probability_fear": "number",
        "error": "text",
    }
    assert table_columns((), [strength]) == {"id": "text", "prediction": "number", "error": "text"}
    assert list(table_columns((), [mood, strength])) == [
        "id",
        "mood.prediction",
        "mood.probability_up",
        "mood.probability_down",
        "strength.prediction",
        "error",
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_several_targets_as_a_table(stand_in: Any, tmp_path: Path, kind: str) -> None:
    emotions = Target("emotions", "multi_label_classification", ("joy", "fear"))
    strength = Target("strength", "regression", ())

    def predict(post: Post) -> Prediction:
        if post.text == "fail":
            return Prediction(None, {}, error="no", reason="no")
        found = TargetPrediction(["joy"], {"joy": 0.75, "fear": 0.25}), TargetPrediction(1.5)
        return Prediction(None, {}, targets=dict(zip(("emotions", "strength"), found, strict=True)))

    stand_in.targets, stand_in.predict = (emotions, strength), predict
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": 7, "text": "so"}, {"id": {"a": "ä"}, "text": "fail"}])
    output = tmp_path / f"out.{kind}"
    predict_file(stand_in, source, output)
    found = read_csv(output) if kind == "csv" else read_parquet(output)
    first = {
        "id": "7",
        "emotions.prediction": ["joy"],
        "emotions.probability_joy": 0.75,
        "emotions.probability_fear": 0.25,
        "strength.prediction": 1.5,
        "error": None,
    }
    second = {**dict.fromkeys(first), "id": '{"a": "ä"}', "error": "no"}
    if kind == "csv":
        texts = {"emotions.prediction": '["joy"]', "error": ""}
        assert found == [
            {name: texts.get(name, str(value)) for name, value in first.items()},
            {name: value or "" for name, value in second.items()},
        ]
    else:
        assert found == [first, second]


def test_half_an_emoji_in_an_id(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": "half \ud83d", "text": "so"}])
    predict_file(stand_in, source, tmp_path / "out.parquet")
    assert read_parquet(tmp_path / "out.parquet")[0]["id"] == "half"


def test_an_output_of_an_unknown_kind(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(1))
    with pytest.raises(DataError, match=r"out.xlsx: unknown suffix '.xlsx'; use one of .jsonl, .ndjson, .csv, .parq"):
        predict_file(stand_in, source, tmp_path / "out.xlsx")


def test_an_empty_file(stand_in: Any, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("")
    assert predict_file(stand_in, tmp_path / "posts.jsonl", tmp_path / "out.parquet").rows == 0
    assert read_parquet(tmp_path / "out.parquet") == []
    assert predict_file(stand_in, tmp_path / "posts.jsonl", tmp_path / "out.csv").rows == 0
    assert (tmp_path / "out.csv").read_text() == "id,prediction,probability_bad,probability_good,error\n"


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
        PredictionJournal.write = counted(PredictionJournal.write)  # type: ignore[method-assign]
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

        def work(resume: bool = False, output: Path = output, failures: Path = failures) -> PredictionSummary:
            return predict_file(stand_in, source, output, failures=failures, resume=resume, commit_rows=1)

        was_killed = killed(work, at)
        if was_killed:
            # Whole or not there; and killed once more on the way.
            assert not output.exists() or output.read_bytes() == whole.read_bytes()
            killed(lambda: work(resume=True), 5)
            summary = work(resume=True)
            assert summary.rows == 50
            assert summary.resumed % 16 in (0, 50 % 16)
        assert output.read_bytes() == whole.read_bytes()
        assert failures.read_bytes() == (tmp_path / "whole.failures").read_bytes()
        assert names(folder) == ["failures.jsonl", output.name]
        if not was_killed:
            break
    assert at > 50


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 60), max_size=4), count=st.integers(0, 70), commit_rows=st.integers(1, 64))
def test_every_row_once_and_in_order(
    stand_in: Any, tmp_path_factory: pytest.TempPathFactory, kills: list[int], count: int, commit_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("kills")
    rows = make_rows(count)
    source, output = write_jsonl(folder / "posts.jsonl", rows), folder / "out.jsonl"
    for at in kills:
        killed(lambda at=at: predict_file(stand_in, source, output, resume=True, commit_rows=commit_rows), at)
    summary = predict_file(stand_in, source, output, resume=True, commit_rows=commit_rows)
    assert summary.rows == count
    assert [row["id"] for row in read_jsonl(output)] == [row["id"] for row in rows]
    assert sum(summary.failures.values()) == sum("error" in row for row in read_jsonl(output))


def interrupted(stand_in: Any, source: Path, output: Path, **options: Any) -> None:
    """A run that stops after three windows as Ctrl-C stops it."""

    def stream(windows: Iterable[Sequence[Post]]) -> Iterator[list[Prediction]]:
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
    assert names(tmp_path) == ["out.jsonl.partial", "out.jsonl.progress.json", "posts.jsonl"]
    summary = predict_file(stand_in, source, output, resume=True)
    assert (summary.rows, summary.resumed) == (100, 48)
    # The counts are those of the whole file.
    assert sum(summary.labels.values()) + sum(summary.failures.values()) == 100
    assert len(summary.examples) == 10
    assert names(tmp_path) == ["out.jsonl", "posts.jsonl"]


def test_without_resume_it_begins_anew(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))
    output = tmp_path / "out.jsonl"
    interrupted(stand_in, source, output)
    assert predict_file(stand_in, source, output).resumed == 0
    assert len(read_jsonl(output)) == 100
    # Nothing left to resume: from the beginning as well.
    assert predict_file(stand_in, source, output, resume=True).resumed == 0


def test_an_interrupt_before_anything_counts_leaves_nothing(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(100))

    def stream(windows: Iterable[Sequence[Post]]) -> Iterator[list[Prediction]]:
        next(iter(windows))
        raise KeyboardInterrupt
        yield []

    stand_in.stream = stream
    with pytest.raises(KeyboardInterrupt):
        predict_file(stand_in, source, tmp_path / "out.jsonl")
    assert names(tmp_path) == ["posts.jsonl"]


def test_what_changed_is_not_resumed(stand_in: Any, tmp_path: Path) -> None:
    rows = make_rows(100)
    source, output = write_jsonl(tmp_path / "posts.jsonl", rows), tmp_path / "out.jsonl"
    times = source.stat().st_atime_ns, source.stat().st_mtime_ns
    interrupted(stand_in, source, output)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}

    def refused(message: str, **options: Any) -> None:
        with pytest.raises(DataError, match=rf"cannot resume .*out.jsonl: {message}.*Run again without --resume"):
            predict_file(stand_in, source, output, resume=True, **options)
        assert {name: (tmp_path / name).read_bytes() for name in before} == before

    stand_in.fingerprint = "another"
    refused(r"the model changed since out.jsonl.progress.json was written")
    stand_in.fingerprint = "one"
    refused("the columns changed", text="id")
    refused("the list of failures changed", failures=tmp_path / "failures.jsonl")
    # A later time alone, then another beginning at the same time and size.
    os.utime(source, ns=(times[0], times[1] + 1))
    refused("the input file changed")
    content = source.read_bytes()
    source.write_bytes(content.replace(b"p0", b"q0", 1))
    os.utime(source, ns=times)
    before["posts.jsonl"] = source.read_bytes()
    refused("the input file changed")
    source.write_bytes(content)
    os.utime(source, ns=times)
    partial = tmp_path / "out.jsonl.partial"
    partial.write_bytes(before["out.jsonl.partial"][:-1])
    before |= {"posts.jsonl": content, "out.jsonl.partial": partial.read_bytes()}
    refused("its partial output file is shorter than out.jsonl.progress.json says")
    (tmp_path / "out.jsonl.progress.json").write_text("{")
    with pytest.raises(DataError, match=r"progress.json is damaged .* run again without --resume"):
        predict_file(stand_in, source, output, resume=True)
    assert predict_file(stand_in, source, output).rows == 100


def test_two_runs_at_one_output(stand_in: Any, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", make_rows(3))
    with open(tmp_path / "out.jsonl.partial", "wb") as held:
        held.write(b"another run's")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        for resume in (False, True):
            with pytest.raises(DataError, match=r"out.jsonl is being written by another process; wait for it"):
                predict_file(stand_in, source, tmp_path / "out.jsonl", resume=resume)
        assert (tmp_path / "out.jsonl.partial").read_bytes() == b"another run's"


def test_file_identity(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"input file .*absent.csv does not exist"):
        file_identity(tmp_path / "absent.csv")


# Folders.


def test_a_folder_of_shards(stand_in: Any, tmp_path: Path) -> None:
    rows = make_rows(90)
    source, output = tmp_path / "shards", tmp_path / "out"
    source.mkdir()
    for number in range(3):
        write_parquet(source / f"part-{number}.parquet", rows[30 * number : 30 * (number + 1)])
    (source / "part-3.tsv").write_text("id\ttext\nlast\tso\n")
    (source / "README.md").write_text("no table")
    summary = predict_folder(stand_in, source, output, failures=tmp_path / "failures")
    assert (summary.rows, sum(summary.failures.values()), len(summary.examples)) == (91, 13, 10)
    assert summary.examples[0] == "part-0.parquet row 4 (id p3): cannot read failpost 3!!!"
    expected = ["finished.json", "part-0.parquet", "part-1.parquet", "part-2.parquet", "part-3.tsv.csv"]
    assert names(output) == expected
    found = [row["id"] for number in range(3) for row in read_parquet(output / f"part-{number}.parquet")]
    assert found == [row["id"] for row in rows]
    assert [row["row"] for row in read_jsonl(tmp_path / "failures" / "part-1.parquet.jsonl")] == [2, 9, 16, 23, 30]
    assert read_csv(output / "part-3.tsv.csv")[0]["id"] == "last"
    # Everything is finished; then one table is lost from the list, and one is another.
    stand_in.stream = None
    again = predict_folder(stand_in, source, output, resume=True)
    assert (again.rows, again.resumed, again.labels) == (91, 91, summary.labels)
    del stand_in.stream
    finished = json.loads((output / "finished.json").read_text())
    del finished["part-1.parquet"]
    (output / "finished.json").write_text(json.dumps(finished))
    assert predict_folder(stand_in, source, output, resume=True).resumed == 61
    write_parquet(source / "part-0.parquet", rows[:10])
    with pytest.raises(DataError, match=r"cannot resume .*out: .*part-0.parquet, the model or the columns changed"):
        predict_folder(stand_in, source, output, resume=True)
    assert predict_folder(stand_in, source, output).rows == 71


def test_folders_that_cannot_be_used(stand_in: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no table; expected files with one of .csv"):
        predict_folder(stand_in, tmp_path, tmp_path / "out")
    write_jsonl(tmp_path / "posts.jsonl", make_rows(1))
    with pytest.raises(DataError, match="is the input folder; give another --output"):
        predict_folder(stand_in, tmp_path, tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "finished.json").write_text("[")
    with pytest.raises(DataError, match=r"finished.json is damaged .* run again without --resume"):
        predict_folder(stand_in, tmp_path, tmp_path / "out", resume=True)


# Memory.


def test_memory_is_the_same_for_any_number_of_rows(
    stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_table, "GROUP_ROWS", 500)
    stand_in.window_size = 256
    peaks = {}
    # The first one is not counted: it fills caches and imports.
    for count in (500, 2_000, 20_000):
        # Each file is larger than any buffer.
        rows = [{**row, "text": row["text"] + " word" * 200} for row in make_rows(count)]
        source = write_jsonl(tmp_path / f"{count}.jsonl", rows)
        del rows
        tracemalloc.start()
        summary = predict_file(stand_in, source, tmp_path / f"{count}.parquet", failures=tmp_path / f"{count}.list")
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert summary.rows == count
    assert peaks[20_000] < peaks[2_000] + 300_000
    assert peaks[20_000] < (tmp_path / "20000.jsonl").stat().st_size / 4
    assert pq.read_metadata(tmp_path / "20000.parquet").num_row_groups == 40
