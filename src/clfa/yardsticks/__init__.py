"""Yardsticks: plain baselines, computed in seconds, that every run is compared with. A new one is a file and a line."""

from clfa.registry import Registry

YARDSTICKS = Registry(
    "yardstick",
    {
        "majority": "clfa.yardsticks.majority:Majority",
        "tfidf": "clfa.yardsticks.tfidf:Tfidf",
        "pooled_text": "clfa.yardsticks.pooled_text:PooledText",
        "pooled_image": "clfa.yardsticks.pooled_image:PooledImage",
        "pooled": "clfa.yardsticks.pooled:Pooled",
        "pooled_tfidf": "clfa.yardsticks.pooled_tfidf:PooledTfidf",
    },
    base="clfa.yardsticks.base:Yardstick",
)

__all__ = ["YARDSTICKS"]
