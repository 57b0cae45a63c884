from __future__ import annotations

import subprocess
import sys

import pytest

import clfa


@pytest.mark.parametrize("name", [name for name in clfa.__all__ if name != "__version__"])
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(clfa, name)
    assert name.isupper() or value.__name__ == name


def test_the_names_are_listed() -> None:
    assert {*clfa.__all__} == {*clfa._HOMES, "__version__"}
    assert {*clfa.__all__} <= {*dir(clfa)}
    with pytest.raises(AttributeError, match="module 'clfa' has no attribute 'Trainer'"):
        _ = clfa.Trainer


def test_importing_the_package_or_listing_its_names_loads_nothing_heavy() -> None:
    program = (
        "import sys, clfa; dir(clfa); clfa.CLFAError\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'pandas', 'numpy'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"
