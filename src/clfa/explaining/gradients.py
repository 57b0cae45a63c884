"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) of token and image features, by Captum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from clfa.errors import ModelError
from clfa.explaining.explanation import Attribution
from clfa.explaining.probe import Probe

STEPS = 24


def gradients(probe: Probe, steps: int = STEPS) -> Attribution:
    """Return the attributions of the encoders' outputs to the log-likelihood of the answer, or to the number.

    Those of the tokens of a word are added up. Features of zeros are the baseline. Terms (words and parts of words
    beside the tokens, in a blend) and knowledge have no part in it.

    Args:
        probe: The post.
        steps: Steps of the integral.

    Raises:
        ModelError: If Captum is not installed, the model does not run in PyTorch, or its tokenizer does not say which
            word a token is of.
    """
    model: Any = getattr(probe.classifier.runtime, "model", None)
    if model is None:
        raise ModelError("gradients need a model in PyTorch, and this one is an export; use the method occlusion.")
    tokenizer: Any = probe.classifier.processor.tokenizer
    if probe.text is not None and tokenizer is not None and not tokenizer.is_fast:
        raise ModelError(
            f"gradients need a fast tokenizer, and {type(tokenizer).__name__} is not one; use the method occlusion."
        )
    captum = _captum()
    inputs = probe.inputs()
    explained = {"text_features": bool(probe.text), "image_features": probe.has_regions}
    names = [name for name, wanted in explained.items() if wanted and name in inputs]
    if not names:
        return Attribution([] if probe.text is not None else None, None)
    features = tuple(torch.from_numpy(inputs.pop(name)).to(model.device) for name in names)
    fixed = {name: torch.from_numpy(array).to(model.device) for name, array in inputs.items()}

    def answer(*streams: torch.Tensor) -> torch.Tensor:
        count = len(streams[0])
        others = {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in fixed.items()}
        logits = model(**dict(zip(names, streams, strict=True)), **others).logits
        return log_likelihood(probe, logits)

    with torch.inference_mode(False), torch.enable_grad():
        found = captum.IntegratedGradients(answer).attribute(
            features, n_steps=steps, internal_batch_size=steps, method="gausslegendre"
        )
    summed = dict(zip(names, (part[0].sum(dim=-1).detach().cpu().numpy() for part in found), strict=True))
    words = None if probe.text is None else _of_words(probe, summed.get("text_features"))
    regions = square(summed["image_features"]) if "image_features" in summed else None
    return Attribution(words, regions)


def log_likelihood(probe: Probe, logits: torch.Tensor) -> torch.Tensor:
    """Return what is differentiated, (N,): the log-likelihood of the explained class, or the standardised number.

    Args:
        probe: The post.
        logits: Outputs of all targets (N, L).
    """
    own = logits[:, probe.columns].float()
    kind = probe.target.kind
    if probe.label is None:
        return own[:, 0]
    if own.shape[1] == len(probe.target.label_names):
        return own.log_softmax(dim=-1)[:, probe.label] if kind.one_class else own[:, probe.label]
    # Grades: P(y = k) = prod over j < k of sigma(x_j) times 1 - sigma(x_k).
    found = torch.nn.functional.logsigmoid(own[:, : probe.label]).sum(dim=1)
    if probe.label < own.shape[1]:
        found = found + torch.nn.functional.logsigmoid(-own[:, probe.label])
    return found


def square(scores: np.ndarray) -> list[list[float]] | None:
    """Return scores of patches as rows; ``None`` if they form no square. A first token beside them is left out."""
    for own in (scores, scores[1:]):
        side = math.isqrt(len(own))
        if side and side * side == len(own):
            return own.reshape(side, side).tolist()
    return None


def _of_words(probe: Probe, scores: np.ndarray | None) -> list[float]:
    found = [0.0] * len(probe.spans)
    if scores is None:
        return found
    processor = probe.classifier.processor
    encoded = processor.tokenizer(
        probe.text,
        truncation=True,
        max_length=processor.max_length,
        padding="max_length" if processor.pad_to_max_length else False,
        return_offsets_mapping=True,
    )
    for (start, stop), score in zip(encoded["offset_mapping"], scores, strict=False):
        for place, (first, end) in enumerate(probe.spans):
            if first < stop and start < end and stop > start:
                found[place] += float(score)
                break
    return found


def _captum() -> Any:
    try:
        from captum import attr
    except ImportError as error:
        raise ModelError("the method gradients needs Captum; pip install 'clfa[explain]'.") from error
    return attr
