"""The GPU benchmark, tried out on a processor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from benchmarks.gpu.__main__ import DOCUMENT, main, parser, plan
from benchmarks.gpu.limited import limited
from benchmarks.gpu.page import NOT_YET, page

from benchmarks.gpu import __main__ as benchmark
from benchmarks.gpu import parts

MACHINE = {"gpu": "a GPU", "cpu": "a CPU", "cores": 2, "torch": "2", "transformers": "5", "clfa": "0"}
CEILING = {"machine": MACHINE, "device": "cuda", "rates": {"bf16": 4e12}, "bandwidth": 1e11}


def test_the_page_has_shares_of_the_ceiling_and_what_was_not_measured() -> None:
    ours = {"seconds": [1.0, 2.0, 9.0], "samples": 20, "operations": 2e12, "precision": "bf16", "peak_memory_mb": 1500}
    results: dict[str, Any] = {
        "ceiling": CEILING,
        "training, batch 8, bf16": ours,
        "the authors' training": {"seconds": [11.0]} | {"samples": 20},
        "torchrun": {"not measured": "cut after 90 s"},
    }
    text = page(results)
    assert (
        "a GPU; PyTorch 2, Transformers 5, clfa 0.\nFastest matrix product: bf16 4 TFLOP/s. Memory: 100 GB/s." in text
    )
    assert "| training, batch 8, bf16 | 2 s | 10.0 | 25.0% | 1,500 MB |  |" in text
    assert "| torchrun | not measured: cut after 90 s | | | | |" in text
    assert "theirs over ours at batch 8: **5.50x**" in text
    assert "NO GPU: a CPU, 2 cores" in page({"ceiling": CEILING | {"device": "cpu"}})
    assert "| ceiling | not measured: cut after 1 s |" in page({"ceiling": {"not measured": "cut after 1 s"}})


def test_the_page_in_the_repository_is_one_of_these() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == page({}) or (NOT_YET not in text and "NO GPU" not in text)


def test_what_matters_most_comes_first() -> None:
    parts = list(plan(parser().parse_args(["--reference", "there"])))
    assert parts[0] == "ceiling"
    assert parts.index("the authors' training") < parts.index("training, batch 8, fp32")
    assert list(plan(parser().parse_args(["--only", "processes"]))) == [parts[0], parts[5]]


def test_a_slow_part_is_cut() -> None:
    assert limited("ceiling", {"size": "small"}, 0.01, {}) == {"not measured": "cut after 0 s"}


@pytest.mark.slow
def test_it_runs_without_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def near(name: str, given: dict[str, Any], *rest: Any) -> dict[str, Any]:
        """The first part in a process of its own; the others here, where PyTorch is imported."""
        return limited(name, given, *rest) if name == "ceiling" else getattr(parts, name)(**given)

    monkeypatch.setattr(benchmark, "limited", near)
    options = ["--device", "cpu", "--tiny", "--only", "training", "--work", str(tmp_path / "work")]
    code = main([*options, "--limit", "150", "--document", str(tmp_path / "page.md")])
    results = json.loads((tmp_path / "work" / "gpu.json").read_text(encoding="utf-8"))
    assert code == 0, results
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "NO GPU: " in text
    assert (
        len(re.findall(r"^\| training, batch (?:8|16), fp32 \| [\d.e+-]+ s \| [\d.,]+ \| \d+\.\d% \|", text, re.M)) == 2
    )
