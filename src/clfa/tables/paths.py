"""Resolution of file paths in a table."""

from __future__ import annotations

import os


def is_address(path: str) -> bool:
    """Return whether ``path`` needs more than ``open``: ``s3://bucket/a.jpg``, ``zip://a.jpg::b.zip``, ``data:...``."""
    return "://" in path or "::" in path or path[:5].lower() == "data:"


def resolve_path(path: str, root: str) -> str:
    """Return an absolute path or an address unchanged, and a relative path joined to ``root`` (folder or address)."""
    if is_address(path) or os.path.isabs(path) or not root:
        return path
    return f"{root.rstrip('/')}/{path}" if is_address(root) else os.path.normpath(os.path.join(root, path))


def absolute_root(root: str) -> str:
    """Return a base folder of relative image paths as an absolute path; an address unchanged."""
    return root if is_address(root) else os.path.abspath(root)


def folder_of(path: str) -> str:
    """Return the base folder or address of relative image paths in the table ``path``."""
    return path.rpartition("/")[0] if is_address(path) else os.path.dirname(os.path.abspath(path))
