"""Registry of methods of prediction sets. A new method is one module here and one line below.

A method is a function of class probabilities (N, C). It returns the nonconformity of every class (N, C): how little a
class fits a post. The set of a post has the classes whose nonconformity is at most a limit.
"""

from __future__ import annotations

from clfa.registry import Registry

SET_METHODS = Registry(
    "method of prediction sets",
    {
        "lac": "clfa.targets.set_methods.lac:lac",
        "aps": "clfa.targets.set_methods.aps:aps",
    },
)
