"""PyTorch data set of a corpus split: token ids or cached features; images are decoded on access."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clfa.data.images import load_image, pictures_key
from clfa.processing.biases import WordPairBiases
from clfa.processing.collator import INDEX
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import TermRow
from clfa.store import ABSENT_KEY, FeatureStore, key_numbers, single_keys, text_key
from clfa.tables.pictures import pictures_of
from clfa.targets.target import label_matrix

if TYPE_CHECKING:
    from datasets import Dataset


class EncodedDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Samples of one split, as input of :class:`clfa.processing.collator.CLFACollator`.

    Texts are tokenised once, in the constructor, and their terms looked up. Images are decoded when a sample is read,
    unless features of a frozen vision encoder are given.

    Args:
        split: Rows in the schema of :mod:`clfa.data.schema`.
        processor: Tokenizer and image processor, and the terms if the model reads them.
        text_features: Token features of a frozen text encoder by ``text_keys``, instead of token ids.
        image_features: Features of a frozen vision encoder by ``image_keys``, instead of pixels.
        text_keys: Content keys of the texts, needed with ``text_features``.
        image_keys: Content keys of the images, needed with ``image_features``.
        guide_embeds: Guide embeddings of texts and images, each (N, D).
        use_knowledge: Whether samples contain their knowledge texts.
        knowledge_features: Token features of the knowledge texts by ``knowledge_keys``, instead of token ids.
        knowledge_keys: Content keys of the knowledge texts, needed with ``knowledge_features``.
        biases: Word-pair graphs of the samples.
        student_rows: Which samples take part where text and image students are compared (N,) bool. Samples then
            contain the numbers of their contents, too, so that equal contents are not contrasted with each other.
    """

    def __init__(
        self,
        split: Dataset,
        processor: CLFAProcessor,
        *,
        text_features: FeatureStore | None = None,
        image_features: FeatureStore | None = None,
        text_keys: list[bytes] | None = None,
        image_keys: list[bytes] | None = None,
        guide_embeds: tuple[np.ndarray, np.ndarray] | None = None,
        use_knowledge: bool = False,
        knowledge_features: FeatureStore | None = None,
        knowledge_keys: list[bytes] | None = None,
        biases: WordPairBiases | None = None,
        student_rows: np.ndarray | None = None,
    ) -> None:
        self.split = split
        self.processor = processor
        self.text_features, self.text_keys = text_features, text_keys
        self.image_features, self.image_keys = image_features, image_keys
        self.guide_embeds = guide_embeds
        self.labels = label_matrix(split).astype(np.float32)
        reads_text = processor.tokenizer is not None
        self.reads_images = processor.image_processor is not None
        self.token_ids: list[list[int]] | None = None
        if reads_text and text_features is None:
            texts = [text or "" for text in split["text"][:]]
            encoded = processor.token_ids(texts)
            self.token_ids = [ids if text else [] for ids, text in zip(encoded, texts, strict=True)]
        self.terms: list[TermRow] | None = None
        if reads_text and processor.terms is not None:
            self.terms = processor.terms(split["text"][:])
        self.knowledge_features, self.knowledge_keys = knowledge_features, knowledge_keys
        self.biases = biases
        self.student_rows = student_rows
        self.contents = None if student_rows is None else self._contents()
        self.knowledge_ids: list[list[int]] | None = None
        if use_knowledge and reads_text and knowledge_features is None:
            knowledge = [text or "" for text in split["knowledge"][:]]
            encoded = processor.token_ids(knowledge, processor.knowledge_max_length)
            self.knowledge_ids = [ids if text else [] for ids, text in zip(encoded, knowledge, strict=True)]

    def _contents(self) -> np.ndarray:
        """Return the numbers of each sample's text and image (N, 2) int64; -1 where it lacks one."""
        texts, images = self.text_keys, self.image_keys
        if texts is None:
            texts = [text_key(text) if text else ABSENT_KEY for text in self.split["text"][:]]
        if images is None:
            images = [pictures_key(image) for image in self.split["image"][:]]
        return np.stack([key_numbers(texts), key_numbers(images)], axis=1)

    def __len__(self) -> int:
        return len(self.labels)

    def lengths(self) -> list[int] | None:
        """Return the number of text tokens of each sample, for grouping by length; ``None`` without text."""
        if self.token_ids is not None:
            return [len(ids) for ids in self.token_ids]
        if self.text_features is not None and self.text_keys is not None:
            return [len(_stored(self.text_features, key)) for key in self.text_keys]
        return None

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one sample. A missing text has no tokens, a missing image is ``None``, a missing label is NaN.

        Of several images, ``image_features`` are the tokens of all, one image after the other, and ``pixel_values`` are
        (n, 3, H, W).

        Raises:
            ImageError: If the image cannot be read; the message names it.
        """
        sample: dict[str, Any] = {}
        if self.token_ids is not None:
            sample["input_ids"] = self.token_ids[index]
        elif self.text_features is not None and self.text_keys is not None:
            sample["text_features"] = _stored(self.text_features, self.text_keys[index])
        if self.terms is not None:
            sample["terms"] = self.terms[index]
        if self.image_features is not None and self.image_keys is not None:
            sample["image_features"] = _joined(self.image_features, self.image_keys[index])
        elif self.reads_images:
            pictures = pictures_of(self.split[index]["image"])
            sample["pixel_values"] = self.processor.picture_pixels([load_image(picture) for picture in pictures])
        if self.knowledge_ids is not None:
            sample["knowledge_input_ids"] = self.knowledge_ids[index]
        elif self.knowledge_features is not None and self.knowledge_keys is not None:
            sample["knowledge_features"] = _stored(self.knowledge_features, self.knowledge_keys[index])
        if self.biases is not None and self.biases.has_text:
            sample["text_bias"] = self.biases.text(index)
        if self.biases is not None and self.biases.has_knowledge:
            sample["knowledge_bias"] = self.biases.pair(index)
        if self.guide_embeds is not None:
            sample["guide_text_embeds"] = self.guide_embeds[0][index]
            sample["guide_image_embeds"] = self.guide_embeds[1][index]
            sample["guide_index"] = index
        if self.student_rows is not None and self.contents is not None:
            sample["student_rows"] = self.student_rows[index]
            sample["contents"] = self.contents[index]
        sample["labels"] = self.labels[index]
        sample[INDEX] = index
        return sample

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        """Return the samples of a batch for a ``DataLoader``, with images decoded in parallel threads.

        In a worker process of the loader, images are decoded in one thread.
        """
        threads = min(torch.get_num_threads(), len(indices))
        decodes = self.reads_images and self.image_features is None
        if threads < 2 or not decodes or torch.utils.data.get_worker_info() is not None:
            return [self[index] for index in indices]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.__getitem__, indices))


def _joined(store: FeatureStore, key: bytes) -> np.ndarray | None:
    """Return the tokens of all images of a sample, one image after the other; ``None`` without an image."""
    arrays = [store[one] for one in single_keys(key)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays) if arrays else None


def _stored(store: FeatureStore, key: bytes) -> np.ndarray:
    return np.empty((0, store.width), store.dtype) if key == ABSENT_KEY else store[key]
