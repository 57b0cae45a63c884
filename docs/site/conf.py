"""Settings of Sphinx for the site."""

from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from clfa.version import __version__

project = "clfa"
author = "The clfa authors"
copyright = author
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["files"]
highlight_language = "text"
# Quotes stay as they are written.
smartquotes = False

# Anchors as code hosts make them, so that `data.md#rows` leads to the same heading there and here.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"clfa {release}"
html_copy_source = False
html_show_sourcelink = False


def setup(app: Sphinx) -> dict[str, Any]:
    """Add what the pages need: tables have no colours."""
    app.add_lexer("csv", TextLexer)
    return {"parallel_read_safe": True}
