"""The picture of a post as the model sees it, with its regions, and an explanation as one PNG file."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clfa.explaining.explanation import Explanation
from clfa.figures import write_plot
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

# For and against the answer, distinguishable with every kind of colour vision.
FOR, AGAINST = (217, 95, 14), (33, 102, 172)
# Most words in a plot.
_BARS = 12
# Longest word in a plot.
_LONGEST = 22


def seen_picture(classifier: PostClassifier, post: Post) -> Image.Image | None:
    """Return a post's only picture as the model sees it, resized and cut; ``None`` without one.

    Raises:
        DataError: If the post cannot be read.
    """
    from PIL import Image

    pixels = classifier.readable(post).pixels
    if pixels is None or pixels.ndim != 3:
        return None
    values = pixels.transpose(1, 2, 0).astype(np.float32)
    low, high = values.min(), values.max()
    return Image.fromarray((255 * (values - low) / max(high - low, 1e-6)).astype(np.uint8))


def with_regions(picture: Image.Image, regions: list[list[float]] | None, least: float = 1e-9) -> Image.Image:
    """Return a picture under its regions: orange for the answer, blue against it, the stronger the less transparent.

    Args:
        picture: From :func:`seen_picture`.
        regions: Rows of scores.
        least: Without a larger score the picture is returned as it is (:attr:`Explanation.least`).
    """
    from PIL import Image

    if regions is None or np.abs(regions).max() < least:
        return picture
    scores = np.array(regions, np.float32)
    strength = np.abs(scores) / float(np.abs(scores).max())
    colours = np.where((scores > 0)[..., None], FOR, AGAINST)
    layer = np.concatenate([colours, 190 * np.minimum(strength, 1)[..., None]], axis=-1).astype(np.uint8)
    # Smooth transparency; the colours themselves are not mixed.
    large = Image.fromarray(layer).resize(picture.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(picture.convert("RGBA"), large).convert("RGB")


def data_url(picture: Image.Image, size: int = 240) -> str:
    """Return a picture as JPEG in a data URL, at most ``size`` pixels wide and high."""
    small = picture.copy()
    small.thumbnail((size, size))
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, format="JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_png(explanation: Explanation, picture: Image.Image | None, path: Path) -> None:
    """Write an explanation as PNG: the picture with its regions, and bars of the words that matter most.

    Args:
        explanation: One without an error.
        picture: From :func:`seen_picture`.
        path: File to write.

    Raises:
        OSError: If the file cannot be written.
        DataError: If the picture cannot be drawn.
    """
    words = sorted(explanation.words, key=lambda word: -abs(word.score))[:_BARS]
    words.sort(key=lambda word: word.start)
    panels = [draw for draw, there in ((_draw_picture, picture is not None), (_draw_words, bool(words))) if there]

    def draw(figure: Figure) -> None:
        # Room for the words beside the picture.
        axes = figure.subplots(1, max(len(panels), 1), squeeze=False, gridspec_kw={"wspace": 0.55})[0]
        for own, panel in zip(axes, panels, strict=False):
            panel(own, explanation, words, picture)
        figure.suptitle(headline(explanation), fontsize=11)
        lines = without_lines(explanation)
        figure.text(0.5, 0.0, "\n".join(lines), ha="center", va="top", fontsize=9)

    write_plot(path, 5.2 * max(len(panels), 1), 4.2, draw, needed=True)


def headline(explanation: Explanation) -> str:
    """Return the answer in words: ``sarcastic: 93 %``."""
    if explanation.label is None:
        return f"{explanation.target}: {explanation.score:.4g}"
    return f"{explanation.label}: {explanation.score:.0%}"


def without_lines(explanation: Explanation) -> list[str]:
    """Return a line for each answer without a part: ``without the text: sincere (12.0% for sarcastic; withheld)``."""
    lines = []
    for name, one in explanation.without.items():
        share = f"{one.score:.4g}" if explanation.label is None else f"{one.score:.1%} for {explanation.label}"
        place = one.how if one.how == "withheld" else f"in its place {one.how}"
        lines.append(f"without the {'picture' if name == 'image' else name}: {one.value} ({share}; {place})")
    return lines


def _draw_picture(axes: Any, explanation: Explanation, words: Any, picture: Any) -> None:
    axes.imshow(with_regions(picture, explanation.regions, explanation.least))
    axes.set_axis_off()
    shown = explanation.regions is not None and np.abs(explanation.regions).max() >= explanation.least
    title = "regions for (orange) and against (blue)" if shown else "as the model sees it: no region alone decides"
    axes.set_title(title if explanation.regions is not None else "as the model sees it", fontsize=9)


def _draw_words(axes: Any, explanation: Explanation, words: Any, picture: Any) -> None:
    colours = [tuple(value / 255 for value in (FOR if word.score > 0 else AGAINST)) for word in words]
    axes.barh(range(len(words)), [word.score for word in words], color=colours)
    axes.set_yticks(range(len(words)), [_short(word.text) for word in words])
    axes.invert_yaxis()
    axes.axvline(0, color="grey", linewidth=0.8)
    shown = max(abs(word.score) for word in words) >= explanation.least
    if not shown:
        axes.set_xlim(-10 * explanation.least, 10 * explanation.least)
    axes.set_title("words for (orange) and against (blue)" if shown else "no word alone decides", fontsize=9)


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
