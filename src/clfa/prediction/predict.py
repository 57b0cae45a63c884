"""Predictions on files of posts of any size: streamed, in order, resumable."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from clfa.errors import CLFAError, DataError
from clfa.files import write_json
from clfa.prediction.journal import MAX_EXAMPLES, PredictionJournal, PredictionSummary, file_identity
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.table import OUTPUT_SUFFIXES, check_output, table_columns, write_table
from clfa.progress import track
from clfa.runs.run_folder import RunFolder
from clfa.tables.cells import read_cells
from clfa.tables.columns import Columns, find_columns, run_names
from clfa.tables.formats import is_table, known_suffixes
from clfa.tables.rows import Row, Table, count_rows, open_rows
from clfa.targets.prediction import predicted_classes, prediction_record

# What a kill can cost: so many rows, or so many seconds of slower work, and the window in which they end.
COMMIT_ROWS, COMMIT_SECONDS = 1000, 10.0
# In the output folder of a folder of tables: the tables that are finished.
FINISHED = "finished.json"


def run_columns(path: str | Path) -> dict[str, str]:
    """Names of the text, image, id and knowledge columns that a run was trained with.

    Args:
        path: Run folder; anything else gives the usual names.
    """
    columns = RunFolder(path).read_columns()
    return {name: getattr(columns, name) or name for name in ("text", "image", "id", "knowledge")}


def predict_file(
    predictor: PostClassifier,
    source: str | Path,
    output: str | Path,
    *,
    text: str = "text",
    image: str = "image",
    identifier: str = "id",
    knowledge: str = "knowledge",
    strict: bool = False,
    failures: str | Path | None = None,
    resume: bool = False,
    commit_rows: int = COMMIT_ROWS,
) -> PredictionSummary:
    """Predict on every row of a JSONL, CSV, TSV or Parquet file, in constant memory and in order.

    The work so far is in ``OUTPUT.partial``, and what of it counts in ``OUTPUT.progress.json``; both go when the output
    is whole. A run that was killed, interrupted or out of memory leaves them for ``resume``.

    Args:
        predictor: The model.
        source: Input file. Relative image paths are relative to its folder.
        output: File to write; it appears when it is whole. JSON lines: the row's id, ``prediction``,
            ``probabilities`` and, for a row that failed, ``error``; with several targets the two in the middle stand
            under ``targets`` and the target's name. With the suffix ``.csv`` or ``.parquet`` the columns of
            :func:`clfa.prediction.table.table_columns`.
        text: Text column.
        image: Image column: paths, fsspec addresses, or encoded bytes.
        identifier: Id column; the row number where it is absent.
        knowledge: Knowledge column, for models that read it.
        strict: Make the first failing row an error.
        failures: JSONL file for the rows that failed: ``row``, ``id``, ``reason`` and ``message``.
        resume: Go on with what an interrupted run left; from the beginning where there is nothing.
        commit_rows: Rows after which the work so far is made to count.

    Returns:
        Counts.

    Raises:
        DataError: When the file cannot be read, lacks a column that the model needs, or, when strict, a row fails; when
            input, model or columns are not those of the run to be resumed.
    """
    source, output = Path(source), Path(output)
    check_output(output)
    columns = {"text": text, "image": image, "id": identifier, "knowledge": knowledge}
    identity = {
        "the input file": file_identity(source),
        "the model": predictor.fingerprint,
        "the columns": columns,
        "the list of failures": failures is not None,
    }
    journal = PredictionJournal(output, None if failures is None else Path(failures), identity, resume)
    start = time.monotonic()
    try:
        if not journal.finished:
            _predict_rows(predictor, source, journal, columns, strict, commit_rows)
        convert: Callable[[Path, Path], None] | None = None
        if output.suffix in (".csv", ".parquet"):
            convert = partial(write_table, columns=table_columns(predictor.label_names, predictor.targets))
        journal.finish(convert)
    except CLFAError:
        # Whoever asked for it mends the input or the command, and then nothing of this counts.
        journal.discard()
        raise
    except BaseException:
        if not journal.progress.exists():
            journal.discard()
        raise
    finally:
        journal.close()
    journal.summary.seconds = time.monotonic() - start
    if predictor.knowledge is not None:
        predictor.knowledge.warn()
    return journal.summary


def predict_folder(
    predictor: PostClassifier, source: str | Path, output: str | Path, *, resume: bool = False, **options: Any
) -> PredictionSummary:
    """Predict on every table of a folder: Parquet shards, or any files that :func:`predict_file` takes.

    Args:
        predictor: The model.
        source: Folder of tables.
        output: Folder to make, with a table of the same name for each (``.csv`` is added to a ``.tsv``), and with
            ``finished.json``: the tables that are whole.
        resume: Pass over the finished tables, and go on with the one that was interrupted.
        options: Of :func:`predict_file`; ``failures`` is a folder.

    Returns:
        Counts over all tables.

    Raises:
        DataError: When there is no table; as :func:`predict_file`; when a finished table's input has changed.
    """
    source, output = Path(source), Path(output)
    tables = sorted(path for path in source.iterdir() if is_table(path.name) and path.is_file())
    if not tables:
        raise DataError(f"{source} holds no table; expected files with one of {', '.join(known_suffixes())}.")
    if output.resolve() == source.resolve():
        raise DataError(f"{output} is the input folder; give another --output.")
    place = output / FINISHED
    finished = _read_finished(place) if resume else {}
    failures = options.pop("failures", None)
    total = PredictionSummary()
    for table in tables:
        columns = {name: options.get(name) for name in ("text", "image", "identifier", "knowledge")}
        identity = {"input": file_identity(table), "model": predictor.fingerprint, "columns": columns}
        known = finished.get(table.name)
        if known is None:
            name = table.name if table.suffix in OUTPUT_SUFFIXES else f"{table.name}.csv"
            listed = None if failures is None else Path(failures) / f"{table.name}.jsonl"
            summary = predict_file(predictor, table, output / name, failures=listed, resume=resume, **options)
            finished[table.name] = {**identity, "summary": summary.to_dict()}
            write_json(place, finished)
        elif {key: known.get(key) for key in identity} == identity:
            summary = PredictionSummary.from_dict(known["summary"])
        else:
            raise DataError(
                f"cannot resume {output}: {table}, the model or the columns changed since it was predicted on. "
                "Run again without --resume to begin anew."
            )
        total.add(summary, table.name)
    return total


def _read_finished(place: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{place} is damaged ({error}); run again without --resume.") from error
    return content


def _predict_rows(
    predictor: PostClassifier,
    source: Path,
    journal: PredictionJournal,
    columns: dict[str, str],
    strict: bool,
    commit_rows: int,
) -> None:
    summary = journal.summary
    waiting: deque[list[Row]] = deque()
    table = open_rows(source)
    found = _find_columns(predictor, table, columns)

    def windows() -> Iterator[list[Post]]:
        for rows in _chunked(table.rows(summary.resumed), predictor.window_size):
            waiting.append(rows)
            yield [_post(row, found, table.folder) for row in rows if row.error is None]

    committed, since = summary.rows, time.monotonic()
    # Counting is a pass over the file, for whoever looks at the bar.
    total = count_rows(source) if sys.stderr.isatty() else None
    with predictor.busy(), track(total, "predicting", unit="rows", done=summary.rows) as advance:
        for predictions in predictor.stream(windows()):
            rows = waiting.popleft()
            remaining = iter(predictions)
            for row in rows:
                unreadable = Prediction(None, {}, error=row.error, reason="unreadable row")
                result = unreadable if row.error is not None else next(remaining)
                row_id = read_cells(row, found, table.folder).id
                if strict and result.error is not None:
                    raise DataError(f"{source} row {row.number} (id {row_id}): {result.error}")
                _write(journal, row.number, row_id, result)
            summary.rows += len(rows)
            if summary.rows - committed >= commit_rows or time.monotonic() - since >= COMMIT_SECONDS:
                journal.commit()
                committed, since = summary.rows, time.monotonic()
            advance(len(rows))


def _post(row: Row, columns: Columns, folder: str) -> Post:
    cells = read_cells(row, columns, folder)
    return Post(cells.text, cells.image, cells.knowledge)


def _write(journal: PredictionJournal, number: int, row_id: Any, result: Prediction) -> None:
    summary = journal.summary
    record = {"id": row_id, **_record(result)}
    if result.error is None:
        summary.labels.update(_classes(result))
    else:
        record["error"] = result.error
        summary.failures[str(result.reason)] += 1
        if len(summary.examples) < MAX_EXAMPLES:
            summary.examples.append(f"row {number} (id {row_id}): {result.error}")
        failure = {"row": number, "id": row_id, "reason": result.reason, "message": result.error}
        journal.write_failure(_json_line(failure))
    journal.write(_json_line(record))


def _record(result: Prediction) -> dict[str, Any]:
    if result.targets is not None:
        return prediction_record(result.targets)
    if result.error is not None:
        return {"prediction": None}
    probabilities = {name: round(p, 6) for name, p in result.probabilities.items()}
    return {"prediction": result.label, "probabilities": probabilities}


def _classes(result: Prediction) -> list[str]:
    """The classes a prediction counts for; a number counts for none."""
    if result.targets is None:
        return [str(result.label)]
    return predicted_classes(result.targets)


def _json_line(record: dict[str, Any]) -> str:
    line = json.dumps(record, ensure_ascii=False, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:
        # Half an emoji in an id has a JSON escape and no UTF-8 form.
        line = json.dumps(record, default=str)
    return line + "\n"


def _find_columns(predictor: PostClassifier, table: Table, columns: dict[str, str]) -> Columns:
    given, run = run_names(columns)
    looks = predictor.knowledge is not None and predictor.knowledge.reads_images
    reads = {
        "text": predictor.processor.tokenizer is not None,
        "image": predictor.processor.image_processor is not None or looks,
    }
    required = [name for name, read in reads.items() if read and (table.columns or table.declares_columns)]
    return find_columns(
        table.columns, table.path, given=given, run=run, declared=table.declares_columns, required=required
    )


def _chunked(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
