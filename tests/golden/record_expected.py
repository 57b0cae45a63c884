"""Write ``expected.json``: the numbers that ``test_golden.py`` expects.

    PYTHONPATH=src python tests/golden/record_expected.py

Run it only when numbers change on purpose, and list the change in CHANGELOG.md.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from golden_scenarios import EXPECTED, SCENARIOS, make_inputs, observe_training


def main() -> None:
    """Carry out all scenarios."""
    torch.set_num_threads(1)
    expected: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ["CLFA_CACHE"] = "cache"
        make_inputs(Path())
        for number, name in enumerate(SCENARIOS):
            expected[name] = observe_training(name, f"run-{number}")
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
