from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.architectures import write_encoders
from benchmarks.reference.check import check


@pytest.mark.slow
def test_losses_are_equal_on_identical_weights_and_inputs(tmp_path: Path) -> None:
    directory = os.environ.get("CLFA_REFERENCE")
    if not directory:
        pytest.skip("set CLFA_REFERENCE to a checkout of the authors' code (github.com/ChangKe123/CLFA)")
    encoders = write_encoders(tmp_path / "encoders", "paper", clip=False)
    found = check(Path(directory), encoders, tmp_path / "theirs", batch_size=2)
    assert found["loss_difference"] < 1e-5
    assert found["logit_difference"] < 1e-4
    assert found["gradient_difference"] < 1e-4
