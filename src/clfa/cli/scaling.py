"""``--engine ray`` of ``clfa predict``, ``clfa data embed`` and ``clfa data import-features``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

Address = Annotated[
    str,
    typer.Option(
        help="With --engine ray: `local` starts Ray on this machine, `auto` uses the cluster that it belongs to; or "
        "HOST:PORT of a head node."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="With --engine ray: workers, each with the model.", min=1, show_default="as many as fit"),
]
WorkerCpus = Annotated[float, typer.Option(help="With --engine ray: processors of a worker.", min=0.01)]
WorkerGpus = Annotated[
    float | None,
    typer.Option(help="With --engine ray: GPUs of a worker, also 0.5.", min=0, show_default="1 if there are any"),
]
ShardRows = Annotated[
    int, typer.Option(help="With --engine ray: rows per shard, which is what a lost worker costs.", min=1)
]


class EmbedEngine(StrEnum):
    """Where embeddings are computed."""

    torch = "torch"
    ray = "ray"


def predict_on_ray(
    run: str,
    source: Path,
    output: Path | None,
    *,
    columns: dict[str, str],
    batch_size: int,
    strict: bool,
    address: str,
    workers: int | None,
    worker_cpus: float,
    worker_gpus: float | None,
    shard_rows: int,
) -> None:
    """``clfa predict --engine ray``: see :class:`clfa.prediction.predict_job.PredictJob`."""
    from clfa.jobs.job import Cluster, run_job
    from clfa.prediction.predict_job import PredictJob

    # Workers start elsewhere; a hub id stays one.
    place = str(Path(run).absolute()) if Path(run).exists() else run
    job = PredictJob(place, batch_size, columns["text"], columns["image"], columns["id"], columns["knowledge"])
    if output is None and not source.exists():
        raise typer.BadParameter("with a pattern as INPUT, give --output.")
    target = output or source.absolute().with_name(f"{source.absolute().stem}.predictions")
    cluster = Cluster(address, workers, worker_cpus, worker_gpus)
    show(run_job(job, source, target, cluster=cluster, rows_per_shard=shard_rows, strict=strict), target)


def embed(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or YAML file.")],
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Table file, folder of them, or pattern in quotes.")],
    output: Annotated[Path, typer.Option(help="Folder of Parquet shards; an unfinished one is gone on with.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="As for `clfa train`.", show_default=False)
    ] = None,
    engine: Annotated[EmbedEngine, typer.Option(help="One process, or a Ray cluster.")] = EmbedEngine.torch,
    text_column: Annotated[str | None, typer.Option(help="Text column; the recipe's when not given.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Image column; the recipe's when not given.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Id column; row numbers where there is none.")] = None,
    batch_size: Annotated[int, typer.Option(help="Rows, and their pictures, in memory at a time.", min=1)] = 64,
    address: Address = "local",
    workers: Workers = None,
    worker_cpus: WorkerCpus = 1.0,
    worker_gpus: WorkerGpus = None,
    shard_rows: ShardRows = 10_000,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
) -> None:
    """Compute guide embeddings and features of frozen encoders for a table of any size, into Parquet shards.

    What is computed is what `clfa train` with the same recipe would compute first; `clfa data import-features` puts it
    where a run finds it.

    Examples:

        clfa data embed offline posts/ guide.path=runs/small/guide --output features --engine ray

        clfa data import-features features
    """
    from clfa.features.embed_job import EmbedJob
    from clfa.jobs.job import Cluster, run_job
    from clfa.recipe import load_recipe

    settings = load_recipe(recipe, overrides or [])
    options = settings.data.options
    job = EmbedJob(
        settings.model_dump(),
        batch_size,
        text_column or str(options.get("text") or "text"),
        image_column or str(options.get("image") or "image"),
        id_column or str(options.get("id") or "id"),
    )
    cluster = Cluster(address, workers, worker_cpus, worker_gpus)
    result = run_job(
        job, source, output, engine=engine.value, cluster=cluster, rows_per_shard=shard_rows, strict=strict
    )
    show(result, output)


def import_features(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Finished output folder of `clfa data embed`.")],
    cache: Annotated[Path | None, typer.Option(help="Cache directory.", show_default="$CLFA_CACHE")] = None,
) -> None:
    """Put embeddings from `clfa data embed` into the cache, where `clfa train` finds them."""
    from clfa.features.import_features import import_features as run
    from clfa.pretrained import cache_dir

    for column, count in run(source, cache or cache_dir()).items():
        typer.echo(f"{column}: {count:,} new")


def show(result: Any, target: Path) -> None:
    """Say what came out of a job.

    Args:
        result: A :class:`clfa.jobs.job.JobResult`.
        target: The output folder.
    """
    total = result.total
    counts = ", ".join(f"{label} {count:,}" for label, count in total.labels.most_common())
    typer.echo(f"{total.rows:,} rows in {result.shards:,} shards -> {target}" + (f": {counts}" if counts else ""))
    typer.echo(f"  {result.seconds:.1f} s of work, the start of workers included")
    if result.skipped:
        typer.echo(f"  {result.skipped:,} shards were done before")
    if result.lost:
        typer.echo(f"  {result.lost:,} x a shard was lost with its worker, and done by another")
    failed = sum(total.failures.values())
    if failed:
        typer.echo(f"{failed:,} rows failed and carry an error:")
        for reason, count in total.failures.most_common():
            typer.echo(f"  {count:,} x {reason}")
        for example in total.examples:
            typer.echo(f"    {example}")
