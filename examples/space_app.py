"""A page for a public Space: the model's answers with Gradio.

Put this file as app.py into a Space, beside a file requirements.txt with `clfa[offline]` and `gradio`, and set the
variable MODEL to a run folder or the hub id of a model. On a machine of your own, use `clfa serve`, whose page needs no
Gradio.

    pip install gradio
    MODEL=runs/mine python examples/space_app.py

Tried with Gradio 6.31.
"""

from __future__ import annotations

import io
import os
from typing import Any

from PIL import Image

from clfa import Post
from clfa.prediction.post_classifier import PostClassifier

MOST_CHARACTERS = 10_000


def answer(classifier: PostClassifier, text: str, picture: Image.Image | None) -> dict[str, dict[str, float]]:
    """Return the probabilities of each target.

    Raises:
        ValueError: If the model cannot read the post.
    """
    content = None
    if picture is not None:
        file = io.BytesIO()
        picture.save(file, "PNG")
        content = file.getvalue()
    (found,) = classifier([Post(text[:MOST_CHARACTERS], content)])
    if found.targets is None:
        raise ValueError(f"The model cannot read this post: {found.error}.")
    return {name: one.probabilities or {str(one.value): 1.0} for name, one in found.targets.items()}


def build(classifier: PostClassifier) -> Any:
    """Return the Gradio app."""
    import gradio as gr

    names = [target.name for target in classifier.targets]

    def ask(text: str, picture: Image.Image | None) -> Any:
        try:
            found = answer(classifier, text or "", picture)
        except ValueError as error:
            # Shown on the page; a post that cannot be read is no fault of the program.
            raise gr.Error(str(error), print_exception=False) from None
        return [found[name] for name in names] if len(names) > 1 else found[names[0]]

    return gr.Interface(
        ask,
        [gr.Textbox(label="Text", lines=3), gr.Image(label="Picture", type="pil")],
        [gr.Label(label=name) for name in names],
        title="What does this post mean?",
        description="A probability is how sure the model is, not how often it is right about posts like yours.",
        flagging_mode="never",
        analytics_enabled=False,
    )


def main() -> None:
    """Load the model and serve the app."""
    build(PostClassifier.load(os.environ["MODEL"])).queue(max_size=32).launch()


if __name__ == "__main__":
    main()
