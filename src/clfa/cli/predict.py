"""``clfa predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clfa.cli.access_options import AllowOutside, AllowUrls, allowed_urls
from clfa.cli.one_post import predict_one
from clfa.cli.raw import Raw
from clfa.cli.scaling import Address, ShardRows, WorkerCpus, WorkerGpus, Workers, cluster_options
from clfa.cli.summary import show_summary
from clfa.devices import AUTO_PRECISION
from clfa.nearest import did_you_mean


def predict(
    run: Annotated[
        str,
        typer.Argument(help="Run folder, model directory or hub id; with --engine onnx or openvino an export."),
    ],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="Table file, folder of them, or pattern in quotes.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .jsonl, .csv or .parquet; or a folder, for Parquet files of --shard-rows rows. "
            "Default: INPUT.predictions.jsonl for a file, the folder INPUT.predictions for a folder.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="One post's text, instead of a file.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(help="One post's image: a path, or an address with --allow-urls; repeatable for several images."),
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Text column; the training table's when not given.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Image column; the training table's when not given.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Id column; row numbers where there is none.")] = None,
    separator: Annotated[
        str | None, typer.Option(help="Character between the fields of a CSV or TSV file; found by content by default.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of an Excel file; the first one when not given.")] = None,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue unfinished work. This is the default.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the unfinished work of an earlier command and start again.")
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(help="JSONL file for the rows that failed: row, id, reason, message.", show_default=False),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Posts per forward pass.", min=1)] = 32,
    precision: Annotated[str, typer.Option(help=f"auto, fp32 or bf16. {AUTO_PRECISION}")] = "auto",
    engine: Annotated[
        str,
        typer.Option(
            help="torch; onnx or openvino for an export (see `clfa export onnx --help`); or ray for a cluster of "
            "machines (an export is run by ONNX Runtime there, too)."
        ),
    ] = "torch",
    address: Address = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
    shard_rows: ShardRows = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
    raw: Raw = False,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Label only this share of posts, the surest ones; the rest keep their rows with abstained = true.",
            show_default=False,
        ),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(help="Add to each post a set that has the true label with this probability.", show_default=False),
    ] = None,
    set_method: Annotated[str, typer.Option(help="lac (the smallest sets) or aps (larger for harder posts).")] = "lac",
) -> None:
    """Predict on tables of posts, in constant memory, or on one post given with --image and --text.

    A row that cannot be read keeps its place in the output, with the reason under "error". A file appears when it
    is complete. After a kill, an error or a full disk, unfinished work is kept in OUTPUT.partial or in the output
    folder. The same command continues it, and every row is written once. If the input, the model or the columns have
    changed, the command stops with an error; --restart discards the unfinished work.

    Examples:

        clfa predict runs/mine posts.parquet --output predictions.parquet --failures failures.jsonl

        clfa predict runs/mine 'posts/*.parquet' --output predictions --engine ray --address auto

        clfa predict runs/mine --image a.jpg --text "best monday ever"

        clfa predict runs/mine posts.csv --coverage 0.8 --sets 0.9
    """
    from clfa.prediction.engines import ENGINES
    from clfa.runs.trained_place import require_trained

    if source is None and text is None and not image:
        raise typer.BadParameter("give an INPUT file, or one post with --image and --text.")
    if source is not None and (text is not None or image):
        raise typer.BadParameter("give either an INPUT file or one post with --image and --text, not both.")
    if resume and restart:
        raise typer.BadParameter("give either --resume or --restart, not both.")
    _one_of("--precision", precision, ["auto", "fp32", "bf16"])
    _one_of("--engine", engine, ENGINES.names())
    asked: dict[str, Any] = {"coverage": coverage, "sets": sets, "set_method": set_method}
    cluster = cluster_options(address, workers, worker_cpus, worker_gpus)
    if source is None:
        for_tables: dict[str, object] = {
            "--output": output,
            "--failures": failures,
            "--restart": restart,
            "--shard-rows": shard_rows,
        }
        for_tables |= {f"--{name.replace('_', '-')}": value for name, value in cluster.given().items()}
        for_tables |= {"--separator": separator, "--sheet": sheet}
        for_tables |= {"--resume": resume, "--strict": strict, "--raw": raw, "--allow-outside": allow_outside}
        for_tables |= {"--text-column": text_column, "--image-column": image_column, "--id-column": id_column}
        for option in [name for name, value in for_tables.items() if value not in (None, False)]:
            raise typer.BadParameter(f"{option} needs an INPUT.")
        require_trained(run)
        computing = {"batch_size": batch_size, "precision": precision, "allow_urls": allowed_urls(allow_urls)}
        predict_one(run, text, image or [], engine, asked, **computing)
        return

    from clfa.prediction.early import check_early
    from clfa.tables.row import TableOptions

    target = output or _default_output(source)
    # Before PyTorch is imported, so that a misspelt name is reported at once.
    columns = {"text": text_column, "image": image_column, "id": id_column}
    check_early(run, source, target, columns, TableOptions(separator, sheet=sheet))
    from clfa.prediction.predict import predict_file

    summary = predict_file(
        run,
        source,
        target,
        text=text_column,
        image=image_column,
        identifier=id_column,
        separator=separator,
        sheet=sheet,
        allow_urls=allowed_urls(allow_urls),
        allow_outside=allow_outside,
        engine=engine,
        precision=precision,  # type: ignore[arg-type]
        batch_size=batch_size,
        strict=strict,
        failures=failures,
        restart=restart,
        shard_rows=shard_rows,
        cluster=cluster,
        raw=raw,
        coverage=coverage,
        sets=sets,
        set_method=set_method,
    )
    show_summary(summary, target, failures)


def _default_output(source: Path) -> Path:
    if source.is_dir():
        return source.absolute().with_name(f"{source.absolute().name}.predictions")
    if not source.exists() and any(character in source.name for character in "*?["):
        raise typer.BadParameter("with a pattern as INPUT, give --output.")
    return source.with_name(f"{source.stem}.predictions.jsonl")


def _one_of(option: str, value: str, known: list[str]) -> None:
    if value not in known:
        hint = did_you_mean(value, known)
        raise typer.BadParameter(f"{option} is {value!r}; choose one of {', '.join(known)}.{hint}")
