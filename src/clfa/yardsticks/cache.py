"""Outputs of yardsticks on disk, by the content that they depend on."""

from __future__ import annotations

import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from clfa.files import atomic_path
from clfa.locks import file_lock
from clfa.store import UNREADABLE
from clfa.yardsticks.base import BLOCKS, LinearMap, Yardstick, YardstickData, YardstickOutputs

# Increased when blocks or linear models give other outputs.
_FORMAT = 2


def cached_outputs(name: str, yardstick: Yardstick, data: YardstickData, cache: Path) -> tuple[YardstickOutputs, float]:
    """Return the outputs of a yardstick. Compute them only if they are not cached.

    Args:
        name: Name of the yardstick.
        yardstick: The yardstick.
        data: Its data.
        cache: Cache directory.

    Returns:
        The outputs, and the seconds that computing them took.
    """
    path = cache / "yardsticks" / f"{name}-{_key(yardstick, data)}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs of an experiment that need the same outputs at the same time compute them once.
    with file_lock(path.with_suffix(".lock")):
        found = _read(path)
        if found is None:
            started = time.perf_counter()
            outputs = yardstick.outputs(data)
            found = outputs, time.perf_counter() - started
            _write(path, *found)
    return found


def _key(yardstick: Yardstick, data: YardstickData) -> str:
    """Return a digest of everything that the outputs depend on; parts that the yardstick does not read do not count."""
    digest = hashlib.blake2b(digest_size=16)
    kind = type(yardstick)
    facts = [_FORMAT, kind.__module__, kind.__qualname__, kind.version, version("scikit-learn")]
    facts += [[t.name, t.problem_type, list(t.label_names)] for t in data.targets]
    if data.terms is not None and "texts" in kind.needs:
        facts.append(data.terms.fingerprint)
    digest.update(json.dumps(facts).encode())
    for name, scale in sorted(data.scales.items()):
        if BLOCKS[name] in kind.needs:
            digest.update(name.encode() + scale.mean.tobytes() + scale.length.tobytes())
    for name, split in data.splits.items():
        digest.update(f"{name} {split.labels.shape}".encode())
        digest.update(split.labels.tobytes())
        for part in kind.needs:
            content = getattr(split, part)
            if isinstance(content, np.ndarray):
                digest.update(f"{part} {content.dtype} {content.shape}".encode())
                digest.update(content.tobytes())
            else:
                digest.update(json.dumps([part, content]).encode())
    return digest.hexdigest()


def _read(path: Path) -> tuple[YardstickOutputs, float] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            facts = json.loads(str(content["facts"]))
            logits = {name: content[f"logits-{name}"] for name in facts["splits"]}
            linear = None
            if facts["blocks"] is not None:
                linear = LinearMap({name: content[f"weights-{name}"] for name in facts["blocks"]}, content["bias"])
            return YardstickOutputs(logits, facts["settings"], linear), float(facts["seconds"])
    except UNREADABLE:
        # A damaged file is computed and written again.
        return None


def _write(path: Path, outputs: YardstickOutputs, seconds: float) -> None:
    linear = outputs.linear
    blocks = None if linear is None else list(linear.weights)
    facts = {"settings": outputs.settings, "seconds": seconds, "splits": list(outputs.logits), "blocks": blocks}
    arrays = {f"logits-{name}": logits for name, logits in outputs.logits.items()}
    if linear is not None:
        arrays |= {f"weights-{name}": weights for name, weights in linear.weights.items()} | {"bias": linear.bias}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]
