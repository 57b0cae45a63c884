"""Errors that users can act on: each message names the file, row or field and says what to do."""

from __future__ import annotations


class CLFAError(Exception):
    """Base of every error clfa raises on purpose; the command line prints it without a traceback."""


class DataError(CLFAError):
    """Samples, tables or data directories that cannot be used as they are."""


class ImageError(DataError):
    """An image that is missing, unreadable, truncated or larger than the limits."""


class RecipeError(CLFAError):
    """A recipe that does not validate: unknown key, wrong type, impossible combination."""


class ModelError(CLFAError):
    """A model, encoder or guide that cannot be loaded from the place given."""
