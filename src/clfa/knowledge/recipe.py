"""The ``knowledge`` section of a recipe; a saved processor keeps it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clfa.strict_model import StrictModel

GraphWeight = Annotated[float, Field(ge=-1e4, le=1e4)]


class KnowledgeRecipe(StrictModel):
    """Extra text about each post, and word-pair graphs over it. It has no effect without ``model.use_knowledge``.

    Args:
        sources: Sources of the text, joined in this order: ``column``, ``ocr``, ``caption``, ``hashtags``.
        caption_model: Captioning model of the source ``caption``: directory or hub id.
        caption_max_tokens: Largest number of tokens of a caption.
        lexicon: Word polarities of the affective graphs: ``vader`` or ``senticnet``.
        lexicon_path: The lexicon's file, if no package contains it.
        wordnet_path: WordNet's ``dict`` folder, for the antonym graph; NLTK's data when not given.
        gamma: Weight of the affective graph in text self-attention; 0 for no graph.
        lambda1: Weight of the affective graph in text-knowledge attention; 0 for no graph.
        lambda2: Weight of the antonym graph in text-knowledge attention; 0 for no graph.
    """

    sources: list[str] = Field(default_factory=lambda: ["column"], min_length=1)
    caption_model: str | None = None
    caption_max_tokens: int = Field(default=32, ge=1, le=512)
    lexicon: str = "vader"
    lexicon_path: str | None = None
    wordnet_path: str | None = None
    gamma: GraphWeight = 0.0
    lambda1: GraphWeight = 0.0
    lambda2: GraphWeight = 0.0

    @property
    def has_graphs(self) -> bool:
        """Whether any graph has a weight."""
        return any((self.gamma, self.lambda1, self.lambda2))
