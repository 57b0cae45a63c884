from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data import read_corpus
from clfa.errors import DataError

HEADER = "event_name\ttweet_id\timage_id\ttweet_text\timage\tlabel\tlabel_text\tlabel_image\tlabel_text_image\n"


def write(folder: Path, stem: str, labels: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "dev", "test"):
        rows = [
            f'fire\t1\t1_{n}\t{part} {n} "x\ty/data\t{label}\t{label}\t{label}\tPositive\n'.replace(
                "y/data", f"data_image/fire/{n}.jpg"
            )
            for n, label in enumerate(labels)
        ]
        (folder / f"{stem}{part}.tsv").write_text(HEADER + "".join(rows))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    agreed, all_pairs = tmp_path / "crisismmd_datasplit_agreed_label", tmp_path / "crisismmd_datasplit_all"
    write(agreed, "task_informative_text_img_agreed_lab_", ["informative", "not_informative", "odd"])
    write(agreed, "task_humanitarian_text_img_agreed_lab_", ["not_humanitarian", "vehicle_damage"])
    write(all_pairs, "task_humanitarian_text_img_", ["not_humanitarian", "vehicle_damage"])
    (tmp_path / "CrisisMMD_v2.0" / "data_image" / "fire").mkdir(parents=True)
    return tmp_path


def test_informative(root: Path) -> None:
    corpus = read_corpus("crisismmd-informative", root)
    assert corpus.label_names == ["not_informative", "informative"]
    assert corpus.labels("validation") == ["informative", "not_informative"]
    first = corpus.splits["validation"][0]
    assert (first["id"], first["text"]) == ("1_0", 'dev 0 "x')
    assert first["image"]["path"] == str(root.resolve() / "CrisisMMD_v2.0" / "data_image" / "fire" / "0.jpg")
    assert corpus.dropped_counts() == {"unknown label": 3}
    assert corpus.facts["lines"] == {"train": 3, "validation": 3, "test": 3}
    folder = root / "crisismmd_datasplit_agreed_label"
    assert not read_corpus("crisismmd-informative", folder).has_images


def test_humanitarian_categories(root: Path) -> None:
    agreed = read_corpus("crisismmd-humanitarian", root)
    assert len(agreed.label_names) == 5
    assert agreed.dropped_counts() == {"unknown label": 3}
    every = read_corpus("crisismmd-humanitarian", root, agreed=False)
    assert len(every.label_names) == 8
    assert every.labels("test") == ["not_humanitarian", "vehicle_damage"]


def test_bad_picture_names_and_wrong_layout(root: Path) -> None:
    file = root / "crisismmd_datasplit_agreed_label" / "task_informative_text_img_agreed_lab_train.tsv"
    file.write_text(file.read_text().replace("data_image/fire/0.jpg", "data_image/../../0.jpg"))
    assert read_corpus("crisismmd-informative", root).dropped_counts() == {"unknown label": 3, "bad picture name": 1}
    with pytest.raises(DataError, match=r"crisismmd-informative reader expects crisismmd_datasplit_all/ with task_inf"):
        read_corpus("crisismmd-informative", root, agreed=False)
