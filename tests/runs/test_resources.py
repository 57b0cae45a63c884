from __future__ import annotations

import subprocess
import sys

import numpy as np

from clfa.runs.resources import peak_memory_mb

READ = "from clfa.runs.resources import peak_memory_mb; print(peak_memory_mb())"


def test_peak_memory_is_of_the_program_and_not_of_the_one_that_started_it() -> None:
    ballast = np.ones(200_000_000)
    assert peak_memory_mb() > ballast.nbytes / 1e6
    started = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert 10 < float(started.stdout) < ballast.nbytes / 1e6
