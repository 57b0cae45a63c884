from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.operations import operations
from benchmarks.parts import draw_flame, main, table_lines
from torch import nn

from clfa.errors import CLFAError, DataError
from posts import make_posts, write_csv


def test_operations_of_products_and_convolutions() -> None:
    x = torch.zeros(2, 6, 8, 8)
    grouped = nn.Conv2d(6, 12, 3, padding=1, groups=6)
    with torch.no_grad():
        # Each of 12 outputs of 64 places reads 1 x 9 inputs.
        assert operations(lambda: grouped(x)) == 2 * 2 * 64 * 12 * 9
        assert operations(lambda: nn.Linear(8, 5)(x)) == 2 * 2 * 6 * 8 * 8 * 5


@pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_convolution_pointwise"), reason="this PyTorch has no fused convolutions"
)
def test_operations_of_fused_ones() -> None:
    fused = torch.ops.mkldnn
    x, weight, bias = torch.zeros(2, 6, 8, 8), torch.zeros(12, 1, 3, 3), torch.zeros(12)
    settings = ([1, 1], [1, 1], [1, 1], 6)
    with torch.inference_mode():
        count = operations(lambda: fused._convolution_pointwise(x, weight, bias, *settings, "none", [], ""))
        assert count == 2 * 2 * 64 * 12 * 9
        count = operations(lambda: fused._linear_pointwise(x, torch.zeros(5, 8), None, "none", [], ""))
        assert count == 2 * 2 * 6 * 8 * 8 * 5


def test_the_table() -> None:
    lines = table_lines({"decode": (3.0, 1.5), "labels": (1.0, np.nan)}, 3.5, 1000)
    assert lines[2:] == [
        "| decode | 3.00 | 75% | 1.50 | 2.0 |",
        "| labels | 1.00 | 25% |  |  |",
        "| sum of the parts | 4.00 | 100% | 1.50 | 2.7 |",
        "| the whole, parts side by side | 3.50 | 88% |  |  |",
    ]


def test_the_parts_of_a_run(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_csv(tmp_path / "posts.csv", make_posts(tmp_path, 12))
    main([str(tiny_run), str(table), "--posts", "8", "--rounds", "1", "--batch-size", "4"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("8 posts, batches of 4")
    rows = {cells[1].strip(): cells[2:6] for cells in (line.split("|") for line in lines[3:])}
    assert list(rows) == [
        *("read files", "decode", "resize, normalise", "tokens and terms", "vision encoder", "text encoder"),
        *("projections, fusion, head", "labels and probabilities", "sum of the parts", "the whole, parts side by side"),
    ]
    assert all(float(cells[0]) > 0 for name, cells in rows.items() if name not in ("read files",))
    # Nothing computes faster than the fastest product.
    assert all(float(rows[name][3]) >= 1 for name in ("vision encoder", "text encoder", "projections, fusion, head"))


def test_no_posts(tiny_run: Path, tmp_path: Path) -> None:
    rows = [{**row, "image": ""} for row in make_posts(tmp_path, 12)]
    with pytest.raises(DataError, match=r"no image|no posts"):
        main([str(tiny_run), str(write_csv(tmp_path / "posts.csv", rows))])


def test_a_flame_graph_needs_py_spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.parts.shutil.which", lambda *names, **options: None)
    with pytest.raises(CLFAError, match="a flame graph needs py-spy: pip install py-spy"):
        draw_flame(tmp_path / "flame.svg", ["run", "table.csv"])
