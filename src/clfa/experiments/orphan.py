"""End of a worker process with its parent process."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import wait
from threading import Thread


def end_with_parent() -> None:
    """End this process, started by :mod:`multiprocessing`, as soon as its parent process has ended.

    Without it, the worker of a killed process would finish its work, and hold its locks until then.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, name="end-with-parent", daemon=True).start()
