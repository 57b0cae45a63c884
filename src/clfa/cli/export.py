"""``clfa export``: a trained model in the formats of other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfa.cli.access_options import AllowOutside, AllowUrls, allowed_urls
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
    precision: Annotated[str, typer.Option(help="fp32, or int8 for convolutions and large products in int8.")] = "fp32",
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Table of posts like those to come, for int8. Default: the validation posts of the run.",
            show_default=False,
        ),
    ] = None,
    calibration_posts: Annotated[int, typer.Option(help="Number of posts drawn from it.")] = 200,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
) -> None:
    """Export encoders, fusion and classifier as one ONNX file, any batch size and text length, and check it.

    The export is compared with PyTorch on made-up batches of several sizes, and refused where any output differs by
    more than 0.001. It needs the extra `onnx`: pip install 'clfa[onnx]'. Models with knowledge, and
    baselines whose computation depends on the data, cannot be exported.

    In int8 the export is smaller and quicker, and answers a few posts differently. It is compared with fp32 on the
    calibration posts, and refused where more than 5 % have another answer; export.json has the share.

    Examples:

        clfa export onnx runs/mine

        clfa export onnx runs/mine --precision int8 --calibration posts.csv

        clfa predict runs/mine new.jsonl --engine onnx
    """
    from clfa.runs.trained_place import require_trained

    require_trained(run)
    from clfa.prediction.onnx_export import export_onnx
    from clfa.tables.access import Access

    target = output or Path(run) / "onnx"
    report = export_onnx(
        run,
        target,
        precision=precision,  # type: ignore[arg-type]
        calibration=calibration,
        calibration_posts=calibration_posts,
        access=Access.of(allowed_urls(allow_urls), allow_outside),
    )
    echo(
        f"{target}: {report.megabytes:,.1f} MB; largest difference from PyTorch {report.max_difference:.1e} "
        f"over {report.batches} batches"
    )
    if report.int8 is not None:
        operations = " and ".join(f"{count} {kind}" for kind, count in report.int8["operations"].items())
        same = report.int8["same_answers"]
        equal = "" if same is None else f"{same:.1%} of them have the same answer as in fp32, "
        echo(
            f"int8: {operations}; calibrated with {report.int8['posts']} posts ({report.int8['left_out']} left out) of "
            f"{report.int8['source']}; {equal}largest difference {report.int8['probability_difference']:.3f}"
        )
