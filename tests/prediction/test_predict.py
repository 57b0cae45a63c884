from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from clfa.cpu import memory, packed
from clfa.cpu.linear import Linear
from clfa.data.images import load_image
from clfa.errors import DataError, ModelError
from clfa.jobs import process
from clfa.jobs.plan import PLAN, RECORDS
from clfa.modeling import CLFAForClassification
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.processing.processor import CLFAProcessor
from posts import LABELS, make_posts, read_jsonl, write_csv, write_jsonl


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> PostClassifier:
    return PostClassifier.load(tiny_run, batch_size=4)


@pytest.fixture
def posts(tmp_path: Path) -> list[dict[str, Any]]:
    return [{k: row[k] for k in ("id", "text", "image")} for row in make_posts(tmp_path, 10)]


def test_predictions_are_the_models(predictor: PostClassifier, tiny_run: Path, posts: Any, tmp_path: Path) -> None:
    found = predictor([Post(row["text"], str(tmp_path / row["image"])) for row in posts])
    assert len(found) == 10
    model = CLFAForClassification.from_pretrained(tiny_run / "model").eval()
    processor = CLFAProcessor.from_pretrained(tiny_run / "model")
    for row, prediction in zip(posts, found, strict=True):
        with torch.no_grad():
            output = model(**processor(text=[row["text"]], images=[load_image(tmp_path / row["image"])]))
        expected = output.logits.softmax(dim=-1)[0].numpy()
        np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-5)
        assert list(prediction.probabilities) == list(LABELS)
        assert prediction.label == LABELS[int(expected.argmax())]
        np.testing.assert_allclose(prediction.embedding, output.pooler_output[0], atol=1e-5)
        assert (prediction.error, prediction.reason) == (None, None)


def test_predictions_equal_those_of_the_evaluation(predictor: PostClassifier, tiny_run: Path, posts_csv: Path) -> None:
    import csv

    rows = {row["id"]: row for row in csv.DictReader(posts_csv.open())}
    scored = read_jsonl(tiny_run / "predictions-test.jsonl")
    found = predictor([Post(rows[s["id"]]["text"], posts_csv.parent / rows[s["id"]]["image"]) for s in scored])
    for score, prediction in zip(scored, found, strict=True):
        assert prediction.label == score["prediction"]
        # The run read its frozen encoders' features in half precision.
        assert prediction.probabilities == pytest.approx(score["probabilities"], abs=2e-3)


