from __future__ import annotations

import os
import subprocess
import sys

import pytest

from clfa.cpu import memory
from clfa.cpu.memory import reused_memory

MEGABYTES = 48
PAGES = MEGABYTES * 2**20 // os.sysconf("SC_PAGE_SIZE")
# In a process of its own, whose heap has no holes yet.
PROGRAM = f"""
import resource
from clfa.cpu.memory import reused_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

def faults_of_turns():
    for _ in range(2):
        b"x" * ({MEGABYTES} << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        b"x" * ({MEGABYTES} << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

start = resident()
with reused_memory():
    kept = faults_of_turns()
    held = resident() - start
left = resident() - start
print(kept, faults_of_turns(), held, left)
"""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What the allocator is told."""
    told: list[tuple[str, int, int]] = []

    class Library:
        def mallopt(self, name: int, value: int) -> int:
            told.append(("mallopt", name, value))
            return 1

        def malloc_trim(self, pad: int) -> int:
            told.append(("trim", pad, 0))
            return 1

    monkeypatch.setattr(memory, "_allocator", Library)
    return told


@pytest.mark.skipif(memory._allocator() is None, reason="another allocator")
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
def test_pages_are_asked_for_once_and_go_back_at_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    kept, given_back, held, left = map(int, done.stdout.split())
    # At least one fault a page of 2 MB in each turn; none, or those of something small, when the memory stays.
    assert given_back >= 8 * PAGES // 512
    assert kept < given_back / 8
    assert held > PAGES / 2
    assert left < held / 2


def test_only_the_outermost_changes_anything(calls: list[tuple[str, int, int]]) -> None:
    with reused_memory():
        begun = list(calls)
        assert begun == [("mallopt", -4, 0), ("mallopt", -1, -1)]
        with pytest.raises(ValueError, match="inside"), reused_memory():
            raise ValueError("inside")
        assert calls == begun
    assert calls[len(begun) :] == [
        ("mallopt", -4, 65536),
        ("mallopt", -3, 2**25),
        ("mallopt", -1, 2**26),
        ("trim", 0, 0),
    ]


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_allocator", lambda: None)
    with reused_memory():
        assert memory._users == 0
