"""Options of clusters, ``clfa data embed`` and ``clfa data import-features``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfa.cli.summary import show_summary
from clfa.terminal import echo

if TYPE_CHECKING:
    from clfa.jobs.cluster_options import ClusterOptions

Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: `local` starts Ray on this machine, `auto` uses the cluster that it belongs to; or "
        "HOST:PORT of a head node.",
        show_default="local",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="With --engine ray: workers, each with the model.", min=1, show_default="as many as fit"),
]
WorkerCpus = Annotated[
    float | None, typer.Option(help="With --engine ray: processors of a worker.", min=0.01, show_default="1")
]
WorkerGpus = Annotated[
    float | None,
    typer.Option(help="With --engine ray: GPUs of a worker, also 0.5.", min=0, show_default="1 if there are any"),
]
ShardRows = Annotated[
    int | None,
    typer.Option(
        help="Rows of a shard, in folders and with --engine ray: what a lost worker costs.", min=1, show_default="10000"
    ),
]


class EmbedEngine(StrEnum):
    """Where embeddings are computed."""

    torch = "torch"
    ray = "ray"


def cluster_options(
    address: str | None, workers: int | None, worker_cpus: float | None, worker_gpus: float | None
) -> ClusterOptions:
    """Return the given options of a cluster."""
    from clfa.jobs.cluster_options import ClusterOptions

    return ClusterOptions(address, workers, worker_cpus, worker_gpus)


def embed(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or YAML file.")],
    source: Annotated[str, typer.Argument(metavar="INPUT", help="Table file, folder of them, or pattern in quotes.")],
    output: Annotated[Path, typer.Option(help="Folder of Parquet shards; unfinished work in it is continued.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="As for `clfa train`.", show_default=False)
    ] = None,
    engine: Annotated[EmbedEngine, typer.Option(help="One process, or a Ray cluster.")] = EmbedEngine.torch,
    text_column: Annotated[str | None, typer.Option(help="Text column; the recipe's when not given.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Image column; the recipe's when not given.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Id column; row numbers where there is none.")] = None,
    batch_size: Annotated[int, typer.Option(help="Rows, with their images, in memory at a time.", min=1)] = 64,
    failures: Annotated[
        Path | None, typer.Option(help="JSONL file for the rows that failed.", show_default=False)
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the unfinished work of an earlier command and start again.")
    ] = False,
    address: Address = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
    shard_rows: ShardRows = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
) -> None:
    """Compute guide embeddings and features of frozen encoders for a table of any size, into Parquet shards.

    The results equal those that `clfa train` with the same recipe computes first. `clfa data import-features` copies
    them to the cache of training runs.

    Examples:

        clfa data embed offline posts/ guide.path=runs/small/guide --output features --engine ray

        clfa data import-features features
    """
    from clfa.recipe import load_recipe
    from clfa.runs.known_names import check_encoders, check_known

    settings = load_recipe(recipe, overrides or [])
    check_known(settings)
    check_encoders(settings)
    from clfa.features.embed import embed_table

    summary = embed_table(
        settings,
        source,
        output,
        text=text_column,
        image=image_column,
        identifier=id_column,
        engine=engine.value,
        batch_size=batch_size,
        strict=strict,
        failures=failures,
        restart=restart,
        shard_rows=shard_rows,
        cluster=cluster_options(address, workers, worker_cpus, worker_gpus),
    )
    show_summary(summary, output, failures)


def import_features(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Finished output folder of `clfa data embed`.")],
    cache: Annotated[Path | None, typer.Option(help="Cache directory.", show_default="$CLFA_CACHE")] = None,
) -> None:
    """Put embeddings from `clfa data embed` into the cache, where `clfa train` finds them."""
    from clfa.features.import_features import import_features as run
    from clfa.pretrained import cache_dir

    for column, count in run(source, cache or cache_dir()).items():
        echo(f"{column}: {count:,} new")
