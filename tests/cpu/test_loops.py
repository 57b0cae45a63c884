from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from clfa.cpu import busy, loops, memory, packed
from clfa.cpu.linear import Linear

LARGE = 320


@pytest.fixture
def model() -> nn.Sequential:
    return nn.Sequential(Linear(LARGE, LARGE), nn.ReLU(), Linear(LARGE, 2))


def held(model: nn.Sequential) -> list[bool]:
    return [layer.packed is not None for layer in model if isinstance(layer, Linear)]


def test_memory_alone_without_a_model(model: nn.Sequential) -> None:
    with busy():
        assert memory._users == int(memory._allocator() is not None)
        assert held(model) == [False, False]
    assert memory._users == 0


@pytest.mark.skipif(not packed.packing_pays(), reason="no products in bfloat16 here")
def test_weights_of_a_model_and_both_let_go_after_an_error(model: nn.Sequential) -> None:
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append((memory._users, held(model))))
    with pytest.raises(RuntimeError, match="shapes"), busy(), busy(model):
        model(torch.zeros(1, 2))
    assert seen == [(2 * int(memory._allocator() is not None), [True, False])]
    assert memory._users == 0
    assert held(model) == [False, False]


def test_nothing_when_switched_off(model: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "enabled", lambda: False)
    with busy(model), torch.no_grad():
        assert memory._users == 0
        assert held(model) == [False, False]


def test_loops_over_tables_do_not_import_pytorch() -> None:
    program = "import sys; from clfa.cpu import busy\nwith busy(): print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
