"""Progress and summary of a training, shown in Python as on the command line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clfa.progress import showing
from clfa.runs.run_summary import summary_text
from clfa.terminal import PlainFormatter


@contextmanager
def shown_training(wanted: bool | None) -> Iterator[Callable[[Mapping[str, Any], Path], None]]:
    """Return a context in which a training logs its progress on standard error.

    Messages that the program prints already, because it has set up logging, are not printed twice.

    Args:
        wanted: Whether to show it; ``None`` on a terminal and in a notebook.

    Yields:
        A function that prints the summary, with the metrics and the run folder.
    """
    shown = (sys.stderr.isatty() or in_notebook()) if wanted is None else wanted
    if not shown:
        with showing(wanted):
            yield lambda metrics, folder: None
        return
    package = logging.getLogger("clfa")
    level = package.level
    handler = None
    if not (package.isEnabledFor(logging.INFO) and package.hasHandlers()):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PlainFormatter("%(message)s"))
        package.addHandler(handler)
        package.setLevel(logging.INFO)
    try:
        with showing(wanted):
            yield lambda metrics, folder: print(summary_text(metrics, folder), file=sys.stderr)
    finally:
        if handler is not None:
            package.removeHandler(handler)
            package.setLevel(level)


def in_notebook() -> bool:
    """Return whether the program runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
