from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clfa.cli.main import app, main
from clfa.recipe import recipe_dir, recipe_names
from clfa.version import __version__
from posts import LABELS, make_posts, read_jsonl, write_csv, write_jsonl

# Error texts in boxes of a known width.
runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def invoke(*arguments: Any) -> str:
    result = runner.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs ``clfa`` as the console does; returns exit code and standard error."""

    def run(*arguments: Any) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["clfa", *map(str, arguments)])
        monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        code: Any = stopped.value.code
        return code, captured.err

    return run


# Help.


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = (
        "import sys\n"
        "from clfa.cli.main import app\n"
        "sys.argv = ['clfa', '--help']\n"
        "try:\n    app()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'numpy', 'sklearn', 'matplotlib'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "LOADED []" in result.stdout
    assert "clfa train good --data-dir posts.csv" in result.stdout
    # Processor time: other processes do not count.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_the_console_script() -> None:
    script = Path(sys.executable).parent / "clfa"
    result = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == f"clfa {__version__}\n"


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "recipes"])
def test_help_of_each_command(command: str) -> None:
    assert "Usage: " in invoke(command, "--help")


# Commands.


def test_train_evaluate_predict(tiny_overrides: list[str], tmp_path: Path) -> None:
    # A folder whose name YAML would take for a number.
    data = tmp_path / "2024"
    rows = make_posts(data, 32)
    (data / rows[0]["image"]).unlink()
    write_csv(data / "posts.csv", rows)
    run = tmp_path / "run"
    shown = invoke(
        "train", "offline", *tiny_overrides, "training.epochs=1", "--data-dir", data, "--output", run, "--seed", 5
    )
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["seed"] == 5
    assert "offline on 2024: train 15, validation 8, test 8" in shown
    assert "left out: 1 x missing image" in shown
    assert "Guide clip: on 8 held-out pairs rank 1" in shown
    assert f"{100 * metrics['test']['accuracy']:.1f}" in shown
    assert "Best epoch 1;" in shown
    scores = {name: entry["validation"]["macro_f1"] for name, entry in metrics["yardsticks"].items()}
    assert f"│ tfidf        │ {100 * scores['tfidf']:.1f}" in shown
    model = metrics["validation"]["macro_f1"]
    assert ("is not above the best yardstick" in shown) == (model <= max(scores.values()))
    assert f"Everything is in {run}." in shown.replace("\n", "")

    shown = invoke("evaluate", run, "--split", "test")
    found = json.loads((run / "evaluation-test" / "metrics.json").read_text())
    assert found["accuracy"] == metrics["test"]["accuracy"]
    assert f"{100 * found['macro_f1']:.1f}" in shown

    posts = write_jsonl(data / "new.jsonl", [*({**row, "id": n} for n, row in enumerate(rows)), {"text": "so"}])
    shown = invoke("predict", run, posts)
    output = data / "new.predictions.jsonl"
    predictions = read_jsonl(output)
    assert len(predictions) == 33
    assert f"33 rows -> {output}: " in shown.replace("\n", "")
    assert "2 rows failed and carry an error:" in shown
    assert "2 x missing image" in shown
    assert "row 33 (id 33): missing image" in shown

    shown = invoke("predict", run, "--text", rows[3]["text"], "--image", data / rows[3]["image"])
    assert shown.splitlines()[0] == predictions[3]["prediction"]
    best = max(predictions[3]["probabilities"].values())
    assert shown.splitlines()[1].split() == [f"{best:.1%}", predictions[3]["prediction"]]


def test_messages_name_flags_to_those_who_typed_them(
    fails: Any, tiny_run: Path, posts_csv: Path, tmp_path: Path
) -> None:
    code, said = fails("train", "offline", "--data-dir", posts_csv, "--output", tiny_run)
    assert (code, said) == (1, f"Error: {tiny_run} already holds a finished run; give another --output.\n")
    code, said = fails("train", "offline", "--output", tmp_path / "run")
    assert (code, said) == (1, "Error: no data: give data.dir in the recipe, or --data-dir.\n")
    code, said = fails("evaluate", tiny_run, "--output", tiny_run)
    assert (code, said.rpartition("; ")[2]) == (1, "give another --output.\n")


def test_train_without_test_then_resume(tiny_overrides: list[str], posts_csv: Path, tmp_path: Path) -> None:
    arguments = ["train", "offline", *tiny_overrides, "model.alpha=0", "training.epochs=1", "--data-dir", posts_csv]
    shown = invoke(*arguments, "--output", tmp_path / "run", "--no-test")
    assert "test" not in json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "Guide" not in shown
    again = invoke(*arguments, "--output", tmp_path / "run", "--resume")
    assert again == shown


def test_a_relative_default_output(
    tiny_overrides: list[str], posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    invoke("train", "offline", *tiny_overrides, "name=mine", "training.epochs=1", "--data-dir", posts_csv)
    assert (tmp_path / "runs" / "mine" / "metrics.json").is_file()


def test_column_options(tiny_run: Path, tmp_path: Path) -> None:
    rows = [{"tweet": row["text"], "file": row["image"], "key": row["id"]} for row in make_posts(tmp_path, 3)]
    source = write_csv(tmp_path / "posts.csv", rows)
    options = ["--text-column", "tweet", "--image-column", "file", "--id-column", "key", "--batch-size", "2"]
    shown = invoke("predict", tiny_run, source, "--output", tmp_path / "out.jsonl", *options)
    assert "3 rows" in shown
    assert "failed" not in shown
    found = read_jsonl(tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == ["p0", "p1", "p2"]
    assert {row["prediction"] for row in found} <= set(LABELS)


def test_predict_resumes_lists_failures_and_writes_tables(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clfa.prediction.engines.torch_engine import TorchRuntime

    rows = [{k: row[k] for k in ("id", "text", "image")} for row in make_posts(tmp_path, 20)]
    rows[5]["text"] = ""
    source, output = write_csv(tmp_path / "posts.csv", rows), tmp_path / "out.parquet"
    options = ["--output", output, "--failures", tmp_path / "failed.jsonl", "--batch-size", "1", "--precision", "fp32"]
    forward = TorchRuntime.__call__
    calls = []

    def interrupted(self: TorchRuntime, inputs: Any) -> Any:
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return forward(self, inputs)

    monkeypatch.setattr(TorchRuntime, "__call__", interrupted)
    monkeypatch.setattr("clfa.jobs.process.COMMIT_SECONDS", 0)
    stopped = runner.invoke(app, [str(a) for a in ("predict", tiny_run, source, *options)])
    assert stopped.exit_code != 0
    assert not output.exists()
    shown = invoke("predict", tiny_run, source, *options, "--resume")
    assert f"20 rows -> {output}: " in shown.replace("\n", "")
    assert "rows/s in " in shown
    assert "(8 of the rows were finished before); peak memory " in shown.replace("\n", " ")
    assert f"1 rows failed and carry an error; all are listed in {tmp_path / 'failed.jsonl'}:" in shown
    assert [row["row"] for row in read_jsonl(tmp_path / "failed.jsonl")] == [6]
    assert pq.read_table(output).column("id").to_pylist() == [row["id"] for row in rows]


def test_predict_on_a_folder(tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    rows = [{k: row[k] for k in ("id", "text", "image")} for row in make_posts(folder, 4)]
    for number in range(2):
        write_jsonl(folder / f"{number}.jsonl", rows[2 * number : 2 * number + 2])
    assert "4 rows -> " in invoke("predict", tiny_run, folder)
    output = tmp_path / "shards.predictions"
    assert sorted(path.name for path in output.glob("part-*")) == ["part-000000.parquet", "part-000001.parquet"]
    assert pq.read_table(output)["source"].to_pylist() == ["0.jsonl", "0.jsonl", "1.jsonl", "1.jsonl"]
    assert pq.read_table(output)["id"].to_pylist() == [row["id"] for row in rows]


def test_recipes() -> None:
    listed = [line.split()[0] for line in invoke("recipes").splitlines()]
    assert listed == recipe_names()
    text = (recipe_dir() / "paper-mmsd.yaml").read_text()
    assert invoke("recipes", "paper-mmsd").strip() == text.strip()


# Errors.


def test_errors_are_one_line_and_exit_code_1(fails: Any, tmp_path: Path, posts_csv: Path, tiny_run: Path) -> None:
    code, message = fails("train", "offline", "model.alhpa=0", "--data-dir", posts_csv)
    assert code == 1
    assert message.startswith("Error: ")
    assert "unknown key 'model.alhpa'. Did you mean 'alpha'?" in message

    code, message = fails("evaluate", tmp_path)
    assert (code, message) == (
        1,
        f"Error: {tmp_path} is not a run folder: it has no recipe.yaml. Train one with `clfa train`.\n",
    )

    code, message = fails("predict", tiny_run, tmp_path / "absent.jsonl")
    assert (code, message) == (
        1,
        f"Error: input {tmp_path / 'absent.jsonl'} does not exist; give a file, a folder or a pattern such as "
        "'posts/*.parquet'.\n",
    )

    code, message = fails("predict", tiny_run, posts_csv, "--output", "out.xlsx")
    assert (code, message.startswith("Error: out.xlsx: unknown suffix '.xlsx'")) == (1, True)

    code, message = fails("predict", tiny_run, "--text", "so", "--image", tmp_path / "absent.jpg")
    assert code == 1
    assert "cannot predict on this post: " in message
    assert "absent.jpg: image file not found" in message

    code, message = fails("recipes", "absent")
    assert code == 1
    assert "no recipe 'absent'" in message


def test_strict_reaches_the_file(fails: Any, tmp_path: Path, tiny_run: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": "x", "text": "", "image": "a.jpg"}])
    code, message = fails("predict", tiny_run, source, "--strict")
    assert (code, message) == (1, f"Error: {source} row 1 (id x): empty text\n")
    assert [path.name for path in tmp_path.iterdir()] == ["posts.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "run", "--text", "so", "--failures", "f.jsonl"], "--failures needs an INPUT."),
        (["predict", "run", "--text", "so", "--engine", "ray"], "--engine ray needs an INPUT."),
        (["predict", "run", "a.jsonl", "--resume", "--restart"], "give either --resume or --restart, not both."),
        (["predict", "run", "*.jsonl"], "with a pattern as INPUT, give --output."),
        (["predict", "run"], "give an INPUT file, or one post with --image and --text"),
        (["predict", "run", "a.jsonl", "--text", "so"], "give either an INPUT file or one post"),
        (["predict", "run", "a.csv", "--engine", "tf"], "--engine is 'tf'; choose one of torch, onnx, openvino, ray."),
        (["predict", "run", "a.jsonl", "--precision", "8"], "--precision is '8'; choose one of auto, fp32, bf16."),
        (["evaluate", "run", "--split", "tset"], "--split is 'tset'; choose one of train, validation, test. did you"),
        (["train"], "missing argument 'recipe'"),
        (["trian"], "no such command 'trian'"),
        (["train", "offline", "--fold", "0"], "invalid value for '--fold'"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert message.lower() in " ".join(result.output.replace("│", " ").split()).lower()


def test_an_interrupt_is_exit_code_130(fails: Any, monkeypatch: pytest.MonkeyPatch, posts_csv: Path) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clfa.runs.train.train", interrupted)
    code, message = fails("train", "offline", "--data-dir", posts_csv)
    assert code == 130
    assert "Traceback" not in message


def test_training_of_several_networks(tiny_overrides: list[str], tmp_path: Path) -> None:
    write_csv(tmp_path / "posts.csv", make_posts(tmp_path, 64))
    further = ["training.epochs=1", "training.blend=true", "training.members=2"]
    shown = invoke("train", "offline", *tiny_overrides, *further, "--data-dir", tmp_path, "--output", tmp_path / "run")
    assert "Best epochs of 2 networks 1, 1;" in shown
