from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clfa.cli.main import app
from clfa.data.images import image_key
from clfa.errors import DataError, ModelError, RecipeError
from clfa.features.embed import embed_table
from clfa.features.embed_job import STORE, EmbedJob
from clfa.features.import_features import import_features
from clfa.files import write_json
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.outputs.folder import MANIFEST, read_manifest
from clfa.jobs.run import run_job
from clfa.recipe import Recipe, load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import cache_features
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import make_guide, split_pairs
from clfa.store import FeatureStore, text_key
from posts import write_jsonl

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
FROZEN = ["model.freeze_text_encoder=true", "model.freeze_vision_encoder=true"]


@pytest.fixture(scope="module")
def recipe(tiny_overrides: list[str], posts_csv: Path) -> Recipe:
    return load_recipe("offline", [*tiny_overrides, *FROZEN, f"data.dir={posts_csv}", "data.allow_outside=true"])


@pytest.fixture(scope="module")
def embedded(recipe: Recipe, posts_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embeddings of the 64 posts in four parts."""
    output = tmp_path_factory.mktemp("embedded") / "out"
    run_job(EmbedJob(recipe.model_dump(), batch_size=5), posts_csv, output, shard_rows=16)
    return output


def test_a_training_run_finds_what_it_would_have_computed(
    recipe: Recipe, embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = load_corpus(recipe)
    own = load_encoders(recipe, tmp_path / "own")
    cache_features(recipe, corpus, own)
    guide = make_guide(recipe, corpus, own)
    assert guide is not None
    added = import_features(embedded, tmp_path / "imported")
    columns = ["text_tokens", "text_pooled", "image_tokens", "image_pooled", "guide_text", "guide_image"]
    assert added == dict.fromkeys(columns, 64)
    found = load_encoders(recipe, tmp_path / "imported")
    monkeypatch.setattr(type(found.text), "_encoded", lambda *arguments: pytest.fail("computed again"))
    cache_features(recipe, corpus, found)
    monkeypatch.setattr(type(guide), "embed_texts", lambda *arguments: pytest.fail("computed again"))
    for split in corpus.splits.values():
        pairs = split_pairs(split, own)
        imported = guide.embed_pairs(pairs, tmp_path / "imported")
        monkeypatch.undo()
        for mine, theirs in zip(guide.embed_pairs(pairs, tmp_path / "own"), imported, strict=True):
            # Batches differ, and with them the padding.
            np.testing.assert_allclose(theirs, mine, atol=1e-5)
        for one, other, keys in ((own.text, found.text, pairs.text_keys), (own.image, found.image, pairs.image_keys)):
            assert one is not None
            assert other is not None
            for key in keys:
                np.testing.assert_allclose(other.tokens[key], one.tokens[key], atol=2e-3)
                np.testing.assert_allclose(other.pooled[key], one.pooled[key], atol=1e-5)
        monkeypatch.setattr(type(guide), "embed_texts", lambda *arguments: pytest.fail("computed again"))
    # Again: everything is there.
    assert set(import_features(embedded, tmp_path / "imported").values()) == {0}


def test_rows_and_keys(embedded: Path, posts_csv: Path) -> None:
    import csv

    posts = list(csv.DictReader(posts_csv.open()))
    rows = pq.read_table(embedded).to_pylist()
    assert [row["id"] for row in rows] == [post["id"] for post in posts]
    for row, post in zip(rows, posts, strict=True):
        assert row["text_key"] == text_key(post["text"])
        assert row["image_key"] == image_key(posts_csv.parent / post["image"])
        assert len(row["guide_text"]) == len(row["guide_image"]) == 12
        # Half precision: five tokens of width 24.
        assert len(row["image_tokens"]) == 5 * 24 * 2
        assert row["error"] is None


def test_rows_that_lack_a_side(recipe: Recipe, shard_folder: Path, tmp_path: Path) -> None:
    extra = tmp_path / "in" / "a.jsonl"
    extra.parent.mkdir()
    image = shard_folder / "images" / "0.jpg"
    extra.write_text(
        f'{{"text": " so\\u200b sunny ", "image": "{image}"}}\n{{"text": "so sunny", "image": "absent.jpg"}}\n'
        f'{{"text": "so sunny", "image": ""}}\n{{"text": "", "image": "{image}"}}\n{{"text": null, "image": null}}\n'
        f'{{"text": "half \\ud83d", "image": "{shard_folder / "images" / "33.jpg"}"}}\n'
    )
    result = run_job(EmbedJob(recipe.model_dump()), extra, tmp_path / "out")
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert rows[0]["text_key"] == rows[1]["text_key"] == text_key("so sunny")
    assert rows[0]["guide_text"] == rows[1]["guide_text"]
    assert [row["image_key"] is None for row in rows] == [False, True, True, False, True, True]
    assert [row["guide_image"] is None for row in rows] == [row["image_key"] is None for row in rows]
    assert [row["text_tokens"] is None for row in rows] == [False, False, False, True, True, False]
    assert rows[1]["error"].endswith("absent.jpg: image file not found")
    assert [row["error"] for row in (rows[0], *rows[2:5])] == [None, None, None, "neither text nor image"]
    assert "33.jpg: not an image in a format that is read" in rows[5]["error"]
    assert result.failures == {"missing image": 1, "unreadable image": 1, "neither text nor image": 1}


def test_posts_with_several_images(
    recipe: Recipe, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    first, second, third = (str(shard_folder / "images" / f"{number}.jpg") for number in range(3))
    cells = [[first, "absent.jpg", second, third], first, ["absent.jpg", str(shard_folder / "images" / "33.jpg")]]
    rows = [{"text": f"text {n}", "image": cell, "label": "ab"[n % 2]} for n, cell in enumerate(cells)]
    table = write_jsonl(folder / "a.jsonl", rows)
    run_job(EmbedJob(recipe.model_dump()), table, tmp_path / "out")
    found = pq.read_table(tmp_path / "out").to_pylist()
    assert [row["image_key"] for row in found] == [image_key(first), image_key(first), None]
    assert [one["image_key"] for one in found[0]["more_images"]] == [image_key(second), image_key(third)]
    assert [row["more_images"] for row in found[1:]] == [None, None]
    assert [row["error"] is None for row in found] == [True, True, False]
    assert found[0]["guide_image"] == pytest.approx(found[1]["guide_image"], abs=1e-5)
    # A training run finds the features of every image.
    added = import_features(tmp_path / "out", tmp_path / "cache")
    assert added == dict.fromkeys(added, 3)
    corpus = load_corpus(recipe, source={"train": str(table)})
    encoders = load_encoders(recipe, tmp_path / "cache")
    guide = make_guide(recipe, corpus, encoders)
    assert guide is not None
    for frozen in (type(encoders.text), type(guide)):
        for name in ("_encoded", "embed_texts", "embed_images"):
            monkeypatch.setattr(frozen, name, lambda *arguments: pytest.fail("computed again"), raising=False)
    cache_features(recipe, corpus, encoders)
    pairs = split_pairs(corpus.splits["train"], encoders)
    several = max(range(len(pairs)), key=lambda position: len(pairs.image_keys[position]))
    assert pairs.image_keys[several] == image_key(first) + image_key(second) + image_key(third)
    _, embeds = guide.embed_pairs(pairs, tmp_path / "cache")
    own = [found[0]["guide_image"], *(one["guide_image"] for one in found[0]["more_images"])]
    np.testing.assert_allclose(embeds[several], np.mean(own, axis=0), atol=1e-5)


def test_only_what_the_recipe_needs(recipe: Recipe, posts_csv: Path, tmp_path: Path, tiny_overrides: Any) -> None:
    text_only = load_recipe("offline", [*tiny_overrides, *FROZEN, "model.vision_encoder=null"])
    (tmp_path / "a.jsonl").write_text('{"text": "so sunny"}\n')
    run_job(EmbedJob(text_only.model_dump()), tmp_path / "a.jsonl", tmp_path / "out")
    names = pq.read_table(tmp_path / "out").column_names
    assert names == ["source", "row", "id", "text_key", "text_tokens", "text_pooled", "error", "reason"]
    thawed = ["model.freeze_text_encoder=false", "model.freeze_vision_encoder=false"]
    guide_only = load_recipe("offline", [*tiny_overrides, *thawed])
    run_job(EmbedJob(guide_only.model_dump()), posts_csv, tmp_path / "guide")
    names = pq.read_table(tmp_path / "guide").column_names
    columns = ["text_key", "image_key", "guide_text", "guide_image", "more_images"]
    assert names == ["source", "row", "id", *columns, "error", "reason"]
    nothing = load_recipe("offline", [*tiny_overrides, *thawed, "guide.name=none"])
    with pytest.raises(RecipeError, match=r"'offline' has nothing to compute beforehand: it has no guide"):
        run_job(EmbedJob(nothing.model_dump()), posts_csv, tmp_path / "none")
    fitted = load_recipe("offline", [*tiny_overrides, "guide={name: fitted}"])
    with pytest.raises(RecipeError, match=r"the fitted guide needs the pairs of a training run: train on a part"):
        run_job(EmbedJob(fitted.model_dump()), posts_csv, tmp_path / "none")
    (tmp_path / "b.csv").write_text("text\nso sunny\n")
    with pytest.raises(DataError, match=r"b.csv: no image column; name it with image=..."):
        run_job(EmbedJob(recipe.model_dump()), tmp_path / "b.csv", tmp_path / "none")


def test_options_that_are_refused(recipe: Recipe, posts_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^workers is not for engine 'torch', which works in this process\.$"):
        embed_table(recipe, posts_csv, tmp_path / "out", cluster=ClusterOptions(workers=2))
    assert not (tmp_path / "out").exists()


def test_imports_that_are_refused(embedded: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "predicted" / MANIFEST, {"kind": "predict", "parts": []})
    with pytest.raises(DataError, match=r"holds results of 'predict', not embeddings"):
        import_features(tmp_path / "predicted", tmp_path / "cache")
    (tmp_path / "predicted" / MANIFEST).write_text('{"kind": ')
    with pytest.raises(DataError, match=r"_manifest\.json is damaged \(.*\); delete .*predicted and run the same"):
        import_features(tmp_path / "predicted", tmp_path / "cache")

    def changed(name: str, metadata: dict[bytes, bytes]) -> Path:
        folder = tmp_path / name
        manifest = read_manifest(embedded)
        part = manifest["parts"][0]
        write_json(folder / MANIFEST, {**manifest, "parts": [part]})
        table = pq.read_table(embedded / part["file"], columns=["text_key", "guide_text"])
        field = table.schema.field(1).with_metadata({**table.schema.field(1).metadata, **metadata})
        pq.write_table(table.cast(pa.schema([table.schema.field(0), field])), folder / part["file"])
        return folder

    with pytest.raises(DataError, match=r"'guide_text' would be written to .*, outside the cache"):
        import_features(changed("outside", {STORE: b"../../elsewhere"}), tmp_path / "cache")
    with pytest.raises(DataError, match=r"'guide_text' holds 'object'; it must hold float16 or float32"):
        import_features(changed("dtype", {b"clfa.dtype": b"object"}), tmp_path / "cache")
    mixed = changed("mixed", {})
    manifest = read_manifest(mixed)
    other = changed("other", {STORE: b"guides/other/text"}) / "part-000000.parquet"
    other.rename(mixed / "part-000001.parquet")
    write_json(mixed / MANIFEST, {**manifest, "parts": [*manifest["parts"], {"file": "part-000001.parquet"}]})
    with pytest.raises(DataError, match=r"part-000001.parquet was computed by another model than the first part"):
        import_features(mixed, tmp_path / "cache")
    (mixed / "part-000000.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"mixed is damaged"):
        import_features(mixed, tmp_path / "cache")


def test_the_commands(tiny_overrides: list[str], posts_csv: Path, tmp_path: Path) -> None:
    arguments = [
        "data",
        "embed",
        "offline",
        str(posts_csv),
        *tiny_overrides,
        *FROZEN,
        "--output",
        str(tmp_path / "out"),
    ]
    result = runner.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "64 rows -> " in result.output
    result = runner.invoke(app, ["data", "import-features", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])
    assert "guide_image: 64 new" in result.output
    (store,) = (tmp_path / "cache" / "guides").glob("clip-*/image")
    assert len(FeatureStore(store, 12, "float32")) == 64
