from __future__ import annotations

import os
import resource

import pytest
import torch

from clfa import memory
from clfa.memory import reused_memory

glibc = pytest.mark.skipif(memory._allocator() is None, reason="another allocator")
MEGABYTES = 48
PAGES = MEGABYTES * 2**20 // os.sysconf("SC_PAGE_SIZE")


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def faults_of_turns(turns: int = 8) -> int:
    """Page faults of filling new memory again and again, after the first times."""
    for _ in range(2):
        torch.full((MEGABYTES, 2**18), 1.0)
    before = faults()
    for _ in range(turns):
        torch.full((MEGABYTES, 2**18), 1.0)
    return faults() - before


def resident_pages() -> int:
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1])


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


@glibc
def test_pages_are_asked_for_once() -> None:
    with reused_memory():
        kept = faults_of_turns()
    given_back = faults_of_turns()
    # At least one fault a page of 2 MB in each turn; when the memory stays, of one turn at most, for which it grew.
    assert given_back > 8 * PAGES / 512
    assert kept < given_back / 4


@glibc
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
def test_memory_goes_back_at_the_end() -> None:
    with reused_memory():
        torch.full((MEGABYTES, 2**18), 1.0)
        held = resident_pages()
        torch.full((MEGABYTES, 2**18), 1.0)
        assert resident_pages() < held + PAGES / 2
    assert resident_pages() < held - PAGES / 2


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
