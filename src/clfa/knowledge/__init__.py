"""Registries of knowledge: sources of extra text about a post, and lexicons for word-pair graphs.

A new source is one new file here and one line in :data:`KNOWLEDGE_SOURCES`. A new lexicon of word polarities is one new
file here and one line in :data:`LEXICONS`.
"""

from clfa.registry import Registry

KNOWLEDGE_SOURCES = Registry(
    "knowledge source",
    {
        "column": "clfa.knowledge.column:ColumnSource",
        "ocr": "clfa.knowledge.ocr:OCRSource",
        "caption": "clfa.knowledge.caption:CaptionSource",
        "hashtags": "clfa.knowledge.hashtags:HashtagSource",
    },
    base="clfa.knowledge.base:KnowledgeSource",
)

LEXICONS = Registry(
    "lexicon",
    {
        "vader": "clfa.knowledge.vader:read_vader",
        "senticnet": "clfa.knowledge.senticnet:read_senticnet",
    },
)

__all__ = ["KNOWLEDGE_SOURCES", "LEXICONS"]
