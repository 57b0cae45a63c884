"""Where files named in a table lie."""

from __future__ import annotations

import os


def is_address(path: str) -> bool:
    """Return whether ``path`` needs fsspec (``s3://bucket/a.jpg``, ``zip://a.jpg::b.zip``) rather than ``open``."""
    return "://" in path or "::" in path


def resolve_path(path: str, root: str) -> str:
    """Return ``path`` as it is where it is absolute or an address, else below ``root`` (a folder or an address)."""
    if is_address(path) or os.path.isabs(path) or not root:
        return path
    return f"{root.rstrip('/')}/{path}" if is_address(root) else os.path.normpath(os.path.join(root, path))


def folder_of(path: str) -> str:
    """Return the folder or address that relative image paths in the table ``path`` start from."""
    return path.rpartition("/")[0] if is_address(path) else os.path.dirname(os.path.abspath(path))
