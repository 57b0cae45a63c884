"""Files that went wrong once, kept byte for byte in ``inputs``: each is read as training, checks and predictions do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset
from PIL import Image
from typer.testing import CliRunner

from clfa import CLFAPredictor
from clfa.cli.main import app
from clfa.data import Corpus, image_key, load_image, read_corpus
from clfa.data.images import read_image_bytes
from clfa.data.validation import validate
from clfa.errors import CLFAError, DataError
from clfa.prediction.predict import predict_file
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.train import train
from clfa.targets.label_names import LabelIndex
from clfa.targets.plots import plot_class_f1, plot_confusion_matrix
from posts import read_jsonl

INPUTS = Path(__file__).parent / "inputs"
IDS = [str(862902619928506300 + number) for number in range(12)]
TEXTS = [f"a {('sad', 'happy')[number % 2]} day number {number}" for number in range(12)]
SMALL = ("guide={name: none}", "model.alpha=0", "training.epochs=1", "training.yardsticks=false")


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str], Path]:
    """Function that copies the folder of a name, and the twelve pictures that its tables name."""

    def copy(name: str) -> Path:
        shutil.copytree(INPUTS / name, tmp_path / name)
        shutil.copytree(INPUTS / "images", tmp_path / name / "images")
        return tmp_path / name

    return copy


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> CLFAPredictor:
    """A model of the classes neg and pos, trained on the posts of a case."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copytree(INPUTS / "images", folder / "images")
    frame = pd.read_csv(INPUTS / "proba-index" / "posts.csv", dtype=str)
    made = CLFAPredictor("offline", folder / "run", image_root=folder, overrides=[*tiny_overrides, *SMALL])
    return made.fit(frame[:8], validation=frame[8:])


def read(source: Any, **options: Any) -> Corpus:
    return validate(read_corpus("table", source, as_split="test", **options), progress=False)


def rows(corpus: Corpus) -> dict[str, Any]:
    return {row["id"]: row for split in corpus.splits.values() for row in split}


def predicted(run: Path, source: Path) -> list[dict[str, Any]]:
    predict_file(run, source, source.parent / "out.jsonl", restart=True)
    return read_jsonl(source.parent / "out.jsonl")


def test_csv_label_nan_order(given: Callable[[str], Path]) -> None:
    path = given("csv-label-nan-order") / "posts.csv"
    corpus = read(path)
    assert corpus.label_names == ["-1", "0", "1", "2", "3"]
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == [IDS[3], IDS[9]]
    code = (
        "import csv, sys; from clfa.targets.label_names import LabelIndex\n"
        "print(LabelIndex([row['label'] for row in csv.DictReader(open(sys.argv[1]))]).names)"
    )
    for seed in "012":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "['-1', '0', '1', '2', '3']\n"
    assert LabelIndex(["3", "nan", "-1", "0", "2", "1"]).names == corpus.label_names


def test_csv_unclosed_quote(given: Callable[[str], Path], tiny_run: Path) -> None:
    path = given("csv-unclosed-quote") / "posts.csv"
    corpus = read(path)
    assert corpus.dropped == []
    assert {id: row["text"] for id, row in rows(corpus).items()} == {
        **dict(zip(IDS, TEXTS, strict=True)),
        IDS[2]: '"a sad day number 2',
    }
    records = predicted(tiny_run, path)
    assert [record["id"] for record in records] == IDS
    assert all(record["prediction"] in ("bad", "good") for record in records)
    checked = CliRunner().invoke(app, ["data", "check", "table", str(path)])
    kept = re.findall(r"(?:train|validation|test) +│ +(\d+) ", checked.output)
    assert (checked.exit_code, sum(map(int, kept))) == (0, 12), checked.output


def test_dataset_torch_format(given: Callable[[str], Path], predictor: CLFAPredictor) -> None:
    folder = given("dataset-torch-format")
    data = Dataset.from_pandas(pd.read_csv(folder / "posts.csv", dtype=str))
    data = data.cast_column("label", ClassLabel(names=["neg", "pos"])).with_format("torch")
    corpus = read(data, image_root=str(folder))
    assert corpus.dropped == []
    assert corpus.labels("test") == ["neg", "pos"] * 6
    here = CLFAPredictor.load(predictor.path, image_root=folder)
    assert here.evaluate(data)["samples"] == 12
    assert here.predict(data) == here.predict(folder / "posts.csv")


def test_ids_restart_per_split(given: Callable[[str], Path]) -> None:
    corpus = validate(read_corpus("table", given("ids-restart-per-split") / "posts"), progress=False)
    texts = {name: split["text"][:] for name, split in corpus.splits.items()}
    assert texts == {"train": TEXTS[:6], "validation": TEXTS[6:9], "test": TEXTS[9:]}
    assert corpus.dropped == []


@pytest.mark.parametrize("name", ["array.jsonl", "lines.json"])
def test_json_shapes(given: Callable[[str], Path], tiny_run: Path, name: str) -> None:
    path = given("json-shapes") / name
    assert [row["text"] for row in rows(read(path)).values()] == TEXTS
    records = predicted(tiny_run, path)
    assert [record["id"] for record in records] == IDS
    assert not any(record.get("error") for record in records)


