from __future__ import annotations

import subprocess
import sys

import torch

from clfa.cli.lean_start import lean_transformers, without_torch

AFTERWARDS = """
import sys
from clfa.cli.lean_start import lean_transformers
with lean_transformers():
    import transformers.modeling_utils
    assert "scipy" not in sys.modules and "sympy" not in sys.modules
    inside = sys.modules["torch._dynamo"]
assert "torch._dynamo" not in sys.modules
import accelerate, scipy.optimize, torch
assert torch.distributed.is_available() == (sys.argv[1] == "True")
assert torch.compile(lambda x: 2 * x + 1, backend="eager")(torch.ones(2)).tolist() == [3, 3]
assert torch._dynamo is not inside
assert torch._dynamo.config is not None
print("fine")
"""

NEEDED = """
from clfa.cli.lean_start import lean_transformers
with lean_transformers():
    import torch
    assert torch._dynamo.config.suppress_errors is False
    assert torch._dynamo.__file__
print("fine")
"""


def test_everything_is_there_afterwards() -> None:
    available = str(torch.distributed.is_available())
    done = subprocess.run([sys.executable, "-c", AFTERWARDS, available], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


def test_the_compiler_comes_when_it_is_needed() -> None:
    done = subprocess.run([sys.executable, "-c", NEEDED], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


def test_nothing_happens_where_transformers_is_imported() -> None:
    import transformers.modeling_utils

    before = dict(sys.modules)
    with lean_transformers():
        assert sys.modules == before
    assert transformers.modeling_utils.PreTrainedModel is not None


WITHOUT = """
import os, sys
from clfa.cli.lean_start import without_torch
with without_torch():
    from transformers import AutoImageProcessor, AutoTokenizer
assert "torch" not in sys.modules
import torch
assert torch.ones(2).sum() == 2
print("fine")
"""


def test_pytorch_is_left_out_and_there_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_pytorch_that_is_imported_stays() -> None:
    with without_torch():
        assert sys.modules["torch"] is torch