def test_texts_are_cleaned_as_in_training(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    plain, messy = predictor([Post("so sunny", image), Post(" so\u200b\n\tsunny\ue000\x00 ", image)])
    assert messy.probabilities == pytest.approx(plain.probabilities, abs=1e-6)
    # Half an emoji, as cut posts carry it, and a whole one in two halves.
    halved, whole = predictor([Post("so sunny \ud83d", image), Post("so sunny \ud83d\ude00", image)])
    assert halved.probabilities == pytest.approx(plain.probabilities, abs=1e-6)
    assert whole.error is None


def test_pictures_in_any_form(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    path = tmp_path / posts[0]["image"]
    content = path.read_bytes()
    forms = [path, str(path), content, {"bytes": content, "path": None}, Image.open(path)]
    found = predictor([Post("so sunny", form) for form in forms])
    for prediction in found:
        assert prediction.probabilities == pytest.approx(found[0].probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("post", "error", "reason"),
    [
        (Post(None, "x.jpg"), "empty text", "empty text"),
        (Post(" \n", "x.jpg"), "empty text", "empty text"),
        (Post(float("nan"), "x.jpg"), "empty text", "empty text"),  # type: ignore[arg-type]
        (Post("so", None), "missing image", "missing image"),
        (Post("so", ""), "missing image", "missing image"),
        (Post("so", "absent.jpg"), "absent.jpg: image file not found", "missing image"),
        (Post("so", b"no picture"), "<image bytes>: not an image in any format Pillow reads", "unreadable image"),
        (Post("so", 3.5), "no image: expected bytes", "unreadable image"),
    ],
)
def test_posts_that_cannot_be_read(predictor: PostClassifier, post: Post, error: str, reason: str) -> None:
    good = Post("so sunny", Image.new("RGB", (8, 8)))
    before, failed, after = predictor([good, post, good])
    assert failed.error is not None
    assert failed.error.startswith(error)
    assert failed == Prediction(None, {}, None, failed.error, reason)
    assert before.probabilities == after.probabilities != {}


def test_very_long_texts_are_cut(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    long, cut = predictor([Post("so sunny " * 50_000, image), Post("so sunny " * 200, image)])
    assert long.probabilities == pytest.approx(cut.probabilities, abs=1e-6)


def test_no_posts(predictor: PostClassifier) -> None:
    assert predictor([]) == []


def test_batches_do_not_matter(tiny_run: Path, posts: Any, tmp_path: Path) -> None:
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    one, many = (PostClassifier.load(tiny_run, batch_size=size)(rows) for size in (1, 64))
    for a, b in zip(one, many, strict=True):
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)


def test_order_is_that_of_the_posts(tiny_run: Path, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    rows = [Post("great red " * (7 * n % 11), image if n % 6 else "absent.jpg") for n in range(40)]
    single, sorted_ones = (PostClassifier.load(tiny_run, batch_size=size)(rows) for size in (1, 3))
    for post, a, b in zip(rows, single, sorted_ones, strict=True):
        assert (a.error, a.label) == (b.error, b.label)
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)
        assert (a.error is None) == (bool(post.text) and post.image == image)


def test_texts_of_like_length_share_a_batch(
    predictor: PostClassifier, tmp_path: Path, posts: Any, monkeypatch: Any
) -> None:
    lengths = []
    forward = TorchRuntime.__call__

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        lengths.append(inputs["attention_mask"].sum(dim=1).tolist())
        return forward(self, inputs)

    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    image = str(tmp_path / posts[0]["image"])
    predictor([Post("great " * (1 + 5 * n % 8), image) for n in range(16)])
    assert lengths == [[3, 3, 4, 4], [5, 5, 6, 6], [7, 7, 8, 8], [9, 9, 10, 10]]


def test_pictures_are_decoded_a_bounded_way_ahead(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [str(tmp_path / row["image"]) for row in posts]
    # Appending is safe in threads; adding is not.
    decoded: list[Any] = []
    ahead: list[int] = []
    pixels = PostClassifier._pixels

    def counted(self: PostClassifier, image: Any) -> Any:
        decoded.append(image)
        return pixels(self, image)

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        ahead.append(len(decoded) - 4 * len(ahead))
        return np.zeros((len(inputs["input_ids"]), 2)), np.zeros((len(inputs["input_ids"]), 16))

    monkeypatch.setattr(PostClassifier, "_pixels", counted)
    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    found = predictor([Post("so", images[n % 10]) for n in range(80)])
    assert len(found) == 80
    assert len(decoded) == 80
    # Its own batch and at most two more.
    assert all(4 <= count <= 12 for count in ahead)


def test_a_picture_that_cannot_be_prepared_fails_alone(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = predictor.processor.pixels

    def fails(images: Any) -> Any:
        if images[0].width == 5:
            raise ValueError("no such size")
        return pixels(images)

    monkeypatch.setattr(predictor.processor, "pixels", fails)
    good, bad = predictor([Post("so", str(tmp_path / posts[0]["image"])), Post("so", Image.new("RGB", (5, 5)))])
    assert good.error is None
    assert bad.error == "<RGB image 5x5>: image cannot be prepared: no such size"
    assert bad.reason == "unreadable image"


def test_precision(tiny_run: Path, predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    exact, lower = predictor(rows), PostClassifier.load(tiny_run, precision="bf16")(rows)
    differences = [abs(a.probabilities["good"] - b.probabilities["good"]) for a, b in zip(exact, lower, strict=True)]
    assert 0 < max(differences) < 0.05
    if not torch.cuda.is_available():
        assert PostClassifier.load(tiny_run, precision="auto").runtime.precision == "fp32"  # type: ignore[attr-defined]


@pytest.mark.skipif(not packed.packing_pays(), reason="no products in bfloat16 here")
def test_many_posts_in_bfloat16_are_predicted_with_packed_weights(
    tiny_run: Path, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_WORTHWHILE", 0)
    lower = PostClassifier.load(tiny_run, precision="bf16", batch_size=2)
    seen: list[tuple[bool, int]] = []
    layer = next(module for module in lower.model.modules() if type(module) is Linear)
    lower.model.register_forward_pre_hook(lambda *_: seen.append((layer.packed is not None, memory._users)))
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    lower(rows[:2])
    assert set(seen) == {(False, 0)}
    seen.clear()
    lower(rows)
    assert set(seen) == {(True, int(memory._allocator() is not None))}
    seen.clear()
    predict_file(lower, write_jsonl(tmp_path / "posts.jsonl", posts), tmp_path / "out.jsonl")
    assert set(seen) == {(True, int(memory._allocator() is not None))}
    assert layer.packed is None
    assert memory._users == 0


def test_a_model_directory_serves_as_well(
    tiny_run: Path, predictor: PostClassifier, posts: Any, tmp_path: Path
) -> None:
    plain = PostClassifier.load(tiny_run / "model")
    post = Post(posts[0]["text"], str(tmp_path / posts[0]["image"]))
    assert plain([post])[0].probabilities == pytest.approx(predictor([post])[0].probabilities, abs=1e-6)


def test_no_model(tmp_path: Path, tiny_bert_dir: Path, tiny_run: Path) -> None:
    with pytest.raises(ModelError, match="is not a model directory"):
        PostClassifier.load(tmp_path)
    with pytest.raises(ModelError, match="bert"):
        PostClassifier.load(tiny_bert_dir)
    shutil.copy(tiny_run / "recipe.yaml", tmp_path)
    with pytest.raises(ModelError, match="did not finish"):
        PostClassifier.load(tmp_path)


# Files.


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(("suffix", "write"), [("jsonl", write_jsonl), ("csv", write_csv), ("parquet", write_parquet)])
def test_a_file_row_by_row(predictor: PostClassifier, posts: Any, tmp_path: Path, suffix: str, write: Any) -> None:
    posts[2]["image"] = "images/absent.jpg"
    posts[3]["text"] = ""
    (tmp_path / "images" / "5.jpg").write_bytes(b"no picture")
    posts[7]["image"] = ""
    source = write(tmp_path / f"posts.{suffix}", posts)
    output = tmp_path / "new folder" / "out.jsonl"
    summary = predict_file(predictor, source, output)
    rows = read_jsonl(output)
    assert [row["id"] for row in rows] == [f"p{n}" for n in range(10)]
    failed = {row["id"]: row["error"] for row in rows if "error" in row}
    assert failed["p2"].endswith("absent.jpg: image file not found")
    assert failed["p3"] == "empty text"
    assert "5.jpg: not an image" in failed["p5"]
    assert failed["p7"] == "missing image"
    direct = predictor([Post(row["text"], str(tmp_path / row["image"])) for row in posts])
    for row, prediction in zip(rows, direct, strict=True):
        assert ("error" in row) != ("probabilities" in row)
        if row["id"] not in failed:
            assert row["prediction"] == prediction.label
            assert row["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-5)
        else:
            assert row["prediction"] is None
    assert summary.rows == 10
    assert sum(summary.labels.values()) == 6
    # Counted by kind, whatever the files are called.
    assert summary.failures == {"missing image": 2, "empty text": 1, "unreadable image": 1}
    assert summary.examples[1] == "row 4 (id p3): empty text"
    assert not list(tmp_path.rglob("*.tmp"))


def test_strict_names_the_row_and_leaves_no_output(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    posts[6]["text"] = ""
    source = write_jsonl(tmp_path / "posts.jsonl", posts)
    with pytest.raises(DataError, match=r"posts.jsonl row 7 \(id p6\): empty text"):
        predict_file(predictor, source, tmp_path / "out" / "out.jsonl", strict=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_output_appears_only_when_it_is_whole(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", posts * 5)
    output = tmp_path / "out.jsonl"
    output.write_text("an earlier result\n")
    sizes = []
    forward = TorchRuntime.__call__

    def fails_late(self: TorchRuntime, inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if len(sizes) == 10:
            raise RuntimeError("out of memory")
        return forward(self, inputs)

    monkeypatch.setattr(TorchRuntime, "__call__", fails_late)
    with pytest.raises(RuntimeError, match="out of memory"):
        predict_file(predictor, source, output, commit_rows=1)
    assert sizes == [4] * 10
    assert output.read_text() == "an earlier result\n"
    assert not list(tmp_path.glob(".*"))
    # The first window of eight batches stays for the same call.
    assert json.loads((tmp_path / "out.jsonl.partial" / PLAN).read_text())["summary"]["rows"] == 32
    assert len(read_jsonl(tmp_path / "out.jsonl.partial" / RECORDS)) == 32
    sizes.clear()
    assert predict_file(predictor, source, output).resumed == 32
    assert sizes == [4] * 4 + [2]
    assert [row["id"] for row in read_jsonl(output)] == [row["id"] for row in posts] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out.jsonl", "posts.jsonl"]


def test_memory_does_not_grow_with_the_file(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", posts * 9)
    read, predicted = [0], []
    rows_of = process.piece_rows

    def counted(*arguments: Any) -> Any:
        for row in rows_of(*arguments):
            read[0] += 1
            yield row

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        predicted.append((len(inputs["input_ids"]), read[0]))
        return np.zeros((len(inputs["input_ids"]), 2)), np.zeros((len(inputs["input_ids"]), 16))

    monkeypatch.setattr(process, "piece_rows", counted)
    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    predict_file(predictor, source, tmp_path / "out.jsonl")
    # Of the 32 rows of a window, the next one is read when two batches are left to compute.
    windows = [32] * 6 + [64] * 8 + [90] * 9
    assert predicted == [(4 if n < 22 else 2, rows) for n, rows in enumerate(windows)]


def test_odd_rows_and_ids(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    lines = [
        json.dumps({"id": "half \ud83d", "text": "so sunny", "image": image}),
        "{broken",
        json.dumps({"text": "no id", "image": image}),
        json.dumps({"id": {"nested": [1]}, "text": 17, "image": image}),
        json.dumps({"id": "no picture", "text": "so"}),
    ]
    source = tmp_path / "posts.jsonl"
    source.write_text("\n".join(lines) + "\n")
    summary = predict_file(predictor, source, tmp_path / "out.jsonl")
    rows = read_jsonl(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == ["half", "2", "3", '{"nested": [1]}', "no picture"]
    assert rows[1]["error"].startswith("not valid JSON: ")
    # A text that is a number is a text.
    assert summary.failures == {"unreadable row": 1, "missing image": 1}

    day = datetime.date(2024, 2, 1)
    table = [{"id": day, "text": "so sunny", "image": {"bytes": Path(image).read_bytes(), "path": "p.jpg"}}]
    predict_file(predictor, write_parquet(tmp_path / "t.parquet", table), tmp_path / "out.jsonl")
    (row,) = read_jsonl(tmp_path / "out.jsonl")
    assert row["id"] == "2024-02-01"
    assert "error" not in row


def test_only_the_first_failures_are_quoted(predictor: PostClassifier, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "posts.jsonl", [{"id": n, "text": "", "image": ""} for n in range(15)])
    summary = predict_file(predictor, source, tmp_path / "out.jsonl")
    assert summary.failures == {"empty text": 15}
    assert len(summary.examples) == 10


def test_other_column_names(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    renamed = [{"tweet": row["text"], "file": row["image"], "key": row["id"]} for row in posts]
    source = write_csv(tmp_path / "posts.csv", renamed)
    with pytest.raises(DataError, match=r"posts.csv: no image column; name it with image=...; columns there: tweet"):
        # The text is found by another usual name.
        predict_file(predictor, source, tmp_path / "out.jsonl")
    with pytest.raises(DataError, match=r"posts.csv: no column 'tweeet' \(given as text=...\); columns there: tweet"):
        predict_file(predictor, source, tmp_path / "out.jsonl", text="tweeet")
    assert not (tmp_path / "out.jsonl").exists()
    summary = predict_file(predictor, source, tmp_path / "out.jsonl", text="tweet", image="file", identifier="key")
    assert (summary.rows, summary.failures) == (10, {})
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == [row["id"] for row in posts]


def test_a_file_that_cannot_be_opened(predictor: PostClassifier, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="is not a Parquet file"):
        predict_file(predictor, tmp_path / "t.parquet", tmp_path / "out.jsonl")
    with pytest.raises(DataError, match="does not exist"):
        predict_file(predictor, tmp_path / "absent.parquet", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
