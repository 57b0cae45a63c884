"""Explanations of predictions. A new method is one module here and one line below.

A method is a function of a :class:`clfa.explaining.probe.Probe`. It returns a
:class:`clfa.explaining.explanation.Attribution`: how much each word and each region spoke for the answer.
"""

from __future__ import annotations

from clfa.registry import Registry

METHODS = Registry(
    "explanation method",
    {
        "occlusion": "clfa.explaining.occlusion:occlusion",
        "gradients": "clfa.explaining.gradients:gradients",
    },
)
# The default passed the checks of docs/explaining.md.
DEFAULT = "occlusion"
