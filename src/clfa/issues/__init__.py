"""Issues of labelled data: probable wrong labels, near-duplicates, posts whose image and text do not match."""

from clfa.issues.find import Issues, find_issues

__all__ = ["Issues", "find_issues"]
