"""The model that is served: posts to model inputs, in many threads, and inputs to answers, in one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from clfa.data.limits import FORMATS
from clfa.data.png import without_texts
from clfa.prediction.engines.base import Precision
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier, Readable
from clfa.serving.explanations import Explainer, find_explainer
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import ModelInfo, TargetInfo
from clfa.serving.settings import Settings
from clfa.version import __version__


@dataclass(frozen=True)
class ReadPost:
    """A post whose pictures are decoded.

    Args:
        post: The post, without pictures that are not needed any more.
        content: Input of the model, or a failed prediction.
    """

    post: Post
    content: Readable | Prediction


class ServedModel:
    """A model and what the service needs of it.

    Args:
        name: What clients see.
        classifier: The model.
        explainer: What explains its answers, if anything can.
    """

    def __init__(self, name: str, classifier: PostClassifier, explainer: Explainer | None = None) -> None:
        self.name, self.classifier, self.explainer = name, classifier, explainer
        self.fingerprint = classifier.fingerprint
        processor = classifier.processor
        self.reads_text, self.reads_image = processor.tokenizer is not None, processor.image_processor is not None
        self.may_lack = bool(classifier.config.allow_missing_modalities and self.reads_text and self.reads_image)
        knowledge = classifier.knowledge
        self._looks = knowledge is not None and knowledge.reads_images

    @classmethod
    def load(cls, path: str | Path, engine: str = "torch", precision: Precision = "auto") -> ServedModel:
        """Load a model.

        Args:
            path: Run folder, model directory, export or hub id.
            engine: ``torch``, ``onnx`` or ``openvino``.
            precision: As of ``clfa predict``.

        Raises:
            ModelError: When there is no trained model.
        """
        classifier = PostClassifier.load(path, engine=engine, precision=precision)
        return cls(Path(path).absolute().name, classifier, find_explainer(classifier))

    def read(self, post: Post, settings: Settings) -> ReadPost:
        """Decode the pictures of a post.

        Args:
            post: The post, with pictures as bytes.
            settings: Bounds.

        Raises:
            Refusal: If a picture has too many pixels.
        """
        if not (self.reads_image or self._looks):
            post = replace(post, image=None)
        for content in post.image or ():
            if _pixels(content) > settings.max_pixels:
                problem = f"A picture has more than {settings.max_pixels:,} pixels. Send a smaller one."
                raise Refusal("picture_too_large", problem, "image")
        found = self.classifier.read(post)
        return ReadPost(post if self._looks else replace(post, image=None), found)

    def predict(self, posts: Sequence[ReadPost]) -> list[Prediction]:
        """Return the prediction of each post, in one batch."""
        return self.classifier.predict_read([one.post for one in posts], [one.content for one in posts])

    def warm_up(self) -> None:
        """Predict once, so that the first client does not wait for what is prepared on first use."""
        picture = io.BytesIO()
        Image.new("RGB", (64, 64)).save(picture, "PNG")
        post = Post("warm up", [picture.getvalue()] if self.reads_image else None)
        self.classifier.predict_read([post], [self.classifier.read(post)])

    def info(self, settings: Settings) -> ModelInfo:
        """Return what clients may know.

        Args:
            settings: Bounds.
        """
        reads = {"text": self.reads_text, "image": self.reads_image, "knowledge": self.classifier.config.use_knowledge}
        shown = ("max_body_bytes", "max_pixels", "max_characters", "max_posts", "max_pictures")
        return ModelInfo(
            name=self.name,
            model=self.fingerprint,
            version=__version__,
            targets=[
                TargetInfo(
                    name=one.name,
                    problem_type=one.problem_type,
                    classes=list(one.label_names),
                    calibrated=one.calibration is not None,
                )
                for one in self.classifier.targets
            ],
            reads=[name for name, does in reads.items() if does],
            may_lack=self.may_lack,
            agreement=self.classifier.has_agreement,
            explains=self.explainer is not None,
            limits={name: getattr(settings, name) for name in shown},
        )


def _pixels(content: bytes) -> int:
    """Return the number of pixels that the head of a picture states; 0 where the decoder will report the reason."""
    try:
        picture: Any = Image.open(io.BytesIO(without_texts(content)), formats=FORMATS)
        return int(picture.width * picture.height)
    except Image.DecompressionBombError:
        return 1 << 62
    except Exception:  # On broken data, decoders raise many types.
        return 0