def test_jsonl_half_emoji(given: Callable[[str], Path], tiny_run: Path) -> None:
    path = given("jsonl-half-emoji") / "posts.jsonl"
    corpus = read(path)
    assert corpus.dropped == []
    assert [row["text"] for row in rows(corpus).values()] == [*TEXTS[:4], "so sad", *TEXTS[5:]]
    assert [record["prediction"] is None for record in predicted(tiny_run, path)] == [False] * 12


def test_jsonl_nan(given: Callable[[str], Path], predictor: CLFAPredictor) -> None:
    path = given("jsonl-nan") / "posts.jsonl"
    corpus = read(path)
    assert corpus.label_names == ["neg", "pos"]
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == [IDS[3]]
    assert [(sample.reason, sample.detail) for sample in corpus.dropped] == [
        ("empty text", "the text is empty"),
        ("missing image", "the sample has no image"),
    ]
    assert len(rows(corpus)) == 9
    errors = [record.get("error") for record in predicted(predictor.path, path)]
    assert [error.split(":")[0] for error in errors if error] == ["empty text", "missing image"]


@pytest.mark.usefixtures("pictures")
def test_label_dollar(
    given: Callable[[str], Path], tiny_overrides: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = given("label-dollar") / "posts.csv"
    train(load_recipe("offline", [*tiny_overrides, *SMALL, f"data.dir={path}"]), tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["test"]["classes"]) == ["$", "$$", "$$$"]
    plots = [plot.name for plot in (tmp_path / "run").rglob("*.png")]
    assert [name for name in plots if "confusion" in name]
    for names in (["$10 to $20", "$$\\frac"], ["$", "_^{"]):
        plot_confusion_matrix([[1, 0], [0, 1]], names, tmp_path / "c.png", "$$: test split")
        plot_class_f1({name: {"f1": 1.0, "support": 3} for name in names}, tmp_path / "f.png", "$t^")
    assert min((tmp_path / name).stat().st_size for name in ("c.png", "f.png")) > 1000
    assert "could not be drawn" not in caplog.text


def test_label_names_typed(given: Callable[[str], Path]) -> None:
    path = given("label-names-typed") / "posts.csv"
    corpus = read(path, label_names=[0, 1])
    assert corpus.label_names == ["0", "1"]
    assert corpus.labels("test") == ["0", "1"] * 6
    with pytest.raises(CLFAError, match="label_names"):
        read(path, label_names=[False, True])


def test_nothing_left_message(given: Callable[[str], Path]) -> None:
    path = given("nothing-left-message") / "posts.csv"
    with pytest.raises(DataError, match=r"all 12 rows were left out.*12 x unknown split.*from the column 'fold'") as no:
        load_corpus(load_recipe("offline", [f"data.dir={path}"]))
    assert "no images" not in str(no.value)


def test_pil_bytes() -> None:
    side, plain, cmyk = (Image.open(INPUTS / "pil-bytes" / name) for name in ("side.png", "plain.png", "cmyk.jpg"))
    assert load_image(read_image_bytes(side)).size == load_image(side).size == (10, 20)
    assert image_key(side) != image_key(plain)
    assert load_image(read_image_bytes(cmyk)).getpixel((5, 5)) == load_image(cmyk).getpixel((5, 5)) == (255, 0, 0)
    assert len(image_key(cmyk)) == 16
    assert load_image(read_image_bytes(Image.new("F", (4, 4), 0.5))).size == (4, 4)


def test_png_16_bit_transparent() -> None:
    path = INPUTS / "png-16-bit-transparent" / "p.png"
    for source in (str(path), path.read_bytes(), Image.open(path)):
        assert load_image(source).getpixel((1, 1)) == (255, 255, 255)


def test_predict_tweet_id(given: Callable[[str], Path], tiny_run: Path) -> None:
    path = given("predict-tweet-id") / "new.csv"
    assert [record["id"] for record in predicted(tiny_run, path)] == IDS
    pd.read_csv(path, dtype=str).rename(columns={"tweet_id": "ID"}).to_csv(path, index=False)
    assert [record["id"] for record in predicted(tiny_run, path)] == IDS


def test_predict_utf16_jsonl(given: Callable[[str], Path], tiny_run: Path) -> None:
    path = given("predict-utf16-jsonl") / "new.jsonl"
    assert list(rows(read(path))) == IDS
    assert [record["id"] for record in predicted(tiny_run, path)] == IDS


def test_proba_index(given: Callable[[str], Path], predictor: CLFAPredictor) -> None:
    frame = pd.read_csv(given("proba-index") / "posts.csv", dtype=str)
    mixed = frame.sample(frac=1, random_state=3)
    whole, found = predictor.predict_proba(frame), predictor.predict_proba(mixed)
    assert list(found.index) == list(mixed.index)
    assert list(found.columns) == ["neg", "pos"]
    pd.testing.assert_frame_equal(found.sort_index(), whole, atol=1e-3)
    named = frame.set_index("id", drop=False)
    assert list(predictor.predict_proba(named).index) == IDS


def test_resume_changed_data(given: Callable[[str], Path], tiny_overrides: list[str], tmp_path: Path) -> None:
    path = given("proba-index") / "posts.csv"
    recipe = load_recipe("offline", [*tiny_overrides, *SMALL, f"data.dir={path}"])
    train(recipe, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    dealt = (tmp_path / "run" / "splits.json").read_bytes()
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(DataError, match=r"2 samples \('8629\d+1[01]', '8629\d+1[01]'\) are gone"):
        train(recipe, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "splits.json").read_bytes() == dealt
    assert not (tmp_path / "run" / "metrics.json").exists()
