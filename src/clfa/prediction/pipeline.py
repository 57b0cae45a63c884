"""``transformers.pipeline("image-text-classification", model=...)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from transformers import Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from clfa.errors import DataError
from clfa.modeling import CLFAForClassification
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier

TASK = "image-text-classification"


class ImageTextClassificationPipeline(Pipeline):
    """A trained model as a pipeline of Transformers: the predictions of ``clfa predict``, in the pipelines' format.

    Its inputs are mappings with ``text``, ``image`` (in any form that :func:`clfa.data.images.load_image` takes, or a
    list of images) and ``knowledge``, if the model reads them; (text, picture) pairs; or lists of
    either. ``top_k`` limits the classes in the output.

    Example:
        >>> import clfa, transformers                                                              # doctest: +SKIP
        >>> clfa.register_pipeline()                                                               # doctest: +SKIP
        >>> classify = transformers.pipeline("image-text-classification", model="runs/mine/model") # doctest: +SKIP
        >>> classify({"text": "so sunny", "image": "rain.jpg"}, top_k=1)                           # doctest: +SKIP
        [{'label': 'sarcastic', 'score': 0.93}]
    """

    _load_processor = True  # type: ignore[assignment]
    _load_tokenizer = False  # type: ignore[assignment]
    _load_image_processor = False  # type: ignore[assignment]
    _load_feature_extractor = False  # type: ignore[assignment]
    _load_video_processor = False  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        model: Any = self.model
        processor: Any = self.processor
        self._classifier = PostClassifier(TorchRuntime(model, device=str(self.device)), processor)

    def _sanitize_parameters(
        self, top_k: int | None = None, **unknown: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if unknown:
            raise TypeError(f"the pipeline {TASK} has no argument {next(iter(unknown))!r}; it takes top_k.")
        return {}, {}, {} if top_k is None else {"top_k": top_k}

    def preprocess(self, input_: Any, **parameters: Any) -> dict[str, Any]:
        """Convert a mapping, or a text and a picture, to a :class:`clfa.prediction.post.Post`.

        Raises:
            TypeError: If the input is neither, or has an unknown key.
        """
        if isinstance(input_, Post):
            return {"post": input_}
        if isinstance(input_, tuple) and len(input_) == 2:
            return {"post": Post(*input_)}
        known = [field.name for field in fields(Post)]
        if not isinstance(input_, Mapping):
            raise TypeError(f"the pipeline {TASK} takes mappings with {', '.join(known)}; got {type(input_).__name__}.")
        unknown = sorted(set(input_) - set(known))
        if unknown:
            raise TypeError(f"the pipeline {TASK} reads no {unknown[0]!r}; give {', '.join(known)}.")
        return {"post": Post(**input_)}

    def _forward(  # type: ignore[override]
        self, input_tensors: dict[str, Any], **parameters: Any
    ) -> dict[str, Any]:
        posts = input_tensors["post"]
        if isinstance(posts, Post):
            return {"prediction": self._classifier([posts])[0]}
        self._classifier.batch_size = len(posts)
        return {"prediction": self._classifier(posts)}

    def postprocess(self, model_outputs: Any, **parameters: Any) -> Any:
        """Return classes and probabilities, most probable first; the number for a regression; by target for several.

        Raises:
            DataError: If the post cannot be read.
        """
        prediction: Prediction = model_outputs["prediction"]
        top_k: int | None = parameters.get("top_k")
        if prediction.error is not None:
            raise DataError(f"cannot predict on this post: {prediction.error}")
        found = prediction.targets or {}
        if len(found) > 1:
            return {name: _ranked(one.probabilities, one.value, top_k) for name, one in found.items()}
        return _ranked(prediction.probabilities, prediction.label, top_k)


def _ranked(probabilities: Mapping[str, float] | None, value: Any, top_k: int | None) -> Any:
    if not probabilities:
        return value
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    return [{"label": label, "score": score} for label, score in ranked[:top_k]]


def register_pipeline() -> None:
    """Make ``pipeline("image-text-classification", model=...)`` known to Transformers, and with it the Auto classes."""
    if TASK not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK, ImageTextClassificationPipeline, pt_model=CLFAForClassification, type="multimodal"
        )
