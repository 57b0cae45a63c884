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
}
