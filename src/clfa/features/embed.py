"""Computation of guide embeddings and features of frozen encoders for tables of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clfa.features.embed_job import EmbedJob
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.executor import Executor, ThisProcess
from clfa.jobs.outputs import FOLDER
from clfa.jobs.pieces import ROWS_PER_SHARD
from clfa.jobs.run import run_job
from clfa.jobs.summary import Summary
from clfa.recipe import Recipe


def embed_table(
    recipe: Recipe,
    source: str | Path,
    output: str | Path,
    *,
    text: str | None = None,
    image: str | None = None,
    identifier: str | None = None,
    engine: Literal["torch", "ray"] = "torch",
    batch_size: int = 64,
    strict: bool = False,
    failures: str | Path | None = None,
    restart: bool = False,
    shard_rows: int | None = None,
    cluster: ClusterOptions | None = None,
) -> Summary:
    """Compute the embeddings and features of a training run in advance, and write them to a folder of Parquet files.

    Args:
        recipe: The recipe; its guide and its completely frozen encoders are used.
        source: File, folder or glob pattern of tables.
        output: Output folder; the same call continues an unfinished one.
        text: Text column; the recipe's when not given.
        image: Image column; the recipe's when not given.
        identifier: Id column; the recipe's when not given.
        engine: ``torch`` for this process, ``ray`` for a cluster.
        batch_size: Rows per batch; the images of a batch are in memory together.
        strict: Make the first failing row an error.
        failures: JSONL file for the failed rows.
        restart: Discard unfinished work.
        shard_rows: Rows per shard.
        cluster: Options of the engine ``ray``.

    Returns:
        Counts.

    Raises:
        CLFAError: As :func:`clfa.jobs.run.run_job`.
    """
    options = recipe.data.options
    job = EmbedJob(
        recipe.model_dump(),
        batch_size,
        text or str(options.get("text") or "text"),
        image or str(options.get("image") or "image"),
        identifier or str(options.get("id") or "id"),
    )
    given = cluster or ClusterOptions()
    executor: Executor = ThisProcess()
    if engine == "ray":
        from clfa.jobs.cluster import RayCluster

        executor = RayCluster.of(given)
    else:
        given.refuse(engine)
    return run_job(
        job,
        source,
        output,
        executor=executor,
        output_kind=FOLDER,
        shard_rows=ROWS_PER_SHARD if shard_rows is None else shard_rows,
        failures=failures,
        strict=strict,
        restart=restart,
    )
