from __future__ import annotations

from pathlib import Path

from benchmarks.explain_seconds import posts_of, seconds

from clfa.prediction.post_classifier import PostClassifier
from posts import make_posts


def test_seconds_of_an_explanation(tiny_run: Path, tmp_path: Path) -> None:
    rows = [{**row, "image": str(tmp_path / row["image"])} for row in make_posts(tmp_path, 2)]
    posts = posts_of(rows)
    assert posts[2].text == f"{rows[0]['text']} {rows[1]['text']}"
    words, clock, computing = seconds(PostClassifier.load(tiny_run), posts[2], "occlusion", 2)
    assert words == len(str(posts[2].text).split())
    assert clock > 0
    assert computing > 0
