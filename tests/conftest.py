from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before anything imports a Hugging Face library: no test asks the network for anything.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import settings
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    ViTConfig,
    ViTModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from no_pictures import leave_out_pictures, with_pictures
from posts import make_posts, write_csv
from vocabularies import tiny_bert_tokenizer, tiny_clip_tokenizer

torch.set_num_threads(1)
# No deadline for a single example: on a busy machine any of them may take longer than 0.2 s.
settings.register_profile("clfa", deadline=None)
settings.load_profile("clfa")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests with an address in memory: processes that share the tests would not know each other's."""
    if wrong := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"{wrong[0]}: give the parameters ids that are the same in every process.")


def pytest_collection_finish() -> None:
    """Leave what the imports made out of every collection of garbage: each training begins with one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_pictures() -> None:
    leave_out_pictures()


@pytest.fixture
def pictures() -> Iterator[None]:
    """Plots are drawn, as they are outside of tests."""
    with with_pictures():
        yield


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Folder with the research data sets: ``$CLFA_DATA_DIR``, else ``../shared/data`` from the repository."""
    path = Path(os.environ.get("CLFA_DATA_DIR") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"research data sets not found in {path}; set CLFA_DATA_DIR")
    return path


@pytest.fixture(scope="session", autouse=True)
def clfa_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps caches made by tests out of the user's home."""
    path = tmp_path_factory.mktemp("clfa-cache")
    before = os.environ.get("CLFA_CACHE")
    os.environ["CLFA_CACHE"] = str(path)
    yield path
    if before is None:
        del os.environ["CLFA_CACHE"]
    else:
        os.environ["CLFA_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_bert_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a random BertModel (2 layers, 16 wide) with its word-piece tokenizer."""
    directory = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = tiny_bert_tokenizer()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_vit_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a random ViTModel (2 layers, 24 wide, 32 x 32 px, 5 tokens) with its image processor."""
    directory = tmp_path_factory.mktemp("tiny-vit")
    torch.manual_seed(1)
    config = ViTConfig(
        image_size=32,
        patch_size=16,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    ViTModel(config).save_pretrained(directory)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_clip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a random CLIPModel (text 16, vision 24, joint space 12, 32 x 32 px) with both its processors."""
    directory = tmp_path_factory.mktemp("tiny-clip")
    tokenizer = tiny_clip_tokenizer()
    torch.manual_seed(2)
    config = CLIPConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 77,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "image_size": 32,
            "patch_size": 16,
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
        projection_dim=12,
    )
    CLIPModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_overrides(tiny_bert_dir: Path, tiny_vit_dir: Path, tiny_clip_dir: Path) -> list[str]:
    """Overrides that make any recipe tiny: random encoders, a narrow head, two epochs, the CLIP guide."""
    return [
        f"model.text_encoder={tiny_bert_dir}",
        f"model.vision_encoder={tiny_vit_dir}",
        "model.image_grid_size=null",
        "model.hidden_size=16",
        "model.projection_hidden_size=16",
        "model.intermediate_size=16",
        "model.num_attention_heads=2",
        "model.num_fusion_layers=1",
        f"guide={{name: clip, model: {tiny_clip_dir}}}",
        "model.hidden_dropout_prob=0",
        "model.attention_probs_dropout_prob=0",
        "model.classifier_dropout=0",
        "model.text_feature_dropout=0",
        "model.image_feature_dropout=0",
        "training.epochs=2",
        "training.batch_size=8",
        "training.learning_rate=1e-2",
        "training.precision=fp32",
    ]


@pytest.fixture(scope="session")
def posts_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table of 64 synthetic posts (32 train, 16 validation, 16 test) beside their pictures."""
    folder = tmp_path_factory.mktemp("posts")
    return write_csv(folder / "posts.csv", make_posts(folder))


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str], posts_csv: Path) -> Path:
    """Run folder of a finished tiny training with guide on ``posts_csv``, with its plots; not to be changed."""
    from clfa.recipe import load_recipe
    from clfa.runs.train import train

    path = tmp_path_factory.mktemp("runs") / "tiny"
    with with_pictures():
        train(load_recipe("offline", [*tiny_overrides, f"data.dir={posts_csv}"]), path)
    return path


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three Parquet files with 40 synthetic posts (16, 16, 8), 8 to a row group, and their pictures.

    Posts 3 (no text), 18 (no picture) and 33 (no picture file) cannot be predicted on.
    """
    folder = tmp_path_factory.mktemp("shards")
    rows: list[dict[str, Any]] = [{k: post[k] for k in ("id", "text", "image")} for post in make_posts(folder, 40)]
    rows[3]["text"] = ""
    rows[18]["image"] = None
    (folder / rows[33]["image"]).write_bytes(b"no picture")
    for number, start in enumerate((0, 16, 32)):
        pq.write_table(pa.Table.from_pylist(rows[start : start + 16]), folder / f"{number}.parquet", row_group_size=8)
    return folder
