"""Run folders and a feature cache as revision 9d99400 wrote them, built from ``old_run_folders.json``.

The file has their texts (recipe, metrics, configuration, tokenizer, ...) word for word, and the names and shapes of all
tensors; the values are seeded (:func:`golden_material.seeded_array`), here as when the expected outputs were recorded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from golden_material import make_posts, seeded_array, write_csv, write_lexicon
from safetensors.numpy import save_file

FIXTURE = Path(__file__).with_name("old_run_folders.json")
RUNS = ("label", "targets", "knowledge")
# Posts to predict on: every kind of text and picture there is, one without text, one without picture.
NUMBERS = (0, 1, 2, 3, 5, 6, 9, 16)


def read_fixture() -> dict[str, Any]:
    """Content of ``old_run_folders.json``."""
    content: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))
    return content


def new_posts(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The posts to predict on, without labels."""
    rows = [{key: posts[number][key] for key in ("id", "text", "image", "knowledge")} for number in NUMBERS]
    rows.append({"id": "silent", "text": "", "image": "images/4.bmp", "knowledge": ""})
    rows.append({"id": "unseen", "text": "what a great day", "image": "", "knowledge": "good cat"})
    return rows


def write_posts(folder: Path) -> list[dict[str, Any]]:
    """Write ``posts/posts.csv``, ``posts/new.csv`` and ``lexicon.txt`` into ``folder``; return the posts."""
    # Bitmaps have the same bytes everywhere, and features are cached under the digest of these.
    posts = make_posts(folder / "posts", suffix="bmp")
    write_csv(folder / "posts" / "posts.csv", posts)
    write_csv(folder / "posts" / "new.csv", new_posts(posts))
    write_lexicon(folder / "lexicon.txt")
    return posts


def build_run(folder: Path, name: str, fixture: dict[str, Any]) -> Path:
    """Write ``runs/NAME``: everything a finished run leaves behind but pictures, checkpoints and logs."""
    run = folder / "runs" / name
    (run / "model").mkdir(parents=True)
    for file, text in {**fixture["shared"], **fixture["runs"][name]["files"]}.items():
        (run / file).write_text(text, encoding="utf-8")
    shapes = fixture["runs"][name]["tensors"]
    weights = {tensor: seeded_tensor(f"{name}.{tensor}", shape) for tensor, shape in shapes.items()}
    save_file(weights, run / "model" / "model.safetensors", {"format": "pt"})
    return run


def seeded_tensor(name: str, shape: list[int]) -> np.ndarray:
    """Weights that keep activations lively: norms near one, matrices by their width."""
    is_norm = "norm" in name.lower() and name.endswith("weight")
    scale = 0.2 if is_norm or len(shape) < 2 else 1.5 * shape[-1] ** -0.5
    values = seeded_array(name, shape, scale)
    return np.float32(1) + values if is_norm else values


def build_cache(cache: Path, fixture: dict[str, Any]) -> None:
    """Write ``features/...`` with seeded rows in the place of the encoders' outputs: whoever reads them shows it."""
    for place, store in fixture["stores"].items():
        folder = cache / place
        folder.mkdir(parents=True)
        lengths = np.array(store["lengths"], np.int64)
        rows = seeded_array(place, (int(lengths.sum()), store["width"]), 1.0)
        (folder / "data.bin").write_bytes(rows.astype(store["dtype"]).tobytes())
        np.savez(
            folder / "index.npz",
            keys=np.frombuffer(bytes.fromhex("".join(store["keys"])), np.uint8).reshape(-1, 16),
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            width=np.int64(store["width"]),
            dtype=np.str_(store["dtype"]),
        )
