"""Published sample counts of data sets, for comparison with a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALL = "all"


@dataclass(frozen=True)
class Published:
    """Published counts of one data set.

    Args:
        source: Publication of the counts.
        kept: Number of samples used, by split or :data:`ALL`.
        classes: Number of samples by class, by split or :data:`ALL`.
        lines: Number of lines of the distributed files, by split or :data:`ALL`.
    """

    source: str
    kept: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    lines: Mapping[str, int]


PUBLISHED: dict[str, Published] = {
    "mmsd": Published(
        source="Cai et al. 2019",
        kept={"train": 19816, "validation": 2410, "test": 2409},
        classes={
            "train": {"not_sarcastic": 11174, "sarcastic": 8642},
            "validation": {"not_sarcastic": 1451, "sarcastic": 959},
            "test": {"not_sarcastic": 1450, "sarcastic": 959},
        },
        lines={"train": 29040, "validation": 2410, "test": 2409},
    ),
    "mmsd2": Published(
        source="Qin et al. 2023",
        kept={"train": 19816, "validation": 2410, "test": 2409},
        classes={
            "train": {"not_sarcastic": 10240, "sarcastic": 9576},
            "validation": {"not_sarcastic": 1368, "sarcastic": 1042},
            "test": {"not_sarcastic": 1372, "sarcastic": 1037},
        },
        lines={"train": 19816, "validation": 2410, "test": 2409},
    ),
    "mvsa-single": Published(
        source="Niu et al. 2016, merged as by Xu and Mao 2017",
        kept={ALL: 4511},
        classes={ALL: {"negative": 1358, "neutral": 470, "positive": 2683}},
        lines={ALL: 4869},
    ),
    "mvsa-multiple": Published(
        source="Niu et al. 2016, merged as by Xu and Mao 2017",
        kept={ALL: 17024},
        classes={ALL: {"negative": 1298, "neutral": 4408, "positive": 11318}},
        lines={ALL: 19600},
    ),
    "harmeme": Published(
        source="Pramanick et al. 2021 (Harm-C)",
        kept={"train": 3013, "validation": 177, "test": 354},
        classes={
            "train": {"not harmful": 1949, "harmful": 1064},
            "validation": {"not harmful": 116, "harmful": 61},
            "test": {"not harmful": 230, "harmful": 124},
        },
        lines={"train": 3013, "validation": 177, "test": 354},
    ),
    "harmeme-politics": Published(
        source="Pramanick et al. 2021 (Harm-P), the authors' table of the corrected release",
        kept={"train": 2938, "validation": 177, "test": 355},
        classes={
            "train": {"not harmful": 1450, "harmful": 1488},
            "validation": {"not harmful": 88, "harmful": 89},
            "test": {"not harmful": 184, "harmful": 171},
        },
        lines={"train": 2938, "validation": 177, "test": 355},
    ),
    "hateful-memes": Published(
        source="Kiela et al. 2020, seen splits",
        kept={"train": 8500, "validation": 500, "test": 1000},
        classes={},
        lines={"train": 8500, "validation": 500, "test": 1000},
    ),
    "mami": Published(
        source="Fersini et al. 2022",
        kept={"test": 1000},
        classes={},
        lines={"train": 10000, "test": 1000},
    ),
    "twitter-2015": Published(
        source="Yu and Jiang 2019, counted in the authors' files",
        kept={"train": 3179, "validation": 1122, "test": 1037},
        classes={
            "train": {"negative": 368, "neutral": 1883, "positive": 928},
            "validation": {"negative": 149, "neutral": 670, "positive": 303},
            "test": {"negative": 113, "neutral": 607, "positive": 317},
        },
        lines={"train": 3179, "validation": 1122, "test": 1037},
    ),
    "twitter-2017": Published(
        source="Yu and Jiang 2019, counted in the authors' files",
        kept={"train": 3562, "validation": 1176, "test": 1234},
        classes={
            "train": {"negative": 416, "neutral": 1638, "positive": 1508},
            "validation": {"negative": 144, "neutral": 517, "positive": 515},
            "test": {"negative": 168, "neutral": 573, "positive": 493},
        },
        lines={"train": 3562, "validation": 1176, "test": 1234},
    ),
}
