"""Features of frozen encoders, computed once per content and cached on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from clfa.ahead import prepared_ahead
from clfa.cpu import busy
from clfa.data.images import load_image, pictures_key
from clfa.data.single_pictures import single_pictures
from clfa.modeling.encoders import encode_image, encode_text, encoder_width, last_norm, pool_grid
from clfa.processing.processor import CLFAProcessor
from clfa.processing.tokenizers import tokenizer_digest
from clfa.progress import track
from clfa.store import FeatureStore, mean_row, single_keys, text_key

# Increased when the meaning of stored features changes, so that old caches are not used.
_FORMAT = 1


def weights_fingerprint(module: nn.Module, *settings: Any) -> str:
    """Return a hexadecimal digest of a module's weights and buffers and of all settings that its output depends on.

    Args:
        module: The frozen module.
        settings: Values with a stable ``repr`` or JSON form: preprocessing, lengths, versions.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    digest.update(json.dumps([_FORMAT, *settings], sort_keys=True, default=str).encode())
    return digest.hexdigest()


def batches_by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Yield batches of positions of samples of similar length, so that there is little padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


class FrozenEncoder:
    """A frozen text or vision encoder with content-keyed caches of its token and pooled features.

    Args:
        modality: ``"text"`` or ``"image"``.
        encoder: The encoder; it is put into evaluation mode and not changed otherwise. For an encoder that was not
            loaded by ``load_encoder``, :func:`clfa.cpu.speed_up` with ``layers_only`` makes it faster.
        processor: Processor with the encoder's tokenizer or image processor.
        cache: Cache directory.
        batch_size: Samples per forward pass. The default for images on a CPU is small, because the large activations of
            big batches cost more time in memory traffic than they save.
        dtype: Dtype of stored token features.
        grid_size: Cells per side to which image grids are pooled before they are stored (``pool_grid``).
        max_length: Largest number of text tokens; the processor's when not given.

    Attributes:
        width: Feature width.
    """

    def __init__(
        self,
        modality: str,
        encoder: Any,
        processor: CLFAProcessor,
        cache: Path,
        batch_size: int | None = None,
        dtype: str = "float16",
        grid_size: int | None = None,
        max_length: int | None = None,
    ) -> None:
        self.modality = modality
        self.max_length = max_length or processor.max_length
        self.grid_size = grid_size
        self.encoder = encoder.eval()
        self.processor = processor
        on_cpu = next(encoder.parameters()).device.type == "cpu"
        self.batch_size = batch_size or (8 if modality == "image" and on_cpu else 64)
        self.width = encoder_width(encoder.config)
        self._cache = cache
        self._dtype = dtype

    # Computed on first use: the digest of all weights takes as long as loading them, and a run that trains its encoders
    # does not need it.
    @cached_property
    def fingerprint(self) -> str:
        """Identifies weights and preprocessing; names the cache folder."""
        is_text = self.modality == "text"
        part = self.processor.tokenizer if is_text else self.processor.image_processor
        settings: list[Any] = [self.modality, type(self.encoder).__name__, self._dtype]
        settings.append(self.max_length if is_text else part.to_dict())
        if is_text:
            settings.append(tokenizer_digest(part))
        elif last_norm(self.encoder) is not None and self.encoder.config.model_type != "clip_vision_model":
            # Caches of other towers than CLIP's were once written without it.
            settings.append("last norm")
        return weights_fingerprint(self.encoder, *settings)

    @cached_property
    def tokens(self) -> FeatureStore:
        """Token features (N, width) by content key."""
        name = f"tokens-{self.grid_size}" if self.grid_size else "tokens"
        return FeatureStore(self._folder / name, self.width, self._dtype)

    @cached_property
    def pooled(self) -> FeatureStore:
        """Mean of the token features before pooling of the grid (1, width) by content key, in float32."""
        return FeatureStore(self._folder / "pooled", self.width, "float32")

    @property
    def _folder(self) -> Path:
        return self._cache / "features" / f"{self.modality}-{self.fingerprint}"

    def key(self, content: Any) -> bytes:
        """Return the content key of a text, or of an image or list of images in the schema's form."""
        return text_key(content) if self.modality == "text" else pictures_key(content)

    def ensure_tokens(self, contents: Sequence[Any], keys: Sequence[bytes]) -> None:
        """Compute and cache the token and pooled features that are not cached yet.

        Args:
            contents: Texts, or images or lists of images in the schema's form.
            keys: Their content keys.

        Raises:
            ImageError: When an image cannot be read; the message names it.
        """
        contents, keys = single_pictures(contents, keys)
        absent = self.tokens.missing(keys)
        if absent:
            with self.tokens.writer() as write_tokens, self.pooled.writer() as write_pooled:
                for key, array in self._encoded(contents, keys, absent):
                    write_tokens(key, pool_grid(torch.from_numpy(array)[None], self.grid_size)[0].numpy())
                    write_pooled(key, array.mean(axis=0, keepdims=True))

    def ensure_pooled(self, contents: Sequence[Any], keys: Sequence[bytes]) -> None:
        """Compute and cache only the pooled features, which take little space; see :meth:`ensure_tokens`."""
        contents, keys = single_pictures(contents, keys)
        absent = self.pooled.missing(keys)
        if absent:
            with self.pooled.writer() as write:
                for key, array in self._encoded(contents, keys, absent):
                    write(key, array.mean(axis=0, keepdims=True))

    def pooled_matrix(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return cached pooled features (len(keys), width) in float32; of several images their mean."""
        return (
            np.concatenate([mean_row(self.pooled, key) for key in keys])
            if keys
            else np.empty((0, self.width), np.float32)
        )

    def token_means(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return the mean of the cached tokens of each sample (len(keys), width) in float32.

        It differs from :meth:`pooled_matrix` in that a grid is pooled before; it is what a model gets from the tokens.
        """
        means = np.empty((len(keys), self.width), np.float32)
        for row, key in enumerate(keys):
            tokens = [self.tokens[one] for one in single_keys(key)]
            means[row] = np.concatenate(tokens).mean(axis=0, dtype=np.float32)
        return means

    def _encoded(
        self, contents: Sequence[Any], keys: Sequence[bytes], absent: list[int]
    ) -> Iterator[tuple[bytes, np.ndarray]]:
        encode = self.encode_texts if self.modality == "text" else self.encode_images
        with busy(), track(len(absent), f"{self.modality} features") as advance:
            for positions, arrays in encode(contents, absent):
                yield from ((keys[position], array) for position, array in zip(positions, arrays, strict=True))
                advance(len(positions))

    @torch.inference_mode()
    def encode_texts(self, contents: Sequence[str], absent: list[int]) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Encode the texts at the positions ``absent``; yield positions and their token features (N, width)."""
        ids = self.processor.token_ids([contents[i] for i in absent], self.max_length)
        pad = self.processor.tokenizer.pad_token_id or 0
        for batch in batches_by_length([len(x) for x in ids], self.batch_size):
            longest = max(len(ids[i]) for i in batch)
            input_ids = torch.full((len(batch), longest), pad)
            mask = torch.zeros_like(input_ids)
            for row, i in enumerate(batch):
                input_ids[row, : len(ids[i])] = torch.tensor(ids[i])
                mask[row, : len(ids[i])] = 1
            device = next(self.encoder.parameters()).device
            hidden = encode_text(self.encoder, input_ids=input_ids.to(device), attention_mask=mask.to(device))
            rows = hidden.float().cpu().numpy()
            yield [absent[i] for i in batch], [rows[row, : len(ids[i])] for row, i in enumerate(batch)]

    @torch.inference_mode()
    def encode_images(self, contents: Sequence[Any], absent: list[int]) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Encode the images at the positions ``absent``; yield positions and their token features (N, width)."""
        batches = [absent[start : start + self.batch_size] for start in range(0, len(absent), self.batch_size)]

        def prepare(positions: list[int]) -> torch.Tensor:
            return self.processor.pixels([load_image(contents[i]) for i in positions])

        for positions, pixels in prepared_ahead(batches, prepare):
            device = next(self.encoder.parameters()).device
            # Convolutions are up to a quarter faster with channels last; transformers are not affected.
            pixels = pixels.to(device, memory_format=torch.channels_last)
            rows = encode_image(self.encoder, pixels).float().cpu().numpy()
            yield positions, list(rows)
