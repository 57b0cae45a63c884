"""Prediction on tables of any size, in constant memory, in order and resumable, with any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clfa.errors import Argument, ModelError
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.executor import ThisProcess
from clfa.jobs.outputs import FOLDER, output_kind
from clfa.jobs.pieces import ROWS_PER_SHARD
from clfa.jobs.run import run_job
from clfa.jobs.summary import Summary
from clfa.prediction.engines import ENGINES
from clfa.prediction.engines.base import Engine, Precision
from clfa.prediction.predict_job import PredictJob
from clfa.runs.run_folder import RunFolder
from clfa.tables.access import Access
from clfa.tables.columns import Columns
from clfa.tables.row import TableOptions
from clfa.targets.rules import Rules

if TYPE_CHECKING:
    from clfa.prediction.post_classifier import PostClassifier


def predict_file(
    model: str | Path | PostClassifier,
    source: str | Path,
    output: str | Path,
    *,
    text: str | None = None,
    image: str | None = None,
    identifier: str | None = None,
    knowledge: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
    run: Columns | None = None,
    image_root: str | Path | None = None,
    allow_urls: bool | str | Sequence[str] = False,
    allow_outside: bool = False,
    engine: str | None = None,
    precision: Precision | None = None,
    batch_size: int | None = None,
    strict: bool = False,
    failures: str | Path | None = None,
    restart: bool = False,
    shard_rows: int | None = None,
    cluster: ClusterOptions | None = None,
    commit_rows: int | None = None,
    raw: bool = False,
    coverage: float | None = None,
    sets: float | None = None,
    set_method: str = "lac",
) -> Summary:
    """Predict on every row of a table, in constant memory and in order.

    Unfinished work is kept (in ``OUTPUT.partial``, or in the output folder) after a kill, an interrupt or an error, and
    the same call continues it. An output file appears when it is complete.

    Args:
        model: Run folder, model directory or hub id; or a loaded model, which predicts in this process.
        source: File, folder or glob pattern of tables.
        output: A file: ``.jsonl`` with the row's id, ``prediction``, ``probabilities`` and, for a row that failed,
            ``error`` (with several targets the two in the middle stand under ``targets`` and the target's name); from
            models whose readout compares text and image also ``agreement``;
            ``.csv`` or ``.parquet`` with the flat columns of :func:`clfa.prediction.records.prediction_shape`. Or a
            folder, for Parquet files of such columns, and ``source``, ``row`` and ``reason``.
        text: Text column; as in the training table when not given, or else one of a usual name.
        image: Image column: paths, fsspec addresses, or encoded bytes; found in the same way when not given.
        identifier: Id column, found in the same way; the row number where there is none.
        knowledge: Knowledge column, found in the same way, for models that read it.
        separator: Character between the fields of a CSV or TSV file; found by content when not given.
        sheet: Sheet of an Excel file; the first one when not given.
        run: Columns of the training table; those that the run folder keeps when not given.
        image_root: What relative image paths are relative to; the run's, or the folder of each table, when not given.
        allow_urls: Addresses that rows may name as images: ``True``, or schemes such as ``["https"]``.
        allow_outside: Whether rows may name local images outside the folder that image paths are relative to, and that
            of the table.
        engine: Name in :data:`clfa.prediction.engines.ENGINES`; ``torch`` when not given.
        precision: ``auto``, ``fp32`` or ``bf16``; ``auto`` when not given.
        batch_size: Posts per forward pass; 32 when not given.
        strict: Make the first failing row an error.
        failures: JSONL file for the rows that failed: ``row``, ``id``, ``reason`` and ``message``, and ``source`` where
            there are several files or a folder is written.
        restart: Discard unfinished work.
        shard_rows: Rows of a shard, in folders and on a cluster.
        cluster: Options of engines that compute elsewhere.
        commit_rows: Rows after which the work so far is made to count, in this process.
        coverage: See :class:`clfa.targets.rules.Rules`, also for ``sets`` and ``set_method``. Rows then have
            ``confidence`` and ``abstained``, and no ``prediction`` where the model abstains.
        sets: Rows then have ``set``; in flat columns of a number ``lowest`` and ``highest``.
        set_method: ``lac`` or ``aps``.
        raw: Write texts into a CSV file as they are, without the apostrophes of :func:`clfa.sheets.guarded`.

    Returns:
        Counts.

    Raises:
        DataError: When the input or output cannot be used, lacks a column that the model needs, or, when strict, a row
            fails; when unfinished work is of other input, model or columns.
        ModelError: When the model cannot be loaded, an option is not for this engine, or the model cannot follow
            ``coverage`` or ``sets``.
        StorageError: If reading or writing fails.
        ClusterError: If the cluster fails or is too small.
    """
    rules = Rules(coverage, sets, set_method)
    if isinstance(model, str | Path):
        chosen: Engine = ENGINES.get(engine or "torch")()
        chosen.check(str(model), precision or "auto")
        run = run or RunFolder(model).read_columns()
    else:
        for name, value in (("engine", engine), ("precision", precision), ("batch_size", batch_size)):
            if value is not None:
                raise ModelError(Argument(name), " is for a model that is yet to be loaded; give its path.")
        chosen = ENGINES.get("torch")()
    job = PredictJob(
        # Workers start in other folders. A hub id must not become a path.
        str(Path(model).absolute() if Path(model).exists() else model) if isinstance(model, str | Path) else "",
        batch_size or 32,
        {"text": text, "image": image, "id": identifier, "knowledge": knowledge},
        run,
        TableOptions(separator, sheet=sheet),
        engine or "torch",
        precision or "auto",
        Access.of(allow_urls, allow_outside),
        rules if rules.given else None,
        None if isinstance(model, str | Path) else lambda job: model,
    )
    executor = chosen.executor(cluster or ClusterOptions())
    if shard_rows is not None and executor.here and output_kind(output) != FOLDER:
        raise ModelError(
            Argument("shard_rows"),
            " is for folders, and for ",
            Argument("engine", "ray"),
            "; one process writes a file row after row.",
        )
    if commit_rows is not None and isinstance(executor, ThisProcess):
        executor = replace(executor, commit_rows=commit_rows)
    return run_job(
        job,
        source,
        output,
        executor=executor,
        shard_rows=ROWS_PER_SHARD if shard_rows is None else shard_rows,
        image_root=image_root,
        failures=failures,
        strict=strict,
        restart=restart,
        raw=raw,
    )
