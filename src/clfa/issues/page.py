"""The findings as one HTML page with pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clfa import report
from clfa.errors import ImageError
from clfa.issues import near_texts, picture_hash
from clfa.issues.find import Issues
from clfa.report.samples import MAX_TEXT, thumbnail
from clfa.tables.pictures import pictures_of

# Posts shown of one group of near-duplicates.
LARGEST = 6


@dataclass
class Shown:
    """A post on the page.

    Args:
        id: Its id.
        split: Its split.
        label: Its label.
        text: Its text, shortened.
        picture: Its picture in a data URL; ``None`` without one.
        suggested: The class that it probably has instead.
        lines: What else is known.
    """

    id: str
    split: str
    label: str
    text: str
    picture: str | None
    suggested: str | None = None
    lines: list[str] = field(default_factory=list)


def render_page(issues: Issues, table: str, shown: int = 48) -> str:
    """Return the page; texts, ids and class names are escaped.

    Args:
        issues: The findings.
        table: Name of the file with all records.
        shown: Largest number of posts, and of groups, in each section.
    """
    quality, posts = issues.labels, issues.posts
    names = posts.target.label_names
    worst = []
    for position in quality.ranking[:shown].tolist():
        post = _post(issues, position)
        best, given = quality.suggested[position], posts.labels[position]
        post.suggested = names[best] if best != given else None
        post.lines = [f"probability of the label: {quality.confidence[position]:.0%}"]
        worst.append(post)
    groups = [
        {
            "kind": group.kind,
            "count": len(group.members),
            "conflict": group.conflict,
            "across": group.across,
            "posts": [_post(issues, position) for position in group.members[:LARGEST]],
        }
        for group in issues.groups[:shown]
    ]
    mismatched = []
    cosines = issues.agreement
    if cosines is not None:
        for position in np.argsort(cosines, kind="stable")[: min(shown, int(np.isfinite(cosines).sum()))].tolist():
            post = _post(issues, position)
            post.lines = [f"agreement: {cosines[position]:.2f}"]
            mismatched.append(post)
    page = {
        "name": issues.name,
        "count": len(posts),
        "wrong": int(quality.wrong.sum()),
        "conflicts": sum(group.conflict for group in issues.groups),
        "across": sum(group.across for group in issues.groups),
        "folds": issues.folds,
        "inputs": issues.inputs,
        "table": table,
        "labels": worst,
        "groups": groups,
        "group_count": len(issues.groups),
        "cut": any(len(group.members) > LARGEST for group in issues.groups[:shown]),
        "largest": LARGEST,
        "text_threshold": near_texts.THRESHOLD,
        "picture_threshold": picture_hash.THRESHOLD,
        "bits": picture_hash.BITS,
        "mismatched": mismatched,
        "mean_agreement": float(np.nanmean(cosines)) if cosines is not None and mismatched else 0.0,
        "pictures": any(post.picture for post in worst),
    }
    environment = Environment(
        # The style is the report's.
        loader=FileSystemLoader([Path(__file__).parent, *report.__path__]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page)


def _post(issues: Issues, position: int) -> Shown:
    posts = issues.posts
    row = posts.data[position]
    text = row["text"] if len(row["text"]) <= MAX_TEXT else row["text"][:MAX_TEXT] + " …"
    try:
        pictures = pictures_of(row["image"])
        picture = thumbnail(pictures[0]) if pictures else None
    except ImageError:
        picture = None
    label = posts.target.label_names[posts.labels[position]]
    return Shown(row["id"], posts.splits[position], label, text, picture)
