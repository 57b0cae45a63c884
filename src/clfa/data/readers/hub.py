"""Reader for data sets of the Hugging Face hub, and for local folders in its layout (Parquet files)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datasets
from datasets import IterableDataset

from clfa.data.columns import ColumnMap, to_corpus
from clfa.data.hub_name import is_local, require_folder, require_hub_data
from clfa.data.schema import Corpus
from clfa.data.splits import RATIOS, split_name
from clfa.data.table_part import TablePart
from clfa.errors import DataError
from clfa.targets.spec import parse_specs


def read(
    data_dir: str,
    *,
    config: str | None = None,
    revision: str | None = None,
    text: str | None = None,
    image: str | None = None,
    label: str | None = None,
    id: str | None = None,
    knowledge: str | None = None,
    label_names: list[str] | None = None,
    ratios: tuple[float, float, float] = RATIOS,
    split_seed: int = 0,
    group_by: str | None = None,
    cache_dir: str | None = None,
    targets: Mapping[str, Any] | None = None,
) -> Corpus:
    """A data set of the Hugging Face hub, or a local folder of Parquet files in its layout.

    Code from the repository is never run. All data stay on disk, and images stay encoded, until they are needed.

    Args:
        data_dir: Name on the hub, for instance ``coderchen01/MMSD2.0``, or a local folder in the same layout.
        config: Configuration, for instance ``mmsd-v2``.
        revision: Branch, tag or commit on the hub.
        text: Column of the text. By default, this and the following columns are found by their usual names.
        image: Column of the image.
        label: Column of the label.
        id: Column of the id.
        knowledge: Column of extra text about the image.
        label_names: Class names in index order; by default those declared by the data set, else the sorted values.
        ratios: Shares of train, validation and test for missing splits.
        split_seed: Seed of the draw.
        group_by: Column whose equal values stay in one drawn split, for instance the author; by default, posts with the
            same text or the same image do.
        cache_dir: Cache directory of ``datasets``.
        targets: Targets instead of the default label: a mapping of target names to the fields of
            :class:`clfa.targets.spec.TargetSpec`.

    Raises:
        DataError: If the data set cannot be loaded (the message says what to do without a network), or a column is
            absent.
    """
    local = is_local(data_dir, cache_dir)
    if local:
        require_folder(data_dir)
    else:
        require_hub_data(data_dir, cache_dir)
    safety: dict[str, Any] = {"trust_remote_code": False} if int(datasets.__version__.split(".")[0]) < 4 else {}
    try:
        loaded = datasets.load_dataset(data_dir, config, revision=revision, cache_dir=cache_dir, **safety)
    except Exception as error:  # Network, hub and builder errors have no common base.
        advice = "" if local else "; without a network, download it on another machine and pass the folder"
        raise DataError(f"{data_dir}: cannot be loaded: {type(error).__name__}: {error}{advice}") from error
    # Pictures that are files were downloaded there.
    root = data_dir if local else str(cache_dir or datasets.config.HF_CACHE_HOME)
    parts = []
    for key, data in loaded.items():
        if isinstance(data, IterableDataset) or (split := split_name(str(key))) is None:
            continue
        parts.append(TablePart(split, f"{data_dir}[{key}]", data, root))
    if not parts:
        raise DataError(f"{data_dir}: no split train, validation or test; its splits are {', '.join(map(str, loaded))}")
    names = {"text": text, "image": image, "label": label, "id": id, "knowledge": knowledge}
    return to_corpus(
        f"{data_dir}/{config}" if config else data_dir,
        parts,
        ColumnMap(names),
        label_names=list(label_names) if label_names is not None else None,
        ratios=ratios,
        split_seed=split_seed,
        group_by=group_by,
        targets=parse_specs(targets or {}),
    )
