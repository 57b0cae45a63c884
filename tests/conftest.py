from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Folder with the research data sets: ``$CLFA_DATA_DIR``, else ``../shared/data`` from the repository."""
    path = Path(os.environ.get("CLFA_DATA_DIR") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"research data sets not found in {path}; set CLFA_DATA_DIR")
    return path
