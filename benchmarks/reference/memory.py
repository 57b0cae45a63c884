"""Memory of the authors' conversion of a data set."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from torch.utils.data import DataLoader

from benchmarks.probe import Channel
from benchmarks.reference.script import check_folder, write_examples
from benchmarks.reference.stand_ins import stand_in
from clfa.runs.resources import peak_memory_mb


def load(channel: Channel, directory: str, posts: str, encoders: str, output: str, batch_size: int = 8) -> None:
    """One round: the authors' conversion of the training split and one pass over their loader.

    See :mod:`benchmarks.reference.script` for what is put in place around their code.
    """
    folder = Path(output)
    check_folder(Path(directory))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    write_examples(Path(posts), Path(encoders) / "bert", folder / "data")
    stand_in()
    sys.path.insert(0, directory)
    os.chdir(folder)
    from torch.utils.data import SequentialSampler, TensorDataset
    from transformers import BertTokenizer
    from utils import Processer

    tokenizer = BertTokenizer.from_pretrained(str(Path(encoders) / "bert"))
    channel.wait()
    libraries = peak_memory_mb()
    images = str(Path(posts) / "images")
    processor = Processer(str(folder / "data"), images, "VitBERT", 77, 66, "sentic", 1, 1, 1)
    examples = processor.get_train_examples()
    features = processor.convert_mm_examples_to_features(examples, processor.get_labels(), tokenizer)
    data = TensorDataset(*features)
    samples = sum(len(batch[0]) for batch in DataLoader(data, sampler=SequentialSampler(data), batch_size=batch_size))
    channel.report(libraries_mb=libraries, samples=samples)
