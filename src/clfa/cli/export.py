"""``clfa export``: a trained model in the formats of other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfa.terminal import echo

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _export() -> None:
    """Write a trained model in another format."""


@app.command()
def onnx(
    run: Annotated[str, typer.Argument(help="Run folder, model directory or hub id.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder to make. Default: RUN/onnx, where --engine onnx finds it.")
    ] = None,
) -> None:
    """Export encoders, fusion and classifier as one ONNX file, any batch size and text length, and check it.

    The export is compared with PyTorch on made-up batches of several sizes, and refused where any output differs by
    more than 0.001. It needs the extra `onnx`: pip install 'clfa[onnx]'. Models with knowledge, and
    baselines whose computation depends on the data, cannot be exported.

    Example:

        clfa export onnx runs/mine

        clfa predict runs/mine new.jsonl --engine onnx
    """
    from clfa.runs.trained_place import require_trained

    require_trained(run)
    from clfa.prediction.onnx_export import export_onnx

    target = output or Path(run) / "onnx"
    report = export_onnx(run, target)
    echo(
        f"{target}: {report.megabytes:,.1f} MB; largest difference from PyTorch {report.max_difference:.1e} "
        f"over {report.batches} batches"
    )
