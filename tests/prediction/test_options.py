"""Every option of ``clfa predict`` with every engine: it works, or it is refused by name before any work."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from clfa.cli.flags import flags
from clfa.cli.main import app
from clfa.cpu import native_bfloat16
from clfa.errors import CLFAError
from clfa.jobs.cluster import PieceWorker, RayCluster, in_rounds
from clfa.jobs.executor import Task
from clfa.jobs.outputs.folder import MANIFEST
from clfa.jobs.worker import Worker
from clfa.prediction.engines import ENGINES
from clfa.prediction.onnx_export import export_onnx
from clfa.prediction.post_classifier import PostClassifier
from posts import make_posts, read_jsonl, write_csv

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
cloudpickle = pytest.importorskip("ray").cloudpickle

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
HERE = ("torch", "onnx", "openvino")


@pytest.fixture(scope="module")
def models(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model for each engine; the run is also what a cluster loads."""
    export = tmp_path_factory.mktemp("options") / "onnx"
    export_onnx(tiny_run, export)
    return {"torch": tiny_run, "onnx": export, "openvino": export, "ray": tiny_run}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten posts, two of which cannot be predicted on."""
    folder = tmp_path_factory.mktemp("source")
    rows = make_posts(folder, 10, with_split=False)
    rows[3]["text"] = ""
    rows[6]["image"] = "absent.jpg"
    return write_csv(folder / "posts.csv", [{"key": row.pop("id"), **row} for row in rows])


@pytest.fixture(params=ENGINES.names())
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def run(cluster: RayCluster, task: Task, workers: Sequence[Worker]) -> None:
        """All that a cluster does, but in this process and by one worker."""
        assert workers == []
        record = pickle.loads(pickle.dumps(task.record))  # noqa: S301
        work = PieceWorker(
            cloudpickle.dumps(task.job), task.identity, record, task.image_root, task.strict, {}, os.getcwd()
        )
        task.lost = in_rounds(task.pieces, lambda pieces: [work.report(piece) for piece in pieces], task.finish)

    monkeypatch.setattr(RayCluster, "run", run)
    return str(request.param)


@pytest.fixture
def predict(models: dict[str, Path], source: Path, engine: str) -> Any:
    def call(*options: Any, fails: bool = False, table: Path = source) -> str:
        arguments = ["predict", str(models[engine]), str(table), "--engine", engine, *map(str, options)]
        result: Result = runner.invoke(app, arguments)
        if isinstance(result.exception, CLFAError):
            assert fails, result.exception
            return result.exception.spelled(flags(get_command(app), arguments))
        assert not fails, result.output
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_engines_are_those_of_this_test(engine: str) -> None:
    assert engine in ("torch", "onnx", "openvino", "ray")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ""])
def test_output(predict: Any, models: dict[str, Path], source: Path, tmp_path: Path, suffix: str) -> None:
    output, other = tmp_path / f"out{suffix}", tmp_path / f"torch{suffix}"
    assert "2 rows failed" in predict("--output", output, "--id-column", "key")
    arguments = ["predict", str(models["torch"]), str(source), "--output", str(other), "--id-column", "key"]
    assert runner.invoke(app, arguments).exit_code == 0
    if suffix in (".jsonl", ".csv"):
        lines, expected = (path.read_text().splitlines() for path in (output, other))
        assert [line.replace('"', "").split(",")[:1] for line in lines] == [
            line.replace('"', "").split(",")[:1] for line in expected
        ]
    else:
        found, wanted = pq.read_table(output), pq.read_table(other)
        assert found.schema == wanted.schema
        for name in [name for name in wanted.column_names if "probability" not in name]:
            assert found[name].to_pylist() == wanted[name].to_pylist()
        for row, expected_row in zip(found.to_pylist(), wanted.to_pylist(), strict=True):
            assert row["probability_good"] == (
                expected_row["probability_good"] and pytest.approx(expected_row["probability_good"], abs=1e-4)
            )
    assert "unknown suffix '.xlsx'" in predict("--output", tmp_path / "out.xlsx", fails=True)


def test_failures(predict: Any, tmp_path: Path) -> None:
    shown = predict("--output", tmp_path / "out.jsonl", "--failures", tmp_path / "failed.jsonl", "--id-column", "key")
    assert "all are listed in" in shown
    listed = read_jsonl(tmp_path / "failed.jsonl")
    assert [(row["row"], row["id"], row["reason"]) for row in listed] == [
        (4, "p3", "empty text"),
        (7, "p6", "missing image"),
    ]


def test_columns(predict: Any, tmp_path: Path) -> None:
    predict("--output", tmp_path / "out.jsonl", "--id-column", "key", "--text-column", "label")
    rows = read_jsonl(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == [f"p{n}" for n in range(10)]
    # The label is no empty text.
    assert [row["id"] for row in rows if "error" in row] == ["p6"]
    for option in ("--id-column", "--text-column", "--image-column"):
        assert f"no column 'absent' (given as {option}" in predict(
            "--output", tmp_path / "x.jsonl", option, "absent", fails=True
        )


def test_strict(predict: Any, source: Path, tmp_path: Path) -> None:
    said = predict("--output", tmp_path / "out.jsonl", "--strict", fails=True)
    assert said.startswith(f"{source} row 4 (id 4): empty text")
    assert list(tmp_path.iterdir()) == []


def test_precision(predict: Any, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []
    load = PostClassifier.load.__func__  # type: ignore[attr-defined]

    def watch(cls: Any, *arguments: Any, **options: Any) -> Any:
        loaded.append((arguments[1], options["precision"]))
        return load(cls, *arguments, **options)

    monkeypatch.setattr(PostClassifier, "load", classmethod(watch))
    if engine == "onnx":
        said = predict("--output", tmp_path / "out.jsonl", "--precision", "bf16", fails=True)
        assert said == "--precision bf16 is not for engine 'onnx'; it takes auto, fp32."
        assert loaded == []
    elif engine == "openvino" and not native_bfloat16():
        said = predict("--output", tmp_path / "out.jsonl", "--precision", "bf16", fails=True)
        assert said.startswith("--precision bf16 needs a processor with instructions for bfloat16")
    else:
        predict("--output", tmp_path / "out.jsonl", "--precision", "bf16", "--batch-size", "3")
        assert set(loaded) == {(3, "bf16")}


@pytest.mark.parametrize("output", ["out.jsonl", "out"])
def test_unfinished_work(
    predict: Any, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setattr("clfa.jobs.process.COMMIT_SECONDS", 0)
    options = ["--output", tmp_path / output, "--batch-size", "1"]
    options += ["--shard-rows", 4] if engine == "ray" or output == "out" else []
    assert "finished before" not in predict(*options, "--resume")
    finished = (tmp_path / output).read_bytes() if output == "out.jsonl" else pq.read_table(tmp_path / output)
    if output == "out":
        (tmp_path / output / MANIFEST).unlink()
        (tmp_path / output / "part-000001.parquet").unlink()
        assert "(6 of the rows were finished before)" in predict(*options)
        (tmp_path / output / MANIFEST).unlink()
        assert "finished before" not in predict(*options, "--restart")
        assert pq.read_table(tmp_path / output) == finished
        return
    real = PostClassifier.predict_read
    calls: list[int] = []

    def interrupted(self: PostClassifier, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 8:
            raise KeyboardInterrupt
        return real(self, *arguments)

    for more, begun_anew in ((["--resume"], False), ([], False), (["--restart"], True)):
        calls.clear()
        monkeypatch.setattr(PostClassifier, "predict_read", interrupted)
        arguments = [*options, *(["--restart"] if calls else [])]
        with pytest.raises(AssertionError):
            predict(*arguments)
        assert (tmp_path / "out.jsonl").read_bytes() == finished
        monkeypatch.setattr(PostClassifier, "predict_read", real)
        assert ("(8 of the rows were finished before)" in predict(*options, *more)) != begun_anew
        assert (tmp_path / "out.jsonl").read_bytes() == finished
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl"]


@pytest.mark.parametrize(
    ("option", "value"), [("--address", "auto"), ("--workers", 2), ("--worker-cpus", 2), ("--worker-gpus", 0)]
)
def test_options_of_clusters(predict: Any, engine: str, tmp_path: Path, option: str, value: Any) -> None:
    if engine == "ray":
        assert "10 rows" in predict("--output", tmp_path / "out.jsonl", option, value)
    else:
        said = predict("--output", tmp_path / "out.jsonl", option, value, fails=True)
        assert said == f"{option} is not for engine {engine!r}, which works in this process."
        assert list(tmp_path.iterdir()) == []


def test_shard_rows(predict: Any, engine: str, tmp_path: Path) -> None:
    predict("--output", tmp_path / "out", "--shard-rows", 3)
    assert len(list((tmp_path / "out").glob("part-*"))) == 4
    if engine in HERE:
        said = predict("--output", tmp_path / "out.jsonl", "--shard-rows", 3, fails=True)
        assert said == "--shard-rows is for folders, and for --engine ray; one process writes a file row after row."
    else:
        predict("--output", tmp_path / "out.jsonl", "--shard-rows", 3)
        assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == [str(n) for n in range(1, 11)]


def test_separator(predict: Any, source: Path, tmp_path: Path) -> None:
    # No separator that content is searched for.
    table = tmp_path / "posts.csv"
    image = source.parent / "images" / "0.jpg"
    table.write_text(f"key^text^image\na^so, sunny; today^{image}\nb^rain|again^{image}\n")
    arguments = ("--text-column", "text", "--id-column", "key", "--allow-outside")
    assert "no column 'key'" in predict("--output", tmp_path / "x.jsonl", *arguments, table=table, fails=True)
    predict("--output", tmp_path / "out.jsonl", *arguments, "--separator", "^", table=table)
    assert [(row["id"], "error" in row) for row in read_jsonl(tmp_path / "out.jsonl")] == [("a", False), ("b", False)]
    shown = predict("--output", tmp_path / "y.jsonl", "--separator", "^^", table=table, fails=True)
    assert "--separator must be one character, got '^^'" in shown
