"""YAML of users: recipes, experiments and values on the command line, with one kind of error for all that is wrong."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text, made of plain Python values.

    Args:
        text: One document.

    Raises:
        YAMLError: If it is not valid: wrong syntax, unknown tags, equal keys in a mapping, dates and numbers that do
            not exist, values that lie in too many others.

    Example:
        >>> parse_yaml("{a: [1, 2.5, null]}")
        {'a': [1, 2.5, None]}
    """
    try:
        return _DistinctKeys(text).get_single_data()
    except (ValueError, TypeError, OverflowError) as error:
        raise yaml.YAMLError(f"a value that does not exist: {error}") from error
    except RecursionError as error:
        raise yaml.YAMLError("a value lies in too many others") from error


class _DistinctKeys(yaml.SafeLoader):
    """Loader that rejects equal keys, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            # The base class names keys that cannot be.
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"{key!r} occurs twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
