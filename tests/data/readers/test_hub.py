from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from clfa.data import load_image, read_corpus, validate
from clfa.data.hub_name import is_local, require_hub_data
from clfa.data.readers import check_source
from clfa.errors import DataError

FEATURES = Features({"image": Image(), "text": Value("string"), "label": Value("int64"), "id": Value("string")})


def encoded(colour: int) -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", (3, 3), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def hub_dir(tmp_path: Path) -> Path:
    """MMSD2.0's columns on the hub: image, text, label, id."""
    start = 0
    for split, size in (("train", 6), ("validation", 2), ("test", 2)):
        numbers = range(start, start + size)
        columns = {
            "image": [{"bytes": encoded(n), "path": f"{n}.png"} for n in numbers],
            "text": [f"post {n}" for n in numbers],
            "label": [n % 2 for n in numbers],
            "id": [str(n) for n in numbers],
        }
        start += size
        (tmp_path / "hub" / "data").mkdir(parents=True, exist_ok=True)
        data = Dataset.from_dict(columns, features=FEATURES)
        data.to_parquet(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
    return tmp_path / "hub"


def test_local_folder_in_hub_layout(hub_dir: Path, tmp_path: Path) -> None:
    names = ["not_sarcastic", "sarcastic"]
    corpus = read_corpus("hub", hub_dir, label_names=names, cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 6, "validation": 2, "test": 2}
    assert corpus.label_names == names
    sample = corpus.splits["validation"][0]
    assert (sample["id"], sample["text"], sample["targets"][0], sample["knowledge"]) == ("6", "post 6", 0, None)
    assert sample["image"]["bytes"] == encoded(6)
    assert load_image(sample["image"]).getpixel((0, 0)) == (6, 0, 0)
    assert validate(corpus).dropped == []


def test_an_unknown_label_is_dropped_and_the_rest_stays(hub_dir: Path, tmp_path: Path) -> None:
    data = Dataset.from_dict(
        {
            "image": [{"bytes": encoded(n), "path": None} for n in range(3)],
            "text": ["a", "b", "c"],
            "label": [0, 9, 1],
            "id": ["x", "y", "z"],
        },
        features=FEATURES,
    )
    data.to_parquet(hub_dir / "data" / "test-00000-of-00001.parquet")
    corpus = read_corpus("hub", hub_dir, label_names=["no", "yes"], cache_dir=str(tmp_path / "cache"))
    assert corpus.splits["test"]["id"][:] == ["x", "z"]
    assert [image["bytes"] for image in corpus.splits["test"]["image"]] == [encoded(0), encoded(2)]
    assert [(d.id, d.split, d.reason) for d in corpus.dropped] == [("y", "test", "unknown label")]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"someone/nothing: cannot be loaded: .*HF_HUB_OFFLINE is set.* Without a network, download it",
    ):
        read_corpus("hub", "someone/nothing", cache_dir=str(tmp_path / "cache"))
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(DataError, match="expects a name on the hub or a folder of Parquet files"):
        read_corpus("hub", tmp_path / "file.txt")
    with pytest.raises(DataError, match="no such file or directory"):
        read_corpus("hub", tmp_path / "gone")


def test_code_in_the_folder_is_not_run(hub_dir: Path, tmp_path: Path) -> None:
    (hub_dir / "hub.py").write_text("raise SystemExit('ran')")
    with pytest.raises(DataError, match=r"hub: cannot be loaded"):
        read_corpus("hub", hub_dir, cache_dir=str(tmp_path / "cache"))


def test_no_known_split(tmp_path: Path) -> None:
    (tmp_path / "hub" / "data").mkdir(parents=True)
    data = Dataset.from_dict({"text": ["a"], "label": [0]})
    data.to_parquet(tmp_path / "hub" / "data" / "everything-00000-of-00001.parquet")
    with pytest.raises(DataError, match="no split train, validation or test; its splits are everything"):
        read_corpus("hub", tmp_path / "hub", cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "name", ["./no-data", "folder/no-data", "a/b/c", "postz.csv", "posts.cvs", "me/x.parquet", "b.zip"]
)
def test_a_path_is_not_looked_for_on_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.load_dataset", None)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    (tmp_path / "posts.csv").touch()
    for look in (read_corpus, check_source):
        with pytest.raises(DataError, match=r": no such file or directory; the hub reader expects") as refusal:
            look("hub", name)
    assert ("Did you mean 'posts.csv'?" in str(refusal.value)) == (name in ("postz.csv", "posts.cvs"))


def test_a_name_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(url: str, *, timeout: float) -> None:
        asked.append(f"{url} {timeout:g}")
        raise TimeoutError("timed out")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "memes").mkdir()
    monkeypatch.setattr("datasets.load_dataset", None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", answer)
    with pytest.raises(
        DataError, match=r"^mems: cannot be loaded: there is no folder 'mems' here, and no data set .*"
    ) as e:
        read_corpus("hub", "mems")
    assert str(e.value).endswith("Did you mean 'memes'?")
    assert [place.partition("/datasets/")[2] for place in asked] == ["mems/resolve/main/README.md 5"]


def test_a_data_set_in_the_cache_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me___memes").mkdir()
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", None)
    require_hub_data("me/Memes", str(tmp_path))
    assert not is_local("me/Memes", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "datasets--me--other").mkdir()
    require_hub_data("me/other")
