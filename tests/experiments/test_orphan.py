from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

PARENT = """
import multiprocessing, os, signal, sys, time
from clfa.experiments.orphan import end_with_parent

def work(connection):
    end_with_parent()
    connection.send(os.getpid())
    time.sleep(60)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    spawn.Process(target=work, args=(theirs,)).start()
    print(ours.recv(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    # The worker keeps the pipe of standard output open, so that the end of the parent is awaited alone.
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert parent.wait(30) == -9
        started = time.monotonic()
        while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() - started < 5
            time.sleep(0.05)
