from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.reference.render import REFERENCE
from benchmarks.render import render

MACHINE = {
    "cpu": "A CPU",
    "cores": 2,
    "memory_gb": 25.3,
    "gpu": None,
    "threads": 2,
    "cpu_capability": "AVX512",
    "torch": "2.0",
    "transformers": "5.0",
    "python": "3.11",
    "clfa": "0.1",
    "load_before": 0.1,
}


def results(**changes: Any) -> dict[str, Any]:
    return {
        "machine": MACHINE,
        "measured": "2026-01-02",
        "rates": {"fp32": {"8 x 8 x 8": 150e9}, "bf16": {"8 x 8 x 8": 400e9}},
        "bandwidth": 21.5e9,
        "measurements": [],
        "comparisons": [],
        "failures": {},
        **changes,
    }


def row(page: str, start: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_without_results_the_page_has_the_summary_alone() -> None:
    page = render(None)
    assert page.startswith("# Performance\n\n## Summary\n\nBeside the authors' code")
    assert "No figures yet" in page


def test_the_page_in_the_repository_begins_as_it_would_be_written_now() -> None:
    written = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    beginning = render(None).partition("\nNo figures yet")[0]
    assert written.startswith(beginning)
    assert REFERENCE in written


def test_the_machine_and_its_rates() -> None:
    page = render(results())
    assert "A CPU, 2 cores (AVX512), 25.3 GB of memory, no GPU; 2 threads; PyTorch 2.0" in page
    assert row(page, "8 x 8 x 8") == ["8 x 8 x 8", "150", "400"]
    assert "21.5 GB/s" in page
    assert "Left out" not in page
    page = render(results(left_out={"bf16": "emulated by this processor"}, rates={"fp32": {"8 x 8 x 8": 150e9}}))
    assert "Left out: bf16, emulated by this processor." in page
    assert row(page, "8 x 8 x 8") == ["8 x 8 x 8", "150"]


def test_a_measurement_beside_its_floor() -> None:
    entry = {
        "name": "training",
        "architecture": "paper",
        "data": "mmsd",
        "precision": "fp32",
        "seconds": [10.0, 8.0, 9.0],
        "samples": 18,
        "floor_seconds": 3.0,
        "operations": 45e9,
        "operations_per_second": 10e9,
        "peak_memory_mb": 4321.0,
    }
    # 45 billion operations at 10 billion a second are half of 9 seconds.
    assert row(render(results(measurements=[entry])), "training") == [
        "training",
        "paper",
        "mmsd",
        "fp32",
        "9.00 s (8.00 s to 10.0 s)",
        "2.0",
        "3.00 s",
        "3.0",
        "50 %",
        "4,321 MB",
    ]


def test_a_time_limit_and_the_memory_of_a_gpu() -> None:
    entry = {"name": "start", "seconds": [16.0, 12.0, 14.0], "at_most": 15.0, "peak_memory_mb": 900.0}
    entry["peak_gpu_memory_mb"] = 2100.0
    cells = row(render(results(measurements=[entry])), "start")
    assert (cells[4], cells[9]) == ("14.0 s (12.0 s to 16.0 s); at most 15.0 s: reached", "900 MB, GPU 2,100 MB")
    slow = row(render(results(measurements=[entry | {"seconds": [16.0]}])), "start")
    assert slow[4] == "16.0 s; at most 15.0 s: MISSED"


def test_memory_beside_that_of_the_libraries() -> None:
    entry = {"name": "peak memory", "samples": 24_635, "peak_memory_mb": 1500.0, "floor_mb": 1000.0}
    assert row(render(results(measurements=[entry])), "peak memory")[4:] == [
        "",
        "24,635 samples",
        "1,000 MB",
        "1.5",
        "",
        "1,500 MB",
    ]


def test_a_comparison_has_ratio_spread_and_verdict() -> None:
    entry = {
        "name": "training",
        "variant": "fp32",
        "data": "mmsd",
        "unit": "s",
        "theirs": [8.0, 9.0, 12.0],
        "ours": [2.0, 3.0, 3.0],
        "target": 3.2,
        "floor_seconds": 1.5,
        "replaced": ["wordninja"],
    }
    page = render(results(comparisons=[entry]))
    assert row(page, "training") == [
        "training",
        "fp32",
        "mmsd",
        "9.00 s (8.00 s to 12.0 s)",
        "3.00 s (2.00 s to 3.00 s)",
        "**4.00x** (3.00 to 4.00)",
        "3.2x: reached",
        "1.50 s",
        "2.0",
    ]
    assert "replaced by stand-ins on their side: wordninja" in page
    missed = render(results(comparisons=[entry | {"target": 5}]))
    assert row(missed, "training")[6] == "5x: MISSED"


def test_memory_is_compared_in_megabytes_with_its_note() -> None:
    entry = {"name": "peak memory", "unit": "MB", "theirs": [30_000.0], "ours": [1_000.0], "target": 10, "note": "far"}
    page = render(results(comparisons=[entry]))
    assert row(page, "peak memory")[3:7] == ["30,000 MB", "1,000 MB", "**30.00x**", "10x: reached"]
    assert "Peak memory: far." in page


def test_levers_are_ratios_of_times() -> None:
    lever = {"name": "a lever", "of": "a step", "kept": "yes", "with": [1.0, 2.0, 4.0], "without": [1.5, 4.0, 10.0]}
    page = render(results(), levers={"levers": [lever]})
    assert row(page, "a lever") == ["a lever", "a step", "4.00 s", "2.00 s", "**2.00x** (1.50 to 2.50)", "yes"]
    assert "What was tried" not in render(results())


def test_failures_and_losses_are_told() -> None:
    check = {
        "ours": 3.6024332,
        "theirs": 3.6024332,
        "loss_difference": 0.0,
        "logit_difference": 3e-7,
        "gradient_difference": 2e-7,
    }
    page = render(results(failures={"guide": "some\nRuntimeError: no room"}), check, growth="### Samples\n")
    assert "- guide: RuntimeError: no room" in page
    assert "loss 3.602433 theirs, 3.602433 ours (relative difference 0.0e+00)" in page
    assert page.endswith("## Growth\n\n### Samples\n")
