"""``clfa data``: look at data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfa.cli.access_options import AllowOutside, AllowUrls, allowed_urls
from clfa.cli.issues import issues
from clfa.cli.raw import Raw
from clfa.cli.reader_options import Option, reader_options
from clfa.cli.scaling import embed, import_features
from clfa.terminal import console, echo

app = typer.Typer(no_args_is_help=True, help="Look at data sets: counts, dropped samples, duplicates.")
app.command()(issues)
app.command()(embed)
app.command()(import_features)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Reader; `clfa data readers` lists them.")],
    data_dir: Annotated[str, typer.Argument(help="Data directory, table file, or hub id.")],
    output: Annotated[
        Path | None, typer.Option(help="Write the cleaned samples to this Parquet file, which the table reader reads.")
    ] = None,
    dropped: Annotated[Path | None, typer.Option(help="Write every sample left out to this CSV file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the whole report to this JSON file.")] = None,
    option: Option = None,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
    images: Annotated[bool, typer.Option(help="Decode every image and look for duplicate ones.")] = True,
    embed_images: Annotated[bool, typer.Option(help="Put the images into --output instead of their paths.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad sample.")] = False,
    threads: Annotated[int | None, typer.Option(help="Decoding threads.", min=1, show_default="processors")] = None,
    raw: Raw = False,
) -> None:
    """Count and validate samples, and compare with the published counts; write a cleaned copy on request.

    Examples:

        clfa data check mmsd mmsd/ -o knowledge=[attributes,ocr]

        clfa data check table posts.csv --output clean.parquet --dropped dropped.csv
    """

    from clfa.data.readers import check_source

    options = reader_options(option or [])
    check_source(name, data_dir, options)
    from clfa.data.check import check_corpus
    from clfa.data.check_view import render
    from clfa.data.export import write_dropped, write_parquet
    from clfa.files import require_apart, require_writable, write_json
    from clfa.tables.access import Access

    require_apart([report, dropped, output], [data_dir])
    for place in (report, dropped, output):
        if place is not None:
            require_writable(place, file=True)
    found = check_corpus(
        name,
        data_dir,
        check_images=images,
        strict=strict,
        threads=threads,
        access=Access.of(allowed_urls(allow_urls), allow_outside),
        **options,
    )
    console().print(render(found))
    if report is not None:
        write_json(report, found.to_dict())
        echo(f"Report: {report}")
    if dropped is not None:
        write_dropped(found.corpus.dropped, dropped, raw=raw)
        echo(f"{len(found.corpus.dropped):,} samples left out -> {dropped}")
    if output is not None:
        rows = write_parquet(found.corpus, output, embed_images=embed_images)
        echo(f"{rows:,} samples -> {output}")


@app.command()
def knowledge(
    name: Annotated[str, typer.Argument(help="Reader; `clfa data readers` lists them.")],
    data_dir: Annotated[str, typer.Argument(help="Data directory, table file, or hub id.")],
    output: Annotated[Path, typer.Option(help="Parquet file to write: id, split, knowledge.")],
    sources: Annotated[
        str, typer.Option(help="Sources, in the order of their texts: column, ocr, caption, hashtags.")
    ] = "ocr",
    caption_model: Annotated[str | None, typer.Option(help="Captioning model: directory or hub id.")] = None,
    option: Option = None,
    allow_urls: AllowUrls = None,
    allow_outside: AllowOutside = False,
) -> None:
    """Write the knowledge texts of a data set to a file. Runs on the same images read them from the cache.

    Examples:

        clfa data knowledge mvsa-single mvsa/ --sources ocr,hashtags --output texts.parquet

        clfa data knowledge table posts.csv --sources caption --caption-model blip/ --output captions.parquet
    """
    from clfa.data.readers import check_source, read_corpus
    from clfa.files import require_apart, require_writable

    options = reader_options(option or [])
    check_source(name, data_dir, options)
    from clfa.knowledge.export import write_knowledge
    from clfa.knowledge.fill import fill_knowledge
    from clfa.knowledge.texts import KnowledgeTexts
    from clfa.pretrained import cache_dir
    from clfa.recipe import validate_knowledge
    from clfa.tables.access import Access

    require_apart([output], [data_dir])
    require_writable(output, file=True)
    wanted = [part.strip() for part in sources.split(",") if part.strip()]
    recipe = validate_knowledge({"sources": wanted, "caption_model": caption_model}, "--sources")
    texts = KnowledgeTexts(recipe, cache_dir())
    access = Access.of(allowed_urls(allow_urls), allow_outside)
    corpus = fill_knowledge(read_corpus(name, data_dir, access=access, **options), texts)
    for split, (filled, rows) in write_knowledge(corpus, output).items():
        echo(f"{split}: {filled:,} of {rows:,} samples have a knowledge text")
    echo(f"Texts: {output}")


@app.command()
def readers() -> None:
    """List the readers, each with what it reads and its options."""
    import inspect

    from clfa.data.readers import READERS
    from clfa.errors import RecipeError

    for name in READERS.names():
        try:
            read = READERS.get(name)
        except RecipeError as error:
            # A reader of another package cannot be imported. The other readers still work.
            echo(f"{name:22} {error}")
            continue
        options = [parameter for parameter in inspect.signature(read).parameters if parameter != "data_dir"]
        echo(f"{name:22} {(inspect.getdoc(read) or '').splitlines()[0]}")
        echo(f"{'':22} options: {', '.join(options)}")
