"""The authors' public code (github.com/ChangKe123/CLFA) as they wrote it, from a folder that the caller fetched.

Nothing of it is part of this repository. Its ``run_classifier.py`` is executed unchanged, in a process of its own; what
is put in place around it, and nothing else:

- **paths and data**: command-line arguments, pickled examples made from the same synthetic posts (token ids from the
  same vocabulary, no knowledge, graphs of zeros, random guide embeddings), an ``.npz`` of the same ViT weights;
- **``torch.cuda.get_device_name``** answers where there is no GPU (the script asks unconditionally);
- **``DataLoader``** is a subclass that waits for the command to begin and reports when the loop around it is done:
  the loop's own statements are timed, from the first batch asked for to the step after the last;
- **packages that are not installed**: ``wordninja`` (imported, never called), ``ml_collections`` (its ``ConfigDict`` as
  attribute dictionary) and ``torchvision`` (the four transforms used, on Pillow; done before anything is timed).
  Reports name those that were replaced.

The arguments are those of its ``train_s.sh``. Command-line help: ``python -m benchmarks run --help``.
"""

from __future__ import annotations

import json
import os
import pickle
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.probe import Channel
from benchmarks.reference.stand_ins import stand_in
from benchmarks.reference.tensors import write_npz
from clfa.errors import DataError

FILES = ("run_classifier.py", "models.py", "mlp.py", "optimizer.py", "resnet_utils.py", "utils.py", "vit/modeling.py")
_SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def check_folder(directory: Path) -> None:
    """Check that the authors' code is there.

    Raises:
        DataError: Naming the first file that is missing.
    """
    for name in FILES:
        if not (directory / name).is_file():
            raise DataError(
                f"{directory / name} is missing; --reference takes a checkout of the authors' code: "
                "git clone https://github.com/ChangKe123/CLFA"
            )


def run(channel: Channel, directory: str, posts: str, encoders: str, output: str, batch_size: int = 8) -> None:
    """Rounds alternate between an epoch of the training loop and the evaluation loop on the validation split.

    Args:
        channel: To the caller.
        directory: The authors' code.
        posts: Folder of :func:`benchmarks.material.write_posts`.
        encoders: Folder of :func:`benchmarks.architectures.write_encoders`.
        output: Folder for what the script reads and writes.
        batch_size: Of training and evaluation.
    """
    folder, weights = Path(output), Path(encoders)
    check_folder(Path(directory))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    write_examples(Path(posts), weights / "bert", folder / "data")
    write_npz(weights / "vit", folder / "vit.npz")
    replaced = stand_in()
    torch.utils.data.DataLoader = gated_loader(channel, replaced)  # type: ignore[misc]
    if not torch.cuda.is_available():
        torch.cuda.get_device_name = lambda *args: "none"
    sys.path.insert(0, directory)
    # The evaluation writes a file into the working directory.
    os.chdir(folder)
    arguments = {
        "warmup_proportion": 0.05,
        "attn_layer_num": 3,
        "pooling_type": 1,
        "num_train_epochs": 10_000,
        "seed": 2022,
        "learning_rate": 1e-5,
        "data_dir": folder / "data",
        "image_dir": Path(posts) / "images",
        "output_dir": folder / "output",
        "model_select": "VitBERT",
        "bert_model": weights / "bert",
        "bert_pretrained_dir": weights / "bert",
        "vit_pretrained_dir": folder / "vit.npz",
        "train_batch_size": batch_size,
        "eval_batch_size": batch_size,
    }
    sys.argv = ["run_classifier.py", "--do_train"]
    sys.argv += [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    runpy.run_path(str(Path(directory) / "run_classifier.py"), run_name="__main__")


def gated_loader(channel: Channel, replaced: list[str]) -> type[Any]:
    """A ``DataLoader`` whose loops wait for a round and report it; the third one, of the test split, runs freely."""
    plain: Any = torch.utils.data.DataLoader
    phases = iter(("train", "evaluate"))

    class Gated(plain):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            # DataLoader forbids some new attributes after its own are set; this is none of them.
            self.phase = next(phases, None)

        def __iter__(self) -> Iterator[Any]:
            if self.phase is None:
                yield from super().__iter__()
                return
            if not channel.wait():
                raise SystemExit
            start = time.perf_counter()
            yield from super().__iter__()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            channel.report(
                phase=self.phase,
                seconds=seconds,
                samples=len(self.dataset),
                steps=len(self),
                replaced=replaced,
            )

    return Gated


def write_examples(posts: Path, tokenizer: Path, folder: Path) -> None:
    """Pickled examples in the form that the authors' ``generate_graph.py`` leaves, one file per split.

    Pickles are written here and read only by the authors' code.
    """
    from transformers import BertTokenizerFast

    encode = BertTokenizerFast.from_pretrained(tokenizer)
    rows = [json.loads(line) for line in (posts / "posts.jsonl").read_text(encoding="utf-8").splitlines()]
    labels = sorted({row["label"] for row in rows})
    draw = np.random.default_rng(0).standard_normal
    for split, name in _SPLITS.items():
        examples = {}
        for row in rows:
            if row["split"] != split:
                continue
            tokens = encode(row["text"], add_special_tokens=False)["input_ids"]
            examples[row["id"]] = {
                "image_id": row["id"],
                "text": row["text"],
                "label": labels.index(row["label"]),
                "knowledge": "",
                "tokens": tokens,
                "knowledge_tokens": [],
                "text_graph": np.zeros((len(tokens), len(tokens)), np.float32),
                "sentic_graph": np.zeros((len(tokens), 0), np.float32),
                "wordnet_graph": np.zeros((len(tokens), 0), np.float32),
                "text_embed": draw(512).tolist(),
                "image_embed": draw(512).tolist(),
            }
        with open(folder / f"{name}.with_graph.pkl", "wb") as file:
            pickle.dump(examples, file)
