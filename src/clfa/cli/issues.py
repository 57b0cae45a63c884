"""``clfa data issues``: posts of a data set to look at again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfa.cli.access_options import AllowOutside, AllowUrls, allowed_urls
from clfa.cli.raw import Raw
from clfa.cli.reader_options import Option, reader_options
from clfa.terminal import echo


def issues(
    name: Annotated[str, typer.Argument(help="Reader; `clfa data readers` lists them.")],
    data_dir: Annotated[str, typer.Argument(help="Data directory, table file, or hub id.")],
    output: Annotated[Path, typer.Option(help="HTML page to write.")] = Path("issues.html"),
    table: Annotated[
        Path | None,
        typer.Option(help="File of all records to write: .jsonl or .csv.", show_default="--output with .jsonl"),
    ] = None,
    option: Option = None,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
    recipe: Annotated[
        str | None,
        typer.Option(help="Recipe whose frozen encoders and guide are used as well, for instance `offline`."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Target whose labels are ranked.", show_default="the first")
    ] = None,
    ignore: Annotated[
        str | None,
        typer.Option(help="Regular expression of parts of texts that labels are not predicted from, as `#\\w+`."),
    ] = None,
    images: Annotated[bool, typer.Option(help="Decode every image.")] = True,
    folds: Annotated[int, typer.Option(help="Folds of the predictions.", min=2)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the folds.", min=0)] = 0,
    shown: Annotated[int, typer.Option(help="Posts, and groups, in each section of the page.", min=1)] = 48,
    threads: Annotated[int | None, typer.Option(help="Decoding threads.", min=1, show_default="processors")] = None,
    raw: Raw = False,
) -> None:
    """Find probable wrong labels, near-duplicates, and posts whose picture and text do not belong together.

    Examples:

        clfa data issues table posts.csv --output issues.html

        clfa data issues mvsa-single mvsa/ --recipe offline --table issues.csv
    """
    from clfa.data.readers import check_source, read_corpus
    from clfa.data.target_name import check_target

    options = reader_options(option or [])
    check_source(name, data_dir, options)
    check_target(name, options, target)
    from clfa.files import atomic_write, require_apart, require_writable
    from clfa.recipe import load_recipe
    from clfa.tables.access import Access

    chosen = None if recipe is None else load_recipe(recipe)
    # Imported after the names are checked, so that errors in them are reported at once.
    from clfa.data import validate
    from clfa.issues import find_issues
    from clfa.issues.find import without
    from clfa.issues.page import render_page
    from clfa.issues.posts import find_target
    from clfa.issues.records import check_suffix, write_records

    without(ignore, [])
    table = output.with_suffix(".jsonl") if table is None else table
    check_suffix(table)
    require_apart([output, table], [data_dir])
    for place in (output, table):
        require_writable(place, file=True)
    access = Access.of(allowed_urls(allow_urls), allow_outside)
    read = read_corpus(name, data_dir, access=access, **options)
    find_target(read, target)
    corpus = validate(read, check_images=images, check_texts=read.has_texts, threads=threads)
    found = find_issues(
        corpus, recipe=chosen, target=target, ignore=ignore, images=images, folds=folds, seed=seed, threads=threads
    )
    write_records(found, table, raw=raw)
    with atomic_write(output) as file:
        file.write(render_page(found, table.name, shown))
    echo(f"{len(found.posts):,} labelled posts, {int(found.labels.wrong.sum()):,} probably wrong labels")
    echo(
        f"{len(found.groups):,} groups of near-duplicates: {sum(group.conflict for group in found.groups):,} with "
        f"different labels, {sum(group.across for group in found.groups):,} across splits"
    )
    echo(f"Page: {output}\nRecords: {table}")
